"""The Learn page: every lesson at every step, prediction to finding, presenter mode, glossary and tour."""

import json
import re
from base64 import b64decode
from time import process_time
from xml.etree import ElementTree

import pytest

from explorer.core import glossary, locations
from explorer.engine.worker import Worker
from explorer.lessons import Shelf, every
from explorer.store.run_store import RunStore
from explorer.ui.charts import lesson_picture
from explorer.ui.frame.tour import STOPS
from explorer.ui.learn import findings
from explorer.ui.learn.sketches import SKETCHES, sketch
from tests.ui.conftest import words
from tests.ui.test_actions import bare, pictures
from tests.ui.test_pages import button

NAMES = list(every())
FOLDED = ["A common misconception", "Exercises", "Answers"]


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """A home in which the experiments of all lessons have been run."""
    home = tmp_path_factory.mktemp("school")
    store = RunStore(home / "store.sqlite")
    store.absorb(locations.root() / "sample_models" / "samples.sqlite")
    shelf = Shelf.from_checkpoints(store.checkpoints())
    for lesson in every().values():
        for request in lesson.experiment(shelf, 0).requests.values():
            store.submit(request)
    Worker(store, home).work_off()
    return home


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", ["predict", "run", "see"])
def test_every_lesson_opens_at_every_step(visit, monkeypatch, school, name, step):
    """By its address alone, with the question, the way to run, or the finding."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    app = visit("learn", lesson=name, step=step)
    assert not app.exception
    assert not app.error
    text = words(app)
    if step == "predict":
        assert app.radio(key=f"learn-guess-{name}").label == every()[name].question
    if step != "predict":
        assert not bare(app)
    if step == "see":
        assert pictures(app)
        assert every()[name].paper in text
        assert "Measured:" in text
        assert [e.label for e in app.expander if e.label in FOLDED] == FOLDED
        assert all(glossary.linked(exercise.question) in text for exercise in every()[name].exercises)


@pytest.mark.parametrize("name", NAMES)
def test_the_letters_of_a_picture_have_the_colour_of_the_theme(visit, monkeypatch, school, name):
    """Those of paper are dark, and cannot be read in the dark theme."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    for step in ({"step": "see"}, {"step": "picture", "present": "1"}):
        drawn = [json.loads(chart.proto.spec)["layout"] for chart in visit("learn", lesson=name, **step).get("plotly_chart")]
        assert [layout["font"] for layout in drawn if "color" in layout.get("font", {})] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", ["run", "see"])
def test_a_lesson_is_worked_out_once(visit, monkeypatch, school, name, step):
    """A rerun, as every click makes one, costs less than 0.3 seconds of the processor."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    app = visit("learn", lesson=name, step=step)
    before = process_time()
    app.run()
    assert process_time() - before < 0.3
    assert not app.exception


@pytest.mark.parametrize("name", NAMES)
def test_every_way_on_opens_a_page_filled_in(visit, monkeypatch, school, name):
    """No page says that what the lesson links to is not there."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    shelf = Shelf.from_checkpoints(RunStore(school / "store.sqlite").checkpoints())
    target = every()[name].experiment(shelf, 0).target
    app = visit(target.page, **target.query)
    assert not app.exception
    assert not app.warning
    assert not app.error


def test_predict_run_and_see(visit, work):
    """The whole of a lesson: the prediction is held against what was measured."""
    app = visit("learn", lesson="permutations", on="1")
    assert button(app, "Lock in").disabled
    app.radio(key="learn-guess-permutations").set_value(2).run()
    button(app, "Lock in").click().run()
    button(app, "Run the experiment").click().run()
    assert not app.exception
    work()
    app.run()
    button(app, "See the result").click().run()
    assert not app.exception
    assert "You predicted **it rises**. Measured: **it stays exactly the same**" in words(app)


def test_units_swapped_by_hand_keep_the_loss(visit):
    """Match all brings the copy back: distance zero, the same loss on both sides."""
    app = visit("learn", lesson="permutations", step="run")
    before = app.table[0].value["value"].tolist()
    assert before[0] == before[1] and float(before[2]) > 0
    button(app, "Match all").click().run()
    after = app.table[0].value["value"].tolist()
    assert after[0] == before[0] and float(after[2]) == 0 and float(after[3]) == 0


def test_next_goes_through_the_steps_and_on_to_the_next_lesson(visit):
    """Three times Next: one lesson further; Reset asks first, then shows all lessons."""
    app = visit("learn", lesson=NAMES[0])
    for _ in range(3):
        button(app, "Next").click().run()
    assert not app.exception
    assert app.query_params["lesson"] == NAMES[1]
    button(app, "Reset all lessons").click().run()
    assert app.query_params["lesson"] == NAMES[1]
    button(app, "Reset").click().run()
    assert "lesson" not in app.query_params
    assert not app.subheader
    assert button(app, f"**1 · {every()[NAMES[0]].title}**")


def test_a_newcomer_sees_a_card_for_every_lesson(visit):
    """With its claim and its minutes, and nothing of its result; a title opens its lesson, and *All lessons* leads back."""
    app = visit("learn")
    assert not app.exception
    text = words(app)
    for number, (name, lesson) in enumerate(every().items(), start=1):
        assert app.button(key=f"learn-card-{name}").label == f"**{number} · {lesson.title}**"
        assert glossary.linked(lesson.claim) in text
    assert not pictures(app)
    app.button(key="learn-card-curves").click().run()
    assert (app.query_params["lesson"], app.query_params["step"]) == ("curves", "predict")
    button(app, "All lessons").click().run()
    assert "lesson" not in app.query_params
    assert app.button(key="learn-card-curves")


def test_every_lesson_has_a_picture_of_its_own_on_its_card():
    """Drawn inside its frame by well-formed SVG, told to nobody who cannot see it; a lesson of somebody else's has one, too."""
    assert SKETCHES.keys() == every().keys()
    assert len(set(SKETCHES.values())) == len(SKETCHES)
    for name in (*SKETCHES, "somebody else's"):
        (coded,) = re.findall(r'base64,([\w+/=]+)"', sketch(name))
        root = ElementTree.fromstring(b64decode(coded))
        assert len(root) >= 2
        assert 'alt=""' in sketch(name)


def test_predictions_survive_a_reload_of_the_page(visit, monkeypatch, school):
    """The address brings them back into a session that knows nothing; choices and lessons that do not exist are left out; a reset takes them out of it."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    app = visit("learn", lesson="permutations")
    app.radio(key="learn-guess-permutations").set_value(2).run()
    button(app, "Lock in").click().run()
    button(app, "All lessons").click().run()
    app.button(key="learn-card-curves").click().run()
    app.radio(key="learn-guess-curves").set_value(1).run()
    kept = app.query_params["predicted"]
    kept = kept[0] if isinstance(kept, list) else kept
    assert kept == "permutations.2,curves.1"
    again = visit("learn", lesson="permutations", step="see", predicted=f"{kept},matching.9,nonsense.1,x")
    assert "You predicted **it rises**" in words(again)
    assert visit("learn", lesson="curves", predicted=kept).radio(key="learn-guess-curves").value == 1
    button(again, "Reset all lessons").click().run()
    button(again, "Reset").click().run()
    assert "predicted" not in again.query_params
    assert not any("predicted" in c.value for c in again.caption)


def test_a_lesson_is_shared_without_ones_predictions(visit, monkeypatch, school):
    """A link and a frame with the lesson and the models alone, a notebook and a worksheet."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    app = visit("learn", lesson="matching", step="see", on="0", predicted="matching.1")
    link, frame = (c.value for c in app.code[-2:])
    assert link.endswith("/learn?lesson=matching")
    assert frame.startswith("<iframe src=") and "lesson=matching&amp;embed=true" in frame
    assert {"Notebook", "Worksheet with answer key"} <= {d.proto.label for d in app.get("download_button")}


def test_the_code_of_a_lesson_with_studies_gives_its_answer(monkeypatch, school, capsys):
    """It asks for runs and studies, and prints what the page says."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    shelf = Shelf.from_checkpoints(RunStore(school / "store.sqlite").checkpoints())
    printed = findings.code("ensembles", every()["ensembles"].experiment(shelf, 0))
    exec(compile(printed, "ensembles", "exec"), {"__name__": "notebook"})
    assert capsys.readouterr().out.startswith("0 Fine-tunes: the loss of the soup minus that of the ensemble is")


def test_a_lesson_in_markdown_is_taught_and_one_that_broke_says_so(visit, monkeypatch, school, tmp_path):
    """A card behind ours, and all three steps; a file that is changed to nonsense is named on the page instead of ending it."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    monkeypatch.setenv("LOSS_EXPLORER_LESSONS", str(tmp_path))
    front = "title: Mine\nquestion: What comes out?\nexperiment: lesson\nlesson: matching"
    (tmp_path / "mine.md").write_text(f"---\n{front}\n---\nMy claim.\n\nMy text.\n", encoding="utf-8")
    assert visit("learn").button(key="learn-card-mine").label == f"**{len(NAMES) + 1} · Mine**"
    assert visit("learn", lesson="mine").radio(key="learn-guess-mine").options == list(every()["matching"].choices)
    app = visit("learn", lesson="mine", step="see")
    assert not app.exception
    assert not app.error
    assert "My text." in words(app) and "less than a tenth" in words(app)
    assert not app.latex
    (tmp_path / "mine.md").write_text("nonsense", encoding="utf-8")
    app = visit("learn", lesson="mine")
    assert not app.exception
    assert "mine.md: A lesson begins with front matter" in app.error[0].value


def test_a_lesson_is_found_by_its_number_and_a_wrong_address_is_the_first(visit):
    """?lesson=3, and ?lesson=nonsense."""
    assert visit("learn", lesson="3").subheader[0].value == f"3 · {every()[NAMES[2]].title}"
    assert visit("learn", lesson="nonsense", step="nonsense", on="99").subheader[0].value.startswith("1 · ")


def test_the_presenter_sees_one_picture_and_large_type(visit, monkeypatch, school):
    """No list of lessons, no row of actions; leaving brings them back."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(school))
    app = visit("learn", lesson="curves", step="see", present="1")
    assert not app.exception
    assert not app.selectbox
    button(app, "Leave presentation").click().run()
    assert app.selectbox


def test_the_glossary_finds_a_word(visit):
    """All terms at first, then those with the word."""
    app = visit("learn", view="glossary")
    assert all(term in words(app) for term in glossary.TERMS)
    app.text_input(key="glossary-search").set_value("guessing").run()
    assert "nat" in words(app) and "SWA" not in words(app)
    led = visit("learn", view="glossary", term="nat")
    assert glossary.TERMS["nat"] in words(led) and glossary.TERMS["SWA"] not in words(led)


@pytest.mark.parametrize("number", range(1, len(STOPS) + 1))
def test_every_stop_of_the_tour_says_what_to_look_at(visit, number):
    """On the page that it is about."""
    stop = STOPS[number - 1]
    app = visit(stop.page, tour=str(number))
    assert not app.exception
    assert f"Tour {number} of {len(STOPS)}" in words(app)
    button(app, "Leave the tour").click().run()
    assert "Tour" not in words(app)


def test_each_landscape_of_a_formula_is_its_own(visit):
    """That of two neurons is the one to play with; any other is drawn from its own surface, with its own axes, and told so in its table."""
    played, drawn = (visit("learn", lesson=name, step="see") for name in ("two_neurons", "more_than_order"))
    assert not played.exception
    assert not drawn.exception
    assert not played.get("plotly_chart")
    (chart,) = drawn.get("plotly_chart")
    layout = json.loads(chart.proto.spec)["layout"]
    assert (layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]) == ("w", "v")
    lesson = every()["more_than_order"]
    assert list(lesson_picture.table(lesson.see({})).columns) == ["w", "v", "loss"]
