"""Points measured by the actors of a Ray cluster: one for each GPU that it has, or for each core where it has none.

Needs the extra `[cluster]`, and on every node the same explorer and the problem's data under the same path. A field's corners are put into the object
store once, as numpy arrays that actors of a node share; after that only coefficients and sums over blocks travel. A task is a pure function of its
coefficients, so it may run twice: when an actor or its node dies, what it was busy with goes to another one, and nodes that come later get actors, too.
Only points are measured so. What is computed without a chart's points (alignments and other models that are made, searches, looks) takes no actor: the process that
drives the cluster computes it, and when that one dies the next one to ask claims it again.
Actors serve any field, and keep the evaluators of the last few; several threads may drive the same fleet, each its own run.

Usage reporting is off, a cluster started here listens on the loopback address alone, and the environment is put back as it was.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
import warnings
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.spec import Field, Json
from explorer.engine.execute import MeasuredBatch, Opened, evaluator, look_at
from explorer.evaluate.evaluator import Evaluate

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
KEPT = 4  # evaluators of an actor
AHEAD = 16  # tasks of fewest points for each actor in a batch: of 128 actors whose points take 1 ± 0.2, so many are busy 93 % of the time
PER_GPU = 32  # fewest points of a task on a GPU
TASK_S = 0.05  # seconds of points in a task, where there are enough for all: what a task costs by itself is a millisecond or two
IN_HAND = 2  # tasks of an actor at once: while it is at one, the next is on its way and the last is kept
ATTEMPTS = 3  # actors that may die over one task
PATIENCE_S = 60.0  # without a single actor where no node has room for one
STARTING_S = 300.0  # where one has, and its actor is on its way: importing torch on a machine that is busy takes minutes


class Packed(NamedTuple):
    """A tensor as bytes that every process of a node can see: numpy knows no bfloat16."""

    bytes: NDArray[np.uint8]
    dtype: str
    shape: tuple[int, ...]


class Hand:
    """What runs on the cluster: measures points of any field."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.evaluates: OrderedDict[str, tuple[Evaluate, list[Weights]]] = OrderedDict()
        if device == "cpu":
            torch.set_num_threads(1)

    def ready(self) -> bool:
        return True

    def opened(self, field: Json, corners: list[object]) -> Opened:
        evaluate, weights = self._for(Field.from_json(field), corners)
        return look_at(Field.from_json(field), weights, evaluate, self.device)

    def many(self, field: Json, corners: list[object], coefficients: Array) -> tuple[Array, float]:
        evaluate, _ = self._for(Field.from_json(field), corners)
        started = time.perf_counter()
        return evaluate.many(coefficients), time.perf_counter() - started

    def _for(self, field: Field, corners: list[object]) -> tuple[Evaluate, list[Weights]]:
        if field.id not in self.evaluates:
            while len(self.evaluates) >= KEPT:
                self.evaluates.popitem(last=False)
            weights = [unpacked(p) for p in _ray().get(corners[0])]
            self.evaluates[field.id] = evaluator(field, weights, self.device), weights
        self.evaluates.move_to_end(field.id)
        return self.evaluates[field.id]


class Fleet:
    """The actors of a cluster. Call it to have an executor for a field."""

    def __init__(self, ray: Any, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.ray, self.clock = ray, clock
        self.kind = "GPU" if ray.cluster_resources().get("GPU", 0) >= 1 else "CPU"
        self.per = PER_GPU if self.kind == "GPU" else 1
        self.tasks: dict[Any, int] = {}  # actor → how many tasks it has been given
        self.coming: dict[Any, Any] = {}  # what an actor's first answer is → the actor
        self.changed = threading.Condition()
        self.counted = self.seen = clock()
        self._recruit()

    @property
    def size(self) -> int:
        """How many actors there are, or will be."""
        return len(self.tasks) + len(self.coming)

    def __call__(self, field: Field, corners: Sequence[Mapping[str, Tensor]]) -> Remote:
        """An executor: the corners are put into the object store now."""
        return Remote(self, field, corners)

    def take(self, *, wait: bool) -> Any:
        """An actor that has room for a task, the one with fewest; None when there is none and nobody waits. Refused when no actor comes for a while."""
        with self.changed:
            while True:
                self._muster()
                if self.tasks and self.tasks[hand := min(self.tasks, key=self.tasks.__getitem__)] < IN_HAND:
                    self.tasks[hand] += 1
                    return hand
                if not wait:
                    return None
                if self.clock() - self.seen > (STARTING_S if self.coming and self.room else PATIENCE_S):
                    raise Refused(
                        "No node of the cluster is working. Look at it with `ray status`; what was measured is kept, so the run can resume."
                    )
                self.changed.wait(0.02)

    def give(self, hand: Any) -> None:
        """An actor has a task less."""
        with self.changed:
            if hand in self.tasks:
                self.tasks[hand] -= 1
                self.changed.notify_all()

    def lost(self, hand: Any) -> None:
        """An actor is dead: what it was given fails, one after the other."""
        with self.changed:
            self.tasks.pop(hand, None)

    def close(self) -> None:
        """Dismiss all actors."""
        for hand in [*self.tasks, *self.coming.values()]:
            self.ray.kill(hand)
        self.tasks, self.coming = {}, {}

    def _muster(self) -> None:
        """Count in whoever has come up, and, about once a second, see whether there is room for more."""
        if self.coming:
            done, _ = self.ray.wait(list(self.coming), num_returns=len(self.coming), timeout=0)
            for ref in done:
                hand = self.coming.pop(ref)
                try:
                    self.ray.get(ref)
                except self.ray.exceptions.RayError:
                    continue
                self.tasks[hand] = 0
        if self.tasks:
            self.seen = self.clock()
        if self.clock() - self.counted > 1.0:
            self._recruit()

    def _recruit(self) -> None:
        self.counted = self.clock()
        self.room = int(self.ray.cluster_resources().get(self.kind, 0))
        options = {"num_gpus": 1, "num_cpus": 0} if self.kind == "GPU" else {"num_cpus": 1}
        while self.size < self.room:
            hand = self.ray.remote(Hand).options(max_restarts=0, **options).remote("cuda:0" if self.kind == "GPU" else "cpu")
            self.coming[hand.ready.remote()] = hand


class Remote:
    """An executor on a fleet."""

    def __init__(self, fleet: Fleet, field: Field, corners: Sequence[Mapping[str, Tensor]]) -> None:
        self.fleet, self.field = fleet, field.to_json()
        self.corners = [fleet.ray.put([packed(c) for c in corners])]  # in a list: then it is fetched when an actor needs it, not with every task
        self.seconds = TASK_S  # of a point, as far as is known

    @property
    def width(self) -> int:
        return max(1, self.fleet.size) * self.fleet.per * AHEAD

    def opened(self) -> Opened:
        (answer,) = next(self._each([()], "opened"))
        return cast("Opened", answer[1])

    def expect(self, points: int, home: Path, say: Callable[[str], object]) -> None:
        """Nothing is done: an actor may be taken away at any time, and its machine need not keep what it has compiled."""

    def map(self, coefficients: Array) -> Iterator[MeasuredBatch]:
        parts = shared_out(len(coefficients), self.fleet.size, least=self.fleet.per, most=int(TASK_S / self.seconds))
        for answers in self._each([(coefficients[rows],) for rows in parts], "many"):
            found = [cast("tuple[Array, float]", answer) for _, answer in answers]
            rows = np.concatenate([np.arange(parts[i].start, parts[i].stop) for i, _ in answers])
            seconds = sum(taken for _, taken in found)
            self.seconds = max(seconds / len(rows), 1e-9)
            yield MeasuredBatch(rows, np.concatenate([values for values, _ in found]), seconds)

    def _each(self, tasks: Sequence[tuple[object, ...]], method: str) -> Iterator[list[tuple[int, object]]]:
        """The answers as they come, those together that are there at the same time: whoever keeps them then pays for one transaction. Actors have their
        next tasks before answers are handed over; what was with an actor that died is done by another one."""
        fleet, errors = self.fleet, self.fleet.ray.exceptions
        todo, busy = deque(range(len(tasks))), dict[Any, tuple[Any, int]]()
        deaths: Counter[int] = Counter()
        found, failed = list[tuple[int, object]](), list[Exception]()
        try:
            while todo or busy or found or failed:
                while todo and not failed and (hand := fleet.take(wait=not (busy or found))) is not None:
                    i = todo.popleft()
                    busy[getattr(hand, method).remote(self.field, self.corners, *tasks[i])] = hand, i
                if found:
                    yield found
                    found = []
                if failed:
                    raise failed[0] from None
                if not busy:
                    continue
                done, _ = fleet.ray.wait(list(busy), num_returns=1, timeout=0.1)
                if done:
                    done, _ = fleet.ray.wait(list(busy), num_returns=len(busy), timeout=0)
                for ref in done:
                    hand, i = busy.pop(ref)
                    try:
                        found.append((i, fleet.ray.get(ref)))
                    except errors.RayTaskError as error:
                        fleet.give(hand)
                        failed.append(error.cause)
                    except errors.RayError:
                        fleet.lost(hand)
                        deaths[i] += 1
                        todo.appendleft(i)
                        if deaths[i] == ATTEMPTS:
                            failed.append(
                                Refused(
                                    f"{ATTEMPTS} actors of the cluster died on the same points, most likely because they ran out of memory."
                                    " Use smaller models."
                                )
                            )
                    else:
                        fleet.give(hand)
        finally:
            for hand, _ in busy.values():  # given up: what it is busy with is finished first, and nobody takes it
                fleet.give(hand)


def shared_out(count: int, actors: int, *, least: int, most: int) -> list[slice]:
    """Rows in tasks, larger ones first, so that all actors are done at about the same time (guided self-scheduling, Polychronopoulos & Kuck 1987)."""
    parts, start = list[slice](), 0
    while start < count:
        size = max(least, min(most, (count - start) // (IN_HAND * max(1, actors))))
        parts.append(slice(start, min(start + size, count)))
        start += size
    return parts


@contextmanager
def fleet(address: str) -> Generator[Fleet, None, None]:
    """The actors of the cluster at an address (host:port, or auto for one that runs on this machine); `local` starts one here.

    Refused when Ray is not installed or nobody answers.
    """
    before = {name: os.environ.get(name) for name in QUIET}
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        ray = _ray()
        quiet = {"log_to_driver": False, "logging_level": "warning"}
        try:
            if address == "local":
                ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise Refused(f"There is no Ray cluster at {address!r}: {error}. Start one with `ray start --head`, or use --ray local.") from error
        found = Fleet(ray)
        try:
            yield found
        finally:
            found.close()
            ray.shutdown()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def packed(weights: Mapping[str, Tensor]) -> dict[str, Packed]:
    """Weights as arrays of bytes; tensors that are one stay one."""
    held = dict(weights)  # every tensor once: what is streamed is another object each time
    once: dict[int, Packed] = {}
    for tensor in held.values():
        if id(tensor) not in once:
            flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            once[id(tensor)] = Packed(flat.numpy(), str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
    return {name: once[id(tensor)] for name, tensor in held.items()}


def unpacked(weights: Mapping[str, Packed]) -> Weights:
    """The inverse, without copying: the tensors are not to be written to."""
    once: dict[int, Tensor] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        for p in weights.values():
            if id(p) not in once:
                dtype = getattr(torch, p.dtype)
                flat = torch.from_numpy(p.bytes).view(dtype) if p.bytes.size else torch.empty(0, dtype=dtype)
                once[id(p)] = flat.reshape(p.shape)
    return {name: once[id(p)] for name, p in weights.items()}


def _ray() -> Any:
    """The library; Refused where it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise Refused("Ray is not installed. Install the extra: python -m pip install 'explorer[cluster]'.") from error
