"""A real server and a real browser. A page fails its test when it logs an error or asks any host but this one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
START = 120.0  # seconds a server may take to answer
PATIENCE_MS = 120_000  # for whatever a page is waited for: a busy machine is slow everywhere, and what never comes still fails
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # of the servers' workers: the suite has a process on every core, and threads that wait crawl
LOCAL = {"127.0.0.1", "localhost", ""}

# A deep link makes Streamlit's frontend look for the server below the page's path first.
HARMLESS = re.compile(r"/_stcore/(health|host-config)$")

Serve = Callable[..., str]
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """`serve(script, *args, env={}) -> url`: `streamlit run` on a free loopback port; args beginning with `--` are Streamlit's."""
    running: list[subprocess.Popen[bytes]] = []
    known: dict[tuple[object, ...], str] = {}

    def start(script: Path | str, *args: str, env: Mapping[str, str] | None = None) -> str:
        asked = (str(script), args, tuple(sorted((env or {}).items())))
        if asked not in known:
            log = tmp_path_factory.mktemp("server") / "log.txt"
            port = free_port()
            settings = {"address": "127.0.0.1", "port": str(port), "headless": "true", "fileWatcherType": "none"}
            flags = [f"--server.{name}={value}" for name, value in settings.items()] + ["--browser.gatherUsageStats=false"]
            running.append(begin(["streamlit", "run", str(script), *flags, *args], port, log, env or {}))
            known[asked] = f"http://127.0.0.1:{port}"
        return known[asked]

    yield start
    for process in running:
        end(process)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: the system's, else the one Playwright brings."""
    expect.set_options(timeout=PATIENCE_MS)
    playwright: Playwright
    with sync_playwright() as playwright:
        quiet = ["no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
        quiet += ["disable-component-update", "disable-sync"]
        system = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        opened = playwright.chromium.launch(executable_path=system, args=[f"--{flag}" for flag in quiet])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(**context options) -> Page`: one visitor each, watched; the test fails at its end for what the visitors met."""
    contexts: list[BrowserContext] = []
    met: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not HARMLESS.search(message.location.get("url", "")):
            met.append(f"console: {message.text} ({message.location.get('url', '')})")

    def on_request(url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob", "about", "file") and urlsplit(url).hostname not in LOCAL:
            met.append(f"request to another host: {url}")

    def visit(**options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}} | options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        context.on("console", on_console)
        context.on("weberror", lambda problem: met.append(f"uncaught: {problem.error}"))
        context.on("request", lambda request: on_request(request.url))
        page = context.new_page()
        page.on("websocket", lambda socket: on_request(socket.url))
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not met, "\n".join(met)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """One watched visitor with the default window."""
    return open_page()


def folded_form(page: Page) -> Locator:
    """The form that a page with a picture has folded to one line."""
    return page.locator(".st-key-head [data-testid=stExpander]").first


def unfold(page: Page) -> None:
    """Open the form of a page with a picture."""
    folded_form(page).locator("summary").first.click()


def begin(module: Sequence[str], port: int, log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """`python -m module …` as a server, once it answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=os.environ | ONE_THREAD | dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its own process group, so that its workers end with it
        )
    _wait(process, port, log)
    return process


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)  # between two attempts to connect; nothing to be told by
    end(process)
    pytest.fail(f"The server did not answer within {START:.0f} s:\n{log.read_text(errors='replace')[-3000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group, also what the server started and left behind."""
    for how, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
