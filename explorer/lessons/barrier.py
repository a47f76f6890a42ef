"""What a barrier is: two networks, and everything on the straight line between them."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core.points import Points
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, PAIRS, at, found, nat, pair, path, rank

LINE = "straight line"
EDGES = (4.0, 50.0)  # per cent wrong


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The straight line between two networks from different seeds."""
    run = path(*pair(shelf, variant))
    return Experiment({LINE: run}, Target("interpolate", {"run": run.id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The error half-way, and both barriers."""
    points = measured[LINE]
    loss, error = found(points), found(points, ERROR)
    half = at(points, 0.5)
    wrong = 100 * float(half.means()[0, ERROR])
    ends = " and ".join(f"{100 * e:.2g} %" for e in error.ends)
    return Outcome(
        answer=rank(wrong, EDGES),
        sentence=(
            f"The two networks get {ends} of the digits wrong, the network half-way between them **{wrong:.3g} %**. The line has a barrier of **{nat(loss)}** of"
            f" the loss and {error.height.formatted(scale=100, unit='points')} of the error, highest at t = {loss.at:.2g}."
        ),
        picture=Lines((line.curve_of(points, "loss", name="networks on the line"),), "t (0 = one seed, 1 = the other)", "test loss (nat)"),
    )


LESSON = Lesson(
    order=1,
    title="What is a barrier?",
    claim="Two networks learned the same digits from different random weights. Every point of the straight line between them is a network too.",
    question="Both get about two digits in a hundred wrong. Their weights are averaged, one by one: how many does this network half-way get wrong?",
    choices=("about as few: less than 4 %", "many more: 4 to 50 %", "most of them: more than 50 %"),
    experiment=experiment,
    see=see,
    formula=r"\theta(t)=(1-t)\,\theta_A+t\,\theta_B,\qquad B=\max_{t\in[0,1]}\;L\bigl(\theta(t)\bigr)-\bigl[(1-t)\,L(\theta_A)+t\,L(\theta_B)\bigr]",
    text=(
        "A set of weights is a point of [[weight space]]; t says how far one has gone from the first network to the second. The [[barrier]] is how far the loss"
        " rises above the [[chord]], the straight line between the two losses. Without a barrier the two lie in one [[basin]], and their average is useful; with one"
        " it is not. Half of the lessons ask where a barrier comes from, and how to get rid of it."
    ),
    paper="Goodfellow, Vinyals & Saxe 2015, “Qualitatively characterizing neural network optimization problems”; Frankle et al. 2020 (the barrier)",
    variants=PAIRS,
    misconception=(
        "“Two good networks that agree on nearly every digit must be close, so their average is good.” They compute nearly the same function, with weights that do"
        " not correspond, unit by unit; the network half-way averages weights, not answers."
    ),
    exercises=(
        Exercise(
            "The losses at the ends are 0.1 and 0.3, and at t = ½ the loss is 0.25. How high does it stand above the chord there?",
            "The chord is at (0.1 + 0.3) / 2 = 0.2, so it stands 0.05 above.",
        ),
        Exercise(
            "Can a barrier be negative?",
            "No. At t = 0 and t = 1 the difference from the chord is 0, so its maximum is at least 0. A line that sags below the chord has a barrier of 0.",
        ),
    ),
    minutes=5,
)
