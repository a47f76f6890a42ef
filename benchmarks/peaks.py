"""Whether the adaptive sampler finds the barrier that 501 points find, at which cost, and whether it says what it cannot see.

Curves with known peaks, with the noise of samples in blocks: the same samples at every point, so that they move a curve as a whole, and not point by point.
For each curve and noise (standard error of the height, as a share of it): the points used, and by how much the height falls short of that of 501 points, at
its worst over places of the peak; then the share of places where it falls short by more than 1 %, and among these the share where the result says that a
peak of that width may hide. `before`: the rule of earlier versions, 15 points: halve where a parabola says that straight segments err most.

    python benchmarks/peaks.py            # the table
    python benchmarks/peaks.py --slopes   # slopes or points, at equal cost: what the docstring of sample/adaptive says
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from scipy.interpolate import CubicHermiteSpline, CubicSpline

from explorer.core.points import Array, Points
from explorer.methods.sample import adaptive
from explorer.stats.barriers import above_line
from explorer.stats.between_points import ROUNDING
from explorer.stats.hidden_peaks import hidden

BLOCKS = 64
SCAN = np.linspace(0, 1, 501)
NOISES = (0.0, 0.01, 0.03, 0.1)
FULL = 2 * np.sqrt(np.log(2))  # full width at half height of exp(−(x/w)²), in w

Curve = Callable[[Array], Array]


def bell(t: Array, at: float, width: float) -> Array:
    """exp(−((t − at)/width)²)."""
    return np.exp(-(((t - at) / width) ** 2))


def bumps(t: Array, *, at: tuple[float, ...], width: float, heights: tuple[float, ...] = (), shift: float = 0.0) -> Array:
    """Several bells, all moved by `shift`."""
    return sum((h * bell(t, c + shift, width) for c, h in zip(at, heights or (1.0,) * len(at), strict=True)), np.zeros_like(t))


def on_a_hill(t: Array, *, width: float, shift: float = 0.0) -> Array:
    """A narrow peak on a wide one of 0.4."""
    return bell(t, 0.5 + 8 * shift, width) + 0.4 * np.sin(np.pi * t)


def plateau(t: Array, *, shift: float = 0.0) -> Array:
    """Flat from 0.3 to 0.7, with steep sides."""
    return 1 / (1 + np.exp(-(t - 0.3 - shift) / 0.03)) / (1 + np.exp((t - 0.7 - shift) / 0.03))


def kink(t: Array, *, shift: float = 0.0) -> Array:
    """Two straight lines that meet at the top."""
    return np.minimum(t / (0.4 + shift), (1 - t) / (0.6 - shift))


def jump(t: Array, *, shift: float = 0.0) -> Array:
    """Rises to 1 and falls to 0.4 at once."""
    at = 0.55 + shift
    return np.where(t < at, (t / at) ** 2, 0.4 * (1 - t) / (1 - at))


def hole(t: Array, *, shift: float = 0.0) -> Array:
    """One maximum, and no finite value between 0.62 and 0.8."""
    return np.where(np.abs(t - 0.71 - shift) < 0.09, np.nan, bell(t, 0.35 + shift, 0.12))


SMOOTH: Mapping[str, Callable[..., Array]] = {
    "one wide maximum": partial(bumps, at=(0.45,), width=0.25),
    "one, width 0.1": partial(bumps, at=(0.45,), width=0.1),
    "two close maxima": partial(bumps, at=(0.42, 0.53), width=0.07, heights=(0.97, 1.0)),
    "three, symmetric": partial(bumps, at=(0.25, 0.5, 0.75), width=0.06, heights=(0.9, 1.0, 0.9)),
    "four bumps": partial(bumps, at=(0.15, 0.35, 0.6, 0.85), width=0.06, heights=(0.8, 0.95, 1.0, 0.97)),
    "five bumps": partial(bumps, at=(0.1, 0.3, 0.5, 0.7, 0.9), width=0.05, heights=(0.9, 1.0, 0.93, 0.98, 0.95)),
    "plateau": plateau,
    "kink": kink,
}
ROUGH: Mapping[str, Callable[..., Array]] = {"jump": jump, "diverged inside": hole}
NARROW = (0.05, 0.02, 0.01, 0.005)


def measured(t: Array, curve: Curve, noise: float) -> Points:
    """Points of a loss that lies `curve` above the line from 0.5 to 0.7; each block of samples has a curve that is somewhat higher or lower."""
    rng = np.random.default_rng(5)
    height, shape = (x - x.mean() for x in rng.normal(size=(2, BLOCKS)))
    one = noise * np.sqrt(BLOCKS)
    y = curve(t)[:, None]
    blocks = 0.5 + 0.2 * t[:, None] + y * (1 + one * height) + 0.2 * one * (t * (1 - t))[:, None] * shape
    return Points(t[:, None], blocks[:, None, :], np.ones(BLOCKS))


def sampled(curve: Curve, noise: float, ask: Callable[[Points, int], Array] = adaptive.ask) -> Points:
    """What the sampler measures, one point after the other; sorted."""
    done = np.empty(0)
    while len(todo := ask(measured(done, curve, noise), 1)):
        done = np.concatenate([done, todo[:, 0]])
    return measured(np.sort(done), curve, noise)


def height(points: Points) -> float:
    """The largest finite rise above the straight line."""
    return float(np.nanmax(above_line(points)[0]))


def short(points: Points, curve: Curve, noise: float) -> float:
    """By which share the height falls short of that of 501 points."""
    true = height(measured(SCAN, curve, noise))
    return max(0.0, 1 - height(points) / true)


def before(points: Points, n: int) -> Array:
    """15 points as earlier versions chose them."""
    if len(points) < 9:
        return np.setdiff1d(np.linspace(0, 1, 9), points.coords[:, 0])[:n, None]
    known = points.sorted()
    t, (y, e) = known.coords[:, 0], above_line(known)
    e = np.maximum(e, ROUNDING)
    slope = np.diff(y) / np.diff(t)
    i = int(np.nanargmax(y))
    if 0 < i < len(t) - 1 and (bend := (slope[i] - slope[i - 1]) / (t[i + 1] - t[i - 1])) < 0:
        vertex = (t[i - 1] + t[i]) / 2 - slope[i - 1] / (2 * bend)
        if len(t) < 15 and -bend * (vertex - t[i]) ** 2 > 0.1 * e[i] and np.abs(t - vertex).min() >= 1e-3:
            return np.array([[vertex]])
    second = np.abs(2 * np.diff(slope) / (t[2:] - t[:-2]))
    second = np.fmax(np.concatenate([second[:1], second]), np.concatenate([second, second[-1:]]))
    excess = np.nan_to_num(second * np.diff(t) ** 2 / 8 - np.fmax(e[:-1], e[1:]), nan=-1.0)
    k = int(np.argmax(excess))
    return np.empty((0, 1)) if len(t) >= 15 or excess[k] <= 0 or t[k + 1] - t[k] < 2e-3 else np.array([[(t[k] + t[k + 1]) / 2]])


def row(name: str, family: Callable[..., Array], noise: float, *, places: int, width: float = 0.0) -> str:
    """A line of the table: one curve in several places."""
    now: list[tuple[int, float, bool]] = []
    then: list[float] = []
    for shift in np.linspace(-0.031, 0.031, places):
        curve = partial(family, shift=float(shift))
        then.append(short(sampled(curve, noise, before), curve, noise))
        points = sampled(curve, noise)
        found = hidden(points)
        now.append((len(points), short(points, curve, noise), found is not None and found.width >= FULL * width))
    missed = [said for _, by, said in now if by > 0.01]
    said = f"{sum(missed)} of {len(missed)}" if missed and width else ""
    points_used = f"{np.median([k for k, *_ in now]):.0f} (≤ {max(k for k, *_ in now)})"
    share = [np.mean(np.array(x) > 0.01) for x in (then, [by for _, by, _ in now])]
    return f"{name:18s} {noise:5.0%}   {100 * max(then):6.1f} %  {share[0]:5.0%}    {points_used:>12s} {100 * max(by for _, by, _ in now):6.1f} %  {share[1]:5.0%}   {said}"


def slopes(trials: int) -> None:
    """N points with slopes cost as much as 3 N without: where a peak shows, and how well two close maxima are told from the best cubic through all of it."""
    rng = np.random.default_rng(0)
    print("a peak of height 1 shows at some point: its value, or its slope, is above twice the sampling error (that of the slope: × 4)")
    for noise in (0.1, 0.01, 0.001):
        for cost in (15, 30, 60):
            said: list[str] = []
            for width in (0.005, 0.01, 0.02, 0.05):
                apart = [rng.uniform(0, 1, (trials, 1)) - np.linspace(0, 1, n)[None] for n in (cost, cost // 3)]
                value = [bell(x, 0.0, width) for x in apart]
                slope = np.abs(2 * apart[1] / width**2 * value[1])
                seen = (value[0] > 2 * noise).any(1), ((value[1] > 2 * noise) | (slope > 8 * noise)).any(1)
                said.append(f"{width:g}: {seen[0].mean():4.0%} {seen[1].mean():4.0%}")
            print(f"  error {noise:5.1%}, cost {cost}: points, slopes for widths " + "   ".join(said))
    fine = np.linspace(0, 1, 2001)
    print("two close maxima, error of the height read off the interpolant: median (95 %)")
    for cost in (15, 30, 60):
        errors: tuple[list[float], list[float]] = ([], [])
        for _ in range(trials // 10):
            a, d, h = rng.uniform(0.2, 0.7), rng.uniform(0.04, 0.2), rng.uniform(0.9, 1.1)
            w = d / rng.uniform(1.2, 2.2)

            def f(t: Array, a: float = a, d: float = d, h: float = h, w: float = w) -> Array:
                return bell(t, a, w) + h * bell(t, a + d, w) + 0.5 * np.sin(np.pi * t)

            def df(t: Array, a: float = a, d: float = d, h: float = h, w: float = w) -> Array:
                one, two = -2 * (t - a) / w**2 * bell(t, a, w), -2 * (t - a - d) / w**2 * bell(t, a + d, w)
                return one + h * two + 0.5 * np.pi * np.cos(np.pi * t)

            many, few = np.linspace(0, 1, cost), np.linspace(0, 1, cost // 3)
            for error, fit in zip(errors, (CubicSpline(many, f(many)), CubicHermiteSpline(few, f(few), df(few))), strict=True):
                error.append(abs(fit(fine).max() / f(fine).max() - 1))
        print(
            f"  cost {cost}: "
            + ", ".join(f"{n} {np.median(e):.2%} ({np.quantile(e, 0.95):.1%})" for n, e in zip(("points", "slopes"), errors, strict=True))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=21, help="of each curve")
    parser.add_argument("--slopes", action="store_true")
    asked = parser.parse_args()
    if asked.slopes:
        slopes(4000)
        return
    print("                             before, 15 points      now")
    print("curve              noise    worst   > 1 %           points   worst   > 1 %   told, of those")
    for noise in NOISES:
        for name, family in {**SMOOTH, **ROUGH}.items():
            print(row(name, family, noise, places=asked.places))
        for width in NARROW:
            print(row(f"narrow, {width:g}", partial(on_a_hill, width=width), noise, places=asked.places, width=width))


if __name__ == "__main__":
    main()
