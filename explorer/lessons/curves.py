"""Curves: where the straight line has a barrier, a curved path goes around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from explorer.core import registry
from explorer.core.points import Points
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, PAIRS, connected, found, nat, pair, path, rank
from explorer.stats.barriers import reduction

STRAIGHT, CURVED, TRAINED_ON = "straight line", "Bézier curve", "Bézier curve, samples it was trained on"


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The straight line, and a Bézier curve with one bend, on test samples and on those that it was trained on."""
    problem, models = pair(shelf, variant)
    curved = connected(problem, models, registry.method("connect", "bezier", {"epochs": 200, "lr": 0.1}))
    runs = {STRAIGHT: path(problem, models), CURVED: curved, TRAINED_ON: replace(curved, field=replace(curved.field, split="train"))}
    return Experiment(runs, Target("paths", {"runs": f"{runs[STRAIGHT].id},{curved.id}"}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """What share of the barrier is left on the curve."""
    straight, curved = measured[STRAIGHT], measured[CURVED]
    before, after, error, learned = found(straight), found(curved), found(curved, ERROR), found(measured[TRAINED_ON])
    wrong = f"The barrier of its error is {error.height.formatted(scale=100, unit='points')}"
    less = reduction(straight, curved)
    assert less is not None  # both barriers are there
    left = after.height.value / before.height.value if before.height.value > 0 else float("nan")
    return Outcome(
        answer=2 - rank(left, (0.25, 0.75)),
        sentence=(
            f"On the straight line the barrier is **{nat(before)}**, on the trained curve **{nat(after)}**: {left:.0%} of it is left. The curve is lower by"
            f" {less.formatted(unit='nat')}, sample by sample. {wrong}{'' if error.height.low > 0 else ', which could be chance'}. On the samples that it was"
            f" trained on its barrier is **{nat(learned)}**."
        ),
        picture=Lines(tuple(line.curve_of(p, "loss", name=n) for n, p in measured.items()), "t (0 = one seed, 1 = the other)", "test loss (nat)"),
    )


LESSON = Lesson(
    order=7,
    title="Curves",
    claim="A barrier on the straight line does not mean that two valleys are separate. There may be a path around it.",
    question="One corner between two networks is trained until the loss along the curve is low. How much of the straight line's barrier is left on the curve?",
    choices=("more than three quarters", "between a quarter and three quarters", "less than a quarter"),
    experiment=experiment,
    see=see,
    formula=r"\varphi_\theta(t)=(1-t)^2\,\theta_A+2t(1-t)\,\theta+t^2\,\theta_B,\qquad\min_\theta\;\mathbb E_{t\sim U[0,1]}\,L\bigl(\varphi_\theta(t)\bigr)",
    text=(
        "The ends stay as they are; only the [[bend]] θ is trained, at a random t for every batch. That such curves of low loss are found between"
        " networks from different seeds is called [[mode connectivity]]: it suggests that the regions of low loss in the [[loss landscape]] are connected."
        " A network has far more weights than the samples ask for, so a bend has thousands of directions in which to leave the ridge. On new samples the"
        " models of the curve are a little less good than its ends: the bend fits the training samples, as any training does."
    ),
    paper="Garipov, Izmailov, Podoprikhin, Vetrov & Wilson 2018, “Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs”",
    variants=PAIRS,
    hands="bend",
    misconception=(
        "“Minima are isolated valleys.” Valleys that are separate on one line are joined by a curve here. A barrier belongs to a path, not to a"
        " pair of networks."
    ),
    exercises=(
        Exercise(
            "At which t is the bend θ itself on the curve?",
            "At none, in general: at t = ½ the curve is at ¼θ_A + ½θ + ¼θ_B. The bend pulls the curve towards itself.",
        ),
        Exercise(
            "The barrier on training samples is zero and on test samples it is not. What does that say?",
            "The bend was trained on the former. Between the ends the curve fits them as well as the ends do, and generalises a little less well.",
        ),
    ),
)
