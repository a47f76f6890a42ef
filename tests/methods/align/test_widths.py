"""Models of other widths, aligned over all classes of symmetry: the same function in the first one's shapes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.methods.align import activation_matching, learned, weight_matching
from explorer.methods.align._all_classes import prepared
from explorer.problems.problem import Problem
from explorer.symmetry.gauges import _drawn, changed
from explorer.symmetry.groups import Concat, Fixed, Free, Product, permuted, random
from explorer.symmetry.padding import at, upright
from tests.methods.align import sample
from tests.methods.align.test_all_classes import norm

NARROW = {
    "digits-mlp": {"widths": (64, 20, 64, 10)},
    "digits-vit": {"dim": 24, "ratio": 1},
    "char-gpt": {"dim": 64, "ratio": 2},
    "digits-resnet": {"widths": (4, 8, 16)},
}


def narrow(name):
    """A problem of a shipped kind, a wide network of it, and a narrower one with uneven weights."""
    shipped, _ = sample(name, 1)
    spec = shipped.spec
    own = {**spec.network.kwargs(), **({"tied": False} if name == "char-gpt" else {})}
    options = NARROW[name]
    problem, small = (Problem(replace(spec, network=registry.method("nets", spec.network.name, o))) for o in (own, {**own, **options}))
    generator = torch.Generator().manual_seed(0)
    start = small.network(seed=1).state_dict()
    model = {n: t + 0.1 * torch.rand(t.shape, generator=generator) if t.is_floating_point() else t.clone() for n, t in start.items()}
    return problem, dict(problem.network(seed=2).state_dict()), small, model


def outputs(problem, weights):
    network = problem.network().eval()
    network.load_state_dict(weights)
    with torch.no_grad():
        return network(problem.split("test").inputs[:16])


@pytest.mark.parametrize("name", NARROW)
def test_a_widened_model_computes_what_its_own_network_does(name):
    """Hidden layers, channels under batch norm, and transformers with heads, a stream and norms; in the wide one's shapes, and said."""
    problem, wide, small, model = narrow(name)
    done = weight_matching.align([wide, model], problem, symmetry="all", restarts=1)
    assert {n: t.shape for n, t in done.weights[1].items()} == {n: t.shape for n, t in wide.items()}
    expected = outputs(small, model)
    assert (outputs(problem, done.weights[1]) - expected).abs().max() <= 1e-3 * expected.abs().max()
    assert any("Model 2 was widened" in note for note in done.notes)
    assert all(torch.equal(done.weights[0][n], t) for n, t in wide.items())


@pytest.mark.parametrize("name", ["digits-mlp", "digits-vit", "char-gpt"])
def test_a_narrow_model_is_found_within_a_wide_one(name):
    """The reference is the narrow model widened, then permuted and turned at random along every class: the two coincide."""
    problem, wide, _, model = narrow(name)
    (_, widened), lattice, _ = prepared([wide, model], problem, "weight_matching")
    generator = torch.Generator().manual_seed(3)
    turns = {n: _drawn(g.cls.compact, lattice.outer(g), g.size, generator, 0.5) for n, g in lattice.gauges.items() if g.cls.compact.moves}
    moved = changed(permuted(widened, lattice.symmetry, random(lattice.symmetry, generator)), lattice, turns)
    done = weight_matching.align([moved, model], problem, symmetry="all", restarts=2)
    assert norm(widened, moved) > 0.3 * norm(widened)
    assert norm(moved, done.weights[1]) <= 1e-4 * norm(moved)


def test_the_other_methods_take_them_too():
    """By activations, and learned from weight matching's maps."""
    problem, wide, small, model = narrow("digits-vit")
    expected = outputs(small, model)
    for done in (
        activation_matching.align([wide, model], problem, symmetry="all", samples=64),
        learned.align([wide, model], problem, steps=10, restarts=1),
    ):
        assert (outputs(problem, done.weights[1]) - expected).abs().max() <= 1e-3 * expected.abs().max()
        assert (np.diff(done.trace[0]) <= 0).all()


def test_the_widest_comes_first():
    """A reference with fewer units has no room; permutations alone need equal widths as before."""
    problem, wide, small, model = narrow("digits-mlp")
    with pytest.raises(Refused, match="give the widest first"):
        weight_matching.align([model, wide], small, symmetry="all")
    with pytest.raises(Refused, match="optimal_transport"):
        weight_matching.align([wide, model], problem)


def test_what_cannot_be_widened_is_refused_and_not_changed():
    """A norm whose gain has to stay normalises over the places that are new as well."""
    problem, wide, _, model = narrow("digits-vit")
    model["blocks.0.norm1.weight"][3] = 0
    with pytest.raises(Refused, match="without a change of what it computes"):
        weight_matching.align([wide, model], problem, symmetry="all", restarts=1)


def test_ones_stay_ones():
    """The reflection keeps lengths and takes the ones of few places to those of all."""
    turn = upright(3, 7)
    assert torch.allclose(turn @ turn.T, torch.eye(7, dtype=torch.float64))
    few = torch.tensor([1.0, 1, 1, 0, 0, 0, 0], dtype=torch.float64) / 3**0.5
    assert torch.allclose(turn @ few, torch.full((7,), 7**-0.5, dtype=torch.float64))


def test_units_keep_their_place_within_products_and_after_concatenations():
    """Two of three heads with two of four places each, after two of three units and one that is fixed."""
    axis = Concat((Free("a", 3), Fixed(1), Product((Free("heads", 3), Free("dim", 4, "heads")))))
    assert at(axis, {"a": 2, "heads": 2, "dim": 2}).tolist() == [0, 1, 3, 4, 5, 8, 9]
