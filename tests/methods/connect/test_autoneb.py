"""AutoNEB on networks: its plan, its pass, and going on where it was left."""

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.connect.autoneb import cycles
from explorer.training.curve_training import straight

connect = registry.find("connect", "autoneb")


@pytest.fixture
def ends(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


@pytest.mark.parametrize(("bends", "epochs"), [(1, 1), (3, 10), (7, 60), (7, 1), (15, 2), (20, 50)])
def test_the_plan_spends_all_epochs_and_ends_with_all_pivots(bends, epochs):
    """Every cycle has at least one epoch, and never fewer pivots than the one before."""
    plan = cycles(bends, epochs)
    assert sum(length for _, length in plan) == epochs
    assert plan[-1][0] == bends
    assert all(length >= 1 for _, length in plan)
    assert [size for size, _ in plan] == sorted(size for size, _ in plan)


def test_pivots_between_the_same_model_stay_there(tiny, ends):
    """A band without length has no direction and nothing to climb over; it slides down together at most a little."""
    *_, last = connect([ends[0], ends[0]], tiny.problem, bends=3, epochs=2, lr=0.0)
    assert all(torch.allclose(corner[k], ends[0][k], atol=1e-6) for corner in last.corners for k in corner)


def test_the_pass_is_lower_than_that_of_the_untrained_chain(tiny, ends):
    """At its pivots and between them, on the samples that it was trained on."""
    *_, last = connect(ends, tiny.problem, bends=5, epochs=30)
    evaluate = Evaluate(tiny.problem, [ends[0], *last.corners, ends[1]], split="train", metrics=("loss",))
    untrained = Evaluate(tiny.problem, [ends[0], *straight(ends, 5), ends[1]], split="train", metrics=("loss",))
    place = registry.find("chart", "polychain")
    rows = place(torch.linspace(0, 1, 25, dtype=torch.float64).numpy()[:, None], torch.eye(7).numpy())
    peaks = [max(e(r).sum() for r in rows) / e.counts.sum() for e in (evaluate, untrained)]
    assert peaks[0] < 0.6 * peaks[1]


def test_it_goes_on_where_it_was_left(tiny, ends):
    """Also across a cycle in which pivots are put in: the rest is, to the bit, what it would have been."""
    whole = list(connect(ends, tiny.problem, bends=5, epochs=6))
    for k in (2, 3, 6):
        rest = list(connect(ends, tiny.problem, bends=5, epochs=6, resume=whole[k - 1].state))
        assert all(torch.equal(a[n], b[n]) for a, b in zip(rest[-1].corners, whole[-1].corners, strict=True) for n in a)


def test_a_rate_that_is_too_large_is_said(tiny, ends):
    """In a sentence that names the rate."""
    with pytest.raises(Refused, match="smaller lr than 100"):
        list(connect(ends, tiny.problem, bends=1, epochs=20, lr=100.0, weight_decay=100.0))
