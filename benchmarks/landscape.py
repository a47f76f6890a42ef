"""What a point of a landscape costs, here and elsewhere, and what a picture of a plane costs: one run, the same networks, data and points.

    python benchmarks/landscape.py [--nets mlp,resnet] [--samples 1024] [--rounds 5] [--threads 1] [--peers FOLDER …] [--json FILE] [--quick]

Networks: an MLP 784-256-256-10 on Fashion-MNIST (Debian's dataset-fashion-mnist; random images of that shape, said so, where it is not installed), three
seeds of one epoch; a ResNet-20 (16-32-64 channels, 3 blocks a stage) on 3×32×32 images: noisy patterns of ten classes, which a little training separates.

Who is measured, each as its user calls it:

    ours, buffers first       explorer.evaluate.evaluator.Evaluate with the first corner's running statistics, which is what all others do
    ours                      the same as it is used: statistics re-estimated at every point (only where there is batch norm)
    plain loop                the manner of Li et al. 2018: load the state dict of the mixed weights, no_grad, a mean over batches of 128 or 512
    careful loop              parameters mixed in place, inference mode, one sum, the best of five chunk sizes
    Landscaper                compute_loss_landscape; its scalar function gets all data at once, as in its examples, or loops over batches of 128
    loss-landscapes           planar_interpolation with its metric Loss, which takes all data at once
    loss-landscape-3d         LossLandscapeCalculator along the differences to the two others, over a DataLoader with batches of 128

A point is the mean loss over the samples at one mixture. ours, as it always does, keeps sums for 256 blocks of samples (that is where intervals come
from); the others one number. Counted is what every point needs, in CPU seconds of the process and in wall seconds; what ours does once before all
points, a first point included, is printed by itself and counted in a picture. Contenders take turns; a ratio is taken within a round (theirs / ours with
buffers first), and the table shows its median and, in brackets, its least and largest. `differs` is the largest relative difference of the losses to a
loop that mixes and sums in float64; the script fails when ours is above 1e-6.

What a peer cannot do, and what it is spared: Landscaper rescales every tensor of a direction, so it has no plane through given models; it gets the same
number of points around the first, and only its middle is compared (it adds noise to the highest point). It walks to every point step by step from the
middle; the few points a side measured here spare it most of that (at 41 a side a point of the MLP cost it 6 % more). loss-landscapes shifts every second
row by a step; its losses are compared where it really is. Both keep the running statistics of the first model, whose picture between models with batch
norm means little; only the cost is compared.

A picture within 1 % rms of log-loss, over a 65 × 65 plane through the three models. Ours is what explorer.methods.sample.surface asks for at a tolerance of 3 % a
point, its held-out points included; the upper end of the certified interval must be below 1 %, or it says so. Elsewhere a grid is drawn as it is, so straight lines (bilinear) run between its points. Two comparisons, points × the
cost of a point above: between those who do not know the surface, our refined picture and 41 × 41, Landscaper's default; and between those who do (for the
MLP only), the smallest even grid whose spline is good enough (5, 9, 17, 33 a side) and the smallest that is good enough with straight lines (7, 9, 11 …).
The truth is the whole 65 × 65 for the MLP; for the ResNet it is our own picture on fewer samples, whose certified difference is printed.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.interpolate import RectBivariateSpline, RegularGridInterpolator
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from explorer.checkpoints.weights import Weights, gram
from explorer.core import registry
from explorer.core.points import Array, Points
from explorer.core.spec import Buffers
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.chart import plane
from explorer.methods.sample import surface
from explorer.problems import problem_toml
from explorer.problems.problem import Batch, Problem
from explorer.stats.sparse_grid_surrogate import Preview, preview

train = registry.find("train", "sgd")

SIZE = 65
GOAL = 0.01
TOLERANCE = 3 * GOAL  # of single points; the rms of a picture comes out well below it
LIMIT = 1e-6  # how far our losses may be from the float64 loop
CHUNKS = (32, 64, 128, 256, 512)
SELF, USED = OURS = ("ours, buffers first", "ours")

MLP = '[network]\nname = "mlp"\nwidths = [784, 256, 256, 10]\n'
FASHION = MLP + '[data]\nname = "idx"\npath = "{data}"\nmean = 0.286\nstd = 0.353\n[split]\nval = 0.0\n'
RANDOM = MLP + '[data]\nname = "npz"\npath = "data.npz"\n[split]\nval = 0.0\ntest = 0.5\n'
RESNET = (
    '[network]\nname = "resnet"\nchannels = 3\nwidths = [16, 32, 64]\nblocks = 3\nclasses = 10\n'
    '[data]\nname = "npz"\npath = "data.npz"\n[split]\nval = 0.0\ntest = 0.5\n'
)


class Net(NamedTuple):
    """A network to measure. side: points along each side of the plane that is timed; cheap: the whole 65 × 65 can be measured for the picture."""

    name: str
    data: str
    problem: Problem
    corners: list[Weights]
    side: int
    cheap: bool
    recalibration: int


class Contender(NamedTuple):
    """losses() → (K,) those of the timed points. coefficients: (K, 3) where each of them really lies, rows of NaN where it cannot be compared.

    once: CPU seconds of what is done before all points; taken for nothing at the others, where it is a copy of a network.
    """

    name: str
    losses: Callable[[], Array]
    coefficients: Array
    once: float = 0.0


class Row(NamedTuple):
    """cpu, wall: (rounds,) seconds per point. differs: None where nothing can be compared."""

    name: str
    cpu: list[float]
    wall: list[float]
    differs: float | None
    once: float


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default="mlp,resnet", help="which of mlp and resnet, with a comma")
    parser.add_argument("--samples", type=int, default=1024, help="test samples at every point")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="0: as many as torch takes")
    parser.add_argument("--peers", type=Path, nargs="*", default=[], help="folders the peers are installed in (pip install --no-deps --target)")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="folder with the IDX files")
    parser.add_argument("--no-picture", action="store_true", help="cost of a point only")
    parser.add_argument("--json", type=Path, help="write all numbers there")
    parser.add_argument("--quick", action="store_true", help="under a minute: 128 samples, two rounds, no picture of the ResNet")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.samples, arguments.rounds = min(arguments.samples, 128), min(arguments.rounds, 2)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    # After ours, so that no peer's folder hides what we use.
    sys.path.extend(str(folder.resolve()) for folder in arguments.peers)
    about = f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, {torch.get_num_threads()} thread(s)"
    report: dict[str, Any] = {
        "about": about,
        "samples": arguments.samples,
        "rounds": arguments.rounds,
        "threads": torch.get_num_threads(),
        "nets": {},
    }
    print(about)
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.nets.split(","):
            folder = Path(scratch) / name
            folder.mkdir()
            net = mlp(folder, arguments.data) if name == "mlp" else resnet(folder)
            rows, missing = costs(net, arguments.samples, arguments.rounds)
            show(net, rows, missing, arguments.samples)
            report["nets"][name] = {"data": net.data, "points": [row._asdict() for row in rows], "missing": missing}
            if not arguments.no_picture and (net.cheap or not arguments.quick):
                report["nets"][name]["picture"] = picture(net, rows, arguments.samples)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


# --- networks ---------------------------------------------------------------------------------------------------------------


def mlp(folder: Path, data: Path) -> Net:
    """Three seeds of one epoch."""
    installed = data.is_dir()
    if not installed:
        rng = np.random.default_rng(0)
        np.savez(folder / "data.npz", x=rng.standard_normal((8192, 1, 28, 28), dtype=np.float32), y=rng.integers(10, size=8192))
    home = _problem(folder, FASHION.format(data=data.resolve()) if installed else RANDOM)
    corners = [list(train(home, epochs=1, lr=0.05, batch=128, seed=i, order_seed=i))[-1] for i in range(3)]
    return Net("MLP 784-256-256-10", "Fashion-MNIST" if installed else "random images, Fashion-MNIST is not installed", home, corners, 5, True, 1)


def resnet(folder: Path) -> Net:
    """Three seeds of two epochs on 512 noisy patterns."""
    rng = np.random.default_rng(0)
    pattern = np.kron(rng.standard_normal((10, 3, 8, 8)), np.ones((4, 4)))
    y = rng.integers(10, size=1536)
    x = 0.5 * pattern[y] + rng.standard_normal((len(y), 3, 32, 32))
    np.savez(folder / "data.npz", x=x[:512].astype(np.float32), y=y[:512], x_test=x[512:].astype(np.float32), y_test=y[512:])
    home = _problem(folder, RESNET)
    corners = [list(train(home, epochs=2, lr=0.05, batch=64, seed=i, order_seed=i))[-1] for i in range(3)]
    return Net("ResNet-20, 16-32-64", "noisy patterns 3×32×32", home, corners, 2, False, 128)


def _problem(folder: Path, text: str) -> Problem:
    (folder / "problem.toml").write_text(text, encoding="utf-8")
    return Problem(problem_toml.read(folder))


# --- a point ----------------------------------------------------------------------------------------------------------------


def costs(net: Net, samples: int, rounds: int) -> tuple[list[Row], list[str]]:
    """Everybody in turns, after one turn each that is not timed; and who is missing, with the reason."""
    contenders, missing = list(ours(net, samples)), []
    for add in (loops, landscaper, loss_landscapes, loss_landscape_3d):
        try:
            contenders += add(net, samples)
        except ImportError as error:
            missing.append(f"{add.__name__.replace('_', '-')}: {error}")
    rows: list[Row] = []
    truth: dict[tuple[float, ...], float] = {}
    for contender in contenders:
        there = np.isfinite(contender.coefficients).all(axis=1)
        found = contender.losses()[there]
        for place in (places := [tuple(row) for row in contender.coefficients[there].tolist()]):
            if place not in truth:
                truth[place] = reference(net, samples, place)
        right = np.array([truth[place] for place in places])
        rows.append(Row(contender.name, [], [], float(np.abs(found / right - 1).max()) if there.any() else None, contender.once))
    assert rows[0].name == SELF
    assert rows[0].differs is not None
    assert rows[0].differs <= LIMIT, f"Our losses differ by {rows[0].differs:.1e} from the loop in float64."
    for i in range(rounds):
        for j in np.roll(np.arange(len(contenders)), -i):  # nobody always comes after the same one
            cpu, wall = time.process_time(), time.perf_counter()
            contenders[j].losses()
            rows[j].cpu.append((time.process_time() - cpu) / net.side**2)
            rows[j].wall.append((time.perf_counter() - wall) / net.side**2)
    return rows, missing


def timed(side: int) -> Array:
    """(side², 3) mixtures inside of the triangle."""
    u, v = (axis.ravel() for axis in np.meshgrid(*[np.linspace(0.1, 0.45, side)] * 2, indexing="ij"))
    return np.stack([1 - u - v, u, v], axis=1)


def reference(net: Net, samples: int, coefficients: Sequence[float]) -> float:
    """The loss with the first corner's statistics: mixed in float64, rounded once, evaluated in float32, summed in float64."""
    network, batch = net.problem.network(), _samples(net, samples)
    mixed = dict(net.corners[0])
    for name, _ in network.named_parameters():
        mixed[name] = sum((c * w[name].double() for c, w in zip(coefficients, net.corners, strict=True)), torch.zeros(())).float()
    network.load_state_dict(mixed)
    with torch.no_grad():
        parts = zip(batch.inputs.split(128), batch.targets.split(128), strict=True)
        return sum(functional.cross_entropy(network(x), y, reduction="none").double().sum().item() for x, y in parts) / len(batch.targets)


def ours(net: Net, samples: int) -> Iterator[Contender]:
    """Evaluate, with the same work as the others, and as it is used."""
    policies: tuple[tuple[str, Buffers], ...] = ((SELF, "first"), (USED, "recalibrate"))
    for name, buffers in policies:
        if buffers == "recalibrate" and not _normalised(net.problem.network()):
            return
        rows, started = timed(net.side), time.process_time()
        evaluate = Evaluate(net.problem, net.corners, samples=samples, metrics=("loss",), buffers=buffers)
        evaluate(rows[0])  # a first point, for whatever it may prepare by then
        once = time.process_time() - started

        def losses(evaluate: Evaluate = evaluate, rows: Array = rows) -> Array:
            return np.array([evaluate(row).sum() / evaluate.counts.sum() for row in rows])

        yield Contender(name, losses, rows if buffers == "first" else np.full_like(rows, np.nan), once)


def loops(net: Net, samples: int) -> list[Contender]:
    """What one writes oneself, quickly and carefully."""
    batch, rows = _samples(net, samples), timed(net.side)

    def plain(size: int) -> Array:
        network, found = _network(net, 0), []
        for row in rows.tolist():
            state = dict(net.corners[0])
            for name, _ in network.named_parameters():
                state[name] = sum((c * w[name] for c, w in zip(row, net.corners, strict=True)), torch.zeros(()))
            network.load_state_dict(state)
            found.append(_mean_loss(network, batch, size))
        return np.array(found)

    network = _network(net, 0)
    names = [name for name, _ in network.named_parameters()]
    tensors = [p.detach() for p in network.parameters()]
    parts = [[w[name] for name in names] for w in net.corners]

    def careful(size: int, rows: Array = rows) -> Array:
        found: list[float] = []
        chunks = list(zip(batch.inputs.split(size), batch.targets.split(size), strict=True))
        with torch.inference_mode():
            for row in rows.tolist():
                for target, a, b, c in zip(tensors, *parts, strict=True):
                    target.copy_(a).mul_(row[0]).add_(b, alpha=row[1]).add_(c, alpha=row[2])
                total = sum(functional.cross_entropy(network(x), y, reduction="sum").double() for x, y in chunks)
                found.append(float(total) / len(batch.targets))
        return np.array(found)

    best = min(CHUNKS, key=lambda size: min(_seconds(lambda: careful(size, rows[:2])) for _ in range(3)))
    return [
        Contender("plain loop, 128", lambda: plain(128), rows),
        Contender("plain loop, 512", lambda: plain(512), rows),
        Contender(f"careful loop, {best}", lambda: careful(best), rows),
    ]


def landscaper(net: Net, samples: int) -> list[Contender]:
    """Around the first corner, along the two others' directions as it rescales them."""
    try:
        compute: Any = importlib.import_module("landscaper.compute")
    except ImportError:
        compute = _without_topology()
    batch, model = _samples(net, samples), _network(net, 0)
    first = [p.detach().clone() for p in model.parameters()]
    away = [[p.detach() - q for p, q in zip(_network(net, i).parameters(), first, strict=True)] for i in (1, 2)]

    def whole(model: nn.Module, data: Batch) -> float:
        return functional.cross_entropy(model(data.inputs), data.targets).item()

    def batches(model: nn.Module, data: Batch) -> float:
        return _mean_loss(model, data, 128)

    def losses(scalar: Callable[[nn.Module, Batch], float]) -> Array:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            found, _ = compute.compute_loss_landscape(model, batch, away, scalar, steps=net.side, distance=0.1, dim=2, device="cpu")
        return found.ravel()

    where = np.full((net.side, net.side, 3), np.nan)
    where[net.side // 2, net.side // 2] = (1, 0, 0)
    version = _version("landscaper")
    return [
        Contender(f"Landscaper{version}", lambda: losses(whole), where.reshape(-1, 3)),
        Contender(f"Landscaper{version}, in batches", lambda: losses(batches), where.reshape(-1, 3)),
    ]


def _without_topology() -> ModuleType:
    """Landscaper's module that computes, without its libraries for topology, which computing does not need and not every machine can build."""
    folder = next((Path(entry) / "landscaper" for entry in sys.path if (Path(entry) / "landscaper" / "compute.py").is_file()), None)
    if folder is None:
        raise ImportError("not installed; give its folder with --peers")
    package = ModuleType("landscaper")
    package.__path__ = [str(folder)]
    sys.modules["landscaper"] = package
    return importlib.import_module("landscaper.compute")


def loss_landscapes(net: Net, samples: int) -> list[Contender]:
    """The plane through the three corners. It goes along every second row a step behind."""
    library: Any = importlib.import_module("loss_landscapes")
    metrics: Any = importlib.import_module("loss_landscapes.metrics")
    batch, side = _samples(net, samples), net.side
    metric = metrics.Loss(functional.cross_entropy, batch.inputs, batch.targets)
    models = [_network(net, i) for i in range(3)]

    def losses() -> Array:
        return library.planar_interpolation(*models, metric, steps=side, deepcopy_model=True).ravel()

    i, j = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    u, v = i / side, (j + (i % 2 == 0)) / side
    return [Contender(f"loss-landscapes{_version('loss_landscapes')}", losses, np.stack([1 - u - v, u, v], axis=-1).reshape(-1, 3))]


def loss_landscape_3d(net: Net, samples: int) -> list[Contender]:
    """The plane through the three corners, its grid where ours is timed."""
    library: Any = importlib.import_module("loss_landscape_3d")
    batch, model = _samples(net, samples), _network(net, 0)
    center = {name: t.detach().clone() for name, t in model.state_dict().items()}
    away = [{name: (p - center[name]).detach() for name, p in _network(net, i).named_parameters()} for i in (1, 2)]
    loader = DataLoader(TensorDataset(batch.inputs, batch.targets), batch_size=128)
    calculator = library.LossLandscapeCalculator(model, loader, nn.CrossEntropyLoss())
    axis = np.unique(timed(net.side)[:, 1])

    def losses() -> Array:
        return calculator.calculate(axis, axis, *away, center_state=center).ravel()

    return [Contender(f"loss-landscape-3d{_version('loss_landscape_3d')}", losses, timed(net.side))]


def _version(module: str) -> str:
    """From the metadata beside the package, where the folder is not one of pip's own."""
    for entry in sys.path:
        for found in Path(entry).glob(f"{module}-*.dist-info") if (Path(entry) / module).is_dir() else ():
            return " " + found.name.removeprefix(f"{module}-").removesuffix(".dist-info")
    return ""


def _samples(net: Net, samples: int) -> Batch:
    batch = net.problem.split("test")
    return Batch(batch.inputs[:samples], batch.targets[:samples])


def _network(net: Net, corner: int) -> nn.Module:
    network = net.problem.network()
    network.load_state_dict(dict(net.corners[corner]))
    return network.eval()


def _normalised(network: nn.Module) -> bool:
    return any(name.endswith("running_mean") for name, _ in network.named_buffers())


def _mean_loss(network: nn.Module, batch: Batch, size: int) -> float:
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(batch.targets), size):
            x, y = batch.inputs[start : start + size], batch.targets[start : start + size]
            total += functional.cross_entropy(network(x), y).item() * len(y)
    return total / len(batch.targets)


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def show(net: Net, rows: Sequence[Row], missing: Sequence[str], samples: int) -> None:
    """The table of points."""
    print(f"\n{net.name}, {net.data}: a point on {len(_samples(net, samples).targets)} samples, {net.side**2} points × {len(rows[0].cpu)} rounds")
    print(f"{'':36s} {'CPU ms':>9s} {'wall ms':>9s}   {'CPU / ours':23s} {'wall / ours':>11s} {'differs':>9s}")
    for row in rows:
        ratio, wall = np.divide(row.cpu, rows[0].cpu), np.divide(row.wall, rows[0].wall)
        spread = f"{np.median(ratio):6.2f} [{ratio.min():.2f} – {ratio.max():.2f}]"
        differs = "–" if row.differs is None else f"{row.differs:.0e}"
        print(
            f"{row.name:36s} {1e3 * np.median(row.cpu):9.2f} {1e3 * np.median(row.wall):9.2f}   {spread:23s} {np.median(wall):11.2f} {differs:>9s}",
            flush=True,
        )
    print("once, before all points: " + ", ".join(f"{row.name} {1e3 * row.once:.0f} CPU ms" for row in rows if row.once))
    for reason in missing:
        print(f"left out: {reason}")


# --- a picture --------------------------------------------------------------------------------------------------------------


def picture(net: Net, rows: Sequence[Row], samples: int) -> dict[str, Any]:
    """How many points a picture within GOAL takes, ours and elsewhere, and what they cost."""
    samples = samples if net.cheap else min(samples, 64)
    evaluate = Evaluate(net.problem, net.corners, samples=samples, blocks=32, metrics=("loss",), recalibration=net.recalibration)
    inner = gram(net.corners, [name for name, _ in evaluate.network.named_parameters()])
    coords, values = np.empty((0, 2)), np.empty((0, *evaluate.shape))
    while len(todo := surface.ask(Points(coords, values, evaluate.counts), 4096, tolerance=TOLERANCE)):
        new = np.stack([evaluate(c) for c in plane.place(todo, inner)])
        coords, values = np.concatenate([coords, todo]), np.concatenate([values, new])
    shown = preview(Points(coords, values, evaluate.counts), SIZE)
    truth = np.log(whole(evaluate, inner)) if net.cheap else np.log(shown.values)
    bilinear = {n: _rms(_bilinear(truth, n), truth) for n in range(7, 62, 2)}
    fewest = next((n for n in bilinear if bilinear[n] <= GOAL), 61)
    print(f"picture on {samples} samples, truth {'all 65 × 65 points' if net.cheap else 'our own picture'}:")
    print(
        f"  ours, refined            {len(coords):5d} points{_certified(shown)}"
        + (f", true {_rms(np.log(shown.values), truth):.4f}" if net.cheap else "")
    )
    print(f"  straight lines           {41**2:5d} points, rms {bilinear[41]:.4f}")
    print(f"  straight lines, fewest   {fewest**2:5d} points, rms {bilinear[fewest]:.4f}")
    pairs = {"refined / 41 × 41": (len(coords), 41**2)}
    spline: dict[int, float] = {}
    # A spline through our own picture would be compared with itself.
    if net.cheap:
        spline = {n: _rms(_splined(truth, n), truth) for n in (5, 9, 17, 33)}
        even = next((n for n in spline if spline[n] <= GOAL), SIZE)
        print(f"  spline, fewest           {even**2:5d} points, rms {spline.get(even, 0.0):.4f}")
        pairs["spline, fewest / straight lines, fewest"] = (even**2, fewest**2)
    ratios: dict[str, dict[str, dict[str, float]]] = {}
    for name, (mine, theirs) in pairs.items():
        ratios[name] = {}
        for base in rows:
            if base.name not in OURS:
                continue
            print(
                f"  {name}: {mine} points of {base.name} in {base.once + mine * np.median(base.cpu):.3g} CPU s; the others' {theirs} points take, times as much:"
            )
            found = {r.name: float(np.median(theirs * np.array(r.cpu) / (base.once + mine * np.array(base.cpu)))) for r in rows if r.name not in OURS}
            print("    " + ", ".join(f"{who} {ratio:.2f}" for who, ratio in found.items()), flush=True)
            ratios[name][base.name] = found
    return {
        "samples": samples,
        "points": len(coords),
        "certificate": shown.certificate and asdict(shown.certificate),
        "rms": _rms(np.log(shown.values), truth) if net.cheap else None,
        "bilinear": bilinear,
        "spline": spline,
        "ratios": ratios,
    }


def whole(evaluate: Evaluate, inner: Array) -> Array:
    """(65, 65) all losses."""
    axis = np.linspace(0, 1, SIZE)
    coords = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.array([evaluate(c).sum() / evaluate.counts.sum() for c in plane.place(coords, inner)]).reshape(SIZE, SIZE)


def _certified(shown: Preview) -> str:
    if shown.certificate is None:
        return ""
    rms = shown.certificate.rms
    held = "" if rms.high <= GOAL else ", NOT certified within the goal"
    return f", certified rms {rms.value:.4f} [{rms.low:.4f}, {rms.high:.4f}]{held}"


def _splined(truth: Array, n: int) -> Array:
    """The spline through every (64 / (n − 1))-th node."""
    step, axis = (SIZE - 1) // (n - 1), np.linspace(0, 1, SIZE)
    return np.asarray(RectBivariateSpline(axis[::step], axis[::step], truth[::step, ::step])(axis, axis))


def _bilinear(truth: Array, n: int) -> Array:
    """Straight lines between n × n points. Those that are no nodes are taken from the spline through all nodes, whose own error is far smaller."""
    axis, coarse = np.linspace(0, 1, SIZE), np.linspace(0, 1, n)
    values = np.exp(np.asarray(RectBivariateSpline(axis, axis, truth)(coarse, coarse)))
    places = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    return np.log(RegularGridInterpolator((coarse, coarse), values)(places))


def _rms(found: Array, truth: Array) -> float:
    return float(np.sqrt(np.mean((found - truth) ** 2)))


if __name__ == "__main__":
    main()
