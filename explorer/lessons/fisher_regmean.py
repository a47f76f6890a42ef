"""Fisher and RegMean: averages that know which weights matter."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Fused, ProblemSpec, Recipe, Run, SplitName
from explorer.lessons import Bars, Exercise, Experiment, Lesson, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, PAIRS, mixtures, pair, row
from explorer.stats.barriers import difference

METHODS = {"average": "uniform_soup", "Fisher": "fisher", "RegMean": "regmean"}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Two networks from different seeds, not aligned, merged in three ways; each model alone on both splits, as the Compare page shows them."""
    problem, models = pair(shelf, variant)
    fused = {name: Fused(problem, models, registry.method("fuse", method)) for name, method in METHODS.items()}
    everyone: dict[str, Recipe] = {"network A": models[0], "network B": models[1], **fused}
    runs = {f"{name}, {split}": _alone(problem, model, split) for name, model in everyone.items() for split in ("test", "val")}
    return Experiment(runs, Target("compare", {"runs": ",".join(runs[f"{name}, test"].id for name in everyone)}))


def _alone(problem: ProblemSpec, model: Recipe, split: SplitName) -> Run:
    return mixtures(problem, (model,), [[1.0]], split=split)


def see(measured: Mapping[str, Points]) -> Outcome:
    """Which of the three has the lowest loss on the validation split, and by how much on the test split."""
    order = sorted(METHODS, key=lambda name: float(measured[f"{name}, val"].means()[0, LOSS]))
    test = {name: measured[f"{name}, test"] for name in ("network A", "network B", *METHODS)}
    first, last = test[order[0]], test["average"]
    gain, over = difference(last, first, LOSS), difference(test[order[1]], first, LOSS)
    better = min((test["network A"], test["network B"]), key=lambda p: float(p.means()[0, LOSS]))
    cost = difference(first, better, LOSS)
    losses = ", ".join(f"{name} {float(test[name].means()[0, LOSS]):.3g}" for name in test)
    return Outcome(
        answer=list(METHODS).index(order[0]),
        sentence=(
            f"On the validation split **{order[0]}** is best. Test losses in nat: {losses}. {order[0]} is lower than {order[1]} by **{over.formatted(unit='nat')}**"
            f" and than the plain average by {gain.formatted(unit='nat')}, sample by sample. {order[0]} minus the better of the two networks: {cost.formatted(unit='nat', signed=True)}."
        ),
        picture=Bars(tuple(row(name, point, LOSS, strong=name in METHODS) for name, point in test.items()), "test loss (nat)"),
    )


LESSON = Lesson(
    order=13,
    title="Fisher and RegMean",
    claim="The plain average treats all weights alike. A little data shows which of them matter, and to which network.",
    question="Two networks from different seeds, their units in different orders, are merged in three ways. Which merged network has the lowest loss?",
    choices=("the plain average", "the Fisher-weighted average", "RegMean"),
    experiment=experiment,
    see=see,
    formula=r"\theta_{\text{Fisher}}=\frac{\sum_iF_i\,\theta_i}{\sum_iF_i}\;,\qquad W_{\text{RegMean}}=\Bigl(\sum_iG_i\Bigr)^{-1}\sum_iG_iW_i,\quad G_i=X_i^{\top}X_i",
    text=(
        "[[Fisher information]] weighs every weight by itself. [[RegMean]] solves each layer for the outputs that both networks give on their own inputs, so it"
        " also accounts for how the inputs of a layer are correlated. Neither permutes units; each is a way of [[merging]] in closed form."
    ),
    paper="Matena & Raffel 2022, “Merging Models with Fisher-Weighted Averaging”; Jin et al. 2023, “Dataless Knowledge Fusion”",
    variants=PAIRS,
    hands="ellipses",
    misconception=(
        "“With the right weights an average needs no alignment.” Each merged network here is worse than the two it was made of: a good average"
        " eases a misalignment and does not undo it."
    ),
    exercises=(
        Exercise(
            "Two networks have weights 0 and 1 and Fisher information 3 and 1. What is the Fisher average?",
            "(3·0 + 1·1) / (3 + 1) = ¼: nearer to the network that the weight matters to.",
        ),
        Exercise(
            "When is RegMean the plain average?",
            "When both layers have the same Gram matrix of inputs, G₁ = G₂: then (2G)⁻¹G(W₁ + W₂) = (W₁ + W₂)/2.",
        ),
    ),
)
