"""Flat on purpose: one network trained by SGD and one by SAM, which takes every gradient at the worst point nearby."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Trained
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._around import FAR, around, mean_around, rise
from explorer.lessons._read import LOSS, MLPS
from explorer.stats.barriers import difference

COMMON = {"lr": 0.05, "batch": 64, "epochs": 60}
TRAININGS: Mapping[str, tuple[str, Mapping[str, object]]] = {"SGD": ("sgd", {}), "SAM": ("sam", {"rho": 0.2})}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Train both from the same initial weights, with the same batches in the same order, and walk away from each."""
    problem = shelf.problem(MLPS)
    how = {name: registry.method("train", method, {**COMMON, "seed": variant, **own}) for name, (method, own) in TRAININGS.items()}
    return Experiment(around(problem, {name: Trained(problem, method, name=name) for name, method in how.items()}), Target("landscape"))


def see(measured: Mapping[str, Points]) -> Outcome:
    """Around which the loss rises less, and whether the test losses differ."""
    surroundings = {name: mean_around(measured, name) for name in TRAININGS}
    sgd, sam = (rise(surroundings[name]) for name in TRAININGS)
    apart = difference(sam, sgd, LOSS)
    test = difference(measured["SAM, test"], measured["SGD, test"], LOSS)
    losses = [float(measured[f"{name}, test"].means()[0, LOSS]) for name in TRAININGS]
    verdict = "" if test.low > 0 or test.high < 0 else ", no detectable difference"
    return Outcome(
        answer=0 if apart.high < 0 else 2 if apart.low > 0 else 1,
        sentence=(
            f"At a distance of {FAR:g} the training loss rises by {float(sgd.means()[0, LOSS]):.3g} nat around the network of SGD and by **{float(sam.means()[0, LOSS]):.3g} nat**"
            f" around that of SAM: **{apart.formatted(unit='nat', signed=True)}**. Their test losses are {losses[0]:.3g} and {losses[1]:.3g} nat:"
            f" {test.formatted(unit='nat', signed=True)}{verdict}."
        ),
        picture=Lines(
            tuple(line.curve_of(points, "loss", name=name) for name, points in surroundings.items()),
            "distance along random directions (1 = as long as every filter)",
            "train loss (nat), mean of six directions",
        ),
    )


LESSON = Lesson(
    order=21,
    title="Flat on purpose: SAM",
    claim="SAM looks for flat places: it takes each gradient not where the weights are, but at the worst point within a small distance ρ.",
    question="Two networks start from the same weights and see the same batches, one trained by SGD and one by SAM. Both are moved in random directions. Around that of SAM the training loss rises …",
    choices=("less", "as much: no detectable difference", "more"),
    experiment=experiment,
    see=see,
    formula=r"\min_w\;\max_{\lVert\varepsilon\rVert\le\rho}L(w+\varepsilon),\qquad \hat\varepsilon=\rho\,\frac{\nabla L(w)}{\lVert\nabla L(w)\rVert},\qquad w\leftarrow w-\alpha\,\nabla L(w+\hat\varepsilon)",
    text=(
        "The worst point nearby is found to first order: uphill by ρ along the gradient. In a narrow valley that point is high up the wall, so its gradient is large, and"
        " the step leaves the valley; in a wide one it changes little. A step of SAM costs two passes instead of one. That its [[sharpness]] is lower is what it was trained"
        " for. Whether it also predicts better has to be measured each time: of these two seeds, one gains certainly and the other does not detectably."
    ),
    paper="Foret, Kleiner, Mobahi & Neyshabur 2021, “Sharpness-Aware Minimization for Efficiently Improving Generalization”",
    variants=("seed 0", "seed 1"),
    misconception=(
        "“Flatter means better.” SAM makes both networks flatter, and only one of them detectably better. A flat place can also be one where little was"
        " learned: with a very large ρ the training loss itself stays high."
    ),
    exercises=(
        Exercise(
            "L(w) = ½ a w², and w > 0. What are the steps of SGD and of SAM at rate α?",
            "SGD: w − αaw. SAM goes uphill to w + ρ first: w − αa(w + ρ). Near the minimum SAM steps over it by αaρ, the more the sharper it is.",
        ),
        Exercise(
            "Why does the comparison keep the batches and their order?",
            "Two trainings with other batches end in other places by chance. With the same ones what differs is the gradient alone.",
        ),
    ),
)
