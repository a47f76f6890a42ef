"""More than order: a network of two weights whose whole orbit can be drawn.

f(x) = v · max(0, w x) is to imitate max(0, x); the loss is the mean squared difference over a fixed sample of inputs, so every point of the plane is exact.
The weights (λw, v/λ) compute the same for every λ > 0: the orbit of (1, 1) is the curve w v = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from explorer.core.points import Array, Points
from explorer.figures.curve import PALETTE
from explorer.figures.plane import Marker, Surface, Trace
from explorer.lessons import Exercise, Experiment, Lesson, Outcome, Relief, Shelf, Target

INPUTS = np.linspace(-1.0, 1.0, 41)
POSITIVE = np.maximum(INPUTS, 0.0)
LOW, HIGH, SIZE = 0.0, 5.0, 101  # the part of the plane that is drawn: nodes 0.05 apart
DRAWN = (0.25, 0.5, 1.0, 2.0, 4.0)  # λ of the places that are marked
STEPS, RATE = 4000, 0.05
APART = 0.05  # between places that are counted as two


def loss(w: Array, v: Array) -> Array:
    """The mean squared difference from the teacher at any weights, element by element."""
    given = v[..., None] * np.maximum(w[..., None] * INPUTS, 0.0)
    return ((given - POSITIVE) ** 2).mean(axis=-1)


def sharpness(w: float, v: float) -> float:
    """The largest eigenvalue of the loss's Hessian on the orbit, where w, v > 0 and w v = 1: there L = m (w v − 1)², m the mean of max(0, x)²."""
    return float(2 * (POSITIVE**2).mean() * (w**2 + v**2))


def landscape() -> Surface:
    """The loss on the drawn part of the plane."""
    axis = np.linspace(LOW, HIGH, SIZE)
    w, v = np.meshgrid(axis, axis)  # rows are v
    z = loss(w, v)
    return Surface(axis, axis, z, np.zeros(z.shape, dtype=bool))


def orbit() -> Trace:
    """The curve w v = 1 as far as it is drawn, by the logarithm of λ."""
    s = np.linspace(np.log(1 / HIGH), np.log(HIGH), 121)
    return Trace("orbit", PALETTE[1], s, np.exp(s), np.exp(-s))


@cache  # the page asks with every rerun
def minima() -> Array:
    """(n, 2), not to be written to: where gradient descent ends from a grid of starts, each place once, those with a loss of zero."""
    axis = np.linspace(0.1, 3.9, 20)
    w, v = (x.ravel() for x in np.meshgrid(axis, axis))
    m = (POSITIVE**2).mean()
    for _ in range(STEPS):
        off = 2 * m * (w * v - 1)  # where w > 0
        w, v = w - RATE * off * v, v - RATE * off * w
    found: list[tuple[float, float]] = []
    for place in sorted(zip(w.tolist(), v.tolist(), strict=True)):
        low = place[0] > 0 and float(loss(np.array(place[0]), np.array(place[1]))) < 1e-10
        if low and all(np.hypot(place[0] - a, place[1] - b) > APART for a, b in found):
            found.append(place)
    places = np.array(found)
    places.flags.writeable = False
    return places


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Nothing has to be measured: the formula is the landscape."""
    return Experiment({}, Target("align"))


def see(measured: Mapping[str, Points]) -> Outcome:
    """Count the places, and say what the loss, the sharpness and the straight line are along the orbit."""
    low = minima()
    others = len(low) - 1
    products = low.prod(axis=1)
    ends = np.array([[s, 1 / s] for s in (DRAWN[0], DRAWN[-1])])
    t = np.linspace(0, 1, 101)[:, None]
    line = loss(*((1 - t) * ends[0] + t * ends[1]).T)
    one, far = sharpness(1.0, 1.0), sharpness(*ends[0])
    marks = tuple(Marker(f"λ = {s:g}", s, 1 / s) for s in DRAWN)
    return Outcome(
        answer=0 if others == 0 else 1 if others == 1 else 2,
        sentence=(
            f"Gradient descent from a grid of starts ends at **{len(low)} places** of zero loss, all on one curve: w·v is between {products.min():.3f} and"
            f" {products.max():.3f}. Along it the function is the same and the sharpness is not: the largest curvature is **{one:.3g}** at (1, 1) and **{far:.3g}** at"
            f" ({ends[0][0]:g}, {ends[0][1]:g}). On the straight line between ({ends[0][0]:g}, {ends[0][1]:g}) and ({ends[1][0]:g}, {ends[1][1]:g}) the loss rises to"
            f" **{line.max():.3g}**, though both compute the same."
        ),
        picture=Relief(landscape(), marks, "w", "v", "loss", (orbit(),), log=True),
    )


LESSON = Lesson(
    order=18,
    title="More than order",
    claim="Reordering units moves the weights and keeps the function. What stands between two layers decides what else may be changed without a trace.",
    question="The network f(x) = v · max(0, w·x) of two weights has zero loss at w = v = 1. At how many other places with w > 0 does it have zero loss?",
    choices=("at none", "at exactly one", "along a whole curve"),
    experiment=experiment,
    see=see,
    formula=r"v\,\max(0,wx)=\tfrac{v}{\lambda}\,\max(0,\lambda wx)\quad(\lambda>0),\qquad f=W_2\,\sigma(W_1x)=\bigl(W_2M^{-1}\bigr)\,\sigma(MW_1x)\ \text{ if }\ \sigma M=M\sigma",
    text=(
        "What may be changed without a trace depends on what stands between two layers: its [[symmetry class]]. Where that is ReLU it is order and positive scales"
        " ([[scale symmetry]]), for tanh order and signs ([[sign symmetry]]), in a transformer also an [[orthogonal map]] of the stream and any [[invertible map]] between"
        " queries and keys. All weights that can be reached so are an [[orbit]]; to align two models is to bring one along its orbit to the other."
        " Going along it changes the [[sharpness]] ([[teleportation]]): no measure of flatness that sees this can explain how well a network generalises."
    ),
    paper="Dinh, Pascanu, Bengio & Bengio 2017, “Sharp Minima Can Generalize For Deep Nets”; Theus et al. 2025, “Generalized Linear Mode Connectivity for Transformers”",
    misconception=("“A sharp minimum is a bad one.” (¼, 4) and (1, 1) compute the same function for every input; one is many times as sharp."),
    exercises=(
        Exercise(
            "Why must λ be positive?",
            "max(0, λwx) = λ max(0, wx) holds for λ ≥ 0 only, and v/λ needs λ ≠ 0. A negative λ turns the unit's half of the inputs around.",
        ),
        Exercise(
            "Which point of the curve w·v = 1 has the shortest weights?",
            "(1, 1): w² + v² is smallest there. Weight decay pulls a network along its orbit to such a place.",
        ),
    ),
)
