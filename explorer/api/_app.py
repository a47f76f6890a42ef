"""A measured run in the app: its address, and the app started where none answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.spec import Run
from explorer.store.run_store import RunStore

PAGES = {"line": "interpolate?run={}", "plane": "landscape?runs={}", "directions": "landscape?runs={}"}
WAIT_S = 30.0


def opened(run: Run, points: int, home: str | Path | None, port: int) -> str:
    """Show a run in the browser; its address. An app that is not there yet is started, for this machine alone, and stays. Refused when it does not start."""
    folder = locations.home(home)
    RunStore.within(folder).filed(run, points)
    if not _answers(port):
        command = [sys.executable, "-m", "explorer", "app", "--headless", "--port", str(port), "--home", str(folder)]
        started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ))
        until = time.monotonic() + WAIT_S
        while not _answers(port):
            if started.poll() is not None or time.monotonic() > until:
                raise Refused(f"The app does not start on port {port}. Start it by hand: loss-explorer app --home {folder}")
            time.sleep(0.1)
    address = f"http://127.0.0.1:{port}/{PAGES.get(run.field.chart.name, 'paths?runs={}').format(run.id)}"
    webbrowser.open(address)
    return address


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
