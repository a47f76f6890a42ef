"""The app as a server on a store of its own, for benchmarks that drive it with a browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from explorer.store.run_store import RunStore

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class App:
    """A server on a store of its own."""

    url: str
    home: Path
    pid: int

    def store(self) -> RunStore:
        """Its store, opened here."""
        return RunStore.within(self.home)

    def cpu(self) -> tuple[float, float]:
        """CPU seconds of the server, and of all workers that are alive."""
        workers = [pid for (pid,) in sqlite3.connect(self.home / "store.sqlite").execute("SELECT pid FROM worker")]
        return seconds(self.pid), sum(map(seconds, workers))


def seconds(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


@contextmanager
def app() -> Generator[App]:
    """The server, and the workers it starts, until they are ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = Path(tempfile.mkdtemp())
    environment = {**os.environ, "LOSS_EXPLORER_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "explorer", "app", "--headless", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urlopen(f"{url}/_stcore/health", timeout=1)
                break
            except (URLError, OSError):
                time.sleep(0.1)
        yield App(url, home, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        with suppress(sqlite3.Error):
            for (worker,) in sqlite3.connect(home / "store.sqlite").execute("SELECT pid FROM worker"):  # it would outlive the server
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGTERM)
        shutil.rmtree(home, ignore_errors=True)
