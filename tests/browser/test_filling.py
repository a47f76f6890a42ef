"""A run that fills: from the first point to the last nothing on the page moves, is drawn anew or turns pale."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from playwright.sync_api import Page, expect

from explorer.api import loaded
from explorer.core import locations, registry
from explorer.core.spec import Field, Run
from explorer.engine.worker import Worker
from explorer.problems import problem_toml
from explorer.store.run_store import RunStore
from explorer.ui.landscape import form
from explorer.ui.landscape.picture import Picture
from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_first_screen import WATCH

FOLDER = locations.root() / "sample_models" / "digits-resnet"  # points that take long enough for a picture to be seen filling
# The layout shift of the worst five seconds, which is how browsers count it on a page that stays open (web.dev, "Cumulative Layout Shift").
WORST = """(since) => {
  let worst = 0, sum = 0, first = 0, last = -Infinity;
  for (const [at, value] of window.__shifts.filter(([at]) => at > since)) {
    if (at - last < 1000 && at - first < 5000) sum += value;
    else [sum, first] = [value, at];
    last = at;
    worst = Math.max(worst, sum);
  }
  return worst;
}"""
UNDER_WAY = re.compile(r"Measuring ·")
# How pale any part of the page was in any frame.
LOOK = """
window.__pale = 1;
const look = () => {
  for (const node of document.querySelectorAll('[data-testid=stMain] [data-testid=stElementContainer]')) window.__pale = Math.min(window.__pale, +getComputedStyle(node).opacity);
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("filling")


@pytest.fixture(scope="module")
def url(serve, home):
    """The app on a folder of its own. It starts no worker: what is to be seen filling waits until it is seen."""
    return serve(locations.root() / "app.py", env={"LOSS_EXPLORER_HOME": str(home), "LOSS_EXPLORER_HIRE": "no"})


@contextmanager
def working(home: Path) -> Generator[None]:
    """A worker beside the test."""
    over = Event()

    def work() -> None:
        worker = Worker(RunStore(home / "store.sqlite"), home)
        while not over.is_set():
            worker.work_off()
            over.wait(0.1)

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _field(chart: str, seeds: tuple[int, ...], split: str) -> Field:
    corners = tuple(loaded(FOLDER / f"seed-{seed}.safetensors") for seed in seeds)
    return Field(problem_toml.read(FOLDER / "problem.toml"), corners, registry.method("chart", chart), split=split)


def _mounts(page: Page) -> dict[str, int]:
    return page.evaluate("Object.fromEntries(Object.entries(window.__explorer ?? {}).map(([key, count]) => [key, count.mounts]))")


def _fills(page: Page, home: Path, run: Run, address: str, key: str) -> None:
    """Open a run that nobody has begun, and look until nothing is left to do."""
    RunStore(home / "store.sqlite").submit(run)
    page.add_init_script(WATCH + LOOK)
    page.goto(address)
    expect(page.get_by_text("Waiting for a worker").first).to_be_visible()
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    begun = page.evaluate("performance.now()")
    with working(home):
        expect(page.get_by_text(UNDER_WAY).first).to_be_visible()
        expect(page.get_by_text(UNDER_WAY)).to_have_count(0, timeout=3 * PATIENCE_MS)  # the page asks for more when it has seen the first
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("key => window.__explorer[key].draws", key) >= 4, "it was not seen filling"
    assert page.evaluate(WORST, begun) < 0.02
    assert set(_mounts(page).values()) == {1}
    assert page.evaluate("window.__pale") > 0.8


@pytest.mark.parametrize("width", [1440, 420])
def test_a_line_fills_without_a_jump(url, open_page, home, width):
    """Curve, what its models answer, progress, numbers and words, on a desk and on a phone."""
    run = Run(_field("line", (0, 2), "test" if width > 800 else "val"), registry.method("sample", "adaptive"))
    _fills(open_page(viewport={"width": width, "height": 900}), home, run, f"{url}/interpolate?run={run.id}", f"curve-{run.id}")


@pytest.mark.parametrize("width", [pytest.param(1440, marks=pytest.mark.release), 420])
def test_a_plane_fills_without_a_jump(url, open_page, home, width):
    """The coarse grid and what refines it by itself."""
    run = Run(_field("plane", (0, 1, 2), "test" if width > 800 else "val"), registry.method("sample", "grid", {"size": form.COARSE}))
    _fills(open_page(viewport={"width": width, "height": 900}), home, run, f"{url}/landscape?runs={run.id}", Picture(run, form.COARSE).key)
