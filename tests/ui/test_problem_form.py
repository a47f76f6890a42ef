"""Checkpoints that no problem fits: the form describes them, and they are looked at again."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import trust
from tests.problems.test_parts import Sites
from tests.ui.conftest import button, words


@pytest.fixture
def stranger(tmp_path):
    """Two checkpoints of an MLP that nobody has described, and data for it."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=rng.normal(size=(60, 7)), y=rng.integers(3, size=60))
    for seed in range(2):
        generator = torch.Generator().manual_seed(seed)
        sizes = {"layers.0.weight": (5, 7), "layers.0.bias": (5,), "layers.1.weight": (3, 5), "layers.1.bias": (3,)}
        checkpoint_file.write(folder / f"{seed}.safetensors", {n: torch.randn(s, generator=generator) for n, s in sizes.items()})
    return folder


def inspected(visit, work, folder):
    """The page after a look at a folder."""
    app = visit("checkpoints")
    app.text_input(key="path").set_value(str(folder))
    next(b for b in app.button if b.label == "Look").click().run()
    work()
    return app.run()


def test_a_form_makes_strangers_known(visit, store, work, stranger):
    """The network is recognised from the tensors; data and loss are chosen; the file is previewed, written, and the models are looked at again."""
    app = inspected(visit, work, stranger)
    assert "What are these models" in words(app)
    key = f"describe-{stranger}"
    app.selectbox(key=f"{key}-data").set_value("npz").run()
    app.text_input(key=f"{key}-path").set_value("data.npz").run()
    preview = app.code[-1]
    assert "widths = [7, 5, 3]" in preview.value and 'path = "data.npz"' in preview.value
    button(app, "Write problem.toml and inspect again").click().run()
    assert (stranger / "problem.toml").read_text().strip() == preview.value.strip()
    work()
    app.run()
    assert not app.exception
    assert "is a checkpoint of" in words(app) and "What are these models" not in words(app)
    assert [f.problem.data.name for f in store.checkpoints() if str(stranger) in f.path] == ["npz", "npz"]


def test_a_mistake_can_be_taken_back(visit, work, stranger):
    """What does not fit is told by the look; the file that the form wrote goes, and the form is there again, as it was filled in."""
    app = inspected(visit, work, stranger)
    key = f"describe-{stranger}"
    app.selectbox(key=f"{key}-data").set_value("npz").run()
    app.text_input(key=f"{key}-path").set_value("gone.npz").run()
    button(app, "Write problem.toml and inspect again").click().run()
    work()
    app.run()
    assert any("There is no" in e.value for e in app.error)
    button(app, "Withdraw this problem.toml and correct it").click().run()
    assert not (stranger / "problem.toml").exists()
    work()
    app.run()
    assert not app.exception and "What are these models" in words(app)


def test_a_wrong_entry_is_a_sentence_and_nothing_is_offered_to_be_written(visit, work, stranger):
    """Widths that are no numbers."""
    app = inspected(visit, work, stranger)
    app.text_input(key=f"describe-{stranger}-mlp-widths").set_value("seven").run()
    assert not app.exception and app.error and not any(b.label.startswith("Write") for b in app.button)


def test_a_problem_that_is_there_is_not_asked_for_again(visit, work, stranger):
    """Somebody's own problem.toml that does not fit is theirs to correct."""
    (stranger / "problem.toml").write_text('[network]\nname = "mlp"\n[data]\nname = "digits"\n')
    app = inspected(visit, work, stranger)
    assert "What are these models" not in words(app) and not any("Withdraw this" in b.label for b in app.button)


def test_a_network_of_several_inputs_and_outputs_is_described_in_the_form(visit, store, work, tmp_path, monkeypatch):
    """The inputs by the names of the arrays, the output by its name; a missing one is told with the names there are."""
    monkeypatch.setattr(trust, "given", frozenset({"tests.problems.test_parts:Sites"}))
    rng = np.random.default_rng(0)
    arrays = {"image": rng.normal(size=(60, 1, 4, 4)), "site": rng.integers(4, size=60), "known": rng.random(60) > 0.5, "y": rng.integers(3, size=60)}
    np.savez(tmp_path / "data.npz", **arrays)
    for seed in range(2):
        torch.manual_seed(seed)
        checkpoint_file.write(tmp_path / f"{seed}.safetensors", Sites().state_dict())
    app, key = inspected(visit, work, tmp_path), f"describe-{tmp_path}"
    app.selectbox(key=f"{key}-nets").set_value("factory").run()
    app.text_input(key=f"{key}-factory-call").set_value("tests.problems.test_parts:Sites").run()
    app.text_input(key=f"{key}-npz-inputs").set_value("image site known").run()
    app.text_input(key=f"{key}-path").set_value("data.npz").run()
    button(app, "Write problem.toml and inspect again").click().run()
    work()
    app.run()
    assert any("its outputs are features, scores" in e.value for e in app.error)
    button(app, "Withdraw this problem.toml and correct it").click().run()
    work()
    app.run()
    app.text_input(key=f"{key}-factory-output").set_value("scores").run()
    button(app, "Write problem.toml and inspect again").click().run()
    work()
    app.run()
    assert not app.exception and not app.error and "is a checkpoint of" in words(app)
    found = [f for f in store.checkpoints() if str(tmp_path) in f.path]
    assert [(f.problem.network["output"], f.problem.data["inputs"]) for f in found] == [("scores", ("image", "site", "known"))] * 2
    assert all(f.movable > 0.9 for f in found)
