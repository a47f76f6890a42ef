"""The Train page: shipped snapshots finished at once, trainings live, and what is kept of them."""

import numpy as np
import pytest
import torch

from explorer.api import Recorder
from explorer.core import registry
from explorer.core.locations import made_at
from explorer.core.spec import Loaded, Look, Make, Trained
from explorer.ui.frame import auto_start
from explorer.ui.landscape import form as landscape_form
from explorer.ui.train import form as train_form
from explorer.ui.train import phases
from explorer.ui.train import plane as train_plane
from explorer.ui.train import view as train_view
from explorer.ui.train.trajectories import Trajectory, kinds, values_at
from explorer.ui.widgets import new_snapshots
from explorer.ui.widgets.model_picker import Family
from tests.ui.conftest import words
from tests.ui.test_landscape import button
from tests.ui.test_stability import field


@pytest.fixture
def tasks(registered, store):
    """Request for a small training and its averages; the trajectory."""

    def request(name="sgd", members=1, **options):
        options |= {"members": members} if members > 1 else {}
        spec = registered.problem.spec
        how = registry.method("train", name, {"epochs": 4, **options})
        models = tuple(Trained(spec, how, None, at, i, f"{name} {at}-{i}") for at in range(1, 5) for i in range(members))
        made = Trajectory(spec, models, tuple(kind.way({"skip": 1, "latest": 2}, members) for kind in kinds(members).values()))
        for task in made.tasks():
            store.submit(task.run)
        return made

    return request


def address(trajectory):
    return ",".join(t.run.id for t in trajectory.tasks())


def finished_page(visit, work, trajectory, **query):
    """The page once everything is done that it asks for by itself."""
    for _ in range(2):
        work()
        app = visit("train", runs=address(trajectory), **query)
        assert not app.exception, app.exception[0].value
    work()
    return app.run()


def test_a_first_visit_tells_the_shipped_story(visit, store, work):
    """Nothing is pressed: averages of the shipped snapshots, on both splits, in the plane, in words."""
    app = visit("train")
    assert not app.exception, app.exception[0].value
    work()
    app.run()
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    assert "is the best of these averages" in words(app)
    table = app.dataframe[0].value
    assert list(table["model"]) == ["last snapshot", "SWA", "EMA", "LAWA", "SWAD"]
    assert store.status(train_form.default(store).plane().id).state == "done"


def test_a_recorded_training_is_drawn_while_it_goes_on(visit, store, work, tiny, tmp_path):
    """Its folder is a family whose snapshots stand at their steps; the button finds those written since, and forgets those that were thinned."""
    network, folder = tiny.problem.network(), tmp_path / "run"

    def go_on(keep):
        with Recorder(folder, every=10, keep=keep, problem=tiny.folder) as recorder:
            for _ in range(40):
                with torch.no_grad():
                    network.layers[0].bias += 0.01 * torch.randn(12)
                recorder.step(network)

    go_on(60)
    store.submit(Look(str(folder)))
    work()
    app = visit("train")
    assert field(app, "selectbox", "Family").value.title == "Tiny digits (run)"
    chosen = field(app, "multiselect", "Snapshots, in the order of the training")
    assert [train_form.families(store)[0].models[k].name for k in chosen.value] == [f"step-{n:06d}" for n in (10, 20, 30, 40)]
    assert list(train_form.default(store).epochs) == [10, 20, 30, 40]
    assert train_view._x_title(train_form.default(store)) == "step"
    go_on(5)
    button(app, "Look for new snapshots").click().run()
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    family = train_form.families(store)[0]
    chosen = field(app, "multiselect", "Snapshots, in the order of the training")
    assert (
        [family.models[k].name for k in chosen.value] == [f"step-{n:06d}" for n in (10, 30, 50, 70, 80)] == [m.name for m in family.models.values()]
    )
    assert "3 new snapshots." in words(app)
    button(app, "Average").click().run()
    assert not app.exception, app.exception[0].value
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    button(app, "Look for new snapshots").click().run()
    work()
    app.run()
    assert "No new snapshots." in words(app)
    go_on(60)
    field(app, "multiselect", "Snapshots, in the order of the training").unselect(family_key := chosen.value[0]).run()  # it looks by itself
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    chosen = field(app, "multiselect", "Snapshots, in the order of the training")
    assert len(chosen.value) == 8 and family_key not in chosen.value  # what was left out stays so, and the new ones are in


def test_new_snapshots_are_noticed_without_being_asked_for(visit, store, work, tiny, tmp_path):
    """Written while the page is open: the page looks by itself, once, and takes them in; a folder in which nothing happens is left alone."""
    network, folder = tiny.problem.network(), tmp_path / "run"

    def go_on():
        with Recorder(folder, every=10, problem=tiny.folder) as recorder:
            for _ in range(40):
                with torch.no_grad():
                    network.layers[0].bias += 0.01
                recorder.step(network)

    go_on()
    store.submit(Look(str(folder)))
    work()
    app = visit("train")
    app.run()
    assert "No new snapshots." not in words(app)  # nobody has looked
    go_on()
    app.run()
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    assert "4 new snapshots." in words(app)
    button(app, "Average").click().run()
    work()
    app.run()
    assert len(train_form.default(store).models) == 8
    drawn = app.query_params["runs"]
    go_on()
    app.run()
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    assert app.query_params["runs"] != drawn, "what is drawn goes on with the training"
    chosen = field(app, "multiselect", "Snapshots, in the order of the training")
    assert len(chosen.value) == 12
    work()
    drawn = app.query_params["runs"]
    field(app, "toggle", "Draw them as they come").set_value(False).run()
    go_on()
    app.run()
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    assert "4 new snapshots." in words(app) and app.query_params["runs"] == drawn
    assert len(field(app, "multiselect", "Snapshots, in the order of the training").value) == 16


def test_many_snapshots_are_drawn_evenly():
    """From the first to the last, in the order of their numbers, however they were registered."""
    models = {str(n): Loaded(str(n), name=f"step-{n}") for n in (*range(1000, 2000, 10), 5)}
    found = new_snapshots.ordered(Family("", "", None, models), 50)
    assert len(found) == len(set(found)) == 50 and found[0] == "5" and found[-1] == "1990" and found == sorted(found, key=int)


def test_a_training_is_brought_back_by_its_address(visit, store, work, tasks):
    """The form shows its method, its options and its averages; the same choice is the same request."""
    trajectory = tasks("swa", lr=0.2, begin=2)
    app = finished_page(visit, work, trajectory)
    assert not app.exception
    assert field(app, "selectbox", "Training").value == "swa"
    assert field(app, "number_input", "lr").value == 0.2
    assert field(app, "number_input", "LAWA: latest").value == 2
    assert "is the best of these averages" in words(app)
    assert list(app.dataframe[0].value["model"]) == ["last snapshot", "SWA", "EMA", "LAWA", "SWAD"]
    assert len(app.dataframe[1].value) == 8 and (app.dataframe[1].value["distance from the plane"] >= 0).all()


def test_a_population_is_averaged_over_its_members(visit, store, work, tasks):
    """SWA of the last snapshot alone is their uniform soup."""
    trajectory = tasks("papa", 2)
    app = finished_page(visit, work, trajectory)
    assert not app.exception
    val, _ = store.points(trajectory.field("val").id)
    row = trajectory.rows(trajectory.ways[2], val)[-1]
    assert row.tolist() == [0] * 4 + [0.25] * 4
    assert field(app, "number_input", "members").value == 2


def test_phases_are_measured_when_asked_and_end_at_the_last_snapshot(visit, store, work, tasks):
    """Sharpness, likeness and rise of each snapshot; the last is like itself, and nothing rises from it to itself."""
    trajectory = tasks()
    app = finished_page(visit, work, trajectory)
    app.session_state["train-phases"] = True
    app.run()
    assert not phases.found(store, trajectory)
    button(app, "Measure phases").click().run()
    work()
    app.run()
    assert not app.exception
    sharp, alike, rise = phases.found(store, trajectory)
    assert all(np.isfinite(sharp.value))
    assert all(sharp.low <= sharp.value)
    assert alike.value[-1] == pytest.approx(1.0)
    assert alike.value[0] < 1.0
    val, _ = store.points(trajectory.field("val").id)
    ends = [values_at(val, row[None]).means()[0, 0] for row in np.eye(4)[[0, 3]]]
    middle = values_at(val, np.array([[0.5, 0.0, 0.0, 0.5]])).means()[0, 0]
    assert rise.value[0] == pytest.approx(middle - np.mean(ends))
    assert rise.value[-1] == 0.0
    assert len(next(d.value for d in app.dataframe if "debiased CKA to the end" in d.value)) == 4


def test_an_average_is_saved_with_how_it_was_made(visit, store, work, home, tasks):
    """The file is the average that was measured."""
    from explorer.checkpoints import checkpoint_file

    trajectory = tasks()
    app = finished_page(visit, work, trajectory)
    button(app, "Save LAWA").click().run()
    work()
    app.run()
    assert not app.exception
    recipe = trajectory.fused(trajectory.ways[2])
    assert store.status(Make(recipe).id).state == "done"
    made = checkpoint_file.read(made_at(recipe, home)).weights
    parts = [checkpoint_file.read(made_at(m, home)).weights for m in trajectory.models[-2:]]
    assert all(np.allclose(made[k], (parts[0][k] + parts[1][k]) / 2, atol=1e-6) for k in made)


def test_what_takes_longer_is_done_when_asked(visit, store, work, tasks):
    """TWA's difference from the last snapshot, and SWAG's table with calibration."""
    trajectory = tasks()
    app = finished_page(visit, work, trajectory)
    button(app, "Search").click().run()
    button(app, "Draw").click().run()
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    assert "minus the last snapshot's" in words(app)
    tables = [d.value for d in app.dataframe if "calibration error (%), 95 %" in d.value]
    assert len(tables) == 1 and list(tables[0]["model"]) == ["average of the draws", "mean of the snapshots", "last snapshot"]


def test_a_training_in_progress_shows_what_there_is(store, work, home, tasks, visit):
    """The part whose snapshots are kept is asked for at once, ahead of the rest."""
    from explorer.engine.realise_recipe import realise

    trajectory = tasks()
    realise(trajectory.models[0], store, home)  # a small network: all snapshots are kept
    visit("train", runs=address(trajectory))
    urgent = [s for s in store.statuses("Run") if s.rank == 1]
    assert {len(s.request.field.corners) for s in urgent} == {3}


def test_stop_and_resume(visit, store, tasks):
    """All of its runs."""
    trajectory = tasks()
    app = visit("train", runs=address(trajectory))
    button(app, "Stop").click().run()
    assert {store.status(t.run.id).state for t in trajectory.tasks()} == {"stopped"}
    button(app, "Resume").click().run()
    assert {store.status(t.run.id).state for t in trajectory.tasks()} == {"waiting"}
    assert not app.exception


def test_a_training_that_diverges_says_so(visit, store, work, tasks):
    """In a sentence; no table, no exception."""
    trajectory = tasks(lr=100.0, weight_decay=100.0)
    work()
    app = visit("train", runs=address(trajectory))
    assert not app.exception
    assert any("diverged" in e.value for e in app.error)


def test_a_ratatouille_is_trained_from_the_form(visit, store, registered):
    """Its stages stand under the form, and the models are its tuned ones."""
    app = visit("train")
    family = next(e for e in app.selectbox if e.label == "Family")
    family.set_value(next(o for o in train_form.families(store) if o.problem.id == registered.problem.spec.id)).run()
    next(c for c in app.get("button_group") if c.label == "Snapshots").set_value("train now").run()
    field(app, "selectbox", "Training").set_value("ratatouille").run()
    assert not app.exception, app.exception[0].value
    assert "trained on auxiliary task 0, 1, 2" in words(app)
    button(app, "Train").click().run()
    assert not app.exception, app.exception[0].value
    runs = [s.request for s in store.statuses("Run") if s.id in app.query_params["runs"]]
    assert {len(r.field.corners) for r in runs} == {30} and {r.sampler["members"] for r in runs} == {3}
    assert field(app, "selectbox", "Training").value == "ratatouille"


@pytest.mark.parametrize("typed", ["0123456789abcdef", "nonsense,too"])
def test_an_address_of_nothing_here_says_so(visit, registered, typed):
    """And the form stands there."""
    app = visit("train", runs=typed)
    assert not app.exception
    assert "not in this store" in app.warning[0].value


def test_the_distance_from_the_plane_of_a_mixture():
    """Of corners at 0, x, y, z the plane of the first principal axes; a mixture at its own distance by Pythagoras."""
    from explorer.stats.plane_frame import closest

    corners = np.array([[0.0, 0, 0], [4, 0, 0], [0, 3, 0], [0, 0, 1]])
    gram = corners @ corners.T
    frame = closest(gram)
    rows = np.array([[0.1, 0.2, 0.3, 0.4], [0, 0, 0, 1.0]])
    at = frame.places(rows)
    away = (rows - 0.25) @ corners
    assert train_plane.outside(gram, rows, at) == pytest.approx(np.sqrt((away**2).sum(1) - (at**2).sum(1)))
    assert train_plane.outside(gram, rows, at)[1] == pytest.approx(frame.outside[3])


def test_values_are_found_by_their_coordinates(store, work, tasks):
    """In the order asked; None while one is missing."""
    trajectory = tasks()
    work()
    points, _ = store.points(trajectory.field("val").id)
    found = values_at(points, np.eye(4)[[2, 0]])
    assert np.array_equal(found.coords, np.eye(4)[[2, 0]])
    assert values_at(points, np.full((1, 4), 0.123)) is None


def test_a_slow_plane_is_asked_for_and_not_begun(visit, store, work, tasks):
    """As on the Landscape page: with points that took long, a button says how long the plane would take."""
    trajectory = tasks()
    work()
    points, _ = store.points(trajectory.field("val").id)
    assert auto_start.quick(store, trajectory.field("val"), 289)
    store.append(trajectory.field("val").id, np.full((1, 4), 0.3), points.values[:1], seconds=3600.0)
    app = visit("train", runs=address(trajectory))
    assert not app.exception
    assert store.status(trajectory.plane().id) is None
    ask = button(app, "Measure this plane")
    assert "About" in ask.help
    ask.click().run()
    assert store.status(trajectory.plane().id).state == "waiting"


def test_a_plane_through_a_training_goes_on_with_it(visit, store, work, tiny, tmp_path):
    """On Landscape: the plane closest to the snapshots is drawn again with those that came, and nothing is pressed."""
    network, folder = tiny.problem.network(), tmp_path / "run"
    torch.manual_seed(0)

    def go_on():
        with Recorder(folder, every=10, problem=tiny.folder) as recorder:
            for _ in range(40):
                with torch.no_grad():
                    network.layers[0].bias += 0.01 * torch.randn(12)
                recorder.step(network)

    go_on()
    store.submit(Look(str(folder)))
    work()
    models = train_form.families(store)[0].models
    plane = landscape_form.through(tiny.problem.spec, tuple(models.values()))
    store.submit(plane)
    work()
    app = visit("landscape", runs=plane.id)
    app.run()
    assert len(field(app, "multiselect", "Models, in order").value) == 4
    go_on()
    app.run()
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    (drawn,) = {store.status(id).request.field.corners for id in "".join(app.query_params["runs"]).split(",")}
    assert [c.name for c in drawn] == [f"step-{n:06d}" for n in range(10, 90, 10)]
