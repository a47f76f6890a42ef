"""A method of somebody else's is listed wherever ours are: in every form, whatever its kind."""

from inspect import cleandoc

import pytest

from explorer.core import plugins, registry
from tests.ui import test_problem_form
from tests.ui.conftest import button
from tests.ui.test_landscape import three

stranger = test_problem_form.stranger  # a fixture

PLUGINS = {
    "my_align": "def align(models, problem): ...",
    "my_fuse": "def fuse(models, problem): ...",
    "my_path": 'CHART = "line"\n\ndef connect(ends, problem, *, epochs: int = 3): ...',
    "my_training": "def train(problem, start=None, *, epochs: int = 6): ...",
    "my_directions": "def directions(model, problem): ...",
    "my_study": "def study(models, problem, *, often: int = 2): ...",
    "my_plane": """
        from explorer.methods.chart import plane

        AXES = ("u", "v")

        def place(coords, gram):
            return plane.place(coords, gram)

        def window(gram):
            return plane.window(gram)
    """,
    "my_surroundings": """
        AXES = ("u", "v")
        AROUND = True

        def place(coords, gram): ...

        def window(gram): ...
    """,
    "my_sampler": "AXES = 1\n\ndef ask(points, n): ...\n\ndef left(points): ...",
    "my_average": """
        import numpy as np

        from explorer.core.points import missing

        AXES = "corners"

        def ask(points, n, *, share: float = 0.5):
            return missing(averages(points, share=share), points.coords)[:n]

        def left(points, *, share: float = 0.5):
            return len(ask(points, 999, share=share))

        def averages(points, *, share: float = 0.5):
            return np.eye(points.coords.shape[1])
    """,
    "my_metric": 'TERMS = (("error", 0.5),)',
    "my_lesson": "from dataclasses import replace\n\nfrom explorer.lessons import soups\n\nLESSON = replace(soups.LESSON, title='Mine', order=99)",
    "my_network": "def build(): ...",
    "my_data": "def load(path): ...",
    "my_loss": "def losses(outputs, targets): ...",
}


@pytest.fixture(autouse=True)
def plugged(tmp_path, monkeypatch):
    """One module for each kind, named on the command line."""
    files = [tmp_path / f"{name}.py" for name in PLUGINS]
    for file in files:
        file.write_text(f'"""A method of mine, called {file.stem}."""\n\n' + cleandoc(PLUGINS[file.stem]))
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins.add(map(str, files))


def choices(app, label):
    """What the widget with this label offers, in the words of the person who chooses; raises StopIteration where there is none."""
    widgets = [*app.selectbox, *app.multiselect, *app.button_group]
    return [option.lower().replace(" ", "_") for option in next(w for w in widgets if w.label.startswith(label)).options]


def seen(app):
    """The page, which must stand."""
    assert not app.exception, app.exception[0].value
    return app


def test_an_alignment_is_listed(visit, store, work, tiny):
    """Where two models are aligned, where every pair of many is, and where models are aligned before they are merged; ours too, and no control."""
    three(tiny, store, work)
    assert "my_align" in choices(seen(visit("align")), "Method")
    known = choices(seen(visit("paths", view="many")), "And after aligning")
    assert {"my_align", "optimal_transport", "weight_matching"} <= set(known) and not {"identity", "shuffle"} & set(known)
    assert {"my_align", "optimal_transport"} <= set(choices(seen(visit("compare")), "Align the models first"))


def test_a_fusion_and_a_study_are_listed(visit, store, work, tiny):
    """Beside the other ways of merging, and below what is told of them: a study is asked for there and shown as it is."""
    app = seen(visit("compare"))
    assert "my_fuse" in choices(app, "Weights alone")
    assert "My study" in [e.label for e in app.expander]


@pytest.mark.parametrize("view", ["", "conditions"])
def test_a_path_is_listed(visit, store, work, tiny, view):
    """Among the ways between two models, as they are and under conditions."""
    three(tiny, store, work)
    assert "my_path" in choices(seen(visit("paths", **({"view": view} if view else {}))), "Paths from A to B")


def test_a_training_and_an_average_are_listed(visit, store, work, tiny):
    """Beside ours; what is a stage of another training is not listed; what an average is asked for has its own options."""
    app = seen(visit("train"))
    assert "my_average" in choices(app, "Averages")
    next(g for g in app.button_group if g.label == "Snapshots").set_value("train now").run()
    known = choices(seen(app), "Training")
    assert {"my_training", "sgd", "papa"} <= set(known) and not {"probe", "auxiliary"} & set(known)
    next(s for s in app.selectbox if s.label == "Training").set_value("my_training").run()
    next(g for g in app.button_group if g.label == "Averages").set_value(["my_average"]).run()
    assert next(n for n in seen(app).number_input if n.label == "MY_AVERAGE: share").value == 0.5
    button(app, "Train").click().run()
    (request,) = [s.request for s in store.statuses("Run") if s.state == "waiting" and s.request.sampler.name == "my_average"]
    assert request.sampler == registry.method("sample", "my_average") and len(request.field.corners) == 6


def test_a_chart_and_directions_are_listed(visit, store, work, tiny):
    """A plane of models, and one around a model; the plane that is drawn is the one that was chosen."""
    models = three(tiny, store, work)
    app = seen(visit("landscape", **dict(zip("abc", (m.digest for m in models), strict=True))))
    assert choices(app, "Chart") == ["plane", "my_plane"]
    next(s for s in app.selectbox if s.label == "Chart").set_value("my_plane").run()
    button(app, "Draw").click().run()
    work()
    app.run()
    drawn = [s for s in store.statuses("Run") if s.request.field.chart.name == "my_plane"]
    assert app.query_params["runs"] in {s.id for s in drawn if s.state == "done"}
    assert len(seen(app).get("bidi_component")) > 0
    next(g for g in app.button_group if g.label == "Plane or volume").set_value("around one").run()
    assert "my_directions" in choices(seen(app), "Directions")
    assert choices(app, "Chart") == ["directions", "my_surroundings"]


def test_a_sampler_is_listed(visit, store, work, tiny):
    """Of those that choose among the points of a line."""
    assert choices(seen(visit("interpolate")), "Which points") == ["adaptive", "grid", "my_sampler"]


def test_a_metric_and_a_lesson_are_listed(visit, store, work, tiny):
    """A metric among those that a picture is drawn by, a lesson among those that are taught."""
    app = seen(visit("landscape"))
    assert "my metric" in next(o for o in ([*map(str, w.options)] for w in [*app.selectbox, *app.button_group]) if "loss (nat)" in o)
    app = seen(visit("learn"))
    assert any(button.label.endswith("· Mine**") for button in app.button)


def test_network_data_and_loss_are_listed(visit, work, stranger):
    """In the form that describes strange checkpoints."""
    app = seen(test_problem_form.inspected(visit, work, stranger))
    for label, name in (("Network", "my_network"), ("Data", "my_data"), ("Loss", "my_loss")):
        assert name in choices(app, label)
