"""The closest element of all symmetries: planted elements undone, closed forms against search, and the shortest weights of an orbit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explorer import symmetry
from explorer.symmetry import gauges as g
from explorer.symmetry import widen
from explorer.symmetry.balance import balanced
from explorer.symmetry.classes import SymmetryClass as C
from explorer.symmetry.closest import Canonical, Descent, best, restored, total, worth
from tests.symmetry import change, uneven
from tests.symmetry.test_widen import MLP, MODELS, Logits, Normed

UNDONE = 1e-5  # of the reference's norm
COMPACT = [C.SIGNED, C.ROTATIONS, C.CENTRED, C.ORTHOGONAL]


def length(weights, names):
    return sum(float(weights[n].double().square().sum()) for n in names) ** 0.5


def apart(a, b, names):
    return length({n: a[n].double() - b[n].double() for n in names}, names)


class Autoencoder(nn.Module):
    """Linear, narrow in the middle: any map of the code is free."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(9, 4), nn.Linear(4, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


NETWORKS = {
    "ReLU": (lambda: MLP(torch.relu), torch.randn(4, 6)),
    "tanh": (lambda: MLP(torch.tanh), torch.randn(4, 6)),
    "linear autoencoder": (Autoencoder, torch.randn(4, 9)),
    "RMSNorm": (lambda: Normed(nn.RMSNorm), torch.randn(4, 6)),
    "LayerNorm": (lambda: Normed(nn.LayerNorm), torch.randn(4, 6)),
    **{name: (lambda m=MODELS[name]: Logits(m.build()), MODELS[name].given) for name in ("GPT-2", "GPT-2, untied", "Llama", "Llama, tied", "ViT")},
}


def prepared(name):
    """A network, what it is given, its classes, its weights and a random copy of the same function: all in float64."""
    build, given = NETWORKS[name]
    torch.manual_seed(0)
    network = uneven(build().eval())
    args, kwargs = ((), given) if isinstance(given, dict) else ((given,), {})
    lattice = widen(network, args, kwargs)
    a = {n: t.clone() for n, t in network.state_dict().items()}
    b, _ = g.displaced(a, lattice, torch.Generator().manual_seed(3))
    return network, (args, kwargs), lattice, a, b, [n for n, _ in network.named_parameters()]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_planted_element_of_every_class_is_undone(name):
    """From far away back to the reference, step by step nearer, and the function stays what it was."""
    network, (args, kwargs), lattice, a, b, names = prepared(name)
    assert apart(a, b, names) > 0.2 * length(a, names)
    there, here = Canonical.of(a, lattice, names), Canonical.of(b, lattice, names)
    descent = Descent(there.weights, here.weights, lattice, names)
    element, trace = descent.run(symmetry.identity(lattice.symmetry), np.random.default_rng(0), anchored=True)
    assert (np.diff(trace) < 0).all()
    done = restored(there, here, lattice, element, b)
    assert apart(a, done, names) <= UNDONE * length(a, names)
    assert change(network, done, args, kwargs) < 1e-6
    again = g.changed(g.changed(b, lattice, g.folding(b, lattice), folds=True), lattice, {})
    again = g.changed(symmetry.permuted(again, lattice.symmetry, element.maps), lattice, total(there, here, lattice, element))
    again = g.changed(again, lattice, g.inverted(there.folds), folds=True)
    assert apart(again, done, names) <= 1e-9 * length(a, names), "what is told of the maps is what was done"


def test_between_unlike_models_every_step_comes_nearer_and_the_trace_is_the_distance():
    """Two independent Llamas: the distance falls, and its last value is that of the canonical weights; the function is the model's own."""
    network, (args, kwargs), lattice, a, _, names = prepared("Llama")
    generator = torch.Generator().manual_seed(9)
    b = {
        n: t if not t.is_floating_point() else t + 0.5 * t.std(correction=0) * torch.randn(t.shape, generator=generator, dtype=t.dtype)
        for n, t in a.items()
    }
    there, here = Canonical.of(a, lattice, names), Canonical.of(b, lattice, names)
    element, trace = Descent(there.weights, here.weights, lattice, names).run(symmetry.identity(lattice.symmetry), np.random.default_rng(0))
    assert len(trace) > 3
    assert (np.diff(trace) < 0).all()
    placed = g.changed(symmetry.permuted(here.weights, lattice.symmetry, element.maps), lattice, element.turns)
    assert apart(there.weights, placed, [n for n in names if "norm" not in n]) == pytest.approx(trace[-1], rel=1e-9)
    network.load_state_dict(b)
    assert change(network, restored(there, here, lattice, element, b), args, kwargs) < 1e-5, "its norms are computed in float32"


@pytest.mark.parametrize("name", ["ReLU", "linear autoencoder", "Llama", "ViT"])
def test_balanced_weights_are_the_shortest_and_the_same_for_the_whole_orbit(name):
    """No small element of a class makes them shorter, and a displaced copy balances to the same length; balance keeps the function."""
    network, (args, kwargs), lattice, a, b, names = prepared(name)
    there, here = Canonical.of(a, lattice, names), Canonical.of(b, lattice, names)
    shortest = length(there.weights, names)
    assert shortest == pytest.approx(length(here.weights, names), rel=1e-9)
    for seed in range(5):
        near = g.drawn(lattice, torch.Generator().manual_seed(seed), spread=1e-3)
        assert length(g.changed(there.weights, lattice, near), names) >= shortest * (1 - 1e-12)
    folded = g.changed(a, lattice, there.folds, folds=True)
    again, value = balanced(folded, lattice, names)
    assert change(network, g.changed(again, lattice, g.inverted(there.folds), folds=True), args, kwargs) < 1e-9
    assert apart(g.changed(folded, lattice, value), again, names) < 1e-9 * shortest


@pytest.mark.parametrize("cls", COMPACT)
def test_the_closed_form_of_each_class_is_its_maximum(cls):
    """⟨M, S⟩ of the map is what `worth` says, the map is of its class, and no random element of the class reaches more."""
    generator = torch.Generator().manual_seed(4)
    s = torch.randn(3, 6, 6, generator=generator, dtype=torch.float64)
    found = best(cls, s)
    matrix = torch.diag_embed(found) if found.dim() == 2 else found
    reached = (matrix * s).sum((-2, -1))
    assert torch.allclose(reached, worth(cls, s))
    assert torch.allclose(matrix @ matrix.mT, torch.eye(6, dtype=torch.float64).expand_as(matrix))
    for _ in range(200):
        other = g._drawn(cls, 3, 6, generator, 0.5)  # pyright: ignore[reportPrivateUsage]
        other = torch.diag_embed(other) if other.dim() == 2 else other
        assert ((other * s).sum((-2, -1)) <= reached + 1e-12).all()


def test_units_that_nothing_writes_or_reads_are_no_obstacle():
    """Dead units have no scale to be balanced: finite, and the function stays."""
    network = uneven(MLP(torch.relu))
    with torch.no_grad():
        network.a.weight[:2] = 0
        network.a.bias[:2] = 0
        network.b.weight[:, 2:4] = 0
    lattice = widen(network, (torch.randn(4, 6),))
    names = [n for n, _ in network.named_parameters()]
    weights = network.state_dict()
    done = Canonical.of(weights, lattice, names)
    assert all(t.isfinite().all() for t in done.weights.values())
    assert change(network, done.weights, (torch.randn(4, 6),)) < 1e-12
