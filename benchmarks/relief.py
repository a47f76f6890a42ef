"""How many frames a second the relief draws at 257 × 257 while it turns: by default as a machine without a graphics card draws them, in software.

    python benchmarks/relief.py [--size 257] [--width 1000] [--gpu]

It opens the browser tests' page with nothing but a plane, so it needs a Chromium on the path. On a machine that does other work as well the number is
too low; `load` says how much of that there is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SOFTWARE = ["--disable-gpu"]
SECONDS = 6


def main() -> None:
    from tests.browser.conftest import begin, end, free_port

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=257, help="points along each side")
    parser.add_argument("--width", type=int, default=1000, help="px of the window")
    parser.add_argument("--gpu", action="store_true", help="with the graphics card of this machine")
    chosen = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        flags = [f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true", "--browser.gatherUsageStats=false"]
        server = begin(["streamlit", "run", str(ROOT / "tests/browser/plane_app.py"), *flags], port, Path(folder) / "log.txt", {})
        try:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *([] if chosen.gpu else SOFTWARE)])
            page = browser.new_page(viewport={"width": chosen.width, "height": 900})
            page.goto(f"http://127.0.0.1:{port}/?view=relief&size={chosen.size}")
            page.wait_for_selector(".raised .grip", timeout=120_000)
            page.wait_for_timeout(2000)  # the number of pixels settles
            frames = page.evaluate(f"""async () => {{
                const count = window.__explorer.p, [from, start] = [count.frames, performance.now()];
                await new Promise((done) => setTimeout(done, {SECONDS * 1000}));
                return (1000 * (count.frames - from)) / (performance.now() - start);
            }}""")
            browser.close()
        finally:
            end(server)
    how = "graphics card" if chosen.gpu else "software"
    print(f"{chosen.size} × {chosen.size}, {how}: {frames:.1f} frames a second (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")


if __name__ == "__main__":
    main()
