"""Flat and sharp: one network trained on small batches and one on all samples at once, and how fast the loss rises around them."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Trained
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._around import FAR, around, mean_around, rise
from explorer.lessons._read import LOSS, MLPS, rank
from explorer.stats.barriers import difference

TRAININGS = {"small batches": {"batch": 16, "epochs": 60}, "all samples at once": {"batch": 1024, "epochs": 1000}}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Train both, and walk away from each along six random directions, on the samples that it was trained on."""
    problem = shelf.problem(MLPS)
    how = {name: registry.method("train", "sgd", {"lr": 0.05, "seed": variant, **given}) for name, given in TRAININGS.items()}
    models = {name: Trained(problem, method, name=name) for name, method in how.items()}
    runs = around(problem, models)
    return Experiment(runs, Target("landscape"))


def see(measured: Mapping[str, Points]) -> Outcome:
    """How far the loss rises at one distance, on average over the directions, and whether the test losses differ."""
    surroundings = {name: mean_around(measured, name) for name in TRAININGS}
    small, large = (rise(surroundings[name]) for name in TRAININGS)
    apart = difference(large, small, LOSS)
    rises = [float(p.means()[0, LOSS]) for p in (small, large)]
    times = rises[1] / rises[0] if rises[0] > 0 else float("inf")
    small_test, large_test = (measured[f"{name}, test"] for name in TRAININGS)
    better = difference(large_test, small_test, LOSS)
    verdict = "" if better.low > 0 or better.high < 0 else ", no detectable difference"
    return Outcome(
        answer=rank(times, (0.5, 2.0)),
        sentence=(
            f"At a distance of {FAR:g} the loss rises by {rises[0]:.3g} nat around the network of small batches and by **{rises[1]:.3g} nat** around that of all samples"
            f" at once: **{apart.formatted(unit='nat', signed=True)}**. Their test losses are {float(small_test.means()[0, LOSS]):.3g} and"
            f" {float(large_test.means()[0, LOSS]):.3g} nat: {better.formatted(unit='nat', signed=True)}{verdict}."
        ),
        picture=Lines(
            tuple(line.curve_of(points, "loss", name=name) for name, points in surroundings.items()),
            "distance along random directions (1 = as long as every filter)",
            "train loss (nat), mean of six directions",
        ),
    )


LESSON = Lesson(
    order=20,
    title="Flat and sharp",
    claim="Two networks of one architecture, from the same initial weights, fit their training samples. What does the landscape look like where each of them ended?",
    question="One was trained on batches of 16, the other on all samples at once. Both are moved in random directions. Around which does the training loss rise more?",
    choices=(
        "more than twice as much around that of small batches",
        "by similar amounts",
        "more than twice as much around that of all samples at once",
    ),
    experiment=experiment,
    see=see,
    formula=r"R(\rho)=\mathbb E_{d}\bigl[L(\theta+\rho\,d)\bigr]-L(\theta),\qquad \lVert d_{\text{filter}}\rVert=\lVert\theta_{\text{filter}}\rVert",
    text=(
        "The noise of [[SGD]] is thought to drive it out of narrow places, and small batches make more of it; here the first took 60 passes over the samples, the second"
        " 1000. What is not shown here is that flat is better. [[Sharpness|sharpness]] depends on how weights are"
        " measured: along an [[orbit]] it changes while the function stays ([[scale symmetry]]). Directions as long as every filter take the scale of whole filters"
        " out of the comparison, and not all else."
    ),
    paper="Keskar et al. 2017, “On Large-Batch Training for Deep Learning: Generalization Gap and Sharp Minima”; Li et al. 2018, “Visualizing the Loss Landscape of Neural Nets”",
    variants=("seed 0", "seed 1"),
    misconception=(
        "“A flat minimum generalises better.” Any ReLU network can be rescaled to be as sharp as one likes without changing one prediction (Dinh et al. 2017), so"
        " flatness alone cannot be the cause. What differs between two trainings may change both."
    ),
    exercises=(
        Exercise(
            "All weights of a ReLU layer are multiplied by 10 and those of the next by 1/10 (no biases). What happens to the function, and to the loss at a fixed Euclidean distance?",
            "The function stays. A step of the same length is now large against the shrunken layer, so the loss rises faster in those directions.",
        ),
        Exercise(
            "Why is the rise measured on training samples and not on test samples?",
            "Sharpness is a property of the function that training lowered. Whether it has anything to do with the test loss is the question, so the two are kept apart.",
        ),
    ),
)
