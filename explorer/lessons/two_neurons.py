"""What a landscape is: a network of two weights, the whole of it in one picture.

f(x) = tanh(w₁x) + tanh(w₂x) is to imitate a teacher of the same form with weights (½, 2); the loss is the mean squared difference over a fixed sample
of inputs, so every point of the plane is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from explorer.core.points import Array, Points
from explorer.figures.plane import Marker, Surface
from explorer.lessons import Exercise, Experiment, Lesson, Outcome, Relief, Shelf, Target

TEACHER = (0.5, 2.0)
INPUTS = np.linspace(-3.0, 3.0, 61)
LOW, HIGH, SIZE = 0.0, 3.0, 61  # the part of the plane that is drawn: nodes 0.05 apart
STEPS, RATE = 4000, 0.4


def loss(w1: Array, w2: Array) -> Array:
    """The mean squared difference from the teacher at any weights, element by element."""
    wanted = sum(np.tanh(w * INPUTS) for w in TEACHER)
    given = np.tanh(w1[..., None] * INPUTS) + np.tanh(w2[..., None] * INPUTS)
    return ((given - wanted) ** 2).mean(axis=-1)


def landscape() -> Surface:
    """The loss on the drawn part of the plane."""
    axis = np.linspace(LOW, HIGH, SIZE)
    w1, w2 = np.meshgrid(axis, axis)  # rows are w₂
    z = loss(w1, w2)
    return Surface(axis, axis, z, np.zeros(z.shape, dtype=bool))


@cache  # the page asks with every rerun
def minima() -> tuple[tuple[float, float], ...]:
    """Where gradient descent ends from a grid of starts, each place once: those with a loss of zero."""
    axis = np.linspace(LOW, HIGH, 15)
    w1, w2 = (w.ravel() for w in np.meshgrid(axis, axis))
    w1, w2 = w1[w1 != w2], w2[w1 != w2]  # on the axis of symmetry descent stays on it, and ends at the pass
    wanted = sum(np.tanh(w * INPUTS) for w in TEACHER)
    for _ in range(STEPS):
        one, two = np.tanh(w1[:, None] * INPUTS), np.tanh(w2[:, None] * INPUTS)
        off = 2 * (one + two - wanted) * INPUTS / len(INPUTS)
        w1, w2 = w1 - RATE * (off * (1 - one**2)).sum(axis=1), w2 - RATE * (off * (1 - two**2)).sum(axis=1)
    ended = loss(w1, w2) < 1e-8
    return tuple(sorted({(round(float(a), 2), round(float(b), 2)) for a, b in zip(w1[ended], w2[ended], strict=True)}))


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Nothing has to be measured: the formula is the landscape."""
    return Experiment({}, Target("landscape"))


def see(measured: Mapping[str, Points]) -> Outcome:
    """Count the minima."""
    low = minima()
    others = [place for place in low if place != TEACHER]
    t = np.linspace(0, 1, 101)
    (ax, ay), (bx, by) = low[0], low[-1]
    line = loss(ax + t * (bx - ax), ay + t * (by - ay))
    where = ", ".join(f"({a:g}, {b:g})" for a, b in low)
    return Outcome(
        answer=min(len(others), 2),
        sentence=(
            f"Gradient descent from a grid of starts ends at **{len(low)} places** of zero loss: {where}. Swapping the two neurons turns one into the"
            f" other: the picture is its own mirror image. On the straight line between them the loss rises to **{line.max():.3g}** at t = {t[line.argmax()]:.2g}."
        ),
        picture=Relief(landscape(), tuple(Marker(f"({a:g}, {b:g})", a, b) for a, b in low), "w₁", "w₂", "loss", played=True),
    )


LESSON = Lesson(
    order=2,
    title="What a loss landscape is",
    claim="A network's loss is a surface over its weights. With two weights it can be drawn whole.",
    question="A network of two neurons, f(x) = tanh(w₁x) + tanh(w₂x), has zero loss at the weights (½, 2). How many other places have zero loss?",
    choices=("none", "exactly one", "more than one"),
    experiment=experiment,
    see=see,
    formula=r"L(w_1,w_2)=\frac1n\sum_{i=1}^{n}\bigl(\tanh w_1x_i+\tanh w_2x_i-y_i\bigr)^2,\qquad L(w_1,w_2)=L(w_2,w_1)",
    text=(
        "Every point of a [[loss landscape]] is a model. The two neurons can be swapped without changing what the network computes, so every minimum has a"
        " mirror image, and the straight line between the two crosses a [[barrier]]. A network with n hidden units in a layer has n! such copies"
        " ([[permutation symmetry]])."
    ),
    paper="Hecht-Nielsen 1990, “On the algebraic structure of feedforward network weight spaces”",
    hands="neurons",
    misconception=(
        "“Training finds the minimum.” There is never just one: every order of the hidden units is another place with the same loss. Which one is"
        " found depends on the start."
    ),
    exercises=(
        Exercise(
            "A layer has 3 hidden units. How many orders of them are there, and how many places of weight space compute this function by reordering?",
            "3! = 6, if all three units differ: two equal units can be exchanged without moving.",
        ),
        Exercise(
            "Where in the picture are the networks whose two neurons are equal?",
            "On the diagonal w₁ = w₂, the mirror. The straight line between a network and its mirror image crosses it at t = ½.",
        ),
    ),
)
