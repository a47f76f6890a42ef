"""The Learn page in a real browser: a lesson from prediction to its way on, by mouse and by keyboard, and what axe-core says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from explorer import lessons
from explorer.core import locations
from tests.browser.axe import violations

APP = locations.root() / "app.py"


@pytest.fixture(scope="module")
def url(serve, tmp_path_factory):
    """The app of a newcomer, with a worker."""
    return serve(APP, env={"LOSS_EXPLORER_HOME": str(tmp_path_factory.mktemp("school")), "LOSS_EXPLORER_IDLE": "30"})


def test_predict_run_see_and_try_it(url, page):
    """The whole of a lesson, to the page that it leads to, with this very experiment in it."""
    page.goto(f"{url}/learn?lesson=matching&on=1")  # the first models' results ship
    page.get_by_text("more than half").click()
    page.get_by_role("button", name="Lock in").click()
    page.get_by_role("button", name="Run the experiment").click()
    page.get_by_role("button", name="See the result").click()  # a worker loads torch first
    expect(page).to_have_url(re.compile("step=see"))
    expect(page.get_by_text(re.compile("You predicted more than half. Measured: less than a tenth"))).to_be_visible()
    expect(page.get_by_role("figure").first).to_be_visible()
    counters = page.evaluate("window.__explorer")
    assert {c["mounts"] for c in counters.values()} == {1}
    page.get_by_role("link", name="Try it on your models").click()
    expect(page).to_have_url(re.compile(r"/align\?run="))
    expect(page.get_by_text("The alignment lowers the barrier by")).to_be_visible()


def test_the_neurons_answer_to_keys_and_buttons_without_python(url, page):
    """An arrow key moves the point, Swap mirrors it at the same loss, Roll downhill ends at a minimum; each within 100 ms."""
    page.goto(f"{url}/learn?lesson=two_neurons&step=run")
    grip = page.locator(".neurons .grip")
    status = page.locator(".neurons .status")
    grip.focus()
    page.keyboard.press("ArrowLeft")
    expect(status).to_contain_text("w = (2.55, 2.2)")
    page.get_by_role("button", name="Swap the neurons").click()
    expect(status).to_contain_text("w = (2.2, 2.55)")
    page.get_by_role("button", name="Roll downhill").click()
    expect(status).to_contain_text("w = (0.5, 2): loss")
    counter = next(c for c in page.evaluate("window.__explorer").values() if "moveMs" in c)
    assert counter["mounts"] == 1
    assert counter["moveMs"] < 100


def test_a_lesson_goes_on_by_the_keyboard(url, page):
    """N and P turn the steps, F presents, all without a mouse."""
    page.goto(f"{url}/learn?lesson=two_neurons")
    expect(page.get_by_role("button", name=re.compile("Next"))).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("button", name="Swap the neurons")).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Lock in")).to_be_visible()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name=re.compile("Leave presentation"))).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()


def test_before_a_class_nothing_stands_under_the_fold(url, open_page):
    """At 1920 × 1080 every stage uses the whole width and fits the screen; the room's code and its QR code do, too."""
    page = open_page(viewport={"width": 1920, "height": 1080})
    for name in ("curves", "fisher_regmean", "sam", "many_tasks", "local_trainings", "language_models"):
        for stage in ("question", "vote", *(["try"] if lessons.every()[name].hands else []), "picture", "formula"):
            page.goto(f"{url}/learn?lesson={name}&step={stage}&present=1")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
            if stage == "vote":
                page.get_by_role("button", name="Open a room").click()
                expect(page.locator(".way-in")).to_be_visible()
                assert page.locator(".way-in").bounding_box()["width"] > 200
            main = page.get_by_test_id("stMain")
            assert main.evaluate("node => [node.scrollHeight - node.clientHeight, node.scrollWidth - node.clientWidth]") == [0, 0], (name, stage)
            assert page.get_by_test_id("stMainBlockContainer").bounding_box()["width"] > 1850
            cut = "n => n.getBoundingClientRect().right - n.closest('.js-plotly-plot').getBoundingClientRect().right"
            assert [one for one in page.locator(".annotation-text").all() if one.evaluate(cut) > 0] == [], (name, stage)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "",
        "learn",
        "learn?lesson=two_neurons&step=run",
        "learn?lesson=curves&step=run",
        "learn?room=NONE",
        "learn?lesson=curves&step=vote&present=1",
        "learn?view=glossary",
        "learn?view=tour",
    ],
)
def test_axe_finds_nothing_to_mend(url, open_page, path, scheme):
    """Contrast, names and roles by WCAG 2.1 A and AA, on a wide window and on a phone: nothing sticks out."""
    page = open_page(color_scheme=scheme, viewport={"width": 420, "height": 900})
    page.goto(f"{url}/{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    for width in (420, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert violations(page) == []


@pytest.mark.slow
@pytest.mark.release
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_mend_in_any_lesson(url, open_page, scheme):
    """Every lesson with its finding, and every one that has something to try; on a phone and on a wide window, and nothing sticks out."""
    page = open_page(color_scheme=scheme, viewport={"width": 420, "height": 900})
    found: dict[str, list[str]] = {}
    for name, lesson in lessons.every().items():
        for step in ("run", "see") if lesson.hands else ("see",):
            page.goto(f"{url}/learn?lesson={name}&step={step}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
            for width in (420, 1440):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, step, width)
                if wrong := violations(page):
                    found[f"{name} {step} {width}"] = wrong
    assert found == {}


def test_no_formula_is_cut_on_a_narrow_screen(open_page, serve):
    """At 420 px every formula of the lessons ends inside the page."""
    page = open_page(viewport={"width": 420, "height": 900})
    page.goto(serve(Path(__file__).with_name("formulas_app.py")))
    shown = page.locator(".katex-display .katex-html")
    expect(shown).to_have_count(len(lessons.every()), timeout=30_000)
    page.wait_for_function("document.fonts.status === 'loaded'")
    ends = shown.evaluate_all(
        "nodes => nodes.map(n => Math.max(...[...n.querySelectorAll('.mord, .mclose')].map(c => c.getBoundingClientRect().right)))"
    )
    starts = shown.evaluate_all(
        "nodes => nodes.map(n => Math.min(...[...n.querySelectorAll('.mord, .mop')].map(c => c.getBoundingClientRect().left)))"
    )
    assert {name: end for name, end in zip(lessons.every(), ends, strict=True) if end > 410} == {}
    assert {name: start for name, start in zip(lessons.every(), starts, strict=True) if start < 8} == {}
