"""Many tasks into one model: the task vectors of three fine-tunes added to the trunk they began from, as they are and by TIES."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry, splits
from explorer.core.points import Points
from explorer.core.spec import Field, Fused, Run
from explorer.figures.curve import Curve
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, TASK_FAMILY, TASKS, TRUNK, at, mixtures
from explorer.stats.barriers import band, difference, level
from explorer.stats.multi_task import averaged

AMOUNTS = tuple(round(float(t), 12) for t in np.linspace(0, 1.2, 13))
DENSITY = 0.2
METHODS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "task arithmetic": ("task_arithmetic", {"coefficients": (1.0,) * len(TASKS)}),
    "TIES": ("ties", {"density": DENSITY}),
}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The line from the trunk through what each method makes of all three, so that its coordinate is λ; and each fine-tune alone, on its own task and on all."""
    problem, trunk = shelf.problem(TASK_FAMILY), shelf.model(TASK_FAMILY, TRUNK)
    tuned = tuple(shelf.model(TASK_FAMILY, task) for task in TASKS)
    sampler = registry.method("sample", "given", {"at": AMOUNTS})
    runs: dict[str, Run] = {}
    for name, (method, options) in METHODS.items():
        full = Fused(problem, (trunk, *tuned), registry.method("fuse", method, options), name=f"{name}, λ = 1")
        for split in ("test", "val"):
            runs[f"{name}, {split}"] = Run(Field(problem, (trunk, full), registry.method("chart", "line"), split=split), sampler)
    for task, model in zip(TASKS, tuned, strict=True):
        runs[f"{task}, own task"] = mixtures(problem, (model,), [[1.0]], split=splits.find(problem, task))
        runs[f"{task}, all tasks"] = mixtures(problem, (model,), [[1.0]])
    return Experiment(runs, Target("compare", {"a": trunk.digest}))


def chosen(measured: Mapping[str, Points], method: str) -> float:
    """The λ of the lowest validation loss."""
    return min(AMOUNTS, key=lambda amount: float(at(measured[f"{method}, val"], amount).means()[0, LOSS]))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The sum in full against the trunk, over all three tasks; then the best amount of each method, chosen on the validation split."""
    plain, ties = METHODS
    amounts = {method: chosen(measured, method) for method in METHODS}
    trunk, full = (at(measured[f"{plain}, test"], amount) for amount in (0.0, 1.0))
    best, other = (at(measured[f"{method}, test"], amounts[method]) for method in METHODS)
    own = averaged([level(measured[f"{task}, own task"], LOSS) for task in TASKS])
    elsewhere = [float(measured[f"{task}, all tasks"].means()[0, LOSS]) for task in TASKS]
    was, merged = (float(point.means()[0, LOSS]) for point in (trunk, best))
    more, less, apart = difference(full, trunk, LOSS), difference(best, trunk, LOSS), difference(other, best, LOSS)
    told = "" if apart.low > 0 or apart.high < 0 else ", no detectable difference"
    curves = [_curve(method, measured[f"{method}, test"]) for method in METHODS]
    mean, low, high = (np.full(2, value) for value in (own.value, own.low, own.high))
    flat = Curve("each fine-tune on its own task", np.array([AMOUNTS[0], AMOUNTS[-1]]), mean, low, high)
    return Outcome(
        answer=0 if more.high < 0 else 2 if more.low > 0 else 1,
        sentence=(
            f"Over the three tasks the trunk's loss is {was:.3g} nat; all three task vectors in full (λ = 1) change it by **{more.formatted(unit='nat', signed=True)}**."
            f" With the λ of the lowest validation loss, **{amounts[plain]:g}**, they change it by **{less.formatted(unit='nat', signed=True)}** on the test samples:"
            f" {(was - merged) / (was - own.value):.0%} of the way to the fine-tunes, each on its own task ({own.formatted(unit='nat')}). On all three tasks a fine-tune"
            f" alone has {min(elsewhere):.2f} to {max(elsewhere):.2f} nat. TIES at its own λ, {amounts[ties]:g}, minus task arithmetic:"
            f" {apart.formatted(unit='nat', signed=True)}{told}."
        ),
        picture=Lines((*curves, flat), "λ (0 = the trunk, 1 = all that was learned)", "test loss over three tasks (nat)"),
    )


def _curve(name: str, points: Points) -> Curve:
    points = points.sorted()
    low, high = band(points, LOSS)
    return Curve(name, points.coords[:, 0], points.means()[:, LOSS], low, high)


LESSON = Lesson(
    order=16,
    title="Many tasks into one model",
    claim=(
        "A network, the trunk, knows digits upright, turned and inverted a little. Three fine-tunes of it know one of these tasks well each, and"
        " forget the others. Can they be merged into one model for all three?"
    ),
    question="All that the three fine-tunes learned is added to the trunk, each task vector in full. Over the three tasks, the loss is then …",
    choices=("lower than the trunk's", "no detectable difference", "higher than the trunk's"),
    experiment=experiment,
    see=see,
    formula=(
        r"\tau_i=\theta_i-\theta_0,\qquad\theta(\lambda)=\theta_0+\lambda\sum_i\tau_i,\qquad\text{TIES:}\;\;\theta_0+\lambda\,\operatorname{mean}"
        r"\bigl\{\hat\tau_{i}:\operatorname{sign}\hat\tau_{i}=\gamma\bigr\},\qquad\gamma=\operatorname{sign}\sum_i\hat\tau_{i}"
    ),
    text=(
        "Near the trunk the gain grows in proportion to λ, and the damage with its square: each [[task vector]] also moves along directions in which the other tasks are"
        " steep, and was learned without them. So there is an amount between none and all that is best. It is chosen on validation samples and reported on others."
        "\n\n"
        "TIES keeps of each task vector the fifth of its entries that are largest (τ̂), elects a sign for every weight, and averages the changes that have it. Where"
        " task arithmetic adds, it takes a mean, so the same λ is a shorter step. Here it certainly does far less damage in full; each at its best"
        " λ, no difference between the two is detectable on these samples."
    ),
    paper=(
        "Ilharco et al. 2023, “Editing Models with Task Arithmetic”; Yadav, Tam, Choshen, Raffel & Bansal 2023, “TIES-Merging: Resolving Interference When"
        " Merging Models”"
    ),
    hands="vote",
    misconception=(
        "“The merged model knows all that its parts know.” At its best λ it is certainly better than the trunk over the three tasks, and on each of them certainly"
        " worse than the fine-tune of that task: about a third of what they gained is there."
    ),
    exercises=(
        Exercise(
            "For which λ is task arithmetic with three fine-tunes their plain average?",
            "For ⅓: θ₀ + ⅓ Σ(θᵢ − θ₀) = ⅓ Σθᵢ, and the trunk drops out. The sum in full is three times as far from the trunk.",
        ),
        Exercise(
            "The changes of one weight are +3, −1 and −1, and all survive trimming. What is added by task arithmetic at λ = 1, at λ = ⅓, and by TIES at λ = 1?",
            "+1, +⅓ and +3: the signs are elected by their sums, 3 against 2, and the mean is taken of the changes that have the elected sign, here one.",
        ),
    ),
)
