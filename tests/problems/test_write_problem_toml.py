"""A problem.toml from what was chosen: it reads back as what was meant, lies where it may, and overwrites nothing."""

import tomllib

import pytest

from explorer.api import find_problem
from explorer.checkpoints import change_mark, checkpoint_file
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.spec import Look
from explorer.engine.inspect_checkpoints import inspect_path
from explorer.problems import problem_toml, write_problem_toml

MLP = {"widths": (64, 12, 10)}


def text(**changes):
    """For the tiny digits."""
    chosen = {"network": registry.method("nets", "mlp", MLP), "data": registry.method("data", "digits"), "path": "", "loss": "cross_entropy"}
    return write_problem_toml.text_of(**{**chosen, **changes})


@pytest.fixture
def bare(tiny, tmp_path):
    """A checkpoint of the tiny problem that says nothing of it, alone in a folder."""
    folder = tmp_path / "bare"
    folder.mkdir()
    checkpoint_file.write(folder / "a.safetensors", checkpoint_file.read(tiny.a).weights)
    return folder


def test_the_text_reads_back_as_the_problem_that_was_meant(tmp_path, tiny):
    """Only what differs from a default is written; the problem is the same one, to the hash."""
    (tmp_path / "problem.toml").write_text(text(title="Tiny digits"))
    spec = problem_toml.read(tmp_path)
    assert (spec.id, spec.title) == (tiny.problem.spec.id, "Tiny digits")


@pytest.mark.parametrize("title", ['He said "no"', "back\\slash", "line\nbreak", "Ünïcode 🗺️", "\x7f\x01", "[network]"])
def test_whatever_is_typed_is_text(title):
    """Nothing typed can become another line of the file."""
    assert tomllib.loads(text(title=title))["title"] == title
    assert tomllib.loads(text(path=title))["data"]["path"] == title


def test_values_of_every_kind_read_back():
    """Numbers, truth values, lists, texts."""
    data = registry.method("data", "table", {"target": "y", "task": "regression", "columns": ("a", "b"), "standardise": False})
    found = tomllib.loads(text(data=data, loss="mse", val=0.05, seed=7))
    assert found["data"] == {"name": "table", "target": "y", "task": "regression", "columns": ["a", "b"], "standardise": False}
    assert (found["loss"], found["split"]) == ("mse", {"val": 0.05, "test": 0.3, "seed": 7})
    assert tomllib.loads(text(data=registry.method("data", "npz", {"scale": 1e-05})))["data"]["scale"] == 1e-05


def test_nothing_is_overwritten_and_only_the_own_text_is_taken_back(bare):
    """A second writing is refused, and so is taking back what somebody has changed."""
    place = write_problem_toml.place_for(bare)
    assert place == bare / "problem.toml"
    write_problem_toml.write(place, "one")
    with pytest.raises(Refused, match="exists already .* is not overwritten"):
        write_problem_toml.write(place, "two")
    assert place.read_text() == "one"
    place.write_text("mine")
    with pytest.raises(Refused, match="has been changed since"):
        write_problem_toml.take_back(place, "one")
    write_problem_toml.take_back(place, "mine")
    assert not place.exists()


def test_a_folder_that_cannot_be_written_to_is_described_in_the_users_own(bare, home, store, monkeypatch):
    """The worker finds it there, by the folder; paths are written in full; and the mark changes, so that it is looked at again."""
    monkeypatch.setattr("os.access", lambda *_: False)  # the tests may run as root, who may write anywhere
    before, place = change_mark.mark(bare), write_problem_toml.place_for(bare)
    assert place == locations.described_at(bare, home) and home in place.parents
    assert write_problem_toml.relative("data/x.npz", bare, place) == str(bare / "data/x.npz")
    assert write_problem_toml.relative("data/x.npz", bare, bare / "problem.toml") == "data/x.npz"
    write_problem_toml.write(place, text())
    assert change_mark.mark(bare) != before
    (seen,) = inspect_path(Look(str(bare), change_mark.mark(bare)), store, report=lambda *_: True).files
    assert seen.problem is not None and seen.problem.network["widths"] == (64, 12, 10)
    assert find_problem(bare / "a.safetensors", None).id == seen.problem.id
    assert not (bare / "problem.toml").exists()


def test_a_served_app_writes_into_no_folder_of_others(bare, home, monkeypatch):
    """Who looks through a browser elsewhere may not write beside the checkpoints."""
    monkeypatch.setenv("LOSS_EXPLORER_ROOTS", str(bare))
    assert home in write_problem_toml.place_for(bare).parents


def test_a_look_says_which_network_has_these_tensors(bare, store, tmp_path):
    """Recognised by names and shapes; a config.json counts before them; what nobody knows is no network."""
    checkpoint_file.write(bare / "a.safetensors", {f"layers.{i}.{k}": t for i in (0, 1) for k, t in _layer(i).items()}, replace=True)
    (seen,) = inspect_path(Look(str(bare)), store, report=lambda *_: True).files
    assert (seen.problem, seen.network) == (None, registry.method("nets", "mlp", {"widths": (7, 5, 3)}))
    (bare / "config.json").write_text("{}")
    (seen,) = inspect_path(Look(str(bare)), store, report=lambda *_: True).files
    assert seen.network is not None and seen.network["config"] == str(bare / "config.json")
    assert write_problem_toml.fitted(seen.network, bare, bare / "problem.toml")["config"] == "config.json"
    (bare / "config.json").unlink()
    checkpoint_file.write(bare / "a.safetensors", {"strange": _layer(0)["bias"]}, replace=True)
    assert inspect_path(Look(str(bare)), store, report=lambda *_: True).files[0].network is None


def _layer(i):
    import torch

    return {"weight": torch.ones((5, 7) if i == 0 else (3, 5)), "bias": torch.ones(5 if i == 0 else 3)}
