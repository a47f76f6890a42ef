"""Carries a plan out: tensors on several threads, each in blocks; the result is the same bit for bit whatever the number of threads.

The memory is a few blocks for each thread, however large the models are. A tensor is worked on by one thread, so its sums have one order.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from threading import Event, Lock
from typing import TypeAlias

import torch
from torch import Tensor

from explorer.checkpoints.passes import BLOCK, All, FromAll, Kernel, cuts, each, made
from explorer.core.errors import Refused, Stopped
from explorer.core.files import short
from explorer.merging import output
from explorer.merging.blocks import DTYPES, Blocks, Files
from explorer.merging.output import Draft
from explorer.merging.plan import FLOATS, Job, MergePlan

SHARD_BYTES = 5_000_000_000
THREADS = 4  # at most; more of them wait for the disk
TELL_S = 0.2  # seconds between two reports
TRIED = 8  # blocks of the largest tensor that an estimate of the time is made from

Report: TypeAlias = Callable[[int, int], object]
"""`report(done, total)` in bytes of the result."""


def _silent(done: int, total: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class Merged:
    """What was written, and how long it took."""

    path: Path
    bytes_read: int
    bytes_written: int
    seconds: float


def merge(plan: MergePlan, out: Path, *, shard_bytes: int = SHARD_BYTES, force: bool = False, threads: int = 0, report: Report = _silent) -> Merged:
    """Write the result; `out` is a folder to be, or a .safetensors. An existing one is only replaced with `force`. `threads`: 0 for as many as help."""
    if shard_bytes < 1:
        raise Refused(f"Shards of {shard_bytes} bytes hold nothing. Give a size such as 5GB.")
    started = time.perf_counter()
    output.sweep(out)  # first, so that its room counts
    output.refuse(out, plan, force=force)
    with _one_thread_each(), Files() as files, output.drafted(out, plan, shard_bytes) as draft:
        _work(with_global_thresholds(plan, files), draft, files, threads or min(THREADS, os.cpu_count() or 1), report)
    return Merged(out, plan.bytes_read, plan.bytes_written, time.perf_counter() - started)


def with_global_thresholds(plan: MergePlan, files: Files) -> MergePlan:
    """The plan with what the whole models say worked out, such as an angle or a threshold."""
    for found in {job.rule.kernel for job in plan.jobs if job.rule is not None and isinstance(job.rule.kernel, FromAll)}:
        kernel = found.found(All([_blocks(job, plan, files) for job in plan.jobs if job.rule is not None and job.rule.kernel is found]))
        jobs = (replace(j, rule=replace(j.rule, kernel=kernel)) if j.rule is not None and j.rule.kernel is found else j for j in plan.jobs)
        plan = replace(plan, jobs=tuple(jobs))
    return plan


def seconds(plan: MergePlan) -> float:
    """About how long the merge will take, from a trial on the first blocks of its largest tensor; nothing is written."""
    job = max((j for j in plan.jobs if j.dtype in FLOATS), key=lambda j: j.numel, default=None)
    if job is None or not job.numel:
        return 0.0
    with _one_thread_each(), Files() as files:
        passes = replace(_blocks(job, plan, files), most=TRIED)
        list(passes())  # so that opening the files is not timed
        started = time.perf_counter()
        entries = sum(_rounded(block, job).numel() for block in _kernel(job)(passes))
        taken = time.perf_counter() - started
    threads = min(THREADS, os.cpu_count() or 1)
    return taken * sum(j.numel for j in plan.jobs) / entries / threads


def memory(plan: MergePlan) -> int:
    """About how many bytes the merge holds beside the program itself: some blocks in wide precision for each thread."""
    blocks = [BLOCK, *(max(stop - start for start, stop in cuts(job.shape, job.rule.cut)) for job in plan.jobs if job.rule is not None)]
    widths = {8 if plan.ingredients[i].tensors[n].dtype in ("F64", "F32") else 4 for job in plan.jobs for i, n in job.sources}
    models = max(len(job.sources) for job in plan.jobs)
    return min(THREADS, os.cpu_count() or 1) * max(blocks) * max(widths) * (models + 8)


def whole(job: Job, plan: MergePlan, files: Files) -> Tensor:
    """A tensor of the result in memory, in the precision that is computed in; of a plan whose thresholds are settled (`with_global_thresholds`)."""
    return torch.cat([block.reshape(-1) for block in made(_kernel(job), _blocks(job, plan, files))]).view(job.shape)


def _work(plan: MergePlan, draft: Draft, files: Files, threads: int, report: Report) -> None:
    total, done, lock, stop = plan.bytes_written, 0, Lock(), Event()

    def wrote(count: int) -> None:
        nonlocal done
        with lock:
            done += count
        if stop.is_set():
            raise Stopped

    with ThreadPoolExecutor(threads) as pool:
        largest_first = sorted(plan.jobs, key=lambda job: -job.numel)
        waiting: set[Future[None]] = {pool.submit(partial(_make, job, plan, draft, files, wrote)) for job in largest_first}
        try:
            while waiting:
                ended, waiting = wait(waiting, TELL_S, FIRST_EXCEPTION)
                for future in ended:
                    future.result()
                report(done, total)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _make(job: Job, plan: MergePlan, draft: Draft, files: Files, wrote: Callable[[int], None]) -> None:
    place = 0
    for data in _copied(job, plan, files) if job.rule is None else _computed(job, plan, files):
        draft.write(job.name, place, data)
        place += len(data)
        wrote(len(data))
    assert place == job.nbytes


def _computed(job: Job, plan: MergePlan, files: Files) -> Iterator[memoryview]:
    passes = _blocks(job, plan, files)
    for block in made(_kernel(job), passes):
        yield _rounded(block, job).contiguous().view(-1).view(torch.uint8).numpy().data


def _rounded(block: Tensor, job: Job) -> Tensor:
    """To the nearest value of the result's type, to even ones half-way between; Refused when one is beyond its range."""
    rounded = block.to(DTYPES[job.dtype])
    values = rounded if rounded.element_size() > 1 else rounded.float()
    if not isfinite(float(values.sum(dtype=torch.float64))):
        largest = float(block.abs().max())
        raise Refused(
            f"{short(job.name)} comes to {largest:.3g} in the result, beyond what {job.dtype} holds. Write it in another dtype, or take smaller weights."
        )
    return rounded


def _copied(job: Job, plan: MergePlan, files: Files) -> Iterator[memoryview]:
    which, name = job.sources[0]
    stored = plan.ingredients[which].tensors[name]
    for start in range(0, stored.numel, BLOCK):
        yield files.raw(stored, start, min(start + BLOCK, stored.numel))


def _kernel(job: Job) -> Kernel:
    """The job's kernel; what the whole models would say is told from this tensor alone, where it has not been settled."""
    assert job.rule is not None
    return each(job.rule.kernel.found) if isinstance(job.rule.kernel, FromAll) else job.rule.kernel


def _blocks(job: Job, plan: MergePlan, files: Files) -> Blocks:
    return Blocks(files, job.name, [(plan.ingredients[i], name) for i, name in job.sources], job.rule.cut if job.rule else "entries")


@contextmanager
def _one_thread_each() -> Generator[None, None, None]:
    """torch's own threads stay out of the way of these; afterwards they are as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
