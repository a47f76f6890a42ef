"""Many visitors, many runs, workers that are killed and one whose disk is full: is anything lost, is any number wrong, does memory grow?

    python benchmarks/soak.py [--clients 50] [--runs 200] [--seconds 900]

Starts the app on the loopback address with a home of its own, and requests lines between the shipped digits models. The visitors speak Streamlit's own
protocol over websockets: each opens pages with addresses of these runs, so that the server runs the pages' scripts for it as for a browser. Meanwhile a
worker is killed every few seconds (SIGKILL), others take over, and one works under a limit on the size of files (RLIMIT_FSIZE), beyond which every write
fails as on a full disk. In the end each run must be done, and its points must equal, bit for bit, those of the same run alone in a quiet process.

The server's memory rises while runs are added, which its pages list, and until as many visitors have left as Streamlit remembers (those of the last two
minutes, 128 at most). After half of the time both are over: from then on it is fitted against the pages that were read.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: the quiet runs and the workers alike

import numpy as np
import torch
from scipy import stats
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from explorer.api import loaded
from explorer.core import locations, registry
from explorer.core.spec import Field, Run
from explorer.engine.run_loop import keep
from explorer.problems import problem_toml
from explorer.store.run_store import RunStore

PAGES = ("home", "checkpoints", "interpolate", "align", "runs", "paths", "landscape", "soup", "compare")
KILL_S, TIGHT_S = 7.0, 15.0  # between two kills, on average; when the worker without room begins
COME_S, READ_S = 60.0, 10.0  # until the last visitor has come; how long a page is read at most
QUEUE = 0.3  # share of the time over which the runs are requested
BATCHES = 12  # of the last half, whose means stand for independent measurements of the memory


@dataclass
class VisitLog:
    """What the visitors met."""

    scripts: list[float] = field(default_factory=list)  # seconds each page took
    exceptions: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def small_runs(count: int) -> list[Run]:
    """Small lines, each on another field: other models, samples or buffers."""
    spec = problem_toml.find("digits-mlp")
    models = [loaded(p) for p in sorted((locations.root() / "sample_models" / "digits-mlp").glob("seed-*.safetensors"))]
    every = itertools.product(itertools.permutations(models, 2), range(40, 540, 4))
    return [
        Run(Field(spec, pair, registry.method("chart", "line"), samples=n), registry.method("sample", "grid", {"size": 5 + 4 * (n % 3)}))
        for pair, n in itertools.islice(every, count)
    ]


async def visit(port: int, ids: list[str], seen: VisitLog, until: float, seed: int) -> None:
    """One visitor: opens a session, reads some pages in it, leaves, and comes again. All arrive within COME_S seconds."""
    rng = random.Random(seed)
    await asyncio.sleep(rng.random() * COME_S)
    while time.monotonic() < until:
        try:
            async with connect(
                f"ws://127.0.0.1:{port}/_stcore/stream", max_size=None, ping_interval=None, open_timeout=60, subprotocols=["streamlit"]
            ) as session:  # pyright: ignore[reportArgumentType]
                for _ in range(rng.randint(1, 4)):
                    await _page(session, rng.choice(PAGES), rng.choice(ids), seen, until)
                    await asyncio.sleep(rng.random() * READ_S)
        except (WebSocketException, OSError, TimeoutError) as error:
            if time.monotonic() < until:
                seen.broken.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(1)


async def _page(session: object, page: str, run: str, seen: VisitLog, until: float) -> None:
    """Ask for a page, and read what comes until its script has ended."""
    ask = BackMsg()
    ask.rerun_script.page_name = page
    ask.rerun_script.query_string = urlencode({"run": run, "runs": run})
    started = time.monotonic()
    await session.send(ask.SerializeToString())  # pyright: ignore[reportAttributeAccessIssue]
    while True:
        message = ForwardMsg.FromString(await asyncio.wait_for(session.recv(), max(until - time.monotonic(), 1) + 60))  # pyright: ignore[reportAttributeAccessIssue]
        if message.WhichOneof("type") == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            seen.exceptions.append(f"{page}: {message.delta.new_element.exception.message[:200]}")
        if message.WhichOneof("type") == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            seen.scripts.append(time.monotonic() - started)
            return


def worker(home: Path, *, tight: bool = False) -> subprocess.Popen[bytes]:
    """A worker on this store; tight: it can write no file beyond what there is now and a little."""
    limit = max(p.stat().st_size for p in home.glob("store.sqlite*")) + 2**16

    def ready() -> None:
        os.nice(19 - os.nice(0))
        if tight:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "explorer", "worker", "--store", str(home / "store.sqlite"), "--device", "cpu", "--idle", "20"]
    with (home / f"{'tight' if tight else 'worker'}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True, preexec_fn=ready)


def memory(pid: int) -> float:
    """MB of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def slope(pages: list[int], memories: list[float]) -> tuple[float, float]:
    """MB a page, by least squares through the means of consecutive batches, and half of its 95 % interval."""
    x, y = ([float(np.mean(batch)) for batch in np.array_split(np.array(values), BATCHES)] for values in (pages, memories))
    fit = stats.linregress(x, y)
    return fit.slope, fit.stderr * stats.t.ppf(0.975, BATCHES - 2)


async def trouble(
    home: Path, store: RunStore, runs: list[Run], until: float, seen: VisitLog, memories: list[tuple[int, float]], server: int
) -> tuple[int, int]:
    """Keep two workers at work, kill one at random every few seconds, let one run on a full disk; ask again for what it laid down. Killed, asked again."""
    rng, started = random.Random(0), time.monotonic()
    mine: list[subprocess.Popen[bytes]] = []
    tight: subprocess.Popen[bytes] | None = None
    killed = again = 0
    next_kill, queued = started + KILL_S, list(runs)
    try:
        while time.monotonic() < until:
            mine = [p for p in mine if p.poll() is None]
            mine += [worker(home) for _ in range(2 - len(mine))]
            if tight is None and time.monotonic() > started + TIGHT_S:
                tight = worker(home, tight=True)
            if time.monotonic() > next_kill:
                victim = rng.choice(mine)
                victim.kill()
                victim.wait()
                killed, next_kill = killed + 1, time.monotonic() + KILL_S * (0.5 + rng.random())
            while queued and time.monotonic() - started > (len(runs) - len(queued)) / len(runs) * QUEUE * (until - started):
                store.submit(queued.pop(0))
            states = [s for s in (store.status(r.id) for r in runs) if s is not None]
            for status in states:
                if status.state == "failed":
                    store.submit(status.request)
                    again += 1
            memories.append((len(seen.scripts), memory(server)))
            await asyncio.sleep(1)
    finally:
        for process in [*mine, *([tight] if tight else [])]:
            process.kill()
            process.wait()
    return killed, again


async def soak(home: Path, port: int, server: int, clients: int, runs: list[Run], seconds: float) -> None:
    """All of it at once, then the figures."""
    store = RunStore(home / "store.sqlite")
    ids = [r.id for r in runs]
    seen, memories, begun = VisitLog(), list[tuple[int, float]](), time.monotonic()
    until = begun + seconds
    visitors = [asyncio.create_task(visit(port, ids, seen, until, i)) for i in range(clients)]
    killed, again = await trouble(home, store, runs, until, seen, memories, server)
    spent = time.monotonic() - begun
    for visitor in visitors:
        visitor.cancel()
    await asyncio.gather(*visitors, return_exceptions=True)
    done = [r for r in runs if (s := store.status(r.id)) is not None and s.state == "done"]
    print(f"runs: {len(done)} of {len(runs)} done in {spent:.0f} s; {killed} workers killed; {again} times asked again after a full disk")
    times = np.array(seen.scripts or [np.nan])
    print(
        f"pages: {len(seen.scripts)} scripts for {clients} visitors, {np.median(times):.2f} s in the middle, {np.quantile(times, 0.95):.2f} s at 95 %"
    )
    print(
        f"exceptions on pages: {len(seen.exceptions)} {sorted(set(seen.exceptions))[:3]}; broken connections: {len(seen.broken)} {sorted(set(seen.broken))[:3]}"
    )
    pages, megabytes = map(list, zip(*memories, strict=True))
    thirds = " MB, ".join(f"{np.mean(third):.0f}" for third in np.array_split(megabytes, 3))
    half = len(pages) // 2
    steep, unsure = slope(pages[half:], megabytes[half:])
    print(f"server: {megabytes[0]:.0f} MB at the start; {thirds} MB in equal thirds of the time; {max(megabytes):.0f} MB at most")
    print(f"server, last half, {pages[-1] - pages[half]} pages: {1000 * steep:+.1f} ± {1000 * unsure:.1f} MB per 1000 pages (95 %)")
    compare(home, done)


def compare(home: Path, done: list[Run]) -> None:
    """Each run against the same one alone in this process."""
    torch.set_num_threads(1)
    store, equal, doubled, points = RunStore(home / "store.sqlite"), 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        quiet = RunStore(Path(scratch) / "store.sqlite")
        for run in done:
            keep(run, quiet, Path(scratch), report=lambda *_: True)
            found, alone = store.points(run.field.id)[0].sorted(), quiet.points(run.field.id)[0].sorted()
            equal += found.coords.tobytes() == alone.coords.tobytes() and found.values.tobytes() == alone.values.tobytes()
            doubled += len(found) - len(np.unique(found.coords))
            points += len(found)
    print(f"points: {points}; {equal} of {len(done)} runs equal a quiet one bit for bit; {doubled} points twice")


def main() -> None:
    """Start the server, soak it, end it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=900, help="at most, then what is done is compared")
    arguments = parser.parse_args()
    runs = small_runs(arguments.runs)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        RunStore(home / "store.sqlite")
        command = [sys.executable, "-m", "explorer", "app", "--headless", "--port", str(port), "--home", str(home)]
        environment = {**os.environ, "LOSS_EXPLORER_IDLE": "20"}
        with (home / "server.log").open("wb") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _answers(port)
            asyncio.run(soak(home, port, _streamlit(server.pid), arguments.clients, runs, arguments.seconds))
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
        traces = (home / "server.log").read_text(errors="replace").count("Traceback")
        workers = sum(f.read_text(errors="replace").count("Traceback") for f in home.glob("*.log")) - traces
        print(f"tracebacks in the logs: {traces} of the server, {workers} of workers")


def _answers(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The server did not answer within a minute.")


def _streamlit(pid: int) -> int:
    """The server itself: the only child of the command that was started."""
    (child,) = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return child


if __name__ == "__main__":
    main()
