"""Averaging inside a basin: the last epochs of a training at a high, constant rate, and their mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Run, Trained
from explorer.lessons import Bars, Exercise, Experiment, Lesson, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, at, mixtures, row
from explorer.stats.barriers import difference

FAMILY = "digits-mlp-finetunes"
EPOCHS, LAST = 30, 10
RATES = (0.2, 0.4)
NOISE = {"noise": 0.25, "weight_decay": 0.001}  # as the family was trained: without it the network fits every sample, and stands still


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Train on from the parent, and measure the last epochs and their mean."""
    problem, parent = shelf.problem(FAMILY), shelf.model(FAMILY, "parent")
    how = registry.method("train", "sgd", {**NOISE, "epochs": EPOCHS, "lr": RATES[variant], "schedule": "constant"})
    epochs = range(EPOCHS - LAST + 1, EPOCHS + 1)
    snapshots = tuple(Trained(problem, how, parent, at=e, name=f"epoch {e}") for e in epochs)
    shares = [*np.eye(LAST).tolist(), [1.0] * LAST]
    along = Run(Field(problem, snapshots, registry.method("chart", "mixture"), split="val"), registry.method("sample", "trajectory"))
    return Experiment({"snapshots": mixtures(problem, snapshots, shares), "along the training": along}, Target("train", {"runs": along.id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The mean of the weights against the mean of the ten losses, and against the last epoch."""
    points = measured["snapshots"]
    alone = [at(points, *one) for one in np.eye(LAST).tolist()]
    mean = at(points, *[1.0] * LAST)
    typical = Points(mean.coords, np.mean([p.values for p in alone], axis=0), mean.counts)
    apart, last = difference(mean, typical, LOSS), difference(mean, alone[-1], LOSS)
    losses = [float(p.means()[0, LOSS]) for p in alone]
    names = [f"epoch {EPOCHS - LAST + 1 + k}" for k in range(LAST)]
    rows = (*(row(n, p, LOSS) for n, p in zip(names, alone, strict=True)), row("mean of the weights", mean, LOSS, strong=True))
    return Outcome(
        answer=0 if apart.high < 0 else 2 if apart.low > 0 else 1,
        sentence=(
            f"The mean of the weights has a loss of **{float(mean.means()[0, LOSS]):.3g} nat**. The ten epochs have {min(losses):.3g} to {max(losses):.3g}, on average"
            f" {np.mean(losses):.3g}: the mean of the weights is **{apart.formatted(unit='nat', signed=True)}** away from that, and"
            f" {last.formatted(unit='nat', signed=True)} from the last epoch, sample by sample."
        ),
        picture=Bars(rows, "test loss (nat)"),
    )


LESSON = Lesson(
    order=10,
    title="Averaging inside a basin",
    claim="At a high, constant learning rate, with noise on its inputs, training does not settle: it wanders around the bottom of its basin. Where is the middle?",
    question=f"A network continues training in that way. The weights of its last {LAST} epochs are averaged. How good is that one network, compared with the ten on average?",
    choices=("better", "no detectable difference", "worse"),
    experiment=experiment,
    see=see,
    formula=r"\theta_{\mathrm{SWA}}=\frac1K\sum_{k=1}^{K}\theta_{T-K+k}",
    text=(
        "[[SWA]] averages what a training passes through inside one [[basin]]. There the loss curves upwards in every direction, so the loss of the mean is below the"
        " mean of the losses. Against the last epoch the gain is a matter of luck: that epoch may be a good one. A rate that falls to zero settles too, and costs no"
        " second copy of the weights. [[EMA]] and [[LAWA]] are related methods."
    ),
    paper="Izmailov, Podoprikhin, Garipov, Vetrov & Wilson 2018, “Averaging Weights Leads to Wider Optima and Better Generalization”",
    variants=tuple(f"digits MLP, rate {r}" for r in RATES),
    misconception=(
        "“The average of ten networks is an average network.” Inside a basin it is better than they are on average, and it can be better than each"
        " of them."
    ),
    exercises=(
        Exercise(
            "On L(w) = w² a training visits −1 and 1. What are the mean loss and the loss of the mean?",
            "1 and 0. Where the loss curves upwards the loss of the mean is never above the mean loss (Jensen).",
        ),
        Exercise(
            "Why would the mean gain nothing if the training had come to rest?",
            "Then the ten epochs are nearly one place, and so is their mean.",
        ),
    ),
)
