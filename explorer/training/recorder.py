"""Snapshots of a training loop of one's own, written beside it while it runs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, SupportsFloat

import torch
from torch import Tensor, nn

from explorer.checkpoints import checkpoint_file, names
from explorer.checkpoints.weights import Weights
from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec
from explorer.problems import problem_toml, write_problem_toml
from explorer.problems.problem import Problem
from explorer.training.background_writer import BackgroundWriter
from explorer.training.host_copy import copied, halved
from explorer.training.snapshot_folder import SnapshotFolder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Snapshot:
    step: int
    weights: Weights
    whole: Callable[[], None]  # returns when the copies are
    parameters: frozenset[str]
    metadata: dict[str, str]


class Recorder:
    """Snapshots of a training while it runs: `step(network)` after each of its steps, in a `with` block that ends when the last one is written.

    A snapshot is written to `folder/step-000100.safetensors` by a thread; the loop waits only for the copy to the CPU. Nothing of the network is changed, and
    no random number is drawn. A folder that holds snapshots is continued after the last of them. With several processes, record in one of them.

    every: after every so many steps. at: after these steps. seconds: at most one in so many seconds, `at` aside; 60 where neither `every` nor `at` is given, else 0.
    keep: as many snapshots at most, thinned evenly as the training goes on; None: all. limit_bytes: of all snapshots together.
    half: parameters in float16; buffers stay as they are.
    problem: what the network is trained on (a name, a folder or a `problem.toml`, or what `read_problem` gives). It is described in the folder, so that
    `loss-explorer look FOLDER` and the pages measure the snapshots, and each network recorded must fit it.
    waiting_bytes: of copies that wait for the disk. A snapshot for which there is no room beside them is dropped, which is logged and counted in `dropped`.
    clock: seconds, by which `seconds` are counted.

    Refused, by the constructor or the first snapshot, where folder, problem and network do not fit together; by the next step or at the end, where a snapshot could not be written.

    >>> import tempfile, torch
    >>> network = torch.nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Recorder(folder, every=100) as recorder:
    ...         for _ in range(300):
    ...             recorder.step(network)  # after optimizer.step()
    ...     print(*sorted(file.name for file in Path(folder).iterdir()))
    step-000100.safetensors step-000200.safetensors step-000300.safetensors
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every: int | None = None,
        at: Collection[int] = (),
        seconds: float | None = None,
        keep: int | None = 60,
        limit_bytes: int | None = None,
        half: bool = False,
        problem: str | Path | ProblemSpec | None = None,
        waiting_bytes: int = 2**28,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, value, least in (("every", every, 1), ("keep", keep, 2), ("limit_bytes", limit_bytes, 1), ("waiting_bytes", waiting_bytes, 1)):
            if value is not None and value < least:
                raise Refused(f"A Recorder needs {name} of at least {least}, got {value}.")
        self.folder = Path(folder)
        self.dropped = 0
        self._every, self._at, self._half, self._clock = every, frozenset(at), half, clock
        self._seconds = seconds if seconds is not None else 60.0 if every is None and not at else 0.0
        self._problem = None
        self._files = SnapshotFolder(self.folder, keep=keep, limit_bytes=limit_bytes, chosen=self._at)
        if problem is not None or (self.folder / write_problem_toml.FILE).is_file():
            self._problem = Problem(_described(self.folder, problem))
        self._before = self.done = self._files.last
        self._latest = float("-inf")
        self._writer = BackgroundWriter[_Snapshot](self._write, waiting_bytes)

    def step(self, network: nn.Module, *, step: int | None = None, metrics: Mapping[str, SupportsFloat] | None = None) -> None:
        """Say that a step of the training is done; its snapshot is taken where one is due.

        step: how many are done, 0 for the initial weights; counted where it is not given, on from those in the folder. Steps that the folder was past when it was opened are not recorded
        again. metrics: numbers for the header of the snapshot, read only where one is taken.
        """
        self._raise_failure()
        before, now = self.done, max(self.done, 0) + 1 if step is None else step
        if now <= before:
            if now < self._before:
                log.warning("%s holds snapshots up to step %d; nothing is recorded until the training is past it.", self.folder, self._before)
                self._before = now  # said once
            return
        self.done = now
        chosen = any(before < s <= now for s in self._at)
        regular = now == 0 or now // self._every > max(before, 0) // self._every if self._every else not self._at
        if chosen or (regular and self._clock() - self._latest >= self._seconds):
            self._take(network, metrics or {})

    def close(self) -> None:
        """Wait until all snapshots are written. Refused when one of them could not be. The end of the `with` block does it."""
        self._writer.close()
        if self.dropped > 1:
            log.warning("%d snapshots were dropped in all.", self.dropped)
        self._raise_failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return self.close()
        try:  # what ended the training is what its author must see
            self.close()
        except Refused as refusal:
            log.error("%s", refusal)

    def _take(self, network: nn.Module, metrics: Mapping[str, SupportsFloat]) -> None:
        self._latest = self._clock()
        state: dict[str, object] = network.state_dict()
        called = self._called(state)
        size = sum(value.nbytes for name, value in state.items() if name in called and isinstance(value, Tensor))
        if not self._writer.takes(size):
            self.dropped += 1
            if self.dropped == 1:
                log.warning(
                    "The snapshot of step %d is dropped: %s is too slow for one so soon. Record less often, or to a faster disk.",
                    self.done,
                    self.folder,
                )
            return
        weights, whole = copied({called[name]: value for name, value in state.items() if name in called})
        parameters = frozenset(called[name] for name, _ in network.named_parameters(remove_duplicate=False) if name in called)
        numbers = {name: float(value.detach() if isinstance(value, Tensor) else value) for name, value in metrics.items()}
        metadata = {"metrics": json.dumps(numbers)} if numbers else {}
        if self._problem is not None:
            metadata["problem"] = self._problem.spec.name
        self._writer.put(_Snapshot(self.done, weights, whole, parameters, metadata), size)

    def _called(self, state: Mapping[str, object]) -> dict[str, str]:
        """Each tensor's name in a state dict → without what DataParallel and torch.compile put before it; where a problem is known, as its network calls it."""
        tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
        if self._problem is None:
            return dict(names.read([*tensors], self.folder, {"format": "pt"}, counter=False).plain)  # "pt": wrappers only
        shapes = self._problem.shapes()
        plain = {name: name for name in tensors} if tensors.keys() == shapes.keys() else names.read([*tensors], self.folder, {}, counter=False).plain
        fitting = {new: tensors[name] for name, new in plain.items()}
        checkpoint_file.check(fitting, shapes, what="The network that is recorded")
        return dict(plain)

    def _write(self, snapshot: _Snapshot) -> None:
        snapshot.whole()
        weights = halved(snapshot.weights, snapshot.parameters) if self._half else snapshot.weights
        for name, tensor in weights.items():
            if tensor is not snapshot.weights[name] and not torch.equal(tensor.isfinite(), snapshot.weights[name].isfinite()):
                raise Refused(f"{name} has values that float16 cannot hold. Record with half=False.")
        self._files.write(snapshot.step, weights, snapshot.metadata)

    def _raise_failure(self) -> None:
        if (failed := self._writer.failure()) is not None:
            snapshot, error = failed
            said = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
            raise Refused(f"The snapshot of step {snapshot.step} was not written to {self.folder}: {said}") from error


def _described(folder: Path, problem: str | Path | ProblemSpec | None) -> ProblemSpec:
    """The problem that a folder's problem.toml describes, which is written where there is none. Refused when it is another one than the given."""
    given = problem if isinstance(problem, ProblemSpec) or problem is None else problem_toml.find(problem)
    there = folder / write_problem_toml.FILE
    if given is not None and not there.is_file():
        path = str(locations.expand(given.path)) if given.path else ""
        text = write_problem_toml.text_of(
            given.network, given.data, path, given.loss, val=given.val, test=given.test, seed=given.seed, title=given.title, symmetry=given.symmetry
        )
        write_problem_toml.write(there, text)
    found = problem_toml.read(there)
    if given is not None and found.id != given.id:
        raise Refused(f"{there} describes another problem than {given.name or given.network.name}. Record into another folder, or correct it there.")
    return replace(found, name=given.name or found.name) if given is not None else found
