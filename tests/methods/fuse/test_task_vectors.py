"""What task-vector methods share: the threshold, the election of signs and the disjoint mean, each against the plain way."""

import math

import pytest
import torch

from explorer.checkpoints.arithmetic import disjoint_mean, magnitude, threshold


def vectors(count, size=200, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    found = torch.randn(count, size, generator=g, dtype=dtype)
    return found * (torch.rand(count, size, generator=g) < 0.7)


@pytest.mark.parametrize("spread", [1e-30, 1e-3, 1.0, 1e30])
def test_the_threshold_is_what_sorting_gives(spread):
    """Over several tensors, at every count, over many orders of magnitude."""
    g = torch.Generator().manual_seed(1)
    parts = [magnitude(torch.randn(n, generator=g, dtype=torch.float64).exp() * spread) for n in (1, 20, 46)]
    ordered = torch.cat(parts).sort(descending=True).values
    assert [threshold(lambda: parts, k) for k in range(1, 68)] == ordered.tolist()


def test_magnitudes_that_differ_in_the_last_bit_are_told_apart():
    """Neighbouring floats share the upper half of their bits."""
    one = torch.tensor(1.0)
    parts = [one, torch.nextafter(one, one * 2), torch.nextafter(one, one * 0)]
    assert [threshold(lambda: parts, k) for k in (1, 2, 3)] == [float(parts[1]), 1.0, float(parts[2])]


def test_the_ends_of_the_count():
    """None: nothing is large enough. More than there are: the least. Nothing to count: nothing is large enough."""
    values = torch.tensor([3.0, 0.0, 5.0])
    assert threshold(lambda: [values], 0) == math.inf
    assert threshold(lambda: [values], 3) == threshold(lambda: [values], 9) == 0
    assert threshold(lambda: [torch.empty(0)], 2) == math.inf


def naive(rows, shares, elect):
    """Entry by entry, in plain Python; the shares are sums of powers of two, so that equal votes are exactly equal."""
    result = []
    for column in rows.T.tolist():
        votes = [w * (v if elect == "mass" else (v > 0) - (v < 0)) for w, v in zip(shares, column, strict=True)]
        total = math.fsum(votes)
        agree = [(w, v) for w, v in zip(shares, column, strict=True) if v * total > 0]
        result.append(math.fsum(w * v for w, v in agree) / math.fsum(w for w, _ in agree) if agree else 0.0)
    return result


@pytest.mark.parametrize("elect", ["mass", "count"])
@pytest.mark.parametrize("shares", [(0.25,) * 4, (0.125, 0.0625, 0.5, 0.3125)])
def test_the_disjoint_mean_is_the_plain_one(elect, shares):
    """One pass over the models against entry by entry."""
    rows = vectors(4)
    assert disjoint_mean(rows, shares, elect).tolist() == pytest.approx(naive(rows, shares, elect), rel=1e-12, abs=1e-15)


def test_a_known_election():
    """Mass: 3 − 2·1 > 0, so the one that is positive. Count: two against one. Equal votes: nothing."""
    rows = torch.tensor([[3.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    shares = (1 / 3,) * 3
    assert disjoint_mean(rows, shares, "mass").tolist() == pytest.approx([3, 0, 0])
    assert disjoint_mean(rows, shares, "count").tolist() == pytest.approx([-1, 0, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_votes_that_cancel_elect_nothing_in_any_order(dtype):
    """0.1 + 0.2 against 0.3 is a tie, whatever the sums are rounded to."""
    values = torch.tensor([[0.1], [0.2], [-0.3]], dtype=dtype)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        assert disjoint_mean(values[order], (1 / 3,) * 3, "mass").tolist() == [0]


@pytest.mark.parametrize("elect", ["mass", "count"])
def test_no_sign_is_preferred(elect):
    """The negative of all vectors gives the negative of the mean."""
    rows = vectors(5, seed=3)
    assert torch.equal(disjoint_mean(-rows, (0.2,) * 5, elect), -disjoint_mean(rows, (0.2,) * 5, elect))
