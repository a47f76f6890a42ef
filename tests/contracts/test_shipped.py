"""What ships with the explorer is true here too."""

import numpy as np
import pytest

from explorer import api
from explorer.checkpoints import checkpoint_file
from explorer.commands.build_samples import PATHS, PLANE_SIZE, PLANES, STORIES, VOLUMES
from explorer.core import locations, registry
from explorer.core.spec import Connected, Run
from explorer.engine.realise_recipe import realise
from explorer.engine.run_loop import keep, open_field
from explorer.evaluate.evaluator import Evaluate
from explorer.lessons import Shelf, every
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.barriers import barrier
from explorer.stats.field_topology import of_points
from explorer.stats.metrics import column
from explorer.stats.sparse_grid_surrogate import preview
from explorer.store.run_store import RunStore
from explorer.ui.landscape import form as landscape_form


@pytest.fixture
def shipped(store):
    """The user's store with the samples in it."""
    store.absorb(locations.root() / "sample_models" / "samples.sqlite")
    return store


def test_every_story_is_there_and_finished(shipped):
    """The first page shows all of them."""
    reported = {s.request.story for s in shipped.statuses("Run") if s.request.story and s.state == "done"}
    assert reported == {story for *_, story in STORIES}


def test_shipped_numbers_are_measured_again_here(shipped: RunStore, home):
    """Three points of every shipped line, plane and soup, recomputed from the shipped checkpoints, agree to what one machine differs from another."""
    for field in dict.fromkeys(status.request.field for status in shipped.statuses("Run")):
        if any(isinstance(corner, Connected) for corner in field.corners):  # trained again on another processor, it is another path
            continue
        points, _ = shipped.points(field.id)
        evaluate = open_field(field, shipped, home).evaluate
        place = registry.find("chart", field.chart.name)
        for i in {0, 1, len(points) // 2} & set(range(len(points))):
            (row,) = place(points.coords[i : i + 1], shipped.field(field.id).gram, **field.chart.kwargs())
            again = evaluate(row)
            assert again[0].sum() == pytest.approx(points.values[i][0].sum(), rel=1e-3, abs=1e-3)


def test_the_shipped_path_stays_far_below_the_line(shipped):
    """What Home shows: the trained chain rises less than a tenth as high as the straight line between the same models."""
    chain = registry.method("connect", "polychain")
    paths = [s.request for s in shipped.statuses("Run") if s.request.field.chart.name == "polychain"]
    path = next(p for p in paths if isinstance(p.field.corners[1], Connected) and p.field.corners[1].method == chain)
    ends = path.field.corners[0], path.field.corners[-1]
    straight = next(s.request for s in shipped.statuses("Run") if s.request.field.corners == ends)
    around, over = (barrier(shipped.points(run.field.id)[0]) for run in (path, straight))
    assert around.height.high < 0.2 < over.height.low
    assert around.height.value < over.height.value / 10


@pytest.mark.slow
@pytest.mark.parametrize("family", ["digits-mlp", "digits-mlp-branches", "digits-resnet", "digits-vit"])
def test_adaptive_sampler_reaches_the_barrier_of_101_points(shipped, home, family):
    """Twenty to forty points, and the height differs from that of 101 by less than one percent, far below the half-width of its interval."""
    status = next(s for s in shipped.statuses("Run") if s.request.story and s.request.field.problem.name == family)
    few = barrier(shipped.points(status.request.field.id)[0])
    assert few.points <= 40
    grid = Run(status.request.field, registry.method("sample", "grid", {"size": 101}))
    keep(grid, shipped, home, report=lambda *_: True)
    dense = barrier(shipped.points(grid.field.id)[0])
    assert dense.points >= 101
    assert dense.height.value - few.height.value <= max(0.01 * dense.height.value, 1e-3)


@pytest.mark.parametrize("name", list(every()))
def test_every_lesson_ships_measured(shipped, name):
    """On the models it begins with, so that a class sees the answer at once: nothing of its experiment is left to do."""
    requests = every()[name].experiment(Shelf.from_checkpoints(shipped.checkpoints()), 0).requests
    assert [part for part, one in requests.items() if (found := shipped.status(one.id)) is None or found.state != "done"] == []


def test_the_planes_of_the_first_look_are_there(shipped):
    """The Landscape page shows one before anything has been computed, with the certificate of its preview: within 1 % of what would be measured."""
    runs = [s for s in shipped.statuses("Run") if s.request.field.chart.name == "plane"]
    planes = {s.request.field.id for s in runs if s.request.sampler.name == "surface"}
    assert len(planes) == len(PLANES) + len(PATHS)
    for status in runs:
        assert status.state == "done"
        if status.request.field.id in planes:
            points, _ = shipped.points(status.request.field.id)
            assert status.request in (landscape_form.refined(status.request), landscape_form.finer(status.request, PLANE_SIZE))
            assert preview(points, landscape_form.FINEST).certificate.source == "held out"
            assert preview(points, landscape_form.FINEST).certificate.rms.high < 0.01


def test_the_volumes_are_there_as_the_form_asks_for_them(shipped):
    """Choosing four models on *Landscape* shows one before anything has been computed: one minimum for each of them that noise cannot have made."""
    runs = [s.request for s in shipped.statuses("Run") if s.request.field.chart.name == "volume" and s.state == "done"]
    assert len(runs) == len(VOLUMES)
    for run in runs:
        corners, extent = run.field.corners, run.field.chart["extent"]
        assert landscape_form.box(run.field.problem, corners, around=False, extent=extent) == run
        assert shipped.count(run.field.id) == landscape_form.BOX_SIZE**3
        points = column(shipped.points(run.field.id)[0], run.field.metrics, "loss")
        box = registry.find("chart", "volume", function="box")(shipped.field(run.field.id).gram, **run.field.chart.kwargs())
        assert len(of_points(points, box.places(points.coords)).topology.real) == len(corners)


def test_every_registered_sample_is_where_it_was(shipped, home):
    """Digests fit the files, and the files' names are relative, so that they hold wherever the explorer is installed."""
    samples = shipped.checkpoints()
    assert len(samples) == len(list((locations.root() / "sample_models").glob("*/*.safetensors"))) >= 40
    for facts in samples:
        assert facts.path.startswith("sample_models/")
    for corner in dict.fromkeys(corner for status in shipped.statuses("Run") for corner in status.request.field.corners):
        assert realise(corner, shipped, home)


@pytest.mark.slow
def test_the_character_gpt_goes_through_everything(home):
    """Barrier, alignment, plane, soup and merge of the shipped language model, on few samples: each agrees with the others where they meet."""
    few, three = 8, {"sampler": "grid", "options": {"size": 3}}
    a, b = (locations.root() / "sample_models" / "char-gpt" / f"seed-{i}.safetensors" for i in (0, 1))
    problem = Problem(problem_toml.find("char-gpt"))
    line = api.interpolate(a, b, samples=few, **three).barrier("loss")
    assert line.height.low > 0.1
    done = api.align(a, b, method_options={"restarts": 1}, samples=few, **three)
    (pair,) = done.pairs
    assert pair.before.barrier("loss").ends == pytest.approx(line.ends, rel=1e-6)
    assert pair.after.barrier("loss").ends == pytest.approx(line.ends, rel=1e-4), "the function is unchanged"
    assert done.matched.after[0, 1] < done.matched.before[0, 1]
    plane = api.landscape(a, b, done.files[1], size=3, samples=few)
    known = RunStore(home / "store.sqlite").field(plane.run.field.id).facts["alone"]
    assert [row[0] for row in known[:2]] == pytest.approx(line.ends, rel=1e-6)
    assert known[2][0] == pytest.approx(known[1][0], rel=1e-4)
    assert len(plane.table()) == 9 and np.isfinite(plane.table()["loss"]).all()
    models = [checkpoint_file.read(f).weights for f in (a, b, done.files[1])]
    evaluate = Evaluate(problem, models, split="val", samples=few)
    alone = [evaluate(row)[0].sum() / evaluate.counts.sum() for row in np.eye(3)]
    soup = registry.find("fuse", "greedy_soup")(models, problem, metric="loss", samples=few)
    mine = Evaluate(problem, [soup], split="val", samples=few)
    assert mine(np.ones(1))[0].sum() / mine.counts.sum() <= min(alone) + 1e-6
    merged = checkpoint_file.read(api.fuse(a, done.files[1], method="average", problem="char-gpt")).weights
    assert merged.keys() == models[0].keys()
    half = Evaluate(problem, [merged], samples=few)
    middle = Evaluate(problem, [models[0], models[2]], samples=few)
    assert half(np.ones(1))[0] == pytest.approx(middle(np.array([0.5, 0.5]))[0], rel=1e-4)
