"""Averaging inside a basin: the last epochs of a training at a high, constant rate, and their mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Run, Trained
from explorer.lessons import Bars, Experiment, Lesson, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, at, mixtures, row
from explorer.stats.barriers import difference

FAMILY = "digits-mlp-finetunes"
EPOCHS, LAST = 30, 10
RATES = (0.2, 0.1)


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Train on from the parent, and measure the last epochs and their mean."""
    problem, parent = shelf.problem(FAMILY), shelf.model(FAMILY, "parent")
    how = registry.method("train", "sgd", {"epochs": EPOCHS, "lr": RATES[variant], "schedule": "constant"})
    epochs = range(EPOCHS - LAST + 1, EPOCHS + 1)
    snapshots = tuple(Trained(problem, how, parent, at=e, name=f"epoch {e}") for e in epochs)
    shares = [*np.eye(LAST).tolist(), [1.0] * LAST]
    along = Run(Field(problem, snapshots, registry.method("chart", "mixture"), split="val"), registry.method("sample", "trajectory"))
    return Experiment({"snapshots": mixtures(problem, snapshots, shares), "along the training": along}, Target("train", {"runs": along.id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The mean against the last epoch, and against the average of all of them."""
    points = measured["snapshots"]
    alone = [at(points, *one) for one in np.eye(LAST).tolist()]
    mean = at(points, *[1.0] * LAST)
    apart = difference(mean, alone[-1], LOSS)
    typical = float(np.mean([p.means()[0, LOSS] for p in alone]))
    names = [f"epoch {EPOCHS - LAST + 1 + k}" for k in range(LAST)]
    rows = (*(row(n, p, LOSS) for n, p in zip(names, alone, strict=True)), row("mean of the weights", mean, LOSS, strong=True))
    return Outcome(
        answer=0 if apart.high < 0 else 2 if apart.low > 0 else 1,
        sentence=(
            f"The mean of the weights has a loss of **{float(mean.means()[0, LOSS]):.3g} nat**, the last epoch {float(alone[-1].means()[0, LOSS]):.3g}, all ten"
            f" {typical:.3g} on average. The mean minus the last is **{apart.formatted(unit='nat', signed=True)}**, sample by sample."
        ),
        picture=Bars(rows, "test loss (nat)"),
    )


LESSON = Lesson(
    order=9,
    title="Averaging inside a basin",
    claim="At a high learning rate training does not settle: it wanders around the bottom of its basin. Where is the middle?",
    question=f"A network continues training at a constant, high learning rate. The weights of its last {LAST} epochs are averaged. How good is the mean, compared with the last epoch?",
    choices=("better", "no detectable difference", "worse"),
    experiment=experiment,
    see=see,
    formula=r"\theta_{\mathrm{SWA}}=\frac1K\sum_{k=1}^{K}\theta_{T-K+k}",
    text=(
        "[[SWA]] averages what a training passes through inside one [[basin]]: where no [[barrier]] lies between its epochs, the mean is usually a model as good as"
        " they are, or better. It costs one copy of the weights. [[EMA]] and [[LAWA]] are related methods."
    ),
    paper="Izmailov, Podoprikhin, Garipov, Vetrov & Wilson 2018, “Averaging Weights Leads to Wider Optima and Better Generalization”",
    variants=tuple(f"digits MLP, rate {r}" for r in RATES),
)
