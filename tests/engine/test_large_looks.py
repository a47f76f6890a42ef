"""Large files: inspected by their headers and one pass over their values, and aligned without being held whole."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import lazy_weights
from explorer.commands.look import by_sentence
from explorer.core import registry
from explorer.core.spec import Aligned, Look
from explorer.engine import inspect_checkpoints, realise_recipe
from explorer.engine.inspect_checkpoints import inspect_path
from explorer.store.estimate_cost import estimate


def go_on(*_):
    return True


@pytest.fixture
def all_large(monkeypatch):
    """Every file counts as a large one."""
    monkeypatch.setattr(inspect_checkpoints, "LARGE", 0)
    monkeypatch.setattr(inspect_checkpoints, "WORK", (0, 0))
    monkeypatch.setattr(inspect_checkpoints, "LAZILY", 0)


def test_the_loss_is_left_out_and_the_rest_is_as_before(tiny, store, all_large, monkeypatch):
    """Its sentence says so with the numbers; distances have the same bits; a plan knows how many samples there are."""
    found = inspect_path(Look(str(tiny.folder), problem=tiny.problem.spec), store, report=go_on)
    assert all(f.quality == () and f.problem == tiny.problem.spec for f in found.files)
    (sentence,) = by_sentence(found.files)
    assert f"{found.files[0].parameters:,} parameters" in sentence
    assert "a line or a plane measures it" in sentence
    assert dict(found.files[0].items)["test"] == len(tiny.problem.split("test").targets)
    plan = estimate(tiny.run(), store)
    assert plan is not None
    assert plan.samples == len(tiny.problem.split("test").targets)
    distances = store.gram([f.digest for f in found.files])
    monkeypatch.setattr(inspect_checkpoints, "LARGE", 2**26)
    monkeypatch.setattr(inspect_checkpoints, "LAZILY", 2**26)
    plain = inspect_path(Look(str(tiny.folder), problem=tiny.problem.spec), store, report=go_on)
    assert np.array_equal(store.gram([f.digest for f in plain.files]), distances)
    assert [f.digest for f in plain.files] == [f.digest for f in found.files]


def test_values_are_read_one_tensor_after_another(tiny, store, all_large, monkeypatch):
    """And given back once they have been looked at: no more than `HELD` bytes and one tensor are held."""
    held = []
    let_go = lazy_weights.Streamed.let_go
    monkeypatch.setattr(lazy_weights, "HELD", 1)
    monkeypatch.setattr(lazy_weights.Streamed, "let_go", lambda self: held.append(self._read) or let_go(self))
    inspect_path(Look(str(tiny.a), problem=tiny.problem.spec), store, report=go_on)
    sizes = [t.nbytes for t in tiny.problem.network().state_dict().values()]
    assert held
    assert max(held) <= max(sizes)


def test_large_files_are_aligned_to_the_same_bits(tiny, store, home, tmp_path, monkeypatch):
    """Each tensor read when it is asked for."""
    recipe = Aligned(tiny.problem.spec, tiny.field().corners, 1, registry.method("align", "weight_matching", {"restarts": 1}))
    plain = realise_recipe.realise(recipe, store, home)
    monkeypatch.setattr(realise_recipe, "LAZILY", 0)
    (tmp_path / "other").mkdir()
    lazily = realise_recipe.realise(recipe, store, tmp_path / "other")
    assert all(torch.equal(plain[n], lazily[n]) for n in plain)
