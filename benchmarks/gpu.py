"""A plane of 51 × 51 points on 10 000 samples: the explorer's engines against the usual loops, side by side on one GPU, with the device's own ceilings.

    PYTHONPATH=. python benchmarks/gpu.py [--parts ceilings points compiled curve alignment scaling] [--nets mlp resnet20 resnet56 gpt] [--json FILE] [--device cuda:0]

Data are synthetic, in the shapes of MNIST, CIFAR-10 and 64 tokens; weights are drawn, for a time does not depend on what was learned. The loops that are
compared with, each written out here as its authors' code does it (their data on the device already, which is kind to them):

- `loop` (Goldstein's): for every point set each parameter to w + a·d₁ + b·d₂; batches of 128; `.item()` of loss and hits after each batch.
- `all at once` (Landscaper's): for every point load_state_dict of a new dict; one forward of all samples (in as few parts as memory allows).

Both are run as torch is set when it starts (convolutions in TF32) and in exact float32, as all that the explorer stores is. None of them recalibrates
batch norm; so ours is shown without (`mix`) and with it. Each row is timed over as many points as `--seconds` allow after one that is not counted, and the
time of the plane follows; a row of ours has the name of its engine. FLOP are counted by torch on the plain forward, bytes are those that layers read
and write: a shortcut that saves some still gets the credit for them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from explorer import symmetry
from explorer.checkpoints.weights import Weights, mix
from explorer.core import registry
from explorer.core.points import Array
from explorer.evaluate.devices import accelerators, memory, precisely, title
from explorer.evaluate.evaluator import Engine, Evaluate
from explorer.evaluate.shared_first_layer import calls
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry import identity
from explorer.symmetry.assignment import WeightScores

SIDE = 51
NETS = {
    "mlp": ('name = "mlp"\nwidths = [784, 256, 256, 10]', (1, 28, 28)),
    "resnet20": ('name = "resnet"\nchannels = 3\nwidths = [16, 32, 64]\nblocks = 3\nclasses = 10', (3, 32, 32)),
    "resnet56": ('name = "resnet"\nchannels = 3\nwidths = [16, 32, 64]\nblocks = 9\nclasses = 10', (3, 32, 32)),
    "gpt": ('name = "gpt"\nvocab = 64\ncontext = 64\ndim = 128\ndepth = 4\nheads = 4', None),
}
PARTS = ("ceilings", "points", "compiled", "curve", "alignment", "scaling")
Row = dict[str, object]


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--nets", nargs="*", choices=NETS, default=list(NETS))
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=2.5, help="for each row")
    parser.add_argument("--widths", nargs="*", type=int, default=[512, 1024, 2048, 4096, 8192])
    parser.add_argument("--device", default=next(iter(accelerators()), "cpu"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--devices", nargs="*", default=list(accelerators()), help="of the part scaling")
    parser.add_argument("--language", help="size of a language model (benchmarks/language.py) in the part scaling")
    parser.add_argument("--windows", type=int, default=64, help="of its text")
    parser.add_argument("--limit", type=float, default=450.0, help="seconds after which the part `compiled` begins nothing new")
    arguments = parser.parse_args(given)
    started = time.perf_counter()
    found: dict[str, object] = {"device": title(arguments.device), "torch": torch.__version__, "samples": arguments.samples}
    print(f"{found['device']}, torch {torch.__version__}, {memory(arguments.device)}")

    def written() -> None:
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=2), encoding="utf-8")

    with tempfile.TemporaryDirectory() as scratch:
        tops = ceilings(arguments.device) if "ceilings" in arguments.parts else {}
        found["ceilings"] = tops
        cases = {name: case(Path(scratch), name, arguments.samples) for name in arguments.nets}
        if "points" in arguments.parts:
            found["points"] = [r for name, (problem, corners) in cases.items() for r in points(name, problem, corners, arguments, tops)]
        if "compiled" in arguments.parts:
            from benchmarks.gpu_compiled import compiled

            def kept(rows: Sequence[Row]) -> None:
                found["compiled"] = rows
                written()

            compiled(cases, arguments, tops, kept)
        if "curve" in arguments.parts:
            found["curve"] = [r for name, (problem, corners) in cases.items() for r in curve(name, problem, corners, arguments)]
        if "alignment" in arguments.parts:
            found["alignment"] = alignment(Path(scratch), arguments.widths, arguments.device)
        if "scaling" in arguments.parts and len(arguments.devices) > 1:
            from benchmarks.gpu_scaling import language, scaling

            folders = [Path(scratch) / name for name in arguments.nets[:2]]
            folders += [language(Path(scratch), arguments.language, arguments.device, arguments.windows)] if arguments.language else []
            found["scaling"] = [r for folder in folders for r in scaling(folder, arguments.devices, arguments.seconds, arguments.windows)]
    found["seconds"] = time.perf_counter() - started
    print(f"\n{found['seconds']:.0f} s in all")
    written()


def case(scratch: Path, name: str, samples: int) -> tuple[Problem, list[Weights]]:
    """A problem with so many test samples, and three corners whose running statistics fit them."""
    network, shape = NETS[name]
    folder = scratch / name
    folder.mkdir()
    rng = np.random.default_rng(0)
    size = {"x": 2600, "x_test": samples}
    if shape is None:
        arrays = {k: rng.integers(0, 64, (n, 64)) for k, n in size.items()}
        targets = {k.replace("x", "y"): np.roll(v, -1, axis=1) for k, v in arrays.items()}
    else:
        arrays = {k: rng.standard_normal((n, *shape), dtype=np.float32) for k, n in size.items()}
        targets = {k.replace("x", "y"): np.arange(n) % 10 for k, n in size.items()}
    np.savez(folder / "data.npz", **arrays, **targets)
    (folder / "problem.toml").write_text(f'[network]\n{network}\n[data]\nname = "npz"\npath = "data.npz"\n', encoding="utf-8")
    problem = Problem(problem_toml.read(folder))
    return problem, [{k: v.detach().clone() for k, v in problem.network(seed=s).state_dict().items()} for s in range(3)]


def wait(device: str) -> None:
    """Until the device has done what it was told."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def each(function: Callable[[int], object], device: str, seconds: float) -> float:
    """Seconds of a call, over as many as fit; the first is not counted."""
    function(0)
    wait(device)
    started, n = time.perf_counter(), 0
    while True:
        n += 1
        function(n)
        wait(device)
        if (taken := time.perf_counter() - started) > seconds:
            return taken / n


def ceilings(device: str) -> dict[str, float]:
    """FLOP/s of a large product in each precision, bytes/s of a large copy."""
    n = 8192 if torch.device(device).type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device) for _ in range(2))
    found: dict[str, float] = {}
    for precision in ("float32", "tf32", "bfloat16"):
        with precisely(precision, torch.device(device)):
            found[precision] = 2 * n**3 / each(lambda _: a @ b, device, 1.0)
    big = torch.empty(n * n * 8, device=device)
    other = torch.empty_like(big)
    found["copy"] = 2 * big.nbytes / each(lambda _: other.copy_(big), device, 1.0)
    print("ceilings: " + ", ".join(f"{k} {v / 1e12:.2f} T{'B' if k == 'copy' else 'FLOP'}/s" for k, v in found.items()))
    return found


def work(problem: Problem) -> tuple[float, float]:
    """FLOP of one sample's forward, and the bytes that its layers read and write besides weights."""
    network, inputs = problem.network(), problem.split("test").inputs[:4]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(inputs)
    made = calls(network, inputs)
    moved = sum(t.nbytes for c in made for t in (c.given, c.answer) if isinstance(t, Tensor))
    return counter.get_total_flops() / 4, moved / 4


def shares(k: int) -> Array:
    """(C,) coefficients of the k-th point of the plane, row after row, none at a corner."""
    x, y = (k // SIDE % SIDE + 0.5) / SIDE, (k % SIDE + 0.5) / SIDE
    return np.array([1 - 0.5 * (x + y), 0.5 * x, 0.5 * y])


def points(name: str, problem: Problem, corners: Sequence[Weights], arguments: argparse.Namespace, tops: Mapping[str, float]) -> list[Row]:
    """One table: seconds of a point by every way."""
    device, n = arguments.device, arguments.samples
    flop, moved = work(problem)
    rows: list[Row] = []
    print(f"\n{name}: {sum(t.numel() for t in corners[0].values()):,} numbers, {n:,} samples, {flop / 1e6:.2f} MFLOP a sample")
    print(f"{'way':<34}{'ms a point':>12}{'plane':>10}{'TFLOP/s':>10}{'of peak':>9}{'GB/s':>8}   {'':<30}")

    def row(way: str, seconds: float, precision: str, note: str = "") -> None:
        speed, bytes_s = n * flop / seconds, n * moved / seconds
        part = f"{100 * speed / tops[precision]:.0f} %" if precision in tops else ""
        print(
            f"{way:<34}{1000 * seconds:>12.3f}{seconds * SIDE**2:>8.1f} s{speed / 1e12:>10.2f}{part:>9}{bytes_s / 1e9:>8.0f}   {note}",
            flush=True,
        )
        rows.append({"net": name, "way": way, "seconds": seconds, "flop/s": speed, "bytes/s": bytes_s, "precision": precision, "note": note})

    for label, peer in (("loop", loop), ("all at once", all_at_once)):
        for exact in (False, True):
            step = peer(problem, corners, device)
            with precisely("float32", torch.device(device)) if exact else nullcontext():
                seconds = each(lambda k, step=step: step(shares(k)), device, arguments.seconds)
            row(f"{label}{', exact' if exact else ', as torch starts'}", seconds, "float32" if exact else "tf32")
    norms = any("running_mean" in k for k in corners[0])
    engines: tuple[Engine, ...] = ("plain", "graphs", "batched", "auto")
    for buffers in ("mix", "recalibrate") if norms else ("recalibrate",):
        for engine in engines:
            evaluate = Evaluate(problem, corners, buffers=buffers, device=device, engine=engine)  # pyright: ignore[reportArgumentType]
            if engine not in ("auto", evaluate.engine):
                continue
            seconds = each(lambda k, e=evaluate: e.many(np.stack([shares(k * e.width + i) for i in range(e.width)])), device, arguments.seconds)
            note = f"{evaluate.width} at once, chunks of {evaluate.batched.chunk if evaluate.engine == 'batched' and evaluate.batched else evaluate.chunk}"
            note += f", {len(evaluate.shortcuts.folded)} folded, first layer {'shared' if evaluate.shortcuts.first is not None else 'not shared'}"
            note += ", channels last" if evaluate.inputs.dim() == 4 and not evaluate.inputs.is_contiguous() else ""
            took = f" → {evaluate.engine}" if engine == "auto" else ""
            row(f"ours, {engine}{took}{', recalibrated' if norms and buffers == 'recalibrate' else ''}", seconds / evaluate.width, "float32", note)
            del evaluate
    for precision in ("tf32", "bfloat16"):
        evaluate = Evaluate(problem, corners, buffers="mix" if norms else "recalibrate", device=device, precision=precision)  # pyright: ignore[reportArgumentType]
        seconds = each(lambda k, e=evaluate: e.many(np.stack([shares(k * e.width + i) for i in range(e.width)])), device, arguments.seconds)
        row(f"ours, preview in {precision} ({evaluate.engine})", seconds / evaluate.width, precision)
        del evaluate
    agreement(problem, corners, device)
    return rows


def agreement(problem: Problem, corners: Sequence[Weights], device: str) -> None:
    """The device's numbers beside the CPU's and the loop's, on fewer samples."""
    there = Evaluate(problem, corners, samples=512, device=device)(shares(77))
    here = Evaluate(problem, corners, samples=512)(shares(77))
    print(f"loss on 512 samples: {there[0].sum() / 512:.7f}, on the CPU {here[0].sum() / 512:.7f}; errors {there[1].sum():.0f}, {here[1].sum():.0f}")


def loop(problem: Problem, corners: Sequence[Weights], device: str) -> Callable[[Array], tuple[float, int]]:
    """Goldstein's."""
    network = problem.network().to(device)
    names = [n for n, _ in network.named_parameters()]
    base, *others = ({n: c[n].to(device) for n in names} for c in corners)
    directions = [{n: o[n] - base[n] for n in names} for o in others]
    batch = problem.split("test")
    inputs, targets = batch.inputs.to(device), batch.targets.to(device)

    def step(c: Array) -> tuple[float, int]:
        for n, p in network.named_parameters():
            p.data = base[n] + float(c[1]) * directions[0][n] + float(c[2]) * directions[1][n]
        total, hits = 0.0, 0
        with torch.no_grad():
            for x, y in zip(inputs.split(128), targets.split(128), strict=True):
                outputs = network(x)
                total += torch.nn.functional.cross_entropy(outputs.flatten(0, -2), y.flatten()).item() * len(x)
                hits += int((outputs.argmax(dim=-1) == y).sum().item())
        return total / len(inputs), hits

    return step


def all_at_once(problem: Problem, corners: Sequence[Weights], device: str) -> Callable[[Array], float]:
    """Landscaper's."""
    network = problem.network().to(device)
    here = [{n: t.to(device) for n, t in c.items()} for c in corners]
    batch = problem.split("test")
    inputs, targets = batch.inputs.to(device), batch.targets.to(device)
    parts = 1

    def step(c: Array) -> float:
        nonlocal parts
        network.load_state_dict(mix(here, c.tolist()))
        while True:
            try:
                with torch.no_grad():
                    losses = [
                        torch.nn.functional.cross_entropy(network(x).flatten(0, -2), y.flatten(), reduction="sum")
                        for x, y in zip(inputs.chunk(parts), targets.chunk(parts), strict=True)
                    ]
                    return float(torch.stack(losses).sum() / targets.numel())
            except torch.OutOfMemoryError:
                parts *= 2

    return step


def curve(name: str, problem: Problem, corners: Sequence[Weights], arguments: argparse.Namespace) -> list[Row]:
    """Steps of training a Bézier curve, beside steps of plain training of one such network."""
    device, rows = arguments.device, []
    connect = registry.find("connect", "bezier")
    samples = len(problem.split("train").targets)
    for device in dict.fromkeys((arguments.device, "cpu") if name == "mlp" else (arguments.device,)):
        trained = connect(corners[:2], problem, epochs=1000, lr=1e-3, batch=128, device=device)
        next(trained)
        seconds = each(lambda _, t=trained: next(t), device, arguments.seconds) / -(-samples // 128)
        network = problem.network().to(device).train()
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
        batch = problem.split("train")
        x, y = batch.inputs[:128].to(device), batch.targets[:128].to(device)

        def step(_: int, network=network, optimizer=optimizer, x=x, y=y) -> None:
            optimizer.zero_grad()
            problem.losses(network(x), y).mean().backward()
            optimizer.step()

        plain = each(step, device, arguments.seconds)
        print(
            f"{name}, curve on {device}: {1000 * seconds:.2f} ms a step of 128, {seconds / plain:.2f} × a plain training step ({1000 * plain:.2f} ms)"
        )
        rows.append({"net": name, "device": device, "seconds": seconds, "plain": plain})
    return rows


def alignment(scratch: Path, widths: Sequence[int], device: str) -> list[Row]:
    """Weight matching of MLPs 784-w-w-10 with a shuffled, disturbed copy: what the device saves, and what is left to the assignment on the CPU."""
    rows: list[Row] = []
    print(f"\nalignment of 784-w-w-10\n{'w':>6}{'scores, device':>16}{'scores, CPU':>13}{'assignment':>12}{'in all, device':>16}{'restored':>10}")
    align = registry.find("align", "weight_matching")
    for w in widths:
        folder = scratch / f"w{w}"
        folder.mkdir()
        rng = np.random.default_rng(0)
        np.savez(folder / "data.npz", x=rng.standard_normal((600, 784), dtype=np.float32), y=np.arange(600) % 10)
        text = f'[network]\nname = "mlp"\nwidths = [784, {w}, {w}, 10]\n[data]\nname = "npz"\npath = "data.npz"\n'
        (folder / "problem.toml").write_text(text, encoding="utf-8")
        problem = Problem(problem_toml.read(folder))
        a = {k: v.detach() for k, v in problem.network(seed=0).state_dict().items()}
        found = symmetry.symmetry_of(problem)
        generator = torch.Generator().manual_seed(1)
        noisy = {k: v + 0.2 * v.std() * torch.randn(v.shape, generator=generator) for k, v in a.items()}
        b = symmetry.permuted(noisy, found, symmetry.random(found, generator))
        group = next(iter(found.groups))
        still = identity(found)
        seconds: dict[str, float] = {}
        for where in dict.fromkeys((device, "cpu")):
            score = WeightScores(a, b, found, list(a), device=where)
            seconds[where] = each(lambda _, score=score, group=group, still=still: score(group, still), where, 0.5)
        solved = WeightScores(a, b, found, list(a), device=device)(group, still)
        started = time.perf_counter()
        solved.best(group)
        assignment = time.perf_counter() - started
        started = time.perf_counter()
        done = align([a, b], problem, **registry.method("align", "weight_matching", {"restarts": 1}).kwargs(), device=device)
        total = time.perf_counter() - started
        restored = all(torch.equal(done.weights[1][k].cpu(), noisy[k]) for k in a)
        print(
            f"{w:>6}{seconds[device]:>14.4f} s{seconds['cpu']:>11.4f} s{assignment:>10.3f} s{total:>14.2f} s{'yes' if restored else 'no':>10}",
            flush=True,
        )
        rows.append({"width": w, "scores": seconds, "assignment": assignment, "total": total, "restored": restored})
    return rows


if __name__ == "__main__":
    main()
