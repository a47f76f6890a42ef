"""Every picture of every page can be explained, and taken away as data, as a picture and as code."""

import re
from pathlib import Path

import pytest

from explorer.core import locations
from explorer.core.spec import Look
from explorer.ui.widgets import python_source
from tests.finished import work_off
from tests.ui.conftest import words

DRAWN = {"plotly_chart", "bidi_component", "vega_lite_chart", "deck_gl_json_chart"}
SHIPPED = ["home", "checkpoints", "interpolate"]


@pytest.fixture(scope="module")
def measured(tiny, tmp_path_factory):
    """A folder in which everything that the pages show was measured, and their addresses."""
    home = tmp_path_factory.mktemp("measured")
    return home, work_off(tiny, home)


def nodes(tree):
    """Every element and block of a page."""
    for child in getattr(tree, "children", {}).values():
        yield child
        yield from nodes(child)


def key_of(node) -> str:
    """The key that a picture or a container was given."""
    return re.sub(r"^\$\$ID-[0-9a-f]+-", "", getattr(node.proto, "id", ""))


def pictures(app) -> set[str]:
    """The keys of all that is drawn."""
    return {key_of(n) for n in nodes(app.main) if n.type in DRAWN}


def bare(app) -> set[str]:
    """Pictures without their actions (but for Home's landscape, a door to the page that has them), and actions that hold less than they should once they are opened."""
    for node in list(nodes(app.main)):
        if node.type == "popover" and key_of(node).endswith("-more"):
            app.session_state[key_of(node)] = True
    assert not app.run().exception
    full = set()
    for box in (n for n in nodes(app.main) if key_of(n).endswith("-actions")):
        inside = list(nodes(box))
        sources = [n.value for n in inside if n.type == "code"]
        labels = {getattr(n, "label", "") or getattr(n.proto, "label", "") for n in inside}
        reported = [n.value for n in inside if n.type == "markdown"]
        if {"CSV", "Parquet", "NPZ", "JSON", "Format", "Download"} <= labels and any(len(t) > 20 for t in reported) and sources:
            compile(sources[0], "code", "exec")
            full.add(key_of(box).removesuffix("-actions"))
    return pictures(app) - full - {"home-stage"}


@pytest.mark.parametrize("page", SHIPPED)
def test_pictures_of_the_samples_have_their_actions(visit, store, work, page):
    """As a newcomer meets them, on what ships with the explorer."""
    if page == "checkpoints":
        store.submit(Look(str(locations.root() / "sample_models" / "digits-mlp")))
        work()
    app = visit(page)
    assert pictures(app)
    assert not bare(app)


def test_pictures_of_finished_pages_have_their_actions(visit, measured, monkeypatch):
    """Every page and view with all that is drawn on it once it is measured."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(measured[0]))
    found: dict[str, set[str]] = {}
    for address in measured[1]:
        page, _, query = address.partition("?")
        app = visit(page, **dict(part.split("=") for part in query.split("&") if part))
        assert not app.exception, words(app)
        assert pictures(app) or page == "runs", address
        found[address] = bare(app)
    assert not any(found.values()), found


def test_charts_are_drawn_where_their_actions_are():
    """One mechanism: no page draws a chart of its own, but for the one that is clicked."""
    ui = locations.root() / "explorer" / "ui"
    scripts = (*ui.rglob("*.py"), *(locations.root() / "pages").glob("*.py"))
    own = {str(f.relative_to(ui)) for f in scripts if "st.plotly_chart(" in f.read_text("utf-8")}
    assert own == {"widgets/chart_actions.py", "charts/triangle.py", "charts/lesson_picture.py"}


def test_the_code_of_a_picture_without_its_own_draws_it_from_its_file(tmp_path, monkeypatch):
    """The JSON that is handed out is what the code reads."""
    import plotly.graph_objects as go
    import plotly.io

    monkeypatch.setattr(plotly.io.renderers, "default", "")
    monkeypatch.chdir(tmp_path)
    Path("eigenvalues.json").write_text(str(go.Figure(go.Scatter(x=[1], y=[2])).to_json()), encoding="utf-8")
    exec(compile(python_source.drawn("eigenvalues"), "code", "exec"), {})
