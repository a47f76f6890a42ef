"""Laws of every fusion method."""

import importlib
from dataclasses import replace

import pytest
import torch

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Fused
from explorer.engine.realise_recipe import realise
from explorer.problems.problem import Problem
from explorer.store.records import Made

NAMES = registry.names("fuse")


def count(name):
    """How many models a method is tried on: three, or the most it takes."""
    _, most = getattr(importlib.import_module(f"explorer.methods.fuse.{name}"), "MODELS", (1, None))
    return min(3, most or 3)


@pytest.fixture
def models(tiny):
    a, b = (checkpoint_file.read(p).weights for p in (tiny.a, tiny.b))
    return [a, b, {k: v.roll(1, 0) for k, v in b.items()}]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_with_itself_is_that_model(tiny, models, name):
    """fuse([w, w, …]) == w, to rounding."""
    fused = registry.find("fuse", name)([models[0]] * count(name), tiny.problem)
    assert all(torch.allclose(fused[k], models[0][k], rtol=1e-6, atol=1e-7) for k in models[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", NAMES)
def test_names_shapes_and_dtypes_stay_and_inputs_are_untouched(tiny, models, name, dtype):
    """The result loads where the ingredients load, shares no memory with them, and is finite."""
    models = [{k: v.to(dtype) for k, v in m.items()} for m in models[: count(name)]]
    before = [{k: v.clone() for k, v in m.items()} for m in models]
    fused = registry.find("fuse", name)(models, tiny.problem)
    assert {k: (v.shape, v.dtype) for k, v in fused.items()} == {k: (v.shape, v.dtype) for k, v in models[0].items()}
    assert all(v.isfinite().all() for v in fused.values())
    for tensor in fused.values():
        tensor.fill_(7)
    assert all(torch.equal(m[k], b[k]) for m, b in zip(models, before, strict=True) for k in m)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_request_gives_the_same_model(tiny, models, name):
    """Bit for bit, whatever the global generator holds, which is left as it was."""
    fuse = registry.find("fuse", name)
    first = fuse(models[: count(name)], tiny.problem)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        state = torch.get_rng_state()
        assert all(torch.equal(first[k], v) for k, v in fuse(models[: count(name)], tiny.problem).items())
        assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("name", [n for n in NAMES if getattr(importlib.import_module(f"explorer.methods.fuse.{n}"), "BASE", False)])
def test_a_base_alone_is_refused(tiny, models, name):
    """A method with a base says what it wants besides."""
    with pytest.raises(Refused, match="a base, and .* got 1 model"):
        registry.find("fuse", name)(models[:1], tiny.problem)
    assert "first model is the base" in registry.title("fuse", name)


@pytest.mark.parametrize("name", [n for n in NAMES if {o.name for o in registry.options("fuse", n)} & {"weights", "coefficients"}])
def test_a_model_with_a_weight_of_zero_has_no_part(tiny, models, name):
    """Any other in its place: the same result."""
    (key,) = {o.name for o in registry.options("fuse", name)} & {"weights", "coefficients"}
    weights = (1.0, 0.0) if registry.has_base(name) else (0.3, 0.7, 0.0)
    fuse = registry.find("fuse", name)
    found = fuse(models, tiny.problem, **{key: weights})
    other = fuse([*models[:2], models[0]], tiny.problem, **{key: weights})
    assert all(torch.allclose(found[k], other[k], rtol=1e-5, atol=1e-6) for k in found)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_method_needs_is_what_it_says(tiny, models, name):
    """Where there are no data, a method that needs none works, and one that needs some says that they are missing."""
    nowhere = Problem(replace(tiny.problem.spec, data=registry.method("data", "npz"), path="/nowhere/data.npz"))
    fuse = registry.find("fuse", name)
    if registry.data_of(name):
        with pytest.raises(Refused):
            fuse(models[: count(name)], nowhere)
    else:
        fuse(models[: count(name)], nowhere)
    assert registry.data_of(name) in ("", *(f"{split} {what}" for split in ("train", "val") for what in ("inputs", "labels")))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_with_the_defaults_is_carried_out(tiny, store, home, name):
    """The file that is kept loads into the network, and holds what the method gives."""
    files = (tiny.a, tiny.b, tiny.a)[: count(name)]
    recipe = Fused(tiny.problem.spec, tuple(map(loaded, files)), registry.method("fuse", name))
    made = realise(recipe, store, home)
    tiny.problem.network().load_state_dict(made)
    expected = registry.find("fuse", name)([checkpoint_file.read(f).weights for f in files], tiny.problem)
    assert all(torch.equal(made[k], expected[k]) for k in expected)
    took = Made.from_json(store.noted(recipe.id))
    assert took.seconds > 0
    assert took.counters == ()
