"""Previews in a coarse precision, and the numbers of them that are measured again in float32."""

import threading

import numpy as np
import pytest
import torch

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Run
from explorer.engine.run_loop import keep
from explorer.engine.worker import Worker
from explorer.evaluate.devices import possible, precisely
from explorer.evaluate.evaluator import Evaluate, network_like
from explorer.stats.barriers import barrier
from explorer.stats.preview_confirmation import confirmed, confirming, exact, mark
from explorer.symmetry.discover import discover

BF16 = {"precision": "bfloat16"}


def asked(run):
    """The coordinates that a run of the sampler `given` names."""
    return np.array(run.sampler["at"]).reshape(-1, len(registry.axes(run.field.chart.name)))


def test_of_a_path_the_ends_and_the_highest_points_are_measured_again(tiny):
    """Known answer: the loss is highest at ½ and rises most at ¼, the error does both at ¾; a point that diverged is not the highest."""
    t = np.array([1.0, 0.0, 0.5, 0.25, 0.75, 0.125])[:, None]
    means = np.array([[9.0, 0.1], [1.0, 0.1], [9.5, 0.2], [8.0, 0.1], [9.0, 0.3], [np.nan, np.nan]])
    again = confirming(tiny.run(**BF16), t, means, np.eye(2))
    assert asked(again).ravel().tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert again.field == tiny.field()
    assert confirming(tiny.run(), t, means, np.eye(2)) is None


def test_of_a_plane_the_models_in_it_and_its_lowest_and_highest_points_are_measured_again(tiny):
    """Known answer: the middle of a plane around a model is the model; the two directions end at the border. Lowest and highest of both metrics."""
    a, b = tiny.field().corners
    chart = registry.method("chart", "directions", {"extent": 1.0})
    run = Run(tiny.field(corners=(a, b, b), chart=chart, **BF16), registry.method("sample", "grid", {"size": 3}))
    coords = np.array([[u, v] for u in (0.0, 0.5, 1.0) for v in (0.0, 0.5, 1.0)])
    means = np.stack([np.arange(9.0), np.arange(9.0)[::-1]], axis=1)
    gram = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 2.0]])  # θ, and two directions of length 1 at right angles
    assert asked(confirming(run, coords, means, gram)).tolist() == [[0.0, 0.0], [0.5, 0.5], [0.5, 1.0], [1.0, 0.5], [1.0, 1.0]]


def test_the_largest_difference_is_that_of_places_that_both_have():
    """Known answer for means over two blocks; NaN at both is no difference."""
    counts = np.array([2.0, 2.0])
    preview = Points(np.array([[0.0], [0.5], [1.0]]), np.array([[[2.0, 2.0]], [[4.0, 4.4]], [[np.nan, 1.0]]]), counts)
    twin = Points(np.array([[1.0], [0.5], [0.3]]), np.array([[[np.nan, 1.0]], [[4.0, 4.0]], [[99.0, 99.0]]]), counts)
    found = confirmed(preview, twin)
    assert found.places == 2
    assert found.apart == pytest.approx([0.1])
    assert confirmed(preview, Points(twin.coords[2:], twin.values[2:], counts)) is None


def test_a_preview_is_kept_apart_and_what_is_quoted_of_it_has_the_bits_of_float32(tiny, store, home, tmp_path):
    """Worker to store: rounded values in the preview's field, a few exact ones in its twin, equal to those of a run without a preview; nothing else there."""
    run = tiny.run(size=9, **BF16)
    store.submit(run)
    Worker(store, home).work_off()
    assert store.status(run.id).state == "done"
    preview, twin = store.points(run.field.id)[0], store.points(exact(run.field).id)[0]
    assert len(preview) == 9
    assert {0.0, 1.0} < set(twin.coords.ravel()) < set(preview.coords.ravel())
    other = type(store)(tmp_path / "exact.sqlite")
    keep(tiny.run(size=9), other, home, report=lambda *_: True)
    every = other.points(tiny.field().id)[0]
    where = [every.coords.ravel().tolist().index(t) for t in twin.coords.ravel()]
    assert np.array_equal(twin.values, every.values[where])
    found = confirmed(preview, twin)
    assert found.places == len(twin)
    assert 0 < found.apart[0] < 0.05
    assert barrier(twin).height.value == pytest.approx(barrier(every).height.value, abs=2 * found.apart[0])


def test_a_preview_that_was_stopped_before_it_was_confirmed_goes_on_with_that(tiny, store, home):
    """Its own points are not measured again."""
    run, reported = tiny.run(**BF16), []
    assert not keep(run, store, home, report=lambda *said: reported.append(said) or "float32" not in said[3])
    assert reported[-1] == (5, 5, 5, "Measuring the quoted values again in float32")
    assert len(store.points(exact(run.field).id)[0]) == 0
    seconds = store.cost(run.field.id)
    assert keep(run, store, home, report=lambda *_: True)
    assert store.cost(run.field.id) == seconds
    assert len(store.points(exact(run.field).id)[0]) >= 3


def test_tf32_and_float64_are_refused_in_a_sentence_where_the_device_has_neither(tiny):
    """A preview that would be none, and weights that Metal cannot hold."""
    with pytest.raises(Refused, match=r"^TF32 is a precision of NVIDIA GPUs .* this is cpu\. Choose bfloat16"):
        Evaluate(tiny.problem, [tiny.problem.network().state_dict()] * 2, precision="tf32")
    possible("bfloat16", torch.device("cpu"))
    double = {name: t.double() for name, t in tiny.problem.network().state_dict().items()}
    with pytest.raises(Refused, match=r"float64, which Metal \(mps\) does not support\. Use --device cpu"):
        network_like(tiny.problem, double, torch.device("mps"))


def flags():
    conv, rnn = torch.backends.cudnn.conv.fp32_precision, torch.backends.cudnn.rnn.fp32_precision
    assert conv == rnn
    assert torch.backends.cudnn.allow_tf32 == (conv == "tf32")
    return torch.backends.cuda.matmul.fp32_precision, conv


def test_the_flags_are_put_back_also_after_an_exception_and_when_nested():
    """What the process had before is there afterwards."""
    cpu, before = torch.device("cpu"), flags()
    with precisely("tf32", cpu):
        assert flags() == ("tf32", "tf32")
        with precisely("float32", cpu):
            assert flags() == ("ieee", "ieee")
        assert flags() == ("tf32", "tf32")
    assert flags() == before
    with pytest.raises(ZeroDivisionError), precisely("tf32", cpu):
        1 / 0  # noqa: B018
    assert flags() == before


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_a_symmetry_can_be_deduced_while_another_thread_measures(tiny, precision):
    """torch.export asks for the flags, and threads share them; whoever drives a cluster holds them all the time."""
    network = tiny.problem.network()
    with precisely(precision, torch.device("cpu")):
        assert discover(network, (tiny.problem.split("train").inputs[:4],)).groups


def test_threads_that_want_other_flags_wait_for_one_another():
    """Two of a kind are within together, and the first to leave does not take the flags from the other; a third kind comes when both are gone."""
    cpu, before, seen = torch.device("cpu"), flags(), []
    inside, leave = threading.Barrier(3), threading.Event()

    def exactly(stays):
        with precisely("float32", cpu):
            inside.wait(10)
            if stays:
                leave.wait(10)
                seen.append(flags())

    def coarsely():
        with precisely("tf32", cpu):
            seen.append(flags())

    first, second, third = (
        threading.Thread(target=exactly, args=(False,)),
        threading.Thread(target=exactly, args=(True,)),
        threading.Thread(target=coarsely),
    )
    first.start()
    second.start()
    inside.wait(10)
    first.join(10)
    third.start()
    assert flags() == ("ieee", "ieee")
    leave.set()
    second.join(10)
    third.join(10)
    assert seen == [("ieee", "ieee"), ("tf32", "tf32")]
    assert flags() == before


def test_a_preview_says_that_it_is_one(tiny):
    """Behind titles, by its precision."""
    assert [mark(tiny.field(precision=p)) for p in ("float32", "bfloat16", "tf32")] == ["", " (bfloat16 preview)", " (TF32 preview)"]
