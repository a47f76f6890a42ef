"""How often do the 95 % intervals hold the truth? Every kind that is shown, on fresh test sets from a known distribution.

The world: thirty clouds in twenty dimensions, ten classes; MLPs trained on 2,000 samples of it. The truth of a cell is measured on 400,000 samples, or is known by
construction; then `--worlds` test sets of each size are drawn and evaluated, the intervals asked for, and counted: how many hold the truth, lie above it,
lie below it, exclude zero, and how wide they are. With 1,000 worlds a count is known to ± 0.014.

    python benchmarks/coverage.py --worlds 1000 [--only barrier]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from explorer.core.points import Array, Points, no_points
from explorer.evaluate.hessian import crossed
from explorer.methods.sample import adaptive
from explorer.stats import calibration, soup_analysis
from explorer.stats.barriers import barrier, difference, highest, level, path_mean, reduction
from explorer.stats.intervals import Estimate
from explorer.stats.mechanistic_similarity import similarity
from explorer.stats.representations import cka_intervals, unbiased

SIZES = (100, 500, 2000)
CLASSES, INPUTS, WIDTH = 10, 20, 32
SHAPES = ((WIDTH, INPUTS), (WIDTH,), (WIDTH, WIDTH), (WIDTH,), (CLASSES, WIDTH), (CLASSES,))
CENTRES = np.random.default_rng(1).normal(size=(3 * CLASSES, INPUTS)) * 1.15
CHUNKS, CHUNK = 8, 50_000  # what a truth is measured on

Rng = np.random.Generator
Interval = Callable[[Rng, int], Estimate]


@dataclass(frozen=True)
class Cell:
    """One kind of interval in one situation; truth: what it should hold."""

    name: str
    truth: float
    ask: Interval


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--only", default="", help="cells whose name holds this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| interval | truth | n | holds it | above it | below it | excludes 0 | width |\n|---|---|---|---|---|---|---|---|")
    least = 1.0
    for cell in cells():
        if given.only not in cell.name:
            continue
        for n in SIZES:
            found = [cell.ask(np.random.default_rng((n, world)), n) for world in range(given.worlds)]
            low, high = np.array([e.low for e in found]), np.array([e.high for e in found])
            above, below = (low > cell.truth).mean(), (high < cell.truth).mean()
            zero, width = ((low > 0) | (high < 0)).mean(), (high - low).mean()
            least = min(least, 1 - above - below)
            print(
                f"| {cell.name} | {cell.truth:.4g} | {n} | {1 - above - below:.3f} | {above:.3f} | {below:.3f} | {zero:.2f} | {width:.3g} |",
                flush=True,
            )
    print(f"\nleast: {least:.3f}")


def cells() -> Iterator[Cell]:
    """All of them."""
    yield from alike()
    models = trained()
    yield from lines(models)
    yield from by_hand()
    yield from single_points(models)
    yield from several_models(models)
    yield from sharpness(models)
    yield from calibrated()


def alike() -> Iterator[Cell]:
    """Debiased CKA of two representations that share so many of their 20 normal units: that share is the truth."""
    for shared in (0, 10, 18):

        def ask(rng: Rng, n: int, shared: int = shared) -> Estimate:
            common = rng.standard_normal((n, shared))
            both = [np.hstack([common, rng.standard_normal((n, 20 - shared))]) for _ in range(2)]
            found = cka_intervals(np.stack([unbiased(x @ x.T) for x in both]))
            return Estimate(*(float(part[0, 1]) for part in (found.value, found.low, found.high)))

        yield Cell(f"debiased CKA, {shared} of 20 units shared", shared / 20, ask)


# --- the world --------------------------------------------------------------------------------------------------------------


def drawn(rng: Rng, n: int) -> tuple[Array, Array]:
    """(n, INPUTS) inputs and (n,) classes."""
    cloud = rng.integers(0, len(CENTRES), n)
    return (CENTRES[cloud] + rng.normal(size=(n, INPUTS))).astype(np.float32), cloud % CLASSES


def trained() -> dict[str, tuple[Array, Array]]:
    """Pairs: of two seeds, two places on either side of the top between them (a small barrier), branched early, and near twins."""
    start, late = train(2, 15), train(3, 800)
    first, second = train(0, 600), train(1, 600)
    return {
        "two seeds": (first, second),
        "small barrier": (first + np.float32(0.51) * (second - first), first + np.float32(0.53) * (second - first)),
        "branched at step 15": (train(10, 600, start), train(11, 600, start)),
        "near twins": (train(20, 60, late, rate=1e-4), train(21, 60, late, rate=1e-4)),
    }


def train(seed: int, steps: int, start: Array | None = None, rate: float = 0.01) -> Array:
    """An MLP's weights in one vector."""
    x, y = map(torch.from_numpy, drawn(np.random.default_rng(5), 2000))
    torch.manual_seed(seed)
    theta = torch.cat([torch.randn(s).flatten() / (s[-1] ** 0.5) for s in SHAPES]) if start is None else torch.from_numpy(start)
    theta = theta.clone().requires_grad_()
    optimiser = torch.optim.Adam([theta], lr=rate)
    for _ in range(steps):
        rows = torch.randint(0, len(x), (64,))
        optimiser.zero_grad()
        functional.cross_entropy(logits(theta, x[rows]), y[rows]).backward()
        optimiser.step()
    return theta.detach().numpy()


def logits(theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(n, CLASSES)."""
    parts = theta.split([int(np.prod(s)) for s in SHAPES])
    w = [p.reshape(s) for p, s in zip(parts, SHAPES, strict=True)]
    hidden = functional.relu(x @ w[0].T + w[1])
    return functional.relu(hidden @ w[2].T + w[3]) @ w[4].T + w[5]


def scores(theta: Array, x: Array, y: Array) -> Array:
    """(2, n) loss and error of each sample."""
    with torch.inference_mode():
        out = logits(torch.from_numpy(theta.astype(np.float32)), torch.from_numpy(x))
        loss = functional.cross_entropy(out, torch.from_numpy(y), reduction="none")
        return np.stack([loss.double().numpy(), (out.argmax(dim=1).numpy() != y).astype(np.float64)])


def points(coords: Array, samples: Array) -> Points:
    """(K, M, n) numbers of each sample → a field's points, in blocks as it keeps them."""
    n = samples.shape[-1]
    block = np.arange(n) % min(n, 256)
    sums = np.apply_along_axis(lambda row: np.bincount(block, weights=row), -1, samples)
    return Points(np.atleast_2d(coords.T).T, sums, np.bincount(block).astype(np.float64))


def population(measured: Callable[[Array, Array], Points]) -> Points:
    """What is measured of very many samples: points whose blocks are chunks of them."""
    parts = [measured(*drawn(np.random.default_rng((99, k)), CHUNK)) for k in range(CHUNKS)]
    sums = np.stack([p.values.sum(axis=2) for p in parts], axis=2)
    return Points(parts[0].coords, sums, np.full(CHUNKS, float(CHUNK)))


def along(pair: tuple[Array, Array], t: Array, x: Array, y: Array) -> Points:
    """The straight line at some places."""
    a, b = pair
    return points(t, np.stack([scores((1 - s) * a + s * b, x, y) for s in t]))


def looked_for(pair: tuple[Array, Array], x: Array, y: Array) -> Points:
    """The straight line where the adaptive sampler asks for it."""
    known = no_points(1)
    while len(wanted := adaptive.ask(known, 8)):
        new = along(pair, wanted[:, 0], x, y)
        known = known.extended(new.coords, new.values) if len(known) else new
    return known


# --- cells ------------------------------------------------------------------------------------------------------------------


def lines(models: dict[str, tuple[Array, Array]]) -> Iterator[Cell]:
    """Barriers, by loss and by error, on a grid and where the sampler looks; how much lower one is than another."""
    fine = np.linspace(0, 1, 61)
    height: dict[tuple[str, int], float] = {}
    for name, pair in models.items():
        mean = population(lambda x, y, p=pair: along(p, fine, x, y)).means()
        for m, metric in enumerate(("loss", "error")):
            height[name, m] = float((mean[:, m] - (1 - fine) * mean[0, m] - fine * mean[-1, m]).max())
            for how, measured in (
                ("grid of 21", lambda x, y, p=pair: along(p, np.linspace(0, 1, 21), x, y)),
                ("adaptive", lambda x, y, p=pair: looked_for(p, x, y)),
            ):

                def ask(rng: Rng, n: int, m: int = m, measured: Callable[[Array, Array], Points] = measured) -> Estimate:
                    found = barrier(measured(*drawn(rng, n)), m)
                    assert found is not None
                    return found.height

                yield Cell(f"barrier, {metric}, {name}, {how}", height[name, m], ask)
    first, second = "two seeds", "branched at step 15"
    grid = np.linspace(0, 1, 15)
    for m, metric in enumerate(("loss", "error")):

        def lower(rng: Rng, n: int, m: int = m) -> Estimate:
            x, y = drawn(rng, n)
            found = reduction(along(models[first], grid, x, y), along(models[second], grid, x, y), m)
            assert found is not None
            return found

        yield Cell(f"reduction, {metric}", height[first, m] - height[second, m], lower)


def by_hand() -> Iterator[Cell]:
    """Barriers of 0.008 and of nothing under noise of several shapes, heavy-tailed too; errors as rare as one in a hundred."""
    t = np.linspace(0, 1, 15)
    waves = np.sin(np.pi * np.arange(1, 5)[:, None] * t)

    def noise(rng: Rng, n: int, kind: str) -> Array:
        match kind:
            case "every point its own":
                drawn_ = rng.normal(size=(15, n)) * (t * (1 - t) > 0)[:, None]
            case "smooth":
                drawn_ = waves.T @ rng.normal(size=(4, n))
            case _:
                drawn_ = waves.T @ (rng.lognormal(0, 1, (4, n)) - np.exp(0.5))
        return 0.1 * drawn_

    for true, shape in ((0.008, 0.032 * t * (1 - t)), (0.008, 0.008 * (t * (1 - t) > 0)), (0.0, 0 * t)):
        for kind in ("every point its own", "smooth", "log-normal"):

            def ask(rng: Rng, n: int, shape: Array = shape, kind: str = kind) -> Estimate:
                found = barrier(points(t, (1 + shape[:, None] + noise(rng, n, kind))[:, None]))
                assert found is not None
                return found.height

            yield Cell(f"barrier by hand, {'flat' if shape[1] == shape[2] else 'arch'}, noise: {kind}", true, ask)

    def rare(rng: Rng, n: int) -> Estimate:
        found = barrier(points(t, (rng.random((15, 1, n)) < 0.01).astype(np.float64)))
        assert found is not None
        return found.height

    yield Cell("barrier by hand, errors of 1 %, each point its own", 0.0, rare)


def single_points(models: dict[str, tuple[Array, Array]]) -> Iterator[Cell]:
    """Levels, paired differences, maxima and means of paths."""
    a, b = models["two seeds"]
    twin = models["near twins"]
    grid = np.linspace(0, 1, 15)
    alone = {id(w): population(lambda x, y, w=w: points(np.zeros(1), scores(w, x, y)[None])).means()[0] for w in (a, b, *twin)}
    path = population(lambda x, y: along((a, b), grid, x, y)).means()
    for m, metric in enumerate(("loss", "error")):
        yield Cell(f"level, {metric}", alone[id(a)][m], lambda rng, n, m=m: level(points(np.zeros(1), scores(a, *drawn(rng, n))[None]), m))
        for name, (p, q) in (("two seeds", (a, b)), ("near twins", twin)):
            apart = alone[id(p)][m] - alone[id(q)][m]

            def minus(rng: Rng, n: int, m: int = m, p: Array = p, q: Array = q) -> Estimate:
                x, y = drawn(rng, n)
                return difference(*(points(np.zeros(1), scores(w, x, y)[None]) for w in (p, q)), m)

            yield Cell(f"difference, {metric}, {name}", apart, minus)
        line = path[:, m]
        yield Cell(f"highest of a path, {metric}", line.max(), lambda rng, n, m=m: highest(along((a, b), grid, *drawn(rng, n)), m))
        mean = float((line[:-1] + line[1:]).mean() / 2)
        yield Cell(f"mean of a path, {metric}", mean, lambda rng, n, m=m: path_mean(along((a, b), grid, *drawn(rng, n)), grid, m))
    for share in (0.01, 0.001):
        yield Cell(
            f"level, errors of {share:.1%}", share, lambda rng, n, s=share: level(points(np.zeros(1), (rng.random((1, 1, n)) < s).astype(np.float64)))
        )

        def differ(rng: Rng, n: int, s: float = share) -> Estimate:
            wrong = rng.random((2, 1, 1, n)) < np.array([2 * s, s])[:, None, None, None]
            return difference(*(points(np.zeros(1), w.astype(np.float64)) for w in wrong))

        yield Cell(f"difference, errors of {2 * share:.1%} and {share:.1%}", share, differ)
    yield Cell("level, log-normal losses", float(np.exp(0.5)), lambda rng, n: level(points(np.zeros(1), rng.lognormal(0, 1, (1, 1, n)))))
    yield Cell(
        "level, losses of 5 % of samples",
        0.1,
        lambda rng, n: level(points(np.zeros(1), (rng.random((1, 1, n)) < 0.05) * rng.exponential(2, (1, 1, n)))),
    )
    plane = np.stack(np.meshgrid(*[np.linspace(-0.2, 1.2, 7)] * 2), axis=-1).reshape(-1, 2)
    origin, along_x, along_y = a, models["branched at step 15"][0] - a, models["branched at step 15"][1] - a

    def whole(x: Array, y: Array) -> Points:
        return points(plane, np.stack([scores(origin + u * along_x + v * along_y, x, y) for u, v in plane]))

    tops = population(whole).means().max(axis=0)
    for m, metric in enumerate(("loss", "error")):
        yield Cell(f"highest of a plane, {metric}", tops[m], lambda rng, n, m=m: highest(whole(*drawn(rng, n)), m))


def several_models(models: dict[str, tuple[Array, Array]]) -> Iterator[Cell]:
    """Soups of three branches: what a step gains, Shapley values; how alike two models respond."""
    start = train(2, 40)
    members = [train(30 + k, 400, start) for k in range(3)]
    rows = soup_analysis.subsets(3)

    def soups(x: Array, y: Array) -> Points:
        return points(rows, np.stack([scores(sum(w * m for w, m in zip(row / row.sum(), members, strict=True)), x, y) for row in rows]))

    many = population(soups)
    for metric in ("loss", "error"):
        exact = soup_analysis.shapley(many, metric)
        assert exact is not None

        def value(rng: Rng, n: int, metric: str = metric) -> Estimate:
            found = soup_analysis.shapley(soups(*drawn(rng, n)), metric)
            assert found is not None
            return found[0]

        yield Cell(f"Shapley value, {metric}", exact[0].value, value)
        m = soup_analysis.METRICS.index(metric)
        gain = soup_analysis.change(many, 0, len(rows) - 1, m).value
        yield Cell(f"gain of a soup, {metric}", gain, lambda rng, n, m=m: soup_analysis.change(soups(*drawn(rng, n)), 0, len(rows) - 1, m))
    for true, first, second in ((1.0, 0.3, 0.3), (0.7, 0.7, 0.4)):

        def alike(rng: Rng, n: int, first: float = first, second: float = second) -> Estimate:
            def path(*rates: float) -> Points:
                wrong = (rng.random((2, 1, n)) < np.array(rates)[:, None, None]).astype(np.float64)
                return points(np.array([0.0, 1.0]), np.repeat(wrong, 2, axis=1))

            return similarity({"kept": path(0.1, 0.1), "removed": path(0.3, 0.3), "randomised": path(first, second)})

        yield Cell("similarity of responses", true, alike)


def sharpness(models: dict[str, tuple[Array, Array]]) -> Iterator[Cell]:
    """The mean rise over random directions, and the trace of the Hessian."""
    theta = models["two seeds"][0]
    sure = np.random.default_rng(96)
    x, y = drawn(sure, 20_000)

    def rises(rng: Rng, x: Array, y: Array, directions: int) -> Array:
        base = scores(theta, x, y)[0]
        return np.stack([scores(theta + 0.1 * np.abs(theta) * rng.normal(size=len(theta)), x, y)[0] - base for _ in range(directions)])

    def traces(rng: Rng, x: Array, y: Array, probes: int, parts: int) -> Array:
        signs = rng.integers(0, 2, (probes, len(theta))) * 2.0 - 1
        inputs, targets, at = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(theta)

        def losses(w: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(logits(w, inputs), targets, reduction="none")

        def second(z: torch.Tensor) -> Array:
            return torch.func.jvp(lambda w: torch.func.jvp(losses, (w,), (z,))[1], (at,), (z,))[1].double().numpy()

        return np.stack([[part.mean() for part in np.array_split(second(torch.from_numpy(z.astype(np.float32))), parts)] for z in signs])

    yield Cell("sharpness, average", float(rises(sure, x, y, 400).mean()), lambda rng, n: crossed(rises(rng, *drawn(rng, n), 10)))
    yield Cell("trace of the Hessian", float(traces(sure, x, y, 400, 1).mean()), lambda rng, n: crossed(traces(rng, *drawn(rng, n), 16, 64)))


def calibrated() -> Iterator[Cell]:
    """Expected calibration errors, and differences of two on the same samples."""

    def answers(rng: Rng, n: int, over: float) -> tuple[Array, Array]:
        confidence = np.clip(rng.beta(6, 1.2, n), 0.1, 1)
        return confidence, (rng.random(n) < np.clip(confidence - over, 0, 1)).astype(np.float64)

    def gaps(confidence: Array, right: Array) -> tuple[Array, Array]:
        block = np.arange(len(right)) % min(len(right), 256)
        return calibration.gaps(confidence, right > 0, block, int(block.max()) + 1), np.bincount(block).astype(np.float64)

    sure = np.random.default_rng(95)
    for over in (0.0, 0.05, 0.15):
        confidence, right = answers(sure, 1_000_000, over)
        true = 0.0 if not over else calibration.error(*gaps(confidence, right)).value
        yield Cell(f"calibration error, too sure by {over:g}", true, lambda rng, n, over=over: calibration.error(*gaps(*answers(rng, n, over))))
    for more in (0.005, 0.05, 0.15):
        confidence, right = answers(sure, 1_000_000, 0.0)
        true = -calibration.error(*gaps(np.clip(confidence + more, 0, 1), right)).value

        def apart(rng: Rng, n: int, more: float = more) -> Estimate:
            confidence, right = answers(rng, n, 0.0)
            (a, counts), (b, _) = gaps(confidence, right), gaps(np.clip(confidence + more, 0, 1), right)
            return calibration.difference(a, b, counts)

        yield Cell(f"difference of calibration errors, one surer by {more:g}", true, apart)


if __name__ == "__main__":
    main()
