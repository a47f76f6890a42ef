"""Points shared out over the GPUs of one host, one process each, for 1, 2, 4 … of them and for all; the part `scaling` of benchmarks/gpu.py.

    PYTHONPATH=. python benchmarks/gpu.py --parts scaling --nets resnet20 [--language 1b] [--devices cuda:0 cuda:1] [--json FILE]

Each process holds the corners itself and measures points for a while, all from the same moment on; the efficiency is the points a second of all, against so
many times those of one. `--language` adds a random Llama of that size in bfloat16 (benchmarks/language.py makes its files), 64 windows of 512 tokens.
`--devices cpu cpu` tries it with two processes on a CPU.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import time
from collections.abc import Mapping, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
from torch import Tensor

from benchmarks.gpu import Row, each, shares
from explorer.checkpoints.lazy_weights import open_lazily
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

STARTING_S = 600.0  # until every process has loaded its corners


def scaling(folder: Path, devices: Sequence[str], seconds: float, windows: int) -> list[Row]:
    """Points a second by one process on each of 1, 2, 4 … devices and on all."""
    rows: list[Row] = []
    context = mp.get_context("spawn")
    for count in sorted({*(2**k for k in range(10) if 2**k <= len(devices)), len(devices)}):
        ready, rates = context.Barrier(count), context.Queue()
        workers = [context.Process(target=shift, args=(folder, device, seconds, windows, ready, rates)) for device in devices[:count]]
        for w in workers:
            w.start()
        speed = sum(_next(rates, workers) for _ in workers)
        for w in workers:
            w.join()
        first = float(str(rows[0]["points/s"])) if rows else speed
        rows.append({"net": folder.name, "gpus": count, "points/s": speed, "efficiency": speed / count / first})
        print(f"{folder.name} on {count} of {len(devices)}: {speed:.2f} points/s, efficiency {speed / count / first:.3f}", flush=True)
    return rows


def _next(rates: mp.Queue[float], workers: Sequence[mp.process.BaseProcess]) -> float:
    """The next worker's rate. RuntimeError when one of them fails, for the others would wait for it."""
    end = time.monotonic() + STARTING_S
    while rates.empty():
        if any(w.exitcode not in (0, None) for w in workers) or time.monotonic() > end:
            for w in workers:
                w.kill()
            raise RuntimeError("A worker failed, or was not ready in time; its own message stands above.")
        time.sleep(0.05)
    return rates.get()


def shift(folder: Path, device: str, seconds: float, windows: int, ready: Barrier, rates: mp.Queue[float]) -> None:
    """One worker's share, begun when all are ready."""
    problem = Problem(problem_toml.find(folder))
    files = sorted(folder.glob("m*/model.safetensors"))
    corners: list[Mapping[str, Tensor]] = []
    for file in files:
        corner = open_lazily(file, problem.shapes(), problem.reals())
        assert corner is not None, f"{file} cannot be read piece by piece"
        corners.append(corner)
    if not files:
        corners += [{k: v.detach().clone() for k, v in problem.network(seed=s).state_dict().items()} for s in range(3)]
    evaluate = Evaluate(problem, corners, samples=windows if files else 0, device=device, precision="stored" if files else "float32")
    points = np.stack([shares(k) for k in range(51 * 51)])[:, : len(corners)]
    points /= points.sum(axis=1, keepdims=True)
    width = evaluate.width
    evaluate.many(points[:width])
    ready.wait()
    rates.put(width / each(lambda k: evaluate.many(points[np.arange(k * width, (k + 1) * width) % len(points)]), device, seconds))


def language(scratch: Path, size: str, device: str, windows: int) -> Path:
    """The folder of two random Llamas of a size, and of their text."""
    from benchmarks.language import make

    folder = scratch / size
    make(folder, size, argparse.Namespace(windows=windows, context=512 if size != "tiny" else 16, device=device))
    return folder
