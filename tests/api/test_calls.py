"""The notebook's functions for paths and planes: the same numbers as the engine's."""

import numpy as np
import pytest

from explorer.api import connect, decide, interpolate, landscape, landscape_around
from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import mix
from explorer.core.errors import Refused


def test_a_trained_path_is_lower_than_the_line(tiny, home):
    """Measured on samples that it was not trained on; its corners are kept."""
    line = interpolate(tiny.a, tiny.b, home=home)
    path = connect(tiny.a, tiny.b, method_options={"epochs": 15, "bends": 2}, home=home)
    assert path.barrier("loss").height.value < line.barrier("loss").height.value
    assert len(path.run.field.corners) == 4
    assert path.barrier("loss").ends == line.barrier("loss").ends


def test_what_makes_no_path_is_refused_with_what_does(tiny, home):
    """A subspace has two coordinates."""
    with pytest.raises(Refused, match="bezier"):
        connect(tiny.a, tiny.b, method="subspace", home=home)


def test_a_plane_holds_its_models_at_true_distances(tiny, home, tmp_path):
    """The value in the middle of a cell is that of the mixture there; the picture names the models."""
    a, b = (checkpoint_file.read(p).weights for p in (tiny.a, tiny.b))
    c = tmp_path / "c.safetensors"
    checkpoint_file.write(c, mix([a, {k: v.flip(0) for k, v in b.items()}], (0.5, 0.7)))
    plane = landscape(tiny.a, tiny.b, c, size=5, problem=tiny.folder, home=home)
    surface = plane.surface("loss")
    assert surface.measured == 25
    from explorer.evaluate.evaluator import Evaluate

    evaluate = Evaluate(tiny.problem, [a, b, checkpoint_file.read(c).weights])
    row = plane.window.frame.coefficients(np.array([[surface.x[3], surface.y[1]]]))[0]
    assert surface.z[1, 3] == pytest.approx(evaluate(row)[0].sum() / evaluate.counts.sum(), rel=1e-5)
    apart = sum(float((a[k].double() - b[k].double()).square().sum()) for k in a) ** 0.5
    corners = plane.window.frame.corners
    assert np.hypot(*(corners[0] - corners[1])) == pytest.approx(apart, rel=1e-6)
    assert "a, b, c" in plane.figure().layout.title.text


def test_the_middle_of_a_plane_around_a_model_is_the_model(tiny, home):
    """Two random directions; the same seed gives the same plane, another another."""
    planes = [landscape_around(tiny.a, options={"seed": s}, extent=0.3, size=3, home=home) for s in (0, 0, 1)]
    middle = planes[0].surface("loss").z[1, 1]
    assert middle == pytest.approx(interpolate(tiny.a, tiny.b, home=home).barrier("loss").ends[0])
    assert np.array_equal(planes[0].surface().z, planes[1].surface().z)
    assert not np.array_equal(planes[0].surface().z, planes[2].surface().z)
    assert planes[2].surface().z[1, 1] == middle


def test_a_plane_on_some_of_the_samples_is_decided_on_all(tiny, home):
    """What it quotes then is what the plane on all samples has at that place; a plane on all samples says what it said."""
    few, whole = (landscape_around(tiny.a, extent=0.5, size=9, samples=n, home=home) for n in (32, 0))
    extremes = decide(few, home=home)
    assert extremes is not None
    table = whole.table()
    for there in extremes:
        at = table.loc[np.hypot(table.x - there.x, table.y - there.y).idxmin()]
        assert (at.x, at.y) == pytest.approx((there.x, there.y))
        assert there.value == pytest.approx(at.loss, rel=1e-6)
    assert extremes[0].value < extremes[1].value
    assert decide(whole, home=home) == whole.extremes()


def test_a_plane_towards_two_models_holds_them_at_their_distances(tiny, home, tmp_path):
    """From the first, along any two directions; refined, it says how wrong it may be."""
    a, b = (checkpoint_file.read(p).weights for p in (tiny.a, tiny.b))
    c = tmp_path / "c.safetensors"
    checkpoint_file.write(c, {k: v.flip(0).contiguous() for k, v in b.items()})
    plane = landscape_around(tiny.a, towards=(tiny.b, c), refine=True, samples=64, problem=tiny.folder, home=home)
    apart = sum(float((a[k].double() - b[k].double()).square().sum()) for k in a) ** 0.5
    assert plane.window.frame.corners[:2] == pytest.approx(np.array([[0, 0], [apart, 0]]), rel=1e-6)
    certificate = plane.certificate()
    assert certificate is not None
    assert certificate.source == "held out"
    figure = plane.figure()
    assert "a, b, c" in figure.layout.title.text
    assert "held-out" in figure.layout.annotations[-1].text
    assert landscape(tiny.a, tiny.b, c, size=3, problem=tiny.folder, home=home).certificate() is None
