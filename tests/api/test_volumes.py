"""Landscapes of three dimensions and more in Python."""

import numpy as np
import pytest

from explorer.api import Refused, landscape_around, landscape_volume
from explorer.checkpoints import checkpoint_file


def test_the_middle_of_a_volume_is_the_model_and_a_slice_is_the_plane(tiny, home):
    """The first two directions are those of the plane around the model: on the middle slice both measure the same. Distances are those of the weights."""
    box = landscape_volume(tiny.a, problem=tiny.folder, size=3)
    assert len(box.points) == 27
    values, axes = box.grid()
    plane = landscape_around(tiny.a, problem=tiny.folder, size=3).surface()
    assert pytest.approx(plane.z, rel=1e-5) == values[:, :, 1].T
    assert axes[0] == pytest.approx(plane.x, abs=1e-6)
    assert [len(a) for a in axes] == [3, 3, 3]
    assert box.topology().found.on_grid
    assert box.topology().smad().value >= 0
    frame = box.to_frame()
    assert list(frame.columns[:7]) == ["x", "y", "z", "u1", "u2", "u3", "loss"]
    assert box.model(0.0, 0.0, 0.0).method.kwargs()["weights"] == pytest.approx((1.0, 0.0, 0.0, 0.0), abs=1e-9)
    heats = [t for t in box.figure().data if t.type == "heatmap"]
    assert len(heats) == 3
    assert len({(t.zmin, t.zmax) for t in heats}) == 1
    assert "3 dimensions" in repr(box)


def test_finer_and_scattered_points_use_what_is_there(tiny, home):
    """A grid of 5 holds that of 3, and a longer sequence the shorter one: only what is missing is measured."""
    fresh = []

    def report(done, total, new, message):
        fresh.append(new)
        return True

    landscape_volume(tiny.a, problem=tiny.folder, size=3, report=report)
    assert max(fresh) == 27
    fresh.clear()
    finer = landscape_volume(tiny.a, problem=tiny.folder, size=5, report=report)
    assert max(fresh) == 125 - 27
    fresh.clear()
    spread = landscape_volume(tiny.a, problem=tiny.folder, points=32, report=report)
    fresh.clear()
    spread = landscape_volume(tiny.a, problem=tiny.folder, points=64, report=report)
    assert max(fresh) == 32
    assert len(finer.points) <= len(spread.points)


def test_a_volume_stopped_half_way_resumes(tiny, home):
    """What was measured is kept."""
    count = 0

    def stop(done, total, new, message):
        nonlocal count
        count += 1
        return count < 12

    landscape_volume(tiny.a, problem=tiny.folder, size=3, report=stop)
    fresh = []
    whole = landscape_volume(tiny.a, problem=tiny.folder, size=3, report=lambda done, total, new, message: fresh.append(new) or True)
    assert len(whole.points) == 27
    assert max(fresh) < 27


def test_a_volume_over_five_models_has_four_dimensions_and_all_of_them_in_it(tiny, home, tmp_path):
    """Each model is in the box, at its distances from the others."""
    weights = checkpoint_file.read(tiny.a).weights
    paths = [tiny.a]
    for i in range(4):
        rng = np.random.default_rng(i)
        moved = {n: w + 0.1 * w.new_tensor(rng.standard_normal(w.shape)) for n, w in weights.items()}
        checkpoint_file.write(path := tmp_path / f"m{i}.safetensors", moved)
        paths.append(path)
    box = landscape_volume(*paths, problem=tiny.folder, points=16)
    assert box.places.shape == (16, 4)
    assert list(box.to_frame().columns[:4]) == ["x1", "x2", "x3", "x4"]
    assert not box.topology().found.on_grid
    with pytest.raises(Refused, match="fill no grid"):
        box.figure()
    with pytest.raises(Refused, match="4 distances; got 2"):
        box.model(0.0, 1.0)


def test_other_numbers_of_models_and_dimensions_are_refused(tiny, home):
    """With what measures them instead."""
    with pytest.raises(Refused, match="around one model, or over 4"):
        landscape_volume(tiny.a, tiny.b, problem=tiny.folder)
    with pytest.raises(Refused, match="3 to 6 dimensions; got 2"):
        landscape_volume(tiny.a, problem=tiny.folder, dimensions=2)
    with pytest.raises(Refused, match="finds two directions"):
        landscape_volume(tiny.a, problem=tiny.folder, directions="hessian")
