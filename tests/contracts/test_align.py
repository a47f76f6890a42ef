"""Laws of every alignment method."""

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused

QUICK = {  # options that make a slow method quick enough for a law; every one keeps what the law speaks of
    "sinkhorn": {"steps": 40},
    "straight_through": {"steps": 20},
    "learned": {"steps": 20},
    "frank_wolfe": {},
}
KEEPS_DISTANCE = {"shuffle"}  # methods that do not try to come nearer in weight space


@pytest.fixture(scope="module")
def models(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def aligned(tiny, models, name, **options):
    """The method with every option checked and filled in, as a recipe runs it."""
    method = registry.method("align", name, {**QUICK.get(name, {}), **options})
    return registry.find("align", name)(models, tiny.problem, **method.kwargs())


def outputs(tiny, weights):
    network = tiny.problem.network()
    network.load_state_dict(weights)
    return network(tiny.problem.split("test").inputs[:64])


def distance(a, b):
    return float(sum((a[k].double() - b[k].double()).square().sum() for k in a)) ** 0.5


@pytest.mark.parametrize("name", registry.names("align"))
def test_the_function_is_unchanged_unless_the_method_says_otherwise(tiny, models, name):
    """An exact alignment permutes and nothing else: outputs stay to rounding."""
    done = aligned(tiny, models, name)
    if not done.exact:
        assert name in ("zip", "optimal_transport"), "only these give models that compute something else"
        return
    for before, after in zip(models, done.weights, strict=True):
        expected = outputs(tiny, before)
        assert (outputs(tiny, after) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", [n for n in registry.names("align") if n not in KEEPS_DISTANCE])
def test_nothing_gets_farther_apart(tiny, models, name):
    """In weights, or for methods that look at activations or the loss, at the midpoint: no pair is worse off than before."""
    from explorer.evaluate.evaluator import Evaluate

    done = aligned(tiny, models, name)

    def midpoint(pair):
        return Evaluate(tiny.problem, pair, split="train", metrics=("loss",))(np.array([0.5, 0.5])).sum()

    assert distance(*done.weights) <= distance(*models) * (1 + 1e-6) or midpoint(done.weights) <= midpoint(models) * (1 + 1e-6)


@pytest.mark.parametrize("name", registry.names("align"))
def test_inputs_shapes_and_dtypes_stay(tiny, models, name):
    """Nothing is written to the caller's models, and every result loads where they load."""
    before = [{k: v.clone() for k, v in m.items()} for m in models]
    done = aligned(tiny, models, name)
    assert all(torch.equal(m[k], b[k]) for m, b in zip(models, before, strict=True) for k in m)
    for weights in done.weights:
        assert {k: (v.shape, v.dtype) for k, v in weights.items()} == {k: (v.shape, v.dtype) for k, v in models[0].items()}


@pytest.mark.parametrize("name", registry.names("align"))
def test_the_same_seed_gives_the_same_maps(tiny, models, name):
    """Whatever the global random state is, and leaves it as it was."""
    torch.manual_seed(1)
    first = aligned(tiny, models, name)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = aligned(tiny, models, name)
    assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(first.maps, second.maps, strict=True):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[g], b[g]) for g in a)


@pytest.mark.parametrize("name", registry.alignments())
def test_a_shuffled_copy_is_restored(tiny, models, name):
    """A network and its copy in another order: afterwards their average computes the network's function."""
    found = symmetry.symmetry_of(tiny.problem)
    maps = symmetry.random(found, torch.Generator().manual_seed(5))
    shuffled = symmetry.permuted(models[0], found, maps)
    done = aligned(tiny, [models[0], shuffled], name)
    middle = {k: (done.weights[0][k] + done.weights[1][k]) / 2 for k in models[0]}
    expected = outputs(tiny, models[0])
    assert (outputs(tiny, middle) - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("name", registry.names("align"))
def test_half_precision_stays_half_precision(tiny, models, name):
    """Matched in float32, returned in the checkpoint's own dtype."""
    halves = [{k: v.half() for k, v in m.items()} for m in models]
    done = aligned(tiny, halves, name)
    assert all(v.dtype == torch.float16 and v.isfinite().all() for w in done.weights for v in w.values())


@pytest.mark.parametrize("name", registry.names("align"))
def test_double_precision_stays_double_precision(tiny, models, name):
    """Inputs are given to the network in its own precision."""
    wide = [{k: v.double() for k, v in m.items()} for m in models]
    done = aligned(tiny, wide, name)
    assert all(v.dtype == torch.float64 and v.isfinite().all() for w in done.weights for v in w.values())


@pytest.mark.parametrize("name", [n for n in registry.names("align") if n != "optimal_transport"])
def test_unequal_widths_are_refused_with_the_way_out(tiny, models, name):
    """The sentence names the tensor, both shapes, and the method that can."""
    wide = {
        "layers.0.weight": torch.zeros(20, 64),
        "layers.0.bias": torch.zeros(20),
        "layers.1.weight": torch.zeros(10, 20),
        "layers.1.bias": torch.zeros(10),
    }
    with pytest.raises(Refused, match="optimal_transport"):
        aligned(tiny, [models[0], wide], name)


@pytest.mark.parametrize("name", registry.names("align"))
def test_the_orders_on_the_way_lead_to_the_result(tiny, models, name):
    """Where a method tells them there is one for each value of its trace, each a permutation, and the last is what it returns."""
    done = aligned(tiny, models, name)
    assert len(done.steps) in (0, len(done.trace))
    for steps, trace, maps in zip(done.steps, done.trace, done.maps[1:], strict=bool(done.steps)):
        assert len(steps) == len(trace)
        assert all(
            torch.equal(order.sort(dim=-1).values, torch.arange(order.shape[-1]).expand_as(order)) for step in steps for order in step.values()
        )
        assert all(torch.equal(steps[-1][g], p) for g, p in maps.items())


@pytest.mark.parametrize("name", registry.names("align"))
def test_dead_units_are_no_obstacle(tiny, models, name):
    """Units without any weight, in both models: no NaN, no exception."""
    dead = [{k: v.clone() for k, v in m.items()} for m in models]
    for m in dead:
        m["layers.0.weight"][:3] = 0
        m["layers.0.bias"][:3] = 0
        m["layers.1.weight"][:, :3] = 0
    done = aligned(tiny, dead, name)
    assert all(v.isfinite().all() for w in done.weights for v in w.values())
