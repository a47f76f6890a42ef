"""Activation matching with `symmetry=all`: what passes the layers in the place of the weights."""

import numpy as np
import pytest
import torch

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.unit_activations import record
from explorer.methods.align import _all_classes
from explorer.methods.align._classes_by_activations import _unread, beside, title, together
from explorer.methods.align.activation_matching import _standard, align
from explorer.methods.align.shuffle import align as shuffle
from explorer.symmetry import permuted
from explorer.symmetry.closest import Element
from explorer.symmetry.gauges import changed, drawn
from explorer.symmetry.groups import random
from tests.methods.align import sample
from tests.methods.align.test_all_classes import line, norm


@pytest.mark.parametrize("cost", ["correlation", "l2"])
@pytest.mark.parametrize(("name", "samples"), [("digits-mlp", 256), ("digits-resnet", 64), ("digits-vit", 64), ("char-gpt", 8)])
def test_a_planted_element_is_undone(name, samples, cost):
    """Permutations, scales, maps and gains at once: every weight comes back, in float32."""
    problem, (a, _) = sample(name)
    planted = shuffle([a, a], problem, symmetry="all").weights[1]
    assert norm(a, planted) > 0.3 * norm(a)
    done = align([a, planted], problem, symmetry="all", samples=samples, cost=cost)
    assert norm(a, done.weights[1]) <= 1e-5 * norm(a)
    assert all(torch.equal(done.weights[0][n], t) for n, t in a.items())


def test_what_passes_a_layer_moves_as_its_weights_do():
    """The activations of a model after a random element are the element's maps of its activations: the very relation that matching rests on."""
    problem, (a, _) = sample("digits-vit")
    lattice, _ = _all_classes.lattice_for([a, a], problem)
    own = _all_classes.canonical([a], problem, lattice)[0].weights
    generator = torch.Generator().manual_seed(2)
    element = Element(random(lattice.symmetry, generator), drawn(lattice, generator))

    def seen(weights):
        return record(problem, [weights], lattice.axes, samples=16, observations=512, seed=0, device="cpu", progress=lambda *_: None)

    sides, (before,) = seen(own)
    _, (after,) = seen(changed(permuted(own, lattice.symmetry, element.maps), lattice, element.turns))
    extended = beside(lattice, sides)
    names = list(map(title, sides))
    moved = changed(permuted(dict(zip(names, before, strict=True)), extended.symmetry, element.maps), extended, element.turns)
    assert len(names) > 8
    for name, x in zip(names, after, strict=True):
        assert (moved[name] - x).abs().max() <= 1e-5 * x.abs().max(), name


def test_between_independent_models_it_goes_below_permutations():
    """Of two vision transformers, on held-out samples."""
    problem, (a, b) = sample("digits-vit")
    permutations, every = (align([a, b], problem, samples=256, **o).weights[1] for o in ({}, {"symmetry": "all"}))
    naive, before, after = (line(problem, a, w).max() for w in (b, permutations, every))
    assert naive > before > after
    (trace,) = align([a, b], problem, samples=256, symmetry="all").trace
    assert (np.diff(trace) < 0).all()


def test_standardised_units_stay_correlations_and_mixed_ones_keep_their_proportions():
    """Each unit by itself where no class mixes them, one factor for a stream that may be turned."""
    problem, (a, _) = sample("digits-vit")
    lattice, _ = _all_classes.lattice_for([a, a], problem)
    own = _all_classes.canonical([a], problem, lattice)[0].weights
    sides, (seen,) = record(problem, [own], lattice.axes, samples=16, observations=512, seed=0, device="cpu", progress=lambda *_: None)
    done = together(own, list(a), seen, sides, lattice, _standard)
    lengths = {title(s): done[title(s)].norm(dim=1) for s in sides}
    hidden, stream = lengths["input of blocks.0.down"], lengths["input of head"]
    assert torch.allclose(hidden[hidden > 0.5], torch.ones_like(hidden[hidden > 0.5]))
    assert float(stream.square().sum()) == pytest.approx(len(stream))
    assert stream.std() > 0.05


def test_what_no_layer_reads_is_said():
    """Without a side all groups and gauges are named; with all of them none."""
    problem, (a, _) = sample("digits-mlp")
    lattice, _ = _all_classes.lattice_for([a, a], problem)
    (note,) = _unread(lattice, [])
    assert all(g in note for g in lattice.symmetry.groups)
    sides, _ = record(problem, [a], lattice.axes, samples=4, observations=4, seed=0, device="cpu", progress=lambda *_: None)
    assert _unread(lattice, sides) == ()


def test_mutual_information_is_refused_and_the_default_keeps_its_id():
    """It says nothing of maps that mix units."""
    problem, models = sample("digits-mlp")
    with pytest.raises(Refused, match="correlation or l2"):
        align(models, problem, symmetry="all", cost="mutual_information")
    plain = registry.method("align", "activation_matching")
    assert plain == registry.method("align", "activation_matching", {"symmetry": "permutations"})
    assert plain != registry.method("align", "activation_matching", {"symmetry": "all"})
