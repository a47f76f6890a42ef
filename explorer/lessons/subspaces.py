"""Subspaces: not two models and a path between them, but a line of models, all of them trained."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, ProblemSpec, Run, Trained
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, PAIRS, SEEDS, at, connected, found, nat, pair
from explorer.stats.barriers import difference

INNER = tuple(round(float(t), 12) for t in np.linspace(1 / 3, 2 / 3, 9))  # the middle leg: the learned line
MIDDLE = INNER[4]
LEARNED, APART = "learned line", "two networks trained apart"


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """A line that began between two networks of random weights and was trained as a whole; and the line between two that were trained each for itself."""
    problem, models = pair(shelf, variant)
    method = registry.method("connect", "line_subspace", {"epochs": 200, "lr": 0.1, "weight_decay": 0.001})
    whole = connected(problem, tuple(untrained(problem, seed) for seed in SEEDS[variant]), method)
    runs = {
        LEARNED: Run(whole.field, registry.method("sample", "given", {"at": INNER})),
        APART: Run(Field(problem, models, registry.method("chart", "line")), registry.method("sample", "grid", {"size": 9})),
    }
    return Experiment(runs, Target("paths", {"runs": runs[APART].id}))


def untrained(problem: ProblemSpec, seed: int) -> Trained:
    """The network with the random weights that a seed gives it: an epoch at a rate of zero."""
    return Trained(problem, registry.method("train", "sgd", {"epochs": 1, "lr": 0.0, "seed": seed}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The middle of the learned line against the better of its two ends, and what an average costs of two networks that never met."""
    points, apart_line = measured[LEARNED], found(measured[APART])
    ends = [at(points, INNER[0]), at(points, INNER[-1])]
    middle = at(points, MIDDLE)
    better = min(ends, key=lambda p: float(p.means()[0, LOSS]))
    apart = difference(middle, better, LOSS)
    values = {name: float(p.means()[0, LOSS]) for name, p in (("one end", ends[0]), ("middle", middle), ("other end", ends[1]))}
    listed = ", ".join(f"{name} {value:.3g} nat" for name, value in values.items())
    legs = Points((points.coords - INNER[0]) / (INNER[-1] - INNER[0]), points.values, points.counts)
    return Outcome(
        answer=0 if apart.high < 0 else 2 if apart.low > 0 else 1,
        sentence=(
            f"On the learned line: {listed}. The middle minus the better end is **{apart.formatted(unit='nat', signed=True)}**. Between two networks that"
            f" were trained each for itself there is a barrier of **{nat(apart_line)}**."
        ),
        picture=Lines(
            (line.curve_of(legs, "loss", name=LEARNED), line.curve_of(measured[APART], "loss", name=APART)),
            "t (0 = one end, 1 = the other)",
            "test loss (nat)",
        ),
    )


LESSON = Lesson(
    order=8,
    title="Subspaces",
    claim="Training can search for a whole line of good networks at once, with ends that are kept apart.",
    question="A line between two random networks was trained as a whole. How good is its middle, the average of its two ends?",
    choices=("better than both ends", "no detectable difference from the better end", "worse than the better end"),
    experiment=experiment,
    see=see,
    formula=r"\min_{\theta_1,\theta_2}\;\mathbb E_{\alpha\sim U[0,1]}\,L\bigl((1-\alpha)\theta_1+\alpha\theta_2\bigr)+\beta\cos^2(\theta_1,\theta_2)",
    text=(
        "Every network of the [[subspace]] is trained, sampled at random; the second term keeps the ends from collapsing together. Two networks that are"
        " trained apart end in different basins, and their average is far worse than either. Trained as a line, from the first step on, the average of"
        " the ends is as good as they are. For larger networks the paper finds that the middle is even the best."
    ),
    paper="Wortsman, Horton, Guestrin, Farhadi & Rastegari 2021, “Learning Neural Network Subspaces”",
    variants=PAIRS,
    misconception=(
        "“Averages of networks from different random weights are always bad.” They are when each was trained by itself. Trained together as a line,"
        " their average is as good as they are."
    ),
    exercises=(
        Exercise(
            "Why does the training sample a random α for every batch?",
            "So that every network of the line is trained, not only the two ends: the gradient reaches both ends, by 1 − α and α.",
        ),
        Exercise(
            "What would happen with β = 0?",
            "Nothing would keep the ends apart. They could come so close that the line is nearly one network.",
        ),
    ),
)
