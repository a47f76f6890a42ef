"""Cosines place by place of an axis."""

import numpy as np
import pytest
import torch

from explorer.methods.align import _all_classes
from explorer.methods.align.shuffle import align as shuffle
from explorer.symmetry.likeness import likeness
from tests.methods.align import sample


def test_it_is_the_cosine_of_all_that_is_written_and_read():
    """Of a hidden layer unit by unit: its row, its bias and its column, put one after the other."""
    problem, (a, b) = sample("digits-mlp")
    lattice, _ = _all_classes.lattice_for([a, b], problem)
    found = likeness(a, b, lattice, list(a))["layers.0"]
    units = [torch.cat([w["layers.0.weight"], w["layers.0.bias"][:, None], w["layers.1.weight"].T], dim=1) for w in (a, b)]
    assert found[0] == pytest.approx(torch.cosine_similarity(*units).numpy(), abs=1e-6)


def test_a_model_is_like_itself_and_a_displaced_copy_is_not():
    """Every head and every place of a transformer; 0 for a place without weights, not a division by nothing."""
    problem, (a, _) = sample("digits-vit")
    lattice, _ = _all_classes.lattice_for([a, a], problem)
    moved = shuffle([a, a], problem, symmetry="all").weights[1]
    same, other = likeness(a, a, lattice, list(a)), likeness(a, moved, lattice, list(a))
    assert {n: v.shape for n, v in same.items()} == {n: (lattice.outer(g), g.size) for n, g in lattice.gauges.items()}
    assert all(v == pytest.approx(np.ones(v.shape)) for v in same.values())
    assert max(v.mean() for v in other.values()) < 0.5
    nothing = likeness(a, {n: torch.zeros_like(t) for n, t in a.items()}, lattice, list(a))
    assert all((v == 0).all() for v in nothing.values())
