"""Many visitors, two servers, workers and servers that are killed, a full disk, a store that is old: is anything lost, is any number wrong, does memory grow?

    python benchmarks/soak.py [--clients 50] [--runs 200] [--seconds 900] [--old 20000] [--points 2000] [--checkpoints 500] [--reruns 2000]

Starts two apps on the loopback address with one home, fills the store with what `--old` runs, `--points` thousand points and `--checkpoints` checkpoints leave, and requests
lines between the shipped digits models. The visitors (soak_visitors.py) open pages with addresses of these runs and click at random; one session is rerun
`--reruns` times. Meanwhile three workers work, of which one is killed every few seconds (SIGKILL) and another takes over; one works under a limit on the size of
files (RLIMIT_FSIZE), beyond which every write fails as on a full disk; the second server is killed every minute and starts again. In the end each run must be
done, and its points must equal, bit for bit, those of the same run alone in a quiet process.

The first server is never killed. Its memory rises while runs are added, which its pages list, and until as many visitors have left as Streamlit remembers
(those of the last two minutes, 128 at most). After half of the time both are over: from then on it is fitted against the scripts that were run.
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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: the quiet runs and the workers alike

import numpy as np
import torch
from scipy import stats
from soak_visitors import VisitLog, marathon, visit

from explorer.api import loaded
from explorer.core import locations, registry
from explorer.core.spec import Field, Loaded, ProblemSpec, Run
from explorer.engine.run_loop import keep
from explorer.problems import problem_toml
from explorer.store.records import Facts
from explorer.store.run_store import RunStore

WORKERS = 3
KILL_S, TIGHT_S = 7.0, 15.0  # between two kills of a worker, on average; when the worker without room begins
SERVER_S = 60.0  # between two kills of the second server, at most a fifth of the time
PARDON_S = 5.0  # after which a connection that broke was not broken by the kill
FIELD = 1000  # points of each field that is there already
QUEUE = 0.3  # share of the time over which the runs are requested
BATCHES = 12  # of the last half, whose means stand for independent measurements of the memory


def small_runs(count: int) -> list[Run]:
    """Small lines, each on another field: other models, samples or buffers."""
    spec = problem_toml.find("digits-mlp")
    models = [loaded(p) for p in sorted((locations.root() / "sample_models" / "digits-mlp").glob("seed-*.safetensors"))]
    every = itertools.product(itertools.permutations(models, 2), range(40, 540, 4))
    return [
        Run(Field(spec, pair, registry.method("chart", "line"), samples=n), registry.method("sample", "grid", {"size": 5 + 4 * (n % 3)}))
        for pair, n in itertools.islice(every, count)
    ]


def fill(store: RunStore, old: int, thousands: int, checkpoints: int) -> None:
    """What years leave in a store: finished runs, points of some of their fields, and checkpoints of one family."""
    spec, random_ = problem_toml.find("digits-mlp"), np.random.default_rng(0)

    def a_run(n: int) -> Run:
        return Run(
            Field(spec, (Loaded(f"{n:064x}", name=f"old {n}"), Loaded("b" * 64)), registry.method("chart", "line")),
            registry.method("sample", "grid", {"size": 5}),
        )

    for n in range(old):
        store.filed(a_run(n), 5)
    counts, places = np.full(4, 16.0), np.linspace(0, 1, FIELD)[:, None]
    for n in range(thousands * 1000 // FIELD):
        store.open_field(field := a_run(n).field, shape=(2, 4), counts=counts, gram=np.eye(2), facts={})
        store.append(field.id, places, random_.random((FIELD, 2, 4)), seconds=1.0)
    for n in range(checkpoints):
        store.register(_facts(spec, n))


def _facts(spec: ProblemSpec, n: int) -> Facts:
    return Facts(f"/somewhere/epoch-{n}.safetensors", f"epoch-{n}", digest=f"{n:064x}", problem=spec, parameters=9000, tensors=8, dtype="float32")


@dataclass
class Server:
    """One app on a port; `killed`: when last."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    killed: float = float("-inf")

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        command = [sys.executable, "-m", "explorer", "app", "--headless", "--port", str(self.port), "--home", str(self.home)]
        environment = {**os.environ, "LOSS_EXPLORER_HIRE": "no"}
        with (self.home / f"server-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def kill(self, how: int = signal.SIGKILL) -> None:
        """End it."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)
        self.process.wait()
        self.killed = time.monotonic()

    @property
    def just_killed(self) -> bool:
        """Whether whoever lost it now lost it by the kill."""
        return time.monotonic() - self.killed < PARDON_S or not _is_up(self.port)


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
    home: Path, store: RunStore, runs: list[Run], until: float, seen: VisitLog, memories: list[tuple[int, float]], servers: tuple[Server, Server]
) -> tuple[int, int, int]:
    """Keep the workers at work, kill one at random every few seconds and the second server every minute, let one run on a full disk; ask again for what it laid
    down. Workers killed, servers killed, asked again."""
    rng, started = random.Random(0), time.monotonic()
    mine: list[subprocess.Popen[bytes]] = []
    tight: subprocess.Popen[bytes] | None = None
    killed = ended = again = 0
    every = min(SERVER_S, (until - started) / 5)
    next_kill, next_end, queued = started + KILL_S, started + every, list(runs)
    assert servers[0].process is not None
    try:
        while time.monotonic() < until:
            mine = [p for p in mine if p.poll() is None]
            mine += [worker(home) for _ in range(WORKERS - len(mine))]
            if tight is None and time.monotonic() > started + TIGHT_S:
                tight = worker(home, tight=True)
            if time.monotonic() > next_kill:
                victim = rng.choice(mine)
                victim.kill()
                victim.wait()
                killed, next_kill = killed + 1, time.monotonic() + KILL_S * (0.5 + rng.random())
            if time.monotonic() > next_end:
                servers[1].kill()
                servers[1].start()
                ended, next_end = ended + 1, time.monotonic() + every
            while queued and time.monotonic() - started > (len(runs) - len(queued)) / len(runs) * QUEUE * (until - started):
                store.submit(queued.pop(0))
            states = [s for s in (store.status(r.id) for r in runs) if s is not None]
            for status in states:
                if status.state == "failed":
                    store.submit(status.request)
                    again += 1
            memories.append((seen.scripts, memory(servers[0].process.pid)))
            await asyncio.sleep(1)
    finally:
        for process in [*mine, *([tight] if tight else [])]:
            process.kill()
            process.wait()
    return killed, ended, again


async def soak(home: Path, servers: tuple[Server, Server], clients: int, runs: list[Run], seconds: float, reruns: int) -> None:
    """All of it at once, then the figures."""
    store = RunStore(home / "store.sqlite")
    ids = [r.id for r in runs]
    seen, memories, begun = VisitLog(), list[tuple[int, float]](), time.monotonic()
    until, by_port = begun + seconds, {server.port: server for server in servers}
    visitors = [
        asyncio.create_task(visit([*by_port], ids, seen, until, i, was_killed=lambda port: by_port[port].just_killed)) for i in range(clients)
    ]
    visitors.append(asyncio.create_task(marathon(servers[0].port, ids, seen, until, reruns)))
    killed, ended, again = await trouble(home, store, runs, until, seen, memories, servers)
    spent = time.monotonic() - begun
    for visitor in visitors:
        visitor.cancel()
    await asyncio.gather(*visitors, return_exceptions=True)
    done = [r for r in runs if (s := store.status(r.id)) is not None and s.state == "done"]
    print(
        f"runs: {len(done)} of {len(runs)} done in {spent:.0f} s; {killed} workers and {ended} servers killed; {again} times asked again after a full disk"
    )
    for name, times in (("pages", seen.pages), ("clicks", seen.clicks), ("the long session", seen.marathon)):
        values = np.array(times or [np.nan])
        print(f"{name}: {len(times)} scripts, {np.median(values):.2f} s in the middle, {np.quantile(values, 0.95):.2f} s at 95 %")
    print(f"exceptions on pages: {len(seen.exceptions)} {sorted(set(seen.exceptions))[:3]}")
    print(f"connections: {seen.cut} cut by a kill; {len(seen.broken)} broken by anything else {sorted(set(seen.broken))[:3]}")
    scripts, megabytes = map(list, zip(*memories, strict=True))
    thirds = " MB, ".join(f"{np.mean(third):.0f}" for third in np.array_split(megabytes, 3))
    half = len(scripts) // 2
    steep, unsure = slope(scripts[half:], megabytes[half:])
    print(f"server: {megabytes[0]:.0f} MB at the start; {thirds} MB in equal thirds of the time; {max(megabytes):.0f} MB at most")
    print(f"server, last half, {scripts[-1] - scripts[half]} scripts: {1000 * steep:+.1f} ± {1000 * unsure:.1f} MB per 1000 (95 %)")
    compare(home, done)


def compare(home: Path, done: list[Run]) -> None:
    """Each run against the same one alone in this process. What visitors asked for lies on the same fields: of a field, the places of the run are compared."""
    torch.set_num_threads(1)
    store, equal, doubled, points, asked = RunStore(home / "store.sqlite"), 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        quiet = RunStore(Path(scratch) / "store.sqlite")
        for run in done:
            keep(run, quiet, Path(scratch), report=lambda *_: True)
            found, alone = store.points(run.field.id)[0], quiet.points(run.field.id)[0].sorted()
            measured = {place.tobytes(): values.tobytes() for place, values in zip(found.coords, found.values, strict=True)}
            equal += all(measured.get(place.tobytes()) == values.tobytes() for place, values in zip(alone.coords, alone.values, strict=True))
            doubled += len(found) - len(measured)
            points, asked = points + len(alone), asked + len(measured) - len(alone)
    print(
        f"points: {points}; {equal} of {len(done)} runs equal a quiet one bit for bit; {doubled} points twice; {asked} more were asked for by visitors"
    )


def openings(home: Path) -> None:
    """CPU seconds to open what lists everything, in a process of its own, as the store is now."""
    code = "from growth import opening\nfor page in ('home', 'runs', 'checkpoints'): print(page, *(f'{s:.2f}' for s in opening(page)))"
    environment = {**os.environ, "LOSS_EXPLORER_HOME": str(home), "LOSS_EXPLORER_HIRE": "no", "PYTHONPATH": str(Path(__file__).parent)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    print(f"CPU seconds to open, and to draw again: {'; '.join(found.stdout.splitlines())}")


def main() -> None:
    """Fill the store, start the servers, soak them, end them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=900, help="then what is done is compared")
    parser.add_argument("--old", type=int, default=20_000, help="finished runs that are there already")
    parser.add_argument("--points", type=int, default=2000, help="thousands of points that are there already")
    parser.add_argument("--checkpoints", type=int, default=500, help="that are registered already")
    parser.add_argument("--reruns", type=int, default=2000, help="scripts of the session that is never left")
    arguments = parser.parse_args()
    runs = small_runs(arguments.runs)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        fill(RunStore(home / "store.sqlite"), arguments.old, arguments.points, arguments.checkpoints)
        servers = Server(home, _free_port()), Server(home, _free_port())
        try:
            for server in servers:
                server.start()
                _answers(server.port)
            asyncio.run(soak(home, servers, arguments.clients, runs, arguments.seconds, arguments.reruns))
        finally:
            for server in servers:
                if server.process is not None:
                    server.kill(signal.SIGTERM)
        openings(home)
        traces = sum(f.read_text(errors="replace").count("Traceback") for f in home.glob("server-*.log"))
        workers = sum(f.read_text(errors="replace").count("Traceback") for f in home.glob("*.log")) - traces
        print(f"tracebacks in the logs: {traces} of the servers, {workers} of workers")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _is_up(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
            return True
    except OSError:
        return False


def _answers(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if _is_up(port):
            return
        time.sleep(0.2)
    raise SystemExit("The server did not answer within a minute.")


if __name__ == "__main__":
    main()
