"""What ships with the explorer is true here too."""

import pytest

from explorer import methods, places
from explorer.preview import preview
from explorer.realise import realise
from explorer.run import keep, open_field
from explorer.samples import PLANE_SIZE, PLANES, STORIES
from explorer.spec import Run
from explorer.statistics import barrier
from explorer.store import RunStore
from explorer.ui import landscape_form


@pytest.fixture
def shipped(store):
    """The user's store with the samples in it."""
    store.absorb(places.root() / "sample_models" / "samples.sqlite")
    return store


def test_every_story_is_there_and_finished(shipped):
    """The first page shows all of them."""
    told = {s.wish.story for s in shipped.statuses("Run") if s.wish.story and s.state == "done"}
    assert told == {story for *_, story in STORIES}


def test_shipped_numbers_are_measured_again_here(shipped: RunStore, home):
    """Three points of every shipped line and plane, recomputed from the shipped checkpoints, agree to what one machine differs from another."""
    for status in shipped.statuses("Run"):
        field = status.wish.field
        points, _ = shipped.points(field.id)
        evaluate = open_field(field, shipped, home)
        place = methods.find("chart", field.chart.name)
        for i in (0, 1, len(points) // 2):
            (row,) = place(points.coords[i : i + 1], shipped.field(field.id).gram, **field.chart.kwargs())
            again = evaluate(row)
            assert again[0].sum() == pytest.approx(points.values[i][0].sum(), rel=1e-3, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["digits-mlp", "digits-mlp-branches", "digits-resnet", "digits-vit"])
def test_adaptive_sampler_reaches_the_barrier_of_101_points(shipped, home, family):
    """At most 15 points, and the height differs from that of 101 by less than the half-width of its interval."""
    status = next(s for s in shipped.statuses("Run") if s.wish.story and s.wish.field.problem.name == family)
    few = barrier(shipped.points(status.wish.field.id)[0])
    assert few.points <= 15
    grid = Run(status.wish.field, methods.method("sample", "grid", {"size": 101}))
    keep(grid, shipped, home, report=lambda *_: True)
    dense = barrier(shipped.points(grid.field.id)[0])
    assert dense.points >= 101
    assert dense.height.value - few.height.value <= max((few.height.high - few.height.low) / 2, 1e-3)


def test_the_planes_of_the_first_look_are_there(shipped):
    """The Landscape page shows one before anything has been computed, with the certificate of its preview: within 1 % of what would be measured."""
    planes = {s.wish.field.id for s in shipped.statuses("Run") if s.wish.field.chart.name == "plane"}
    assert len(planes) == len(PLANES)
    for status in shipped.statuses("Run"):
        if status.wish.field.id in planes:
            assert status.state == "done"
            points, _ = shipped.points(status.wish.field.id)
            assert status.wish in (landscape_form.refined(status.wish), landscape_form.finer(status.wish, PLANE_SIZE))
            assert preview(points, landscape_form.FINEST).certificate.source == "jury"
            assert preview(points, landscape_form.FINEST).certificate.rms.high < 0.01


def test_every_registered_sample_is_where_it_was(shipped, home):
    """Digests fit the files, and the files' names are relative, so that they hold wherever the explorer is installed."""
    samples = shipped.checkpoints()
    assert len(samples) == len(list((places.root() / "sample_models").glob("*/*.safetensors"))) >= 40
    for facts in samples:
        assert facts.path.startswith("sample_models/")
    for status in shipped.statuses("Run"):
        for corner in status.wish.field.corners:
            assert realise(corner, shipped, home)
