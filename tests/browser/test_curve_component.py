"""The live curve in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

Serve = Callable[..., str]  # the fixtures of conftest.py
OpenPage = Callable[..., Page]

SCRIPT = Path(__file__).with_name("curve_app.py")


@pytest.fixture(scope="session")
def url(serve: Serve) -> str:
    return serve(SCRIPT)


def opened(page: Page, url: str, show: str = "one") -> Locator:
    page.goto(f"{url}/?show={show}")
    handle = page.get_by_role("slider", name="t (0 = ")
    expect(handle).to_be_visible()
    return handle


def counters(page: Page) -> dict[str, float]:
    return page.evaluate("({...window.__explorer.c})")


def point(handle: Locator, x: float, y: float = 0.5) -> tuple[float, float]:
    """Pixels of the plot's point at shares x and y of its width and height."""
    box = handle.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def readout(page: Page) -> Locator:
    return page.locator(".readout")


def test_a_picture_whose_style_is_on_its_way_is_not_clicked_yet(page: Page, url: str):
    """Before the style sheet is there, the drawing lies over what hears the clicks: they would be lost."""
    held: list[Route] = []
    page.route(re.compile(r"curve[^/]*\.css"), lambda request: held.append(request))
    page.goto(f"{url}/?show=one")
    page.wait_for_function("window.__explorer?.c?.draws > 0")
    handle = page.locator(".grip")
    expect(handle).to_have_count(1)
    expect(handle).to_be_hidden()
    assert held
    for request in held:
        request.continue_()
    expect(handle).to_be_visible()
    handle.click()
    expect(page.locator(".status")).to_contain_text("t = 0.5")


def test_a_picture_waits_for_the_style_sheet_that_came_in_the_place_of_another(page: Page, url: str):
    """Streamlit may put another link in the place of one that is still on its way: what becomes of the first says nothing of the second."""
    held: list[Route] = []
    page.route(re.compile(r"curve[^/]*\.css"), lambda request: held.append(request))
    page.goto(f"{url}/?show=one")
    page.wait_for_function("window.__explorer?.c?.draws > 0")
    handle = page.locator(".grip")
    page.locator("link[href*='curve'][href*='.css']").evaluate("""link => {
        const after = document.createElement("div"), again = link.cloneNode();
        again.href += "?again";
        after.append(again);
        link.parentElement.replaceWith(after);
    }""")
    page.wait_for_timeout(500)  # for what a link says that is taken away
    expect(handle).to_be_hidden()
    held[-1].continue_()
    expect(handle).to_be_visible()


def test_twenty_updates_draw_into_one_mount(page: Page, url: str):
    """New points reach the same element: no flicker, and what the person was doing there stays."""
    handle = opened(page, url, "live")
    page.mouse.move(*point(handle, 0.5))
    expect(readout(page)).to_be_visible()
    handle.focus()
    handle.press("Home")
    handle.press("PageUp")
    page.evaluate("window.kept = document.activeElement")
    before = counters(page)["draws"]
    page.wait_for_function(f"window.__explorer.c.draws >= {before + 20}")
    assert counters(page)["mounts"] == 1
    expect(readout(page)).to_be_visible()
    expect(readout(page)).to_contain_text("t = 0.5")
    expect(handle).to_be_focused()
    expect(handle).to_have_attribute("aria-valuetext", "t = 0.1")


def test_click_marks_at_once_and_reaches_python(page: Page, url: str):
    """A click near a measured point means that point; the callback and the returned value agree."""
    handle = opened(page, url)
    page.mouse.click(*point(handle, 0.251))
    expect(handle).to_have_attribute("aria-valuetext", "t = 0.25")
    expect(page.get_by_text("Python has 0.25")).to_be_visible()
    expect(page.get_by_text("Told 0.25")).to_be_visible()


def test_click_between_points_means_that_place(page: Page, url: str):
    """Any coordinate can be picked; the text says at which measured point its values were taken."""
    handle = opened(page, url)
    page.mouse.click(*point(handle, 0.43))
    expect(page.get_by_text("Python has 0.43")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^t = 0\.43: loss 2\.07 \[1\.92, 2\.23\] \(measured at 0\.45\)"))).to_be_visible()


def test_click_while_points_arrive_is_kept(page: Page, url: str):
    """An update that Python made before it heard of the click must not take the handle back."""
    handle = opened(page, url, "live")
    for share in (0.3, 0.8, 0.555):
        page.mouse.click(*point(handle, share))
        marked = handle.get_attribute("aria-valuenow")
        assert marked is not None
        assert float(marked) == pytest.approx(share, abs=0.01)
        expect(page.get_by_text(f"Python has {marked}", exact=True)).to_be_visible()
        page.wait_for_function(f"window.__explorer.c.draws >= {counters(page)['draws'] + 3}")
        expect(handle).to_have_attribute("aria-valuenow", marked)
    assert counters(page)["mounts"] == 1


def test_drag_moves_the_handle_and_commits_on_release(page: Page, url: str):
    """While the button is down nothing is sent; the place of release is."""
    handle = opened(page, url)
    page.mouse.click(*point(handle, 0.2))
    expect(page.get_by_text("Python has 0.2")).to_be_visible()
    page.mouse.move(*point(handle, 0.203))
    page.mouse.down()
    page.mouse.move(*point(handle, 0.6), steps=5)
    expect(handle).to_have_attribute("aria-valuetext", "t = 0.6")
    expect(page.get_by_text("Python has 0.2")).to_be_visible()
    page.mouse.up()
    expect(page.get_by_text("Python has 0.6")).to_be_visible()


def test_keyboard_alone_picks_and_clears(page: Page, url: str):
    """Arrows go by 0.01, Page keys by 0.1; Enter picks, Esc clears. Focus can be seen."""
    handle = opened(page, url)
    page.get_by_role("button", name="Go to the peak").focus()
    page.keyboard.press("Tab")
    expect(handle).to_be_focused()
    assert handle.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
    for key in ("End", "PageDown", "PageDown", "ArrowLeft", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(handle).to_have_attribute("aria-valuenow", "0.79")
    expect(page.get_by_text("Enter picks it")).to_be_visible()
    expect(page.get_by_text("Python has None")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Python has 0.79")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Python has None")).to_be_visible()
    expect(handle).to_have_attribute("aria-valuetext", "nothing picked")


def test_page_moves_the_handle(page: Page, url: str):
    """A new `pick` from Python wins over an older click, and a newer click over that."""
    handle = opened(page, url)
    page.mouse.click(*point(handle, 0.2))
    expect(page.get_by_text("Python has 0.2")).to_be_visible()
    page.get_by_role("button", name="Go to the peak").click()
    expect(page.get_by_text("Python has 0.5")).to_be_visible()
    expect(handle).to_have_attribute("aria-valuetext", "t = 0.5")
    page.mouse.click(*point(handle, 0.7))
    expect(page.get_by_text("Python has 0.7")).to_be_visible()
    expect(handle).to_have_attribute("aria-valuetext", "t = 0.7")


def test_touch_picks(open_page: OpenPage, url: str):
    """A tap is a click."""
    page = open_page(has_touch=True, is_mobile=True, viewport={"width": 420, "height": 800})
    handle = opened(page, url)
    page.touchscreen.tap(*point(handle, 0.7))
    expect(page.get_by_text("Python has 0.7")).to_be_visible()


def test_hover_stays_in_the_browser(page: Page, url: str):
    """Moving over the plot moves crosshair and values, draws no curve again and sends nothing."""
    handle = opened(page, url)
    before = counters(page)["draws"]
    for i in range(40):
        page.mouse.move(*point(handle, (i + 0.5) / 40))
        page.wait_for_function(f"window.__explorer.c.hovers > {i}")
    assert counters(page)["draws"] == before
    expect(page.get_by_text("Update 1", exact=True)).to_be_visible()


def test_readout_names_each_curve_and_where_it_was_measured(page: Page, url: str):
    """Curves measured at different places each say theirs."""
    handle = opened(page, url, "six")
    page.mouse.move(*point(handle, 0.43))
    expect(readout(page)).to_contain_text("method 0")
    expect(readout(page)).to_contain_text("0.2875 at 0.45")
    expect(readout(page)).to_contain_text("0.5614 at 0.4")


def test_diverged_points_are_a_gap_with_marks(page: Page, url: str):
    """Two separate lines, a mark for each lost point, and the readout says so."""
    handle = opened(page, url, "nan")
    assert page.locator(".stage path.line").count() == 2
    assert page.locator("path.gap").count() == 4
    page.mouse.move(*point(handle, 0.7))
    expect(readout(page)).to_contain_text("diverged")


def test_names_are_text_and_not_markup(page: Page, url: str):
    """A checkpoint may be called anything; no element is made of it."""
    handle = opened(page, url, "markup")
    page.mouse.move(*point(handle, 0.5))
    expect(readout(page)).to_contain_text("<img src=x")
    assert page.locator(".curve img").count() == 0


@pytest.mark.parametrize("base", ["light", "dark"])
def test_text_and_lines_stand_out_in_both_themes(open_page: OpenPage, serve: Serve, base: str):
    """Text has a contrast of 4.5 with the page, lines of 3 (WCAG 1.4.3, 1.4.11)."""
    page = open_page(color_scheme=base)
    opened(page, serve(SCRIPT, f"--theme.base={base}"), "six")
    background = _rgb(page, ".stApp", "backgroundColor")
    assert (_luminance(background) < 0.2) == (base == "dark")
    for selector, style, least in ((".tick", "fill", 4.5), (".y-title", "color", 4.5), (".caption", "color", 4.5), ("li path.line", "stroke", 3.0)):
        for colour in _rgbs(page, selector, style):
            assert _contrast(colour, background) >= least, (selector, colour)


@pytest.mark.parametrize("width", [420, 1440])
def test_labels_of_barriers_are_joined_to_their_own_curves_and_do_not_meet(open_page: OpenPage, url: str, width: int):
    """Five brackets at one place: five labels in their curves' colours, each leader from the bracket's top to its own label."""
    page = open_page(viewport={"width": width, "height": 800})
    opened(page, url, "peaks")
    found = page.locator("g:has(> .bracket)").evaluate_all("""groups => groups.map((group, i) => {
        const label = group.querySelector("text").getBBox(), leader = group.querySelector(".leader").getAttribute("d").match(/-?[\\d.]+/g).map(Number);
        const top = Number(group.querySelector(".bracket").getAttribute("d").match(/-?[\\d.]+/g)[1]);
        const colour = group.style.getPropertyValue("--series");
        return { box: [label.x, label.y, label.x + label.width, label.y + label.height], leader, top, colour };
    })""")
    assert len({one["colour"] for one in found}) == len(found) == 5
    for i, one in enumerate(found):
        x0, y0, x1, y1 = one["box"]
        assert one["leader"][1] == one["top"]
        assert x0 - 5 <= one["leader"][2] <= x1 + 5
        assert y0 - 5 <= one["leader"][3] <= y1 + 5
        for other in found[i + 1 :]:
            assert y1 <= other["box"][1] + 1 or other["box"][3] <= y0 + 1


@pytest.mark.parametrize("show", ["one", "peaks", "pair", "nan", "six", "log", "long", "empty"])
def test_nothing_is_clipped_or_crossed_on_a_narrow_screen(open_page: OpenPage, url: str, show: str):
    """At 420 px the page does not scroll sideways, texts stay inside, and no two tick labels of an axis meet."""
    page = open_page(viewport={"width": 420, "height": 800})
    handle = opened(page, url, show)
    page.mouse.move(*point(handle, 0.9))
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    boxes = page.locator(".curve text").evaluate_all("nodes => nodes.map(n => n.getBoundingClientRect().toJSON())")
    assert boxes
    assert all(box["left"] >= 0 and box["right"] <= 420 for box in boxes)
    ticks = page.locator("text.tick").evaluate_all("nodes => nodes.map(n => n.getBoundingClientRect().toJSON())")
    ink = 3  # px of a text's box at each side that the digits leave free
    for i, a in enumerate(ticks):
        for b in ticks[i + 1 :]:
            beside = a["right"] - ink <= b["left"] or b["right"] - ink <= a["left"]
            assert beside or a["bottom"] - ink <= b["top"] or b["bottom"] - ink <= a["top"]


def test_a_curve_is_hidden_and_shown_by_its_entry_in_the_legend(page: Page, url: str):
    """The axis follows what is left, colours and symbols stay, and the same mount draws; of one curve alone there is nothing to press."""
    opened(page, url, "peaks")
    entry = page.get_by_role("button", name="method 0")
    expect(entry).to_have_attribute("aria-pressed", "true")
    colours = page.locator("g.series:has(> .bracket)").evaluate_all("nodes => nodes.map(n => n.style.getPropertyValue('--series'))")
    entry.click()
    expect(entry).to_have_attribute("aria-pressed", "false")
    left = page.locator("g.series:has(> .bracket)").evaluate_all("nodes => nodes.map(n => n.style.getPropertyValue('--series'))")
    assert left == colours[1:]
    assert max(float(t) for t in page.locator("text.tick[text-anchor=end]").all_text_contents()) < 1.2
    page.keyboard.press("Enter")
    expect(page.locator("g.series:has(> .bracket)")).to_have_count(5)
    assert counters(page)["mounts"] == 1
    opened(page, url, "one")
    expect(page.get_by_role("button", name="loss")).to_be_disabled()


def test_drawing_follows_its_container(page: Page, url: str):
    """A narrower window redraws the same mount."""
    handle = opened(page, url)
    wide = handle.bounding_box()
    draws = counters(page)["draws"]
    page.set_viewport_size({"width": 500, "height": 800})
    page.wait_for_function(f"window.__explorer.c.draws > {draws}")
    narrow = handle.bounding_box()
    assert wide is not None
    assert narrow is not None
    assert narrow["width"] < wide["width"]
    assert counters(page)["mounts"] == 1


def test_figure_says_what_it_shows(page: Page, url: str):
    """The finding is the accessible name, and the values under the handle are announced."""
    opened(page, url)
    expect(page.get_by_role("figure", name="The loss rises by 1.83 between A and B.")).to_be_visible()
    expect(page.locator("[aria-live=polite]")).to_contain_text("arrow keys")


def _rgbs(page: Page, selector: str, style: str) -> list[tuple[float, float, float]]:
    """Computed colours as 0–255 sRGB, whatever notation they are in: painted on a canvas and read back."""
    read = f"""nodes => nodes.map(node => {{
        const context = new OffscreenCanvas(1, 1).getContext("2d");
        context.fillStyle = getComputedStyle(node).{style};
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }})"""
    found = page.locator(selector).evaluate_all(read)
    assert found, selector
    return [tuple(colour) for colour in found]


def _rgb(page: Page, selector: str, style: str) -> tuple[float, float, float]:
    return _rgbs(page, selector, style)[0]


def _luminance(colour: tuple[float, float, float]) -> float:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    bright, dim = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_a_point_walks_along_the_curve(page: Page, url: str):
    """Scrub, then play to the end: the point lies on the curve with its value beside it, and Python hears nothing of it."""
    page.goto(f"{url}/?show=walk")
    slider = page.get_by_role("slider", name="Place on the curve")
    slider.fill("400")
    expect(page.locator(".curve .bead")).to_have_count(1)
    expect(page.locator("text.value")).to_have_text("1.95")  # 0.31 - 0.05 t + 1.83 sin² πt
    slider.press("ArrowRight")
    expect(page.locator(".curve output")).to_have_text("t = 0.41")
    expect(page.locator("text.value")).to_have_text(re.compile(r"^≈ 1\.9[0-9]$"))  # no point is measured there
    page.get_by_role("button", name="Play along the curve").click()
    expect(page.locator(".curve output")).to_have_text("t = 1.00")
    expect(page.get_by_role("button", name="Play along the curve")).to_be_visible()
    expect(page.get_by_text("Told None")).to_be_visible()


def test_the_point_walks_on_all_curves_and_stops_where_somebody_takes_hold(open_page: OpenPage, url: str):
    """A bead with a value on each curve, none at first even for those who like motion; a press on the plot ends the walk, and arrow keys go on from there."""
    page = open_page(reduced_motion="no-preference")
    handle = opened(page, url, "walks")
    expect(page.locator(".curve .bead")).to_have_count(0)
    page.get_by_role("button", name="Play along the curves").click()
    expect(page.locator(".curve .bead")).to_have_count(2)
    expect(page.locator("text.value")).to_have_count(2)
    page.mouse.click(*point(handle, 0.8))
    expect(page.get_by_role("button", name="Play along the curves")).to_be_visible()
    expect(page.locator(".curve output")).to_have_text("t = 0.80")
    handle.press("ArrowLeft")
    expect(page.locator(".curve output")).to_have_text("t = 0.79")
    beads = page.locator(".curve .bead").evaluate_all("nodes => nodes.map(node => node.getAttribute('cx'))")
    assert len(beads) == 2 and len(set(beads)) == 1


def test_the_place_of_the_player_is_kept_before_anything_is_measured(page: Page, url: str):
    """What comes in moves nothing: the row is there from the start, and cannot be used yet."""
    page.goto(f"{url}/?show=nothing")
    expect(page.get_by_role("slider", name="Place on")).to_be_disabled()
    expect(page.locator(".curve .player")).to_be_visible()
    grip, row = page.locator(".curve .grip").bounding_box(), page.locator(".curve .player").bounding_box()
    assert grip and row and row["y"] + row["height"] - grip["y"] < 420


def test_the_answers_change_with_the_point_and_nothing_moves(page: Page, url: str):
    """The nearest measured place's confusion and answers, in the browser alone, and every place and size stays."""
    handle = opened(page, url, "answers")
    tile = page.locator(".samples li")
    expect(page.locator(".answers .words")).to_have_text("t = 0: 0 of 8 wrong (0 %).")
    expect(tile).to_have_class("right")
    expect(tile).to_have_text("dog✓ dog")
    before = [page.locator(part).bounding_box() for part in (".answers", ".answers svg", ".samples li", ".caption")]
    page.get_by_role("slider", name="Place on the curve").fill("600")
    expect(page.locator(".answers .words")).to_have_text("t = 0.5: 4 of 8 wrong (50 %), most often dog taken for cat (4 ×).")
    expect(tile).to_have_class("wrong")
    expect(tile).to_have_text("dog✗ cat")
    shades = page.locator(".answers rect").evaluate_all("nodes => nodes.map(node => Number(node.style.opacity))")
    assert shades == [1.0, 0.06, 0.89, 0.45]  # the root of the share of each true class
    assert before == [page.locator(part).bounding_box() for part in (".answers", ".answers svg", ".samples li", ".caption")]
    page.mouse.move(*point(handle, 0.95))
    expect(tile).to_have_class("right")
    expect(page.get_by_text("Update 1", exact=True)).to_be_visible()


def test_samples_without_classes_have_their_losses_and_their_text(page: Page, url: str):
    """No box is empty: without classes there is no matrix, without a picture the text."""
    handle = opened(page, url, "losses")
    expect(page.locator(".samples li")).to_have_text("to be or notloss 0.1")
    expect(page.locator(".answers svg")).to_be_hidden()
    page.mouse.move(*point(handle, 0.5))
    expect(page.locator(".samples li")).to_have_text("to be or notdiverged")


def test_the_place_of_answers_that_are_worked_out_is_kept(page: Page, url: str):
    """It says what is coming; a curve without answers has no such place."""
    opened(page, url, "coming")
    expect(page.locator(".answers")).to_contain_text("Working out what the models along the path answer")
    opened(page, url, "one")
    expect(page.locator(".answers")).to_be_hidden()


def shown(handle: Locator) -> tuple[float, float]:
    """The part of the axis that is shown."""
    return tuple(float(handle.get_attribute(f"aria-value{end}") or "nan") for end in ("min", "max"))


def test_a_drag_over_the_plot_zooms_and_a_double_click_shows_all_again(page: Page, url: str):
    """The axis upwards follows what is left; a click there still picks, a double click picks nothing, and Python hears of neither zoom."""
    handle = opened(page, url)
    page.mouse.move(*point(handle, 0.1))
    page.mouse.down()
    page.mouse.move(*point(handle, 0.3), steps=4)
    expect(page.locator(".chosen")).to_have_count(1)
    page.mouse.up()
    assert shown(handle) == pytest.approx((0.1, 0.3), abs=0.006)
    ticks = [float(t) for t in page.locator("text.tick[text-anchor=end]").all_text_contents()]
    assert max(ticks) == pytest.approx(1.75, abs=0.3)  # the loss at 0.3, with its band
    expect(page.get_by_text("Python has None")).to_be_visible()
    expect(page.get_by_role("button", name="Show the whole axis")).to_be_enabled()
    page.mouse.click(*point(handle, 0.5))
    expect(page.get_by_text(re.compile(r"^Python has 0\.2"))).to_be_visible()
    said = page.get_by_text(re.compile(r"^Python has")).text_content()
    page.mouse.dblclick(*point(handle, 0.9))
    assert shown(handle) == (0, 1)
    page.wait_for_timeout(500)  # more than a click waits for its second half
    expect(page.get_by_text(said or "")).to_be_visible()
    assert counters(page)["mounts"] == 1


def test_keys_and_buttons_zoom_around_the_handle(page: Page, url: str):
    """Plus, minus and 0; the arrow keys then go by smaller steps. New data keep the part that is shown."""
    handle = opened(page, url, "live")
    page.mouse.click(*point(handle, 0.2))
    handle.press("+")
    handle.press("+")
    assert shown(handle) == pytest.approx((0.15, 0.4))
    handle.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", "0.202")
    page.wait_for_function(f"window.__explorer.c.draws >= {counters(page)['draws'] + 3}")
    assert shown(handle) == pytest.approx((0.15, 0.4))
    handle.press("-")
    page.get_by_role("button", name="Zoom out").click()
    assert shown(handle) == (0, 1)
    expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()
    page.get_by_role("button", name="Zoom in").click()
    handle.press("0")
    assert shown(handle) == (0, 1)
