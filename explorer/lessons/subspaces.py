"""Subspaces: not two models and a path between them, but a line of models, all of them trained."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Run
from explorer.figures import line
from explorer.lessons import Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, PAIRS, at, connected, pair
from explorer.stats.barriers import difference

INNER = tuple(round(float(t), 12) for t in np.linspace(1 / 3, 2 / 3, 9))  # the middle leg: the learned line
MIDDLE = INNER[4]


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """A line that began as the segment between two models and was trained as a whole, on its own middle leg and on the legs to the models."""
    problem, models = pair(shelf, variant)
    whole = connected(problem, models, registry.method("connect", "line_subspace"))
    places = tuple(sorted({0.0, 1 / 6, *INNER, 5 / 6, 1.0}))
    runs = {"learned line": Run(whole.field, registry.method("sample", "given", {"at": places}))}
    return Experiment(runs, Target("paths", {"runs": runs["learned line"].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The middle of the learned line against the better of its two ends."""
    points = measured["learned line"]
    ends = [at(points, INNER[0]), at(points, INNER[-1])]
    middle = at(points, MIDDLE)
    better = min(ends, key=lambda p: float(p.means()[0, LOSS]))
    apart = difference(middle, better, LOSS)
    values = {name: float(p.means()[0, LOSS]) for name, p in (("one end", ends[0]), ("middle", middle), ("other end", ends[1]))}
    listed = ", ".join(f"{name} {value:.3g} nat" for name, value in values.items())
    return Outcome(
        answer=0 if apart.high < 0 else 2 if apart.low > 0 else 1,
        sentence=(
            f"On the learned line: {listed}. The middle minus the better end is **{apart.formatted(unit='nat', signed=True)}**. The outer thirds"
            " lead from the line to the two networks it started from."
        ),
        picture=Lines(
            (line.curve_of(points, "loss", name="network, learned line, network"),), "t (the learned line is the middle third)", "test loss (nat)"
        ),
    )


LESSON = Lesson(
    order=7,
    title="Subspaces",
    claim="Training can search for a whole line of good networks at once, with ends as different as possible.",
    question="A line of networks was trained as a whole. How good is its middle, the average of its two ends?",
    choices=("better than both ends", "no detectable difference from the better end", "worse than the better end"),
    experiment=experiment,
    see=see,
    formula=r"\min_{\theta_1,\theta_2}\;\mathbb E_{\alpha\sim U[0,1]}\,L\bigl((1-\alpha)\theta_1+\alpha\theta_2\bigr)+\beta\cos^2(\theta_1,\theta_2)",
    text=(
        "Every network of the [[subspace]] is trained, sampled at random; the second term keeps the ends from collapsing together. The"
        " paper reports that for larger networks, trained this way from the start, the middle is best. Here the line started between two"
        " trained networks."
    ),
    paper="Wortsman, Horton, Guestrin, Farhadi & Rastegari 2021, “Learning Neural Network Subspaces”",
    variants=PAIRS,
)
