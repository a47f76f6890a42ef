"""Laws of the methods that need weights only: ties, counters, float64, memory of their own."""

import importlib
from functools import partial

import pytest
import torch

from tests.methods.fuse import drawn

NAMES = (
    *("interpolate", "slerp", "karcher", "uniform_soup", "temperature", "task_arithmetic", "ties", "dare", "della", "breadcrumbs", "model_stock"),
    *("tsv_m", "iso_c", "iso_cts", "knots", "wudi", "tall_mask", "consensus", "pcb", "lines"),
    *("multislerp", "nearswap", "ram", "sce", "arcee_fusion"),
)


def method(name):
    """The function, and three models or as many as it takes, around the first."""
    module = importlib.import_module(f"explorer.methods.fuse.{name}")
    base = drawn(0)
    fuse = partial(module.fuse, scores=(0.8, 0.9, 0.7)) if name == "temperature" else module.fuse  # without scores it would measure
    return fuse, [base, drawn(1, base, 0.1), drawn(2, base, 0.1)][: getattr(module, "MODELS", (1, None))[1]]


@pytest.mark.parametrize("name", NAMES)
def test_tied_tensors_are_fused_once_and_integers_are_the_first_models(tiny, name):
    """Tied in all models: one object under both names, also where entries are drawn at random. A mean of counters means nothing."""
    fuse, models = method(name)
    fused = fuse([{**m, "tied": m["conv"], "steps": torch.tensor(10 + i)} for i, m in enumerate(models)], tiny.problem)
    assert fused["tied"] is fused["conv"]
    assert fused["steps"] == 10
    assert fused["steps"].dtype == torch.int64


@pytest.mark.parametrize("name", NAMES)
def test_tensors_that_only_one_model_ties_are_told_apart(tiny, name):
    """What the others hold under the second name is not lost."""
    fuse, models = method(name)
    first, *others = models
    other = drawn(9)["conv"]
    fused = fuse([{**first, "tied": first["conv"]}, *({**m, "tied": other} for m in others)], tiny.problem)
    assert not torch.equal(fused["tied"], fused["conv"])


@pytest.mark.parametrize("name", NAMES)
def test_double_precision_stays_and_is_not_written_to(tiny, name):
    """Nothing on the way is single, and no input is the place of a sum."""
    fuse, models = method(name)
    models = [{n: t.double() for n, t in m.items()} for m in models]
    before = [{n: t.clone() for n, t in m.items()} for m in models]
    fused = fuse(models, tiny.problem)
    single = fuse([{n: t.float() for n, t in m.items()} for m in models], tiny.problem)
    for n, t in fused.items():
        assert t.dtype == torch.float64
        assert torch.allclose(t, single[n].double(), rtol=1e-5, atol=1e-6)
        t.fill_(7)
    assert all(torch.equal(m[n], b[n]) for m, b in zip(models, before, strict=True) for n in m)


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_without_elements_passes(tiny, name):
    """Its shape and nothing else."""
    fuse, models = method(name)
    fused = fuse([{**m, "none": torch.zeros(0, 3)} for m in models], tiny.problem)
    assert fused["none"].shape == (0, 3)
