"""How long a person waits: from a click to the first change on the page, and to the answer; and what the server and the workers compute meanwhile.

A warm server on a store of its own, one browser that acts as a person does, and one worker. Times are wall clock, told by the page itself at every frame.

    python benchmarks/response.py --part pages       every page by its link: its first picture, and when it is at rest
    python benchmarks/response.py --part clicks      a tick in Soup, a click on a plane, a drag of t: each several times on a machine at rest
    python benchmarks/response.py --part training    the same while a training runs
    python benchmarks/response.py --part buttons     Align, Compare and lessons that were never run here: what is announced, and what it takes
    python benchmarks/response.py --part server      CPU of server and worker while so many visitors look at one run
    python benchmarks/response.py --part grey        how pale any part of a page becomes while it computes (1: not at all)

Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from statistics import median

from playwright.sync_api import BrowserContext, Page, sync_playwright
from served_app import App, app

from explorer.api import loaded
from explorer.checkpoints.sharded import digest
from explorer.core import locations, registry
from explorer.core.spec import Field, Make, Run, Trained
from explorer.problems import problem_toml
from explorer.ui.frame import shell

PATIENCE_S = 240.0
MEASURING = ("Run", "Study")  # what a page waits for while a training goes on
AT_REST = "[data-testid=stApp][data-test-script-state=notRunning]"

# What the page tells by itself: when its picked model is another one, and when that has its numbers. `root`: what holds the panel.
FOLLOW = """() => {
  const panel = () => [...document.querySelectorAll("[data-testid=stMarkdownContainer] strong")].find(e => e.textContent.startsWith("The model"))
    ?.closest("[data-testid=stVerticalBlock]");
  const name = () => panel()?.querySelector("[data-testid=stMarkdownContainer]").textContent ?? "";
  const before = name(), seen = window.__seen = {};
  const look = () => {
    const at = performance.now(), here = panel();
    if (here && name() !== before) {
      seen.first ??= at;
      const values = here.querySelectorAll("[data-testid=stMetricValue]").length;
      if (values && !/Measuring|Not measured/.test(here.textContent) && !document.querySelector("[data-stale=true] [data-testid=stMetricValue]")) seen.done ??= at;
    }
    if (!seen.done) requestAnimationFrame(look);
  };
  addEventListener("pointerup", e => seen.click ??= performance.now(), {once: true, capture: true});
  requestAnimationFrame(look);
}"""
# What a page tells of the way to another one: when that shows its first picture or table, in components too, and when its script has ended and nothing is said
# to be on its way.
ARRIVE = """([file, title]) => {
  const seen = window.__seen = {};
  const drawn = "canvas, svg.main-svg, [role=figure], [data-testid=stDataFrame], [data-testid=stImage]";
  const within = root => [...root.querySelectorAll(drawn), ...[...root.querySelectorAll("*")].flatMap(e => e.shadowRoot ? within(e.shadowRoot) : [])];
  const there = () => location.pathname === (file === "home" ? "/" : `/${file}`) && (file === "home" || document.querySelector("h1")?.innerText.includes(title));
  const look = () => {
    const at = performance.now(), main = document.querySelector("[data-testid=stMain]");
    if (there()) {
      if (!seen.first && within(main).some(e => e.checkVisibility() && e.getBoundingClientRect().height > 20)) seen.first = at;
      const busy = !document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]") || /Measuring|Waiting for|Preparing|more waiting/.test(main.innerText);
      seen.rest = busy ? undefined : seen.rest ?? at;
      if (seen.rest && at - seen.rest > 1000) return seen.done = seen.rest;
    }
    requestAnimationFrame(look);
  };
  addEventListener("click", () => seen.click ??= performance.now(), {once: true, capture: true});
  requestAnimationFrame(look);
}"""
# What a page tells of a request: when it says that this is on its way, by a button to stop it, or shows what has been measured already: by then it has another
# address.
ANSWER = """() => {
  const seen = window.__seen = {}, before = location.href;
  const look = () => {
    const stops = [...document.querySelectorAll("[data-testid=stMain] button")].some(e => e.innerText.includes("Stop") && e.checkVisibility());
    if (stops || (location.href !== before && document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]"))) seen.first = performance.now();
    else requestAnimationFrame(look);
  };
  addEventListener("click", () => { seen.click = performance.now(); requestAnimationFrame(look); }, {once: true, capture: true});
}"""
PALE = """() => {
  window.__pale = 1;
  const look = () => {
    for (const e of document.querySelectorAll("[data-testid=stElementContainer]")) window.__pale = Math.min(window.__pale, +getComputedStyle(e).opacity);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def main() -> None:
    """One part."""
    parts: dict[str, Callable[[App, BrowserContext, argparse.Namespace], None]] = {
        "pages": pages, "clicks": clicks, "training": training, "buttons": buttons, "server": server, "grey": grey,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(parts), required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--visitors", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long the CPU is counted")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server ends with this, however this ends
    with app() as found, sync_playwright() as playwright:
        flags = [
            "no-sandbox",
            "disable-gpu",
            "disable-quic",
            "no-first-run",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
        ]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[f"--{flag}" for flag in flags])
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        context.set_default_timeout(1000 * PATIENCE_S)
        parts[arguments.part](found, context, arguments)
        browser.close()


def pages(found: App, context: BrowserContext, arguments: argparse.Namespace) -> None:
    """Every page by its link in the sidebar: the first time, when what it opens with is still to be measured, and again."""
    page = context.new_page()
    page.goto(found.url)
    rest(page)
    for title in ("at the first visit", "again"):
        print(f"{title:28}{'first picture':>14}{'done':>9}{'server':>9}{'workers':>9}   seconds; CPU seconds")
        for file, name, _ in (*shell.PAGES[1:], shell.PAGES[0]):
            before = found.cpu()
            page.evaluate(ARRIVE, [file, name])
            page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
            page.wait_for_function("window.__seen.done")
            wait(lambda: not active(found))
            seen = page.evaluate("window.__seen")
            served, computed = (b - a for a, b in zip(before, found.cpu(), strict=True))
            first = f"{(seen['first'] - seen['click']) / 1000:.2f}" if "first" in seen else "none"
            print(f"{name:28}{first:>14}{(seen['done'] - seen['click']) / 1000:9.2f}{served:9.2f}{computed:9.2f}", flush=True)
    page.close()


def clicks(found: App, context: BrowserContext, arguments: argparse.Namespace) -> None:
    """Three ways to ask for a model, each several times."""
    print(
        f"{'':28}{'first change':>13}{'numbers':>9}{'worst':>8}{'server':>9}{'workers':>9}   seconds, median of {arguments.rounds}; CPU seconds of each"
    )
    for name, opened, act in (
        ("Soup, a tick", soup, tick),
        ("Landscape, a click", landscape, press),
        ("Interpolate, a drag of t", interpolate, drag),
    ):
        page = context.new_page()
        opened(found, page)
        once(page, act, 0)
        before = found.cpu()
        times = [once(page, act, turn) for turn in range(1, arguments.rounds + 1)]
        served, computed = ((b - a) / len(times) for a, b in zip(before, found.cpu(), strict=True))
        first, done = ([t[i] for t in times] for i in (0, 1))
        print(f"{name:28}{median(first):13.2f}{median(done):9.2f}{max(done):8.2f}{served:9.2f}{computed:9.2f}", flush=True)
        page.close()


def training(found: App, context: BrowserContext, arguments: argparse.Namespace) -> None:
    """The same while the worker trains."""
    warm(found, context)
    found.store().submit(Make(long_training()))
    wait(lambda: any(s.state == "running" and s.message for s in found.store().statuses("Make")))
    clicks(found, context, arguments)
    print("the training:", [(s.state, s.done, s.total) for s in found.store().statuses("Make") if s.active])


def buttons(found: App, context: BrowserContext, arguments: argparse.Namespace) -> None:
    """From the press of a button to the first sign and to the end, beside what the page announces."""
    print(f"{'':34}{'first sign':>12}{'done':>8}   announced")
    models = [digest(p) for p in sorted((locations.root() / "sample_models" / "digits-mlp").glob("seed-*.safetensors"))]
    for name, address, button in (
        ("Align, two seeds", f"align?a={models[2]}&b={models[4]}", "Align"),
        ("Compare, three seeds", f"compare?a={models[3]}", "Compare"),
        ("Compare, three seeds, again", f"compare?a={models[3]}", "Compare"),
        ("Lesson on matching, other models", "learn?lesson=matching&step=run&on=1", "Run the experiment"),
        ("Lesson on subspaces, other models", "learn?lesson=subspaces&step=run&on=1", "Run the experiment"),
    ):
        page = context.new_page()
        page.goto(f"{found.url}/{address}")
        page.get_by_role("button", name=button, exact=True).wait_for(timeout=60_000)
        page.wait_for_selector(AT_REST)
        said = page.get_by_text(re.compile(r"about (a second|[\d.]+ (s|min|h))|a few seconds|measured already|time not known")).first
        announced = said.inner_text() if said.count() else "nothing"
        ended = finished(found)
        page.evaluate(ANSWER)
        begun = time.perf_counter()
        page.get_by_role("button", name=button, exact=True).click()
        page.wait_for_function("window.__seen.first")
        first = page.evaluate("(window.__seen.first - window.__seen.click) / 1000")
        wait(lambda before=ended: finished(found) >= before and not active(found))
        page.wait_for_function("!document.body.innerText.match(/more waiting|Waiting for|waiting for a worker/)", timeout=60_000)
        print(f"{name:34}{first:12.2f}{time.perf_counter() - begun:8.1f}   {announced}", flush=True)
        page.close()


def server(found: App, context: BrowserContext, arguments: argparse.Namespace) -> None:
    """So many visitors look at a line of many points that is being measured, then at a training."""
    warm(found, context)
    print(f"{'':34}{'server':>10}{'workers':>10}{'ratio':>8}   CPU seconds of {arguments.seconds:.0f}, {arguments.visitors} visitors")
    for name, ask in (("a line of 1,001 points", long_line), ("a training", long_training)):
        store, wanted = found.store(), ask()
        run = (
            wanted
            if isinstance(wanted, Run)
            else Run(Field(problem(), (wanted,), registry.method("chart", "mixture")), registry.method("sample", "given", {"at": (1.0,)}))
        )
        store.submit(run)
        wait(lambda run=run, store=store: (s := store.status(run.id)) is not None and s.state == "running" and (s.fresh > 0 or "%" in s.message))
        pages = [context.new_page() for _ in range(arguments.visitors)]
        for page in pages:
            page.goto(f"{found.url}/{'interpolate?run=' if isinstance(wanted, Run) else 'compare?runs='}{run.id}")
            page.get_by_role("button", name="Stop").first.wait_for()
        time.sleep(5)
        before = found.cpu()
        time.sleep(arguments.seconds)
        served, computed = (b - a for a, b in zip(before, found.cpu(), strict=True))
        print(f"{name:34}{served:10.1f}{computed:10.1f}{served / computed:8.2f}", flush=True)
        for page in pages:
            page.close()
        store.stop(run.id)
        wait(lambda: not active(found))


def grey(found: App, context: BrowserContext, arguments: argparse.Namespace) -> None:
    """The palest that any part of a page becomes while its answer is computed."""
    for name, opened, act in (("Soup", soup, tick), ("Landscape", landscape, press), ("Interpolate", interpolate, drag)):
        page = context.new_page()
        opened(found, page)
        page.evaluate(PALE)
        for turn in range(3):
            once(page, act, turn)
            page.wait_for_timeout(1500)
        print(f"{name:20} {page.evaluate('window.__pale'):.2f}", flush=True)
        page.close()


def soup(found: App, page: Page) -> None:
    page.goto(f"{found.url}/soup")
    page.locator("[data-testid=stDataFrame]").first.wait_for(timeout=60_000)
    wait(lambda: finished(found) > 0 and not active(found, MEASURING))
    page.goto(f"{found.url}/soup")
    page.locator("[data-testid=stDataFrame]").first.wait_for(timeout=60_000)
    rest(page)


def tick(page: Page, turn: int) -> None:
    page.get_by_test_id("stDataFrame").nth(1).click(position={"x": 25, "y": 36 + 35 * (turn % 8) + 17})


def landscape(found: App, page: Page) -> None:
    page.goto(f"{found.url}/landscape")
    page.locator(".plane canvas").first.wait_for(timeout=60_000)
    wait(lambda: not active(found, MEASURING))
    rest(page)


def press(page: Page, turn: int) -> None:
    page.locator(".plane .grip").first.click(position={"x": 60 + 23 * turn, "y": 60 + 17 * turn})


def interpolate(found: App, page: Page) -> None:
    line = next(s for s in found.store().stories() if isinstance(s.request, Run) and s.request.field.chart.name == "line")
    page.goto(f"{found.url}/interpolate?run={line.id}&t=0.9")
    page.get_by_role("figure").first.wait_for(timeout=60_000)
    rest(page)


def drag(page: Page, turn: int) -> None:
    """Take hold of the handle and let go of it elsewhere; beside it a drag zooms."""
    grip = page.locator(".curve .grip").first
    box, at = grip.bounding_box(), grip.get_attribute("aria-valuenow")
    assert box is not None and at is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + float(at) * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (0.17 + 0.05 * turn) * box["width"], y)
    page.mouse.up()


def once(page: Page, act: Callable[[Page, int], None], turn: int) -> tuple[float, float]:
    """Seconds from the release of the button to the first change and to the numbers."""
    page.evaluate(FOLLOW)
    act(page, turn)
    page.wait_for_function("window.__seen.done", timeout=1000 * PATIENCE_S)
    seen = page.evaluate("window.__seen")
    page.wait_for_timeout(700)
    page.wait_for_selector(AT_REST)
    return (seen["first"] - seen["click"]) / 1000, (seen["done"] - seen["click"]) / 1000


def rest(page: Page) -> None:
    """Wait until nothing moves any more."""
    page.wait_for_selector(AT_REST)
    page.wait_for_timeout(2000)
    page.wait_for_selector(AT_REST)


def warm(found: App, context: BrowserContext) -> None:
    """Let the worker come up, which a model that nobody looked at before asks for."""
    page = context.new_page()
    page.goto(found.url)  # with the first visitor the shipped lines come into the store
    page.get_by_role("figure").first.wait_for(timeout=60_000)
    interpolate(found, page)
    drag(page, 0)
    wait(lambda: bool(found.store().workers()))
    page.close()


def problem():
    return problem_toml.find("digits-mlp")


def long_training() -> Trained:
    """Minutes of gradient descent."""
    return Trained(problem(), registry.method("train", "sgd", {"epochs": 10000, "batch": 16}))


def long_line() -> Run:
    """Minutes of measuring."""
    models = tuple(loaded(p) for p in sorted((locations.root() / "sample_models" / "digits-resnet").glob("*.safetensors"))[:2])
    return Run(
        Field(problem_toml.find("digits-resnet"), models, registry.method("chart", "line"), split="train"),
        registry.method("sample", "grid", {"size": 1001}),
    )


def finished(found: App) -> int:
    return sum(found.store().counts(kind).get("done", 0) for kind in ("Run", "Study", "Make"))


def active(found: App, kinds: tuple[str, ...] = ("Run", "Study", "Make")) -> bool:
    return any(found.store().counts(kind).get(state, 0) for kind in kinds for state in ("waiting", "running"))


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not until():
        if time.monotonic() > end:
            raise SystemExit(f"Nothing came of it within {PATIENCE_S:.0f} s.")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
