"""The base of merging methods that work on differences."""

import shutil
from dataclasses import replace

import pytest
import torch

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core.spec import Fused, Look
from explorer.ui.compare import base
from tests.ui.conftest import button, words
from tests.ui.test_compare import choose


@pytest.fixture
def tuned(tiny, store, work, tmp_path):
    """tuned(name): models tuned from one of that name, which is not the first by name; the first lies far away. Registered; their recipes by name."""

    def made(name):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(tiny.folder / "problem.toml", folder)
        weights = checkpoint_file.read(tiny.a).weights
        for number, (other, length) in enumerate({"lr-high": 5.0, "lr-low": 0.2, "lr-mid": 0.3, name: 0.0, "z": 0.4}.items()):
            dice = torch.Generator().manual_seed(number)
            checkpoint_file.write(
                folder / f"{other}.safetensors", {k: w + length * 0.1 * torch.randn(w.shape, generator=dice) for k, w in weights.items()}
            )
        store.submit(Look(str(folder)))
        work()
        return {file.stem: loaded(file) for file in sorted(folder.glob("*.safetensors"))}

    return made


@pytest.mark.parametrize("name", ["parent", "my_base-model", "m"])
def test_the_base_is_the_one_called_so_or_the_central_one(store, tuned, name):
    """Not the first by name; beside it the models nearest to it are ticked, and the far one is not."""
    models = {m.digest: m for m in tuned(name).values()}
    key = base.proposed(store, models)
    assert models[key].name == name
    assert [models[k].name for k in base.nearest(store, models, key, 3)] == [name, "lr-low", "lr-mid"]


def test_a_base_that_lies_aside_is_doubted(store, tuned):
    """With the numbers; the central one is not, nor is either of two models, nor one whose distances are not known."""
    models = tuned("parent")
    middle, aside = models["parent"], models["lr-high"]
    others = [models[n] for n in ("lr-low", "lr-mid", "z")]
    said = base.doubt(store, [aside, middle, *others])
    assert said.startswith("**lr-high** is not in the middle") and "that of **parent**" in said
    assert base.doubt(store, [middle, aside, *others]) == ""
    assert base.doubt(store, [aside, middle]) == ""
    assert base.doubt(store, [replace(aside, name="my-parent"), middle, *others]) == "", "who calls it so knows"


def test_the_page_asks_for_the_base(visit, store, tuned):
    """Proposed and ticked; another choice is warned of before anything is measured, and is what is merged from."""
    models = tuned("parent")
    app = visit("compare", a=models["z"].digest)
    chosen = next(m for m in app.multiselect if m.label == "Models")
    assert chosen.value == [models[n].digest for n in ("parent", "lr-low", "lr-mid")]
    box = next(s for s in app.selectbox if s.label.startswith("Base of methods"))
    assert box.value == models["parent"].digest
    assert "not in the middle" not in words(app)
    chosen.set_value([models[n].digest for n in ("lr-high", "lr-low", "parent")]).run()
    box = next(s for s in app.selectbox if s.label.startswith("Base of methods"))
    assert box.value == models["parent"].digest
    box.set_value(models["lr-high"].digest).run()
    assert "**lr-high** is not in the middle" in words(app)
    choose(app, "ties")
    button(app, "Compare").click().run()
    (merged,) = {c for s in store.statuses("Run") if s.active for c in s.request.field.corners if isinstance(c, Fused)}
    assert [m.name for m in merged.models] == ["lr-high", "lr-low", "parent"]
    assert not app.exception
