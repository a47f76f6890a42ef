"""The first screen of every page: its picture begins at the top and takes most of it, nothing jumps, and the form is one line that opens."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from explorer.core import locations
from tests.browser.conftest import folded_form

HEIGHT = 900
PICTURES = ("landscape", "interpolate", "align", "paths", "train", "soup", "compare")
TABLES = ("runs", "checkpoints")
# How far things moved that nobody touched, from the page's title on, without the sidebar: before it there is only Streamlit's own frame. A picture's place is the container that
# the page keeps for it, with what belongs to it: axes, colours, legend and caption.
WATCH = """
window.__moved = 0; window.__shifts = []; window.__from = Infinity;
const framed = () => innerWidth < 800 || document.querySelector('[data-testid=stSidebarNav]');  // on a busy machine Streamlit opens the sidebar late
const seek = setInterval(() => { if (framed() && document.querySelector('[data-testid=stMain] h1')) { window.__from = performance.now(); clearInterval(seek); } }, 5);
new PerformanceObserver((list) => {
  const beside = (entry) => entry.sources.length && entry.sources.every(({ node }) => node?.parentElement?.closest('[data-testid=stSidebar]'));
  for (const entry of list.getEntries()) if (!entry.hadRecentInput && entry.startTime > window.__from && !beside(entry)) {
    window.__moved += entry.value;
    window.__shifts.push([entry.startTime, entry.value]);
  }
}).observe({ type: 'layout-shift', buffered: true });
"""
PLACE = """() => {
  const boxes = [...document.querySelectorAll('[class*=st-key-first-picture]')].map((node) => node.getBoundingClientRect()).filter((box) => box.top < innerHeight);
  const [left, right] = [Math.min(...boxes.map((b) => b.left)), Math.max(...boxes.map((b) => b.right))];
  const [top, bottom] = [Math.min(...boxes.map((b) => b.top)), Math.min(innerHeight, Math.max(...boxes.map((b) => b.bottom)))];
  const main = document.querySelector('[data-testid=stMainBlockContainer]'), style = getComputedStyle(main);
  return { top, share: (bottom - top) / innerHeight, wide: (right - left) / (main.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)) };
}"""


@pytest.fixture(scope="module")
def url(serve, tmp_path_factory):
    """The app as it is when it is opened for the first time, without a worker: what is seen is what ships."""
    home = tmp_path_factory.mktemp("fresh")
    return serve(locations.SERVED, env={"LOSS_EXPLORER_HOME": str(home), "LOSS_EXPLORER_HIRE": "no"})


def _rest(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "width"),
    [*((p, 1440) for p in PICTURES), ("landscape", 420), *(pytest.param(p, 420, marks=pytest.mark.release) for p in PICTURES if p != "landscape")],
)
def test_the_picture_comes_first(url, open_page, path, width):
    """Measured, though nobody computes: at the top of a desk's screen it takes 60 % of the height and more than half of the width, and on a phone it begins in
    the upper half. Nothing moves once the title stands, nothing is wider than the window, and the form opens without the picture being lost."""
    page = open_page(viewport={"width": width, "height": HEIGHT}, color_scheme="light" if width > 800 else "dark")
    page.add_init_script(WATCH)
    page.goto(f"{url}/{path}")
    picture = page.locator("[class*=st-key-first-picture]").first
    expect(picture.locator(".curve, .js-plotly-plot").first).to_be_visible()
    _rest(page)
    place = page.evaluate(PLACE)
    if width > 800:
        assert place["top"] <= 160
        assert place["share"] >= 0.6
        assert place["wide"] > 0.5
    else:
        assert place["top"] <= HEIGHT / 2
    assert page.evaluate("window.__moved") < 0.02
    assert page.evaluate("(() => { const main = document.querySelector('[data-testid=stMain]'); return main.scrollWidth - main.clientWidth })()") <= 0
    expect(page.get_by_text("Waiting for a worker")).to_have_count(0)
    form = folded_form(page)
    expect(form.locator("[data-testid=stBaseButton-primary]")).to_be_hidden()
    form.locator("summary").first.click()
    expect(form.locator("[data-testid=stBaseButton-primary]")).to_be_visible()
    expect(picture.locator(".curve, .js-plotly-plot").first).to_be_attached()


@pytest.mark.parametrize("width", [1440, 420])
@pytest.mark.parametrize("path", TABLES)
def test_a_list_fits_its_page(url, open_page, path, width):
    """Runs and Checkpoints: a table begins on the first screen, and the page is a few screens high."""
    page = open_page(viewport={"width": width, "height": HEIGHT})
    page.goto(f"{url}/{path}")
    _rest(page)
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    assert table.bounding_box()["y"] < HEIGHT
    assert page.evaluate("(() => { const main = document.querySelector('[data-testid=stMain]'); return main.scrollWidth - main.clientWidth })()") <= 0
    assert page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight") < 3 * HEIGHT
