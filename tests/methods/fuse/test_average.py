"""The weighted average: known answers."""

import pytest
import torch

from explorer.core.errors import Refused
from explorer.methods.fuse.average import fuse

A, B = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 6.0])}


def test_equal_weights_by_default(tiny):
    """The mean."""
    assert fuse([A, B], tiny.problem)["w"].tolist() == [2, 4]


def test_weights_need_not_sum_to_one_unless_asked(tiny):
    """Σ λᵢ·Wᵢ as it stands; `normalise` divides by the sum."""
    assert fuse([A, B], tiny.problem, weights=(1.0, 1.0))["w"].tolist() == [4, 8]
    assert fuse([A, B], tiny.problem, weights=(1.0, 3.0), normalise=True)["w"].tolist() == [2.5, 5]


def test_one_hot_is_that_model_bit_for_bit(tiny):
    """No rounding on the way."""
    assert torch.equal(fuse([A, B], tiny.problem, weights=(0.0, 1.0))["w"], B["w"])


def test_bad_weights_are_refused(tiny):
    """Silent infinities are what others give here."""
    with pytest.raises(Refused, match="sum to zero"):
        fuse([A, B], tiny.problem, weights=(1.0, -1.0), normalise=True)
    with pytest.raises(Refused, match="2 models need 2 weights, got 3"):
        fuse([A, B], tiny.problem, weights=(1.0, 1.0, 1.0))
