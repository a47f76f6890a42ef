"""Conflicts of sign, by hand and for random vectors."""

import numpy as np
import pytest
import torch

from explorer.methods.study._sign_conflicts import conflicts, vectors


def test_conflicts_by_hand():
    """Entries (1, −2), (1, 3), (0, 5), (0, 0): one of three conflicts, 2 of 12 are cancelled; of the first vector 1 of 2 lies against the sum."""
    found = conflicts([{"w": torch.tensor([1.0, 1.0, 0.0, 0.0])}, {"w": torch.tensor([-2.0, 3.0, 5.0, 0.0])}], ["w"])
    assert found.share == pytest.approx(1 / 3)
    assert found.cancelled == pytest.approx(2 / 12)
    assert found.pairs.tolist() == [[0.0, 0.5], [0.5, 0.0]]
    assert found.against.tolist() == [0.5, 0.0]


def test_copies_agree_opposites_do_not_and_independent_vectors_half():
    """Over several tensors together."""
    g = torch.Generator().manual_seed(0)
    a = {"x": torch.randn(5000, generator=g), "y": torch.randn(40, 30, generator=g)}
    b = {"x": torch.randn(5000, generator=g), "y": torch.randn(40, 30, generator=g)}
    same, opposite, apart = (conflicts([a, other], ["x", "y"]) for other in (a, {k: -v for k, v in a.items()}, b))
    assert (same.share, same.cancelled) == (0.0, 0.0)
    assert (opposite.share, opposite.cancelled) == (1.0, 1.0)
    assert apart.share == pytest.approx(0.5, abs=0.02)


def test_differences_are_from_the_first_and_nothing_has_no_number():
    """A base is no vector; models equal to it have no sign."""
    base, one = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 2.0])}
    assert [v["w"].tolist() for v in vectors([base, one], ["w"], base=True)] == [[2.0, 0.0]]
    still = conflicts(vectors([base, base, base], ["w"], base=True), ["w"])
    assert np.isnan([still.share, still.cancelled, *still.against]).all()
