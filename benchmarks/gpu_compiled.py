"""What compiling a network gains on a GPU, what it takes, and how far it is from what the device allows; the part `compiled` of benchmarks/gpu.py.

    PYTHONPATH=. python benchmarks/gpu.py --parts ceilings compiled [--nets resnet20 gpt mlp resnet56] [--json FILE] [--limit 450]

For each network and precision: all samples at once as its users write it (as torch starts; in exact float32; under autocast in bfloat16), the fastest of the
other engines, and the compiled one; with batch norm, the compiled one without its statistics and with them, and their share. Compiling is timed twice,
with an empty cache and once more from the cache. What is compiled by `max-autotune` is named so.

The floor of a point is the longer of two times: its FLOP at the device's own rate in that precision, and the bytes that convolutions, linear layers and
embeddings read and write at the rate of a copy, as if all that stands between them cost nothing. Nothing new is begun after `--limit` seconds; each table
is complete, and in the file, before the next network begins.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu import Row, all_at_once, each, shares
from explorer.checkpoints.weights import Weights
from explorer.core.spec import Buffers, Precision
from explorer.evaluate.compiled_network import NotCompiled
from explorer.evaluate.devices import precisely
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.shared_first_layer import Affine, calls
from explorer.problems.problem import Problem

ORDER = ("resnet20", "gpt", "mlp", "resnet56")  # what is asked most comes first
MODES = {"default": None, "max-autotune": "max-autotune-no-cudagraphs"}
TUNED = ("resnet20", "gpt")  # tuning a deep network takes longer than all else


def compiled(
    cases: Mapping[str, tuple[Problem, list[Weights]]],
    arguments: argparse.Namespace,
    tops: Mapping[str, float],
    kept: Callable[[Sequence[Row]], object],
) -> list[Row]:
    """All tables; `kept` gets the rows after each."""
    end, rows = time.perf_counter() + arguments.limit, list[Row]()
    for name in sorted(cases, key=ORDER.index):
        rows += table(name, *cases[name], arguments, tops, end)
        kept(rows)
    return rows


def table(name: str, problem: Problem, corners: Sequence[Weights], arguments: argparse.Namespace, tops: Mapping[str, float], end: float) -> list[Row]:
    """One network's rows, printed as they are measured."""
    device, seconds = torch.device(arguments.device), arguments.seconds
    cuda = device.type == "cuda"
    norms = any("running_mean" in k for k in corners[0])
    rows: list[Row] = []
    print(f"\n{name}, compiled: {arguments.samples:,} samples")
    print(f"{'way':<44}{'ms a point':>12}{'floor':>9}{'of it':>7}{'× at once':>11}{'statistics':>12}{'compiling, again':>20}")

    def row(way: str, precision: Precision, taken: float, at_once: float, *, statistics: float | None = None, took: Sequence[float] = ()) -> None:
        least = floor(problem, arguments.samples, precision, tops)
        share = "" if statistics is None else f"{statistics / taken:.2f} ×"
        times = at_once / taken if at_once else float("nan")
        of = f"{1000 * least:>9.2f}{100 * least / taken:>5.0f} %" if least else f"{'':>16}"
        cost = ", ".join(f"{t:.1f} s" for t in took)
        print(f"{way:<44}{1000 * taken:>12.3f}{of}{times:>11.2f}{share:>12}{cost:>20}", flush=True)
        found: Row = {
            "net": name,
            "way": way,
            "precision": precision,
            "seconds": taken,
            "floor": least,
            "at once": at_once,
            "with statistics": statistics,
            "compiling": list(took),
        }
        rows.append(found)

    def late(what: str) -> bool:
        if over := time.perf_counter() > end:
            print(f"left out, since {arguments.limit:.0f} s are over: {what}", flush=True)
        return over

    peers: dict[Precision, float] = {}
    precisions: tuple[Precision, ...] = ("float32", "tf32", "bfloat16") if cuda else ("float32", "bfloat16")
    for precision in precisions:
        step = all_at_once(problem, corners, str(device))
        with nullcontext() if precision == "tf32" else precisely(precision, device):
            peers[precision] = each(lambda k, step=step: step(shares(k)), str(device), seconds)
        row(f"all at once, {'as torch starts' if precision == 'tf32' else precision}", precision, peers[precision], peers[precision])
    start = peers["tf32" if cuda else "float32"]
    for precision in ("float32", "bfloat16", "tf32") if cuda else precisions:
        at_once = peers["float32"] if precision == "float32" else start
        if late(precision):
            continue
        with_policy = {b: paced(Evaluate(problem, corners, buffers=b, device=str(device), precision=precision), seconds) for b in policies(norms)}
        row(f"ours, {precision}, {with_policy['mix'][1]}", precision, with_policy["mix"][0], at_once, statistics=of(with_policy))
        for mode in MODES if cuda and precision == "bfloat16" and name in TUNED else ("default",):
            if late(f"{precision} by {mode}"):
                continue
            try:
                taken, took = by(mode, problem, corners, precision, norms, device, seconds)
            except NotCompiled as error:
                print(f"not compiled in {precision} by {mode}: {error}", flush=True)
                continue
            row(f"compiled, {precision}, {mode}", precision, taken["mix"][0], at_once, statistics=of(taken), took=took)
    return rows


def policies(norms: bool) -> tuple[Buffers, ...]:
    """Without statistics, and with them where there are any."""
    return ("mix", "recalibrate") if norms else ("mix",)


def of(taken: Mapping[Buffers, tuple[float, str]]) -> float | None:
    """Seconds of a point with statistics."""
    return taken["recalibrate"][0] if "recalibrate" in taken else None


def paced(evaluate: Evaluate, seconds: float) -> tuple[float, str]:
    """Seconds of a point, and the engine that it took."""
    width = evaluate.width
    return each(
        lambda k: evaluate.many(np.stack([shares(k * width + i) for i in range(width)])), str(evaluate.device), seconds
    ) / width, evaluate.engine


def by(
    mode: str, problem: Problem, corners: Sequence[Weights], precision: Precision, norms: bool, device: torch.device, seconds: float
) -> tuple[dict[Buffers, tuple[float, str]], list[float]]:
    """Seconds of a point by policy of buffers, and of compiling with an empty cache and from the cache."""
    from torch._inductor.utils import fresh_cache

    def fresh() -> tuple[Evaluate, float]:
        evaluate = Evaluate(problem, corners, device=str(device), precision=precision, engine="graphs")
        torch.compiler.reset()
        started = time.perf_counter()
        evaluate.compile(MODES[mode])
        return evaluate, time.perf_counter() - started

    with fresh_cache():
        cold = fresh()[1]
        evaluate, again = fresh()
        taken: dict[Buffers, tuple[float, str]] = {}
        for policy in policies(norms):
            evaluate.buffers = policy
            evaluate.captured.clear()
            taken[policy] = paced(evaluate, seconds)
    return taken, [cold, again]


def floor(problem: Problem, samples: int, precision: Precision, tops: Mapping[str, float]) -> float:
    """The least seconds of a point; 0 where the device's ceilings are not known."""
    if not tops:
        return 0.0
    network, inputs = problem.network(), problem.split("test").inputs[:4]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(inputs)
    width = 2 if precision == "bfloat16" else 4
    layers = [c for c in calls(network, inputs) if isinstance(c.layer, (*Affine, nn.Embedding))]
    moved = sum(width * t.numel() for c in layers for t in (c.given, c.answer) if isinstance(t, Tensor))
    return samples / 4 * max(counter.get_total_flops() / tops[precision], moved / tops["copy"])
