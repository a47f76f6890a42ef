"""Ensemble or soup: the outputs of several networks averaged, or their weights."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Run, Study
from explorer.lessons import Bars, Exercise, Experiment, Lesson, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, MLPS, at, mixtures, row
from explorer.stats.barriers import difference

GROUPS = {
    "fine-tunes": (
        "digits-mlp-finetunes",
        ("tune-4", "tune-5", "tune-6"),
    ),  # what the greedy soup of the lesson before takes, on the validation split
    "seeds": (MLPS, tuple(f"seed-{i}" for i in range(3))),
}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Three fine-tunes of one parent and three networks from different seeds, each three as an ensemble and as a soup."""
    runs: dict[str, Run] = {}
    studies: dict[str, Study] = {}
    for group, (family, names) in GROUPS.items():
        problem, models = shelf.problem(family), tuple(shelf.model(family, name) for name in names)
        runs[f"soup of {group}"] = mixtures(problem, models, [[1.0] * len(models)])
        studies[f"ensemble of {group}"] = Study(problem, models, registry.method("study", "ensemble"))
    return Experiment(runs, Target("soup"), studies)


def see(measured: Mapping[str, Points]) -> Outcome:
    """Soup minus ensemble for the fine-tunes, and the same for the seeds."""
    soup, joint, mean = ({g: _point(measured, kind, g) for g in GROUPS} for kind in ("soup", "ensemble", "mean"))
    apart = {g: difference(soup[g], joint[g], LOSS) for g in GROUPS}
    tuned = apart["fine-tunes"]
    gain = {g: difference(mean[g], joint[g], LOSS) for g in GROUPS}
    rows = [
        row(f"{g}: {what}", points[g], LOSS, strong=what == "soup")
        for g in GROUPS
        for what, points in (("alone", mean), ("ensemble", joint), ("soup", soup))
    ]
    return Outcome(
        answer=0 if tuned.high < 0 else 2 if tuned.low > 0 else 1,
        sentence=(
            f"Fine-tunes: the loss of the soup minus that of the ensemble is **{tuned.formatted(unit='nat', signed=True)}**. Networks from different seeds:"
            f" **{apart['seeds'].formatted(unit='nat', signed=True)}**. The ensembles are better than one of their members alone, on average, by"
            f" {gain['fine-tunes'].formatted(unit='nat')} and {gain['seeds'].formatted(unit='nat')}."
        ),
        picture=Bars(tuple(rows), "test loss (nat)"),
    )


def _point(measured: Mapping[str, Points], kind: str, group: str) -> Points:
    if kind == "soup":
        return at(measured[f"soup of {group}"], *[1.0] * len(GROUPS[group][1]))
    return at(measured[f"ensemble of {group}"], 0.0 if kind == "ensemble" else 1.0)


LESSON = Lesson(
    order=12,
    title="Ensemble or soup",
    claim="Several networks can be combined in two ways: average their outputs, and run all of them; or average their weights, and run one.",
    question="Three fine-tunes of one network: how good is the loss of their soup (weights averaged), compared with their ensemble (outputs averaged)?",
    choices=("better", "no detectable difference", "worse"),
    experiment=experiment,
    see=see,
    formula=r"p_{\text{ensemble}}(y\mid x)=\frac1K\sum_{k=1}^{K}p(y\mid x,\theta_k),\qquad p_{\text{soup}}(y\mid x)=p\Bigl(y\Bigm|x,\;\frac1K\sum_{k=1}^{K}\theta_k\Bigr)",
    text=(
        "By Jensen's inequality the loss of an ensemble is never above the mean loss of its members, whoever they are. A [[model soup]] has no such promise: it needs"
        " a common [[basin]]. There the outputs change nearly in proportion to the weights, and the two averages are alike; which of them has the lower loss also depends"
        " on how sure the networks are of their mistakes. Between basins the soup is another network altogether, and a bad one."
    ),
    paper="Wortsman et al. 2022, “Model soups”; Lakshminarayanan, Pritzel & Blundell 2017, “Simple and Scalable Predictive Uncertainty Estimation Using Deep Ensembles”",
    misconception=(
        "“A soup is an ensemble at the price of one network.” Only inside one basin. And members from different seeds, which make ensembles diverse, are the ones"
        " whose soup fails."
    ),
    exercises=(
        Exercise(
            "Ten networks of the same size are combined. What does one prediction cost with the ensemble, and with the soup?",
            "Ten passes with the ensemble, and the memory of ten networks; one pass and one network with the soup.",
        ),
        Exercise(
            "For which kind of model are the average of the logits and the average of the weights the same?",
            "For one whose logits are linear in its weights, such as logistic regression: there f(mean of θ) is the mean of f(θ).",
        ),
    ),
)
