"""The README's pictures, taken from the app itself: `python docs/pictures.py` starts it on a store of its own, drives a browser, and writes docs/*.png.

Needs the extra [test] and a Chromium on the path. What is seen was measured by the worker behind the pages; nothing is drawn by hand.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Page, expect, sync_playwright

DOCS = Path(__file__).resolve().parent
WAIT = 240_000  # ms for anything that a worker has to measure first


def main() -> None:
    """Every picture, one after the other."""
    with tempfile.TemporaryDirectory() as home, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "explorer", "app", "--port", str(port), "--headless"]
        server = subprocess.Popen(command, env=os.environ | {"LOSS_EXPLORER_HOME": home}, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            answering(url)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"])
                page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
                for take in (align, landscape):
                    take(page, url)
                    page.wait_for_timeout(1500)  # fonts and the last redraw
                    page.screenshot(path=DOCS / f"{take.__name__}.png")
                browser.close()
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            subprocess.run(["pkill", "-f", home], check=False)


def answering(url: str) -> None:
    """Wait until the server does."""
    for _ in range(120):
        try:
            if urlopen(f"{url}/_stcore/health").read() == b"ok":
                return
        except URLError:
            time.sleep(0.5)
    raise SystemExit("The app did not start.")


def align(page: Page, url: str) -> None:
    """The barrier before and after matching the hidden units."""
    page.goto(f"{url}/align")
    page.get_by_role("button", name="Align", exact=True).click()
    expect(page.get_by_text("Mean cosine on the diagonal").first).to_be_visible(timeout=WAIT)
    scroll_to(page, page.get_by_role("figure").first)


def landscape(page: Page, url: str) -> None:
    """The plane through three models."""
    page.goto(f"{url}/landscape")
    expect(page.get_by_role("figure").first).to_be_visible(timeout=WAIT)
    scroll_to(page, page.get_by_role("figure").first)


def scroll_to(page: Page, locator: object) -> None:
    """Bring a picture to the middle of the window."""
    locator.scroll_into_view_if_needed(timeout=WAIT)  # pyright: ignore[reportAttributeAccessIssue]


if __name__ == "__main__":
    main()
