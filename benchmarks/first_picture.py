"""How soon the Landscape page shows a picture: the shipped one beside a page without pictures, and the first one of every sample that ships none.

A warm server and one browser. The shipped picture is opened by its address, which starts Streamlit in the browser, and turned to from another page, as one
comes to it in the app. Rounds are interleaved, so that a busy machine slows both pages alike: believe the ratio. A picture is there when it
holds a value. For a sample without a shipped plane the clock starts at the press of Draw, on a store of its own where nothing is measured: the first values,
the coarse grid, and the refinement that follows by itself. With --side, a finished plane of so many points along each side, 256 blocks of samples each, is timed as the
shipped one is: by its address, and by a press on *Open* in the list of runs.

    python benchmarks/first_picture.py [--rounds 7] [--no-draws] [--side 401]

Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import time
from pathlib import Path
from statistics import median

from growth import a_plane
from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError, sync_playwright
from served_app import app

from explorer.checkpoints.sharded import digest

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 120
# What stands under the picture is drawn with it, in one go.
FIRST, COARSE, REFINED = (
    re.compile(words) for words in (r"between [1-9]\d* measured points", r"between (289|[3-9]\d\d|\d{4}) measured", r"certified by")
)
MANY = re.compile(r"(\d{5,}) of \1 cells|Every node is measured")

SEEN = """pattern => {
  const found = [];
  const look = (root) => root.querySelectorAll("*").forEach((node) => {
    if (node.matches(".curve .caption") && node.checkVisibility({visibilityProperty: true})) found.push(node.textContent);
    if (node.shadowRoot) look(node.shadowRoot);
  });
  look(document);
  return found.some((words) => new RegExp(pattern).test(words));
}"""


def main() -> None:
    """Start, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-draws", action="store_true", help="only the shipped picture")
    parser.add_argument("--side", type=int, help="only a finished plane of so many points along each side")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage", "--use-gl=swiftshader"]
        )
        if arguments.side:
            large(browser, arguments.side, arguments.rounds)
            return
        shipped(browser, arguments.rounds)
        if not arguments.no_draws:
            print(f"\n{'Draw, nothing measured':26s} {'first values':>13s} {'17 × 17':>9s} {'refined':>9s}   seconds")
            for folder in sorted(p.parent for p in (ROOT / "sample_models").glob("*/problem.toml")):
                drawn(browser, folder)
        browser.close()


def shipped(browser: Browser, rounds: int) -> None:
    """From the navigation to the picture that comes with the explorer, and to all of a page that has none."""
    with app() as served:
        url = served.url
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        open_page(context, f"{url}/landscape")  # warm
        open_page(context, f"{url}/runs")
        times: dict[str, list[float]] = {"runs": [], "landscape": []}
        for _ in range(rounds):
            for page in times:
                times[page].append(open_page(context, f"{url}/{page}"))
        empty, picture = median(times["runs"]), median(times["landscape"])
        print(f"Runs, all of it              {empty:.2f} s (median of {rounds}; {min(times['runs']):.2f} to {max(times['runs']):.2f})")
        print(f"Landscape, the shipped plane {picture:.2f} s ({min(times['landscape']):.2f} to {max(times['landscape']):.2f})")
        print(f"ratio {picture / empty:.2f}, {picture - empty:.2f} s beyond the page's own start")
        turned = [turn(context, url) for _ in range(rounds)]
        print(f"Turned to from Runs          {median(turned):.2f} s ({min(turned):.2f} to {max(turned):.2f})")


def large(browser: Browser, side: int, rounds: int) -> None:
    """A plane of many points, opened by its address and from the list of runs; what the server's CPU takes for each."""
    with app() as served:
        store = served.store()
        plane = a_plane(store, side)
        store.close()
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        url = f"{served.url}/landscape?runs={plane.id}"
        open_page(context, f"{served.url}/runs")
        for name, once in (
            ("by its address", lambda: open_page(context, url, MANY)),
            ("from the list of runs", lambda: from_runs(context, served.url)),
        ):
            once()  # warm
            before, found = served.cpu()[0], [once() for _ in range(rounds)]
            spent = (served.cpu()[0] - before) / rounds
            print(
                f"{side} × {side} points, {name:22} {median(found):.2f} s (median of {rounds}; {min(found):.2f} to {max(found):.2f}), {spent:.2f} CPU s of the server"
            )


def from_runs(context: BrowserContext, url: str) -> float:
    """Seconds from the press on Open on Runs to its picture."""
    page = context.new_page()
    page.goto(f"{url}/runs")
    link = page.get_by_role("link", name="Open", exact=True).first
    link.wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    start = time.perf_counter()
    link.click()
    page.wait_for_function(SEEN, arg=MANY.pattern)
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def open_page(context: BrowserContext, url: str, said: re.Pattern[str] | None = None) -> float:
    """Seconds until what a page is for is seen: its picture, or its heading."""
    page = context.new_page()
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    if said is not None:
        page.wait_for_function(SEEN, arg=said.pattern)
    elif url.endswith("/landscape"):
        seen(page)
    else:
        page.wait_for_function("document.querySelector('h1')?.innerText === 'Runs' && document.querySelector('[data-test-script-state=notRunning]')")
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def seen(page: Page) -> None:
    """Wait for the shipped picture, looked for at every frame; Playwright's own waiting for a text looks twice a second after a while."""
    page.wait_for_function(SEEN, arg=FIRST.pattern)


def turn(context: BrowserContext, url: str) -> float:
    """Seconds from the press on Landscape in the list of pages, on a page that is open and at rest, to the picture."""
    page = context.new_page()
    page.goto(f"{url}/runs")
    page.get_by_role("heading", name="Runs", exact=True).wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    start = time.perf_counter()
    page.get_by_role("link", name="Landscape", exact=True).click()
    seen(page)
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def drawn(browser: Browser, folder: Path) -> None:
    """What the first press of Draw on a sample's own form takes."""
    model = sorted(folder.glob("*.safetensors"))[0]
    with app() as served:
        url = served.url
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.goto(f"{url}/landscape?a={digest(model)}")
        button = page.get_by_role("button", name="Draw", exact=False).first
        button.wait_for()
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        start = time.perf_counter()
        button.click()
        found: list[float] = []
        for said in (FIRST, COARSE, REFINED):
            try:
                page.get_by_text(said).first.wait_for(timeout=1000 * PATIENCE_S)
                found.append(time.perf_counter() - start)
            except TimeoutError:  # it takes long, and the page asks before it goes on
                found.append(float("nan"))
        print(f"{folder.name:26s} {found[0]:13.1f} {found[1]:9.1f} {found[2]:9.1f}", flush=True)
        page.context.close()


if __name__ == "__main__":
    main()
