"""The app as people use it: a real server, a real worker, a real Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from explorer.core import locations
from explorer.core.spec import Look
from explorer.engine.worker import Worker
from explorer.store.run_store import RunStore
from tests import hostile
from tests.browser.conftest import unfold

APP = locations.root() / "app.py"


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny):
    """A user's folder in which the two tiny checkpoints are registered."""
    folder = tmp_path_factory.mktemp("home")
    store = RunStore(folder / "store.sqlite")
    store.submit(Look(str(tiny.folder)))
    Worker(store, folder).work_off()
    return folder


@pytest.fixture
def url(serve, home):
    """The app on that folder, with a worker that goes home soon after the tests."""
    return serve(APP, env={"LOSS_EXPLORER_HOME": str(home), "LOSS_EXPLORER_IDLE": "30"})


def line_between(page: Page, url: str, tiny) -> None:
    """Open the form with the two tiny checkpoints chosen."""
    field = tiny.field()
    page.goto(f"{url}/interpolate?a={field.corners[0].digest}&b={field.corners[1].digest}")
    expect(page.get_by_role("button", name="Explore")).to_be_visible()


def skip(page: Page, which: str):
    """SWA's field of snapshots to skip, such a one; another takes its place whenever the training changes, and for a moment both are there."""
    return page.locator(f'input[aria-label="SWA: skip"]{which}')


def press(drawing: Locator, across: float, down: float):
    """Click into a drawing, at shares of its width and height, once it stands still."""
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    assert box is not None
    drawing.click(position={"x": across * box["width"], "y": down * box["height"]})


def chart(page: Page):
    """The curve component's drawing."""
    return page.locator(".curve:not(.plane)").first


def test_a_deep_link_on_a_fresh_server_shows_the_page_in_its_frame(serve, home, page):
    """The first request a server ever gets is for a page: title, navigation, no 'page not found'."""
    fresh = serve(APP, "--client.toolbarMode=minimal", env={"LOSS_EXPLORER_HOME": str(home), "LOSS_EXPLORER_IDLE": "30"})
    page.goto(f"{fresh}/runs?x=1")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    expect(page.get_by_role("link", name="Checkpoints")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("", "Loss-landscape explorer"),
        ("learn", "Learn"),
        ("checkpoints", "Checkpoints"),
        ("align", "Align"),
        ("interpolate", "Interpolate"),
        ("paths", "Paths"),
        ("landscape", "Landscape"),
        ("soup", "Soup"),
        ("compare", "Compare"),
        ("runs", "Runs"),
    ],
)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 420)])
def test_every_page_opens_clean_in_both_themes_and_on_a_phone(url, open_page, path, heading, scheme, width):
    """No console error, no request elsewhere (the fixture checks both), nothing wider than the window."""
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(f"{url}/{path}")
    expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_from_explore_to_the_saved_model(url, page, tiny):
    """The whole journey: measure, watch without a remount, pick a point, read it, save it, come back by the link."""
    line_between(page, url, tiny)
    page.get_by_role("button", name="Explore").click()
    expect(page).to_have_url(re.compile("run="))
    expect(page.get_by_text("0 = a, 1 = b").first).to_be_visible()  # no longer the shipped line, which is done too
    expect(page.get_by_text(re.compile("^Done"))).to_be_visible()
    expect(page.get_by_text("nat", exact=False).first).to_be_visible()
    expect(page.get_by_text("95 % interval")).to_be_visible()
    expect(page.get_by_text("loaded by itself").first).to_be_visible()
    expect(page.get_by_text("DIFFERS from")).to_have_count(0)
    counters = page.evaluate("window.__explorer")
    assert {c["mounts"] for c in counters.values()} == {1}, "the live picture was remounted"

    press(chart(page), 0.4, 0.5)
    expect(page.get_by_text(re.compile("The model at t = 0"))).to_be_visible()
    expect(page.get_by_text("test accuracy")).to_be_visible()
    expect(page.get_by_test_id("stPlotlyChart").get_by_text("Confusion matrix")).to_be_visible()
    page.get_by_role("button", name="Save as checkpoint").click()
    expect(page.get_by_role("button", name="Download .safetensors")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download .safetensors").click()
    assert download.value.suggested_filename.endswith(".safetensors")


def test_from_align_to_a_point_between_aligned_models(url, page, tiny):
    """Align two models, read the reduction, look at every tab, and click on the curve: the model there, between the aligned ones."""
    field = tiny.field()
    page.goto(f"{url}/align?a={field.corners[0].digest}&b={field.corners[1].digest}")
    page.get_by_role("button", name="Align", exact=True).click()
    expect(page).to_have_url(re.compile("run="))
    expect(page.get_by_text("The alignment lowers the barrier by")).to_be_visible()
    expect(page.get_by_text("computes the same function as before")).to_be_visible()
    expect(page.get_by_role("button", name="Aligned checkpoint")).to_be_visible()
    for tab in ("Layers", "Convergence", "Symmetry", "About this method", "Units"):
        page.get_by_role("tab", name=tab).click()
    expect(page.get_by_text("Where each unit went", exact=True)).to_be_visible()
    counters = page.evaluate("window.__explorer")
    assert {c["mounts"] for c in counters.values()} == {1}, "the live picture was remounted"
    press(chart(page), 0.5, 0.5)
    expect(page).to_have_url(re.compile(r"/interpolate\?.*t=0\."))
    expect(page.get_by_text("b (weight matching)").first).to_be_visible()
    expect(page.get_by_text("test accuracy")).to_be_visible()


def test_a_curve_is_trained_live_and_a_point_of_it_opened(url, page, tiny):
    """Compare the segment with a Bézier curve, and click on it: the model there. The picture is never remounted."""
    field = tiny.field()
    page.goto(f"{url}/paths?a={field.corners[0].digest}&b={field.corners[1].digest}")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page).to_have_url(re.compile("runs="))
    expect(page.get_by_role("button", name="Finer")).to_be_visible()  # everything that comes by itself is measured
    expect(chart(page)).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    counters = page.evaluate("window.__explorer")
    assert {c["mounts"] for c in counters.values()} == {1}, "the live picture was remounted"
    press(chart(page), 0.4, 0.5)
    expect(page.get_by_text(re.compile("The model at t = 0"))).to_be_visible()
    expect(page.get_by_text("bezier bend 1").first).to_be_visible()
    expect(page.get_by_text("test accuracy")).to_be_visible()


def test_a_click_on_the_first_page_opens_that_model(url, page):
    """From the shipped picture to the model at the point, in one click."""
    page.goto(url)
    expect(chart(page)).to_be_visible()
    click_line(page, 0.5)


def test_a_browser_that_stands_still_while_a_page_is_turned_to_shows_it_afterwards(url, page):
    """What is measured in the meantime is told when the browser has turned: a part of a page that it does not show yet would end the app."""
    page.goto(url)
    click_line(page, 0.7)  # a worker is there from now on
    page.goto(url)
    expect(chart(page)).to_be_visible()
    page.evaluate(
        """() => {
            const send = WebSocket.prototype.send;
            const still = () => { const until = performance.now() + 5000; while (performance.now() < until); };
            WebSocket.prototype.send = function (message) { send.call(this, message); setTimeout(still, 10); };
        }"""
    )
    click_line(page, 0.3)


def test_the_rest_of_a_page_follows_the_part_that_answers_a_click(url, page):
    """The picked model is there at once; the link under the picture, which stands outside of that part, names it soon after."""
    page.goto(url)
    click_line(page, 0.7)
    box = chart(page).locator(".grip").bounding_box()
    chart(page).locator(".grip").click(position={"x": 0.3 * box["width"], "y": 0.5 * box["height"]})
    expect(page.get_by_text("The model at t = 0.3")).to_be_visible()
    page.get_by_role("button", name="Code", exact=True).click()
    expect(page.get_by_text(re.compile(r"/interpolate\?run=\w+&t=0\.3"))).to_be_visible()


def click_line(page, t):
    """Click on the shipped line, and wait for the model there."""
    grip = chart(page).locator(".grip")
    box = grip.bounding_box()
    assert box is not None
    grip.click(position={"x": t * box["width"], "y": 0.5 * box["height"]})  # which scrolls to it: Home begins with a landscape
    expect(page).to_have_url(re.compile(r"/interpolate\?.*t=0\."))
    expect(page.get_by_text("test accuracy")).to_be_visible()


def test_a_permalink_works_in_a_fresh_browser_while_the_run_goes_on(url, open_page, home):
    """Two visitors see the same long run; the second one, who never pressed Explore, stops and resumes it."""
    first = open_page()
    first.goto(url)  # with the first visitor the shipped samples come into the store
    expect(first.get_by_text("Walk from one network")).to_be_visible()
    gpt = [f for f in RunStore(home / "store.sqlite").checkpoints() if "char-gpt" in f.path]
    first.goto(f"{url}/interpolate?a={gpt[0].digest}&b={gpt[1].digest}")
    first.get_by_text("Expert options").click()
    first.get_by_text("How it is measured").click()
    first.get_by_role("combobox", name=re.compile("Which points")).click()
    first.get_by_role("option", name="grid").click()
    first.get_by_label("size", exact=True).fill("1001")
    first.get_by_label("size", exact=True).press("Enter")
    expect(first.get_by_text("Evenly spaced points")).to_be_visible()
    first.get_by_role("button", name="Explore").click()
    expect(first).to_have_url(re.compile("run="))
    second = open_page()
    second.goto(first.url)
    for visitor in (first, second):
        expect(visitor.get_by_text(re.compile(r"Measuring · [1-9]\d* of 1001 · about")).first).to_be_visible()
    second.get_by_role("button", name="Stop").click()
    for visitor in (first, second):
        expect(visitor.get_by_text(re.compile("^Stopped at [1-9]"))).to_be_visible()
    second.reload()
    second.get_by_role("button", name="Resume").click()
    expect(second.get_by_text(re.compile(r"Measuring · [1-9]\d* of 1001"))).to_be_visible()
    second.get_by_role("button", name="Stop").click()
    expect(second.get_by_text(re.compile("^Stopped at [1-9]"))).to_be_visible()


def test_hostile_files_are_refused_in_sentences_and_the_server_lives_on(url, page, tmp_path, tiny):
    """A folder of bombs beside one good checkpoint: the good one is taken, each bad one is named."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "problem.toml").write_text((tiny.folder / "problem.toml").read_text())
    (folder / "good.safetensors").write_bytes(tiny.a.read_bytes())
    for name in ("pickle_bomb", "compressed_bomb", "truncated_safetensors"):
        hostile.HOSTILE[name](folder)
    page.goto(f"{url}/checkpoints")
    page.get_by_text("Add your own").click()
    page.get_by_label("File or folder on this computer").fill(str(folder))
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_text("is a checkpoint of")).to_be_visible()
    assert page.get_by_test_id("stAlert").count() == 4
    assert not hostile.bomb_mark(folder).exists()
    page.goto(f"{url}/runs")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()


def test_pointing_at_the_curve_shows_the_place_in_its_plane_and_back(url, page, tiny):
    """Without Python; a click beside the path gives the model there."""
    field = tiny.field()
    page.set_viewport_size({"width": 1440, "height": 900})  # both are in view, side by side
    page.goto(f"{url}/paths?a={field.corners[0].digest}&b={field.corners[1].digest}")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("button", name="Finer")).to_be_visible()  # the coarse plane is measured
    line, area = page.locator(".curve:not(.plane) .grip"), page.locator(".plane .grip")
    line.scroll_into_view_if_needed()
    line.hover(position={"x": 0.4 * line.bounding_box()["width"], "y": 60})
    expect(page.locator(".plane .bead")).to_have_count(2)  # one on each way
    place = page.locator(".plane .bead").first.bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(page.locator(".curve:not(.plane) .hair")).to_have_count(1)
    expect(page.locator(".curve:not(.plane) .readout")).to_contain_text(re.compile(r"t = 0\.(39|4)"))
    counters = page.evaluate("window.__explorer")
    assert {c["mounts"] for c in counters.values()} == {1}
    linked = [c for c in counters.values() if c.get("links")]
    assert len(linked) == 2, "each picture heard the other"
    area.click(position={"x": 20, "y": 20})
    expect(page).to_have_url(re.compile("at="))
    expect(page.get_by_text(re.compile("The model at u = "))).to_be_visible()
    expect(page.get_by_text("test accuracy")).to_be_visible()


def test_a_place_of_the_landscape_is_a_model(url, page):
    """The shipped plane is there at once, with how wrong its preview may be; a click gives the model there, and what it gets wrong."""
    page.goto(f"{url}/landscape")
    expect(page.locator(".plane canvas")).to_be_visible()
    expect(page.locator(".plane .caption")).to_contain_text(re.compile(r"certified by 64 held-out random ones.* rms"))
    page.get_by_role("button", name="View").click()
    page.get_by_role("radio", name="measured cells").click()
    expect(page.locator(".plane .caption")).to_contain_text("cells measured")
    page.get_by_role("radio", name="smooth preview").click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("The lowest measured loss is")).to_be_visible()
    page.locator(".plane .grip").click(position={"x": 100, "y": 60})
    expect(page).to_have_url(re.compile("at="))
    expect(page.get_by_text(re.compile("The model at u = "))).to_be_visible()
    expect(page.get_by_text("test accuracy")).to_be_visible()
    page.get_by_role("button", name="Show its mistakes").click()
    expect(page.get_by_text("samples wrong")).to_be_visible()


def test_a_training_is_chosen_watched_and_its_plane_opened(url, page, home):
    """Train now → a method → its curve grows while it trains → what the averages are worth → the plane in Landscape."""
    page.goto(f"{url}/train")
    unfold(page)
    page.get_by_role("radio", name="train now").click()
    page.get_by_role("combobox", name=re.compile("Training")).click()
    page.get_by_role("option", name="swa", exact=True).click()
    page.get_by_text("How it is trained").click()
    page.get_by_label("epochs", exact=True).fill("8")
    page.get_by_label("epochs", exact=True).press("Enter")
    expect(skip(page, ':not([max="8"])')).to_have_count(0)
    page.get_by_label("begin", exact=True).fill("4")
    page.get_by_label("begin", exact=True).press("Enter")
    expect(skip(page, '[value="4"]')).to_have_count(1)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page).to_have_url(re.compile("runs="))
    expect(chart(page)).to_be_visible()
    expect(page.get_by_text(re.compile("is the best of these averages"))).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    counters = page.evaluate("window.__explorer")
    assert all(c["mounts"] <= 2 for c in counters.values()), "the live picture was remounted"
    slow, link = page.get_by_role("button", name="Measure this plane"), page.get_by_role("link", name="This plane in Landscape")
    expect(slow.or_(link)).to_be_visible()
    if slow.is_visible():  # a busy machine does not begin it by itself
        slow.click()
    page.goto(link.evaluate("a => a.href"))  # a click may come to nothing while a part of the page polls: Streamlit then answers the poll alone
    expect(page.get_by_role("heading", name="Landscape")).to_be_visible()
    expect(page.locator(".plane canvas")).to_be_visible()
    expect(page.get_by_text("The lowest measured loss is")).to_be_visible()
