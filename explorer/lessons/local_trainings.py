"""Fusion without sharing data: three sites train on their own samples, and only weights are averaged, once or along the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Fused, ProblemSpec, Recipe, Trained
from explorer.lessons import Bars, Exercise, Experiment, Lesson, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, TASK_FAMILY, TASKS, TRUNK, mixtures, row
from explorer.stats.barriers import difference

EPOCHS = 15  # of every site, in all
ROUNDS = {"averaged once": 1, "averaged three times": 3}
TOGETHER = "all samples in one place"
COMMON = {"lr": 0.03, "schedule": "constant"}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The trunk, each site alone, their averages, and as many steps on the samples of all sites together."""
    problem, trunk = shelf.problem(TASK_FAMILY), shelf.model(TASK_FAMILY, TRUNK)
    models: dict[str, Recipe] = {TRUNK: trunk}
    models |= {f"{task} alone": local(problem, task, trunk, EPOCHS, 0) for task in TASKS}
    models |= {name: federated(problem, trunk, rounds) for name, rounds in ROUNDS.items()}
    models[TOGETHER] = Trained(problem, registry.method("train", "sgd", {**COMMON, "epochs": EPOCHS}), trunk, name=TOGETHER)
    return Experiment({name: mixtures(problem, (model,), [[1.0]]) for name, model in models.items()}, Target("soup"))


def local(problem: ProblemSpec, task: str, start: Recipe, epochs: int, order: int) -> Trained:
    """What one site makes of a model, from the samples that it has."""
    own = replace(problem, data=registry.method("data", "digits_tasks", {"task": task}), tests=())
    return Trained(own, registry.method("train", "sgd", {**COMMON, "epochs": epochs, "order_seed": order}), start, name=f"{task}, round {order + 1}")


def federated(problem: ProblemSpec, start: Recipe, rounds: int) -> Recipe:
    """Federated averaging: every site trains, the weights are averaged, and each goes on from their average."""
    model = start
    for k in range(rounds):
        sites = tuple(local(problem, task, model, EPOCHS // rounds, k) for task in TASKS)
        model = Fused(problem, sites, registry.method("fuse", "uniform_soup"), name=f"average after round {k + 1}")
    return model


def see(measured: Mapping[str, Points]) -> Outcome:
    """Averaging along the way against averaging once, and what is still missing to all samples in one place."""
    once, often = (measured[name] for name in ROUNDS)
    trunk, together = measured[TRUNK], measured[TOGETHER]
    less, missing = difference(often, once, LOSS), difference(often, together, LOSS)
    loss = {name: float(point.means()[0, LOSS]) for name, point in measured.items()}
    gained = [(loss[TRUNK] - loss[name]) / (loss[TRUNK] - loss[TOGETHER]) for name in ROUNDS]
    alone = [loss[f"{task} alone"] for task in TASKS]
    rows = [row(name, measured[name], LOSS, strong=name in ROUNDS) for name in (TRUNK, *(f"{task} alone" for task in TASKS), *ROUNDS, TOGETHER)]
    return Outcome(
        answer=0 if less.low > 0 else 2 if less.high < 0 else 1,
        sentence=(
            f"Averaged three times minus averaged once: **{less.formatted(unit='nat', signed=True)}**. Of what training on all samples in one place gains"
            f" ({difference(trunk, together, LOSS).formatted(unit='nat')}), averaging once brings {gained[0]:.0%} and averaging three times **{gained[1]:.0%}**;"
            f" {missing.formatted(unit='nat')} are missing. A site alone has {min(alone):.2f} to {max(alone):.2f} nat over the three tasks, the trunk {loss[TRUNK]:.2f}."
        ),
        picture=Bars(tuple(rows), "test loss over three tasks (nat)"),
    )


LESSON = Lesson(
    order=17,
    title="Fusion without sharing data",
    claim=(
        "Three sites have samples that must not leave them: digits upright, turned, and inverted. Each trains one common network on its own samples,"
        " and only weights are passed on, to be averaged."
    ),
    question=(
        "Each site trains for 15 epochs. The three networks are averaged once, at the end; or after every 5 epochs, each site going on from the average."
        " Which average has the lower loss over the three tasks?"
    ),
    choices=("the one that is averaged once", "no detectable difference", "the one that is averaged three times"),
    experiment=experiment,
    see=see,
    formula=r"\theta_{r+1}=\sum_{k}\frac{n_k}{n}\,\operatorname{SGD}_k(\theta_r),\qquad n=\sum_kn_k",
    text=(
        "Each site walks towards what is best for its own samples. The farther it goes, the less the average of such places says about all samples together; in rounds"
        " the sites never get far from each other, and set out from one [[basin]] every time. With one round federated averaging is a [[model soup]] of local"
        " fine-tunes; with a round for each step of plain [[SGD]] it would be SGD on all samples."
        "\n\n"
        "Rounds cost communication: each sends all weights to every site and back. And weights are not samples, but they are made of them: that nothing about a sample"
        " can be read from what is sent is not shown by keeping the samples at home."
    ),
    paper="McMahan, Moore, Ramage, Hampson & Agüera y Arcas 2017, “Communication-Efficient Learning of Deep Networks from Decentralized Data”",
    misconception=(
        "“Averaging weights replaces sharing samples.” With as many steps, all samples in one place are certainly better here than either average. These sites are as"
        " different as three tasks; how much is missing where they are alike has to be measured there."
    ),
    exercises=(
        Exercise(
            "Two sites with 100 and 300 samples send the weights 2 and 6. What is their federated average?",
            "¼·2 + ¾·6 = 5: each site counts by its samples. Here all three have as many, so it is the plain mean.",
        ),
        Exercise(
            "Every site takes one step of plain gradient descent on all of its samples, and the results are averaged. Why is it one step on all samples together?",
            "Σ (nₖ/n)(θ − α∇Lₖ) = θ − α Σ (nₖ/n) ∇Lₖ = θ − α∇L: the gradient of a mean is the mean of the gradients. From the second local step on they are taken"
            " at different places, and that is no longer so.",
        ),
    ),
)
