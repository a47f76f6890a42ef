"""Laws of every connecting method."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate

QUICK = {"epochs": 6, "lr": 0.05}
NAMES = registry.names("connect")


@pytest.fixture(scope="module")
def ends(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def trained(tiny, ends, name, **options):
    """The last state of the path."""
    known = {o.name for o in registry.options("connect", name)}
    given = {k: v for k, v in {**QUICK, **options}.items() if k in known}
    *_, last = registry.find("connect", name)(ends, tiny.problem, **registry.method("connect", name, given).kwargs())
    return last


def worst(tiny, ends, corners, chart):
    """The highest mean train loss along the path."""
    evaluate = Evaluate(tiny.problem, [ends[0], *corners, ends[1]], split="train", metrics=("loss",))
    place = registry.find("chart", chart)
    rows = place(np.linspace(0, 1, 13)[:, None], np.eye(len(corners) + 2))
    return max(evaluate(c).sum() for c in rows) / evaluate.counts.sum()


@pytest.mark.parametrize("name", NAMES)
def test_the_corners_go_with_the_method_s_chart(tiny, ends, name):
    """As many as promised, of the ends' names, shapes and dtypes."""
    last = trained(tiny, ends, name)
    assert len(last.corners) == registry.corners_of(registry.method("connect", name))
    assert registry.chart_of(name) in registry.names("chart")
    for corner in last.corners:
        assert {k: (v.shape, v.dtype) for k, v in corner.items()} == {k: (v.shape, v.dtype) for k, v in ends[0].items()}


@pytest.mark.parametrize("name", NAMES)
def test_the_ends_are_not_written_to_and_the_random_state_stays(tiny, ends, name):
    """The caller's models and the global generator are as they were."""
    before = [{k: v.clone() for k, v in m.items()} for m in ends]
    torch.manual_seed(3)
    state = torch.get_rng_state()
    trained(tiny, ends, name)
    assert all(torch.equal(m[k], b[k]) for m, b in zip(ends, before, strict=True) for k in m)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_path(tiny, ends, name):
    """Bit for bit, whatever the global random state is."""
    torch.manual_seed(1)
    first = trained(tiny, ends, name)
    torch.manual_seed(2)
    second = trained(tiny, ends, name)
    assert all(torch.equal(a[k], b[k]) for a, b in zip(first.corners, second.corners, strict=True) for k in a)


@pytest.mark.parametrize("name", [n for n in NAMES if registry.chart_of(n) != "simplex"])
def test_the_highest_point_is_lower_than_on_the_segment(tiny, ends, name):
    """What the training is for, on the samples it was trained on."""
    last = trained(tiny, ends, name, epochs=30)
    assert worst(tiny, ends, last.corners, registry.chart_of(name)) < worst(tiny, ends, [], "line")


@pytest.mark.parametrize("name", NAMES)
def test_ends_of_different_shapes_are_refused(tiny, ends, name):
    """In a sentence that names the tensor."""
    other = {**ends[1], "layers.0.weight": torch.zeros(20, 64)}
    with pytest.raises(Refused, match=r"layers\.0\.weight"):
        trained(tiny, [ends[0], other], name)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_ends_give_half_precision_corners(tiny, ends, name):
    """Trained in float32, kept in the ends' own dtype."""
    halves = [{k: v.half() for k, v in m.items()} for m in ends]
    last = trained(tiny, halves, name)
    assert all(v.dtype == torch.float16 and v.isfinite().all() for c in last.corners for v in c.values())
