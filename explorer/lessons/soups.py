"""Soups: eight fine-tunes of one network; the average of all of them, or only of those that help."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Run
from explorer.lessons import Bars, Experiment, Lesson, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, at, row
from explorer.stats.barriers import difference
from explorer.stats.soup_analysis import walk

FAMILY = "digits-mlp-finetunes"
TUNES = tuple(f"tune-{i}" for i in range(1, 9))


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The greedy path on the validation split; every subset's soup on the test split, so that whichever is chosen can be reported."""
    problem, models = shelf.problem(FAMILY), tuple(shelf.model(FAMILY, t) for t in TUNES)
    chart = registry.method("chart", "mixture")
    runs = {
        "greedy, validation": Run(Field(problem, models, chart, split="val"), registry.method("sample", "greedy")),
        "soups, test": Run(Field(problem, models, chart), registry.method("sample", "subsets", {"which": "all"})),
    }
    return Experiment(runs, Target("soup", {"runs": runs["greedy, validation"].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """Best model, uniform soup, greedy soup: chosen on the validation split, compared on the test split."""
    val, test = measured["greedy, validation"], measured["soups, test"]
    n = len(TUNES)
    kept = {step.model for step in walk(val, "error", "at_least").steps if step.accepted}
    chosen = tuple(float(k in kept) for k in range(n))
    alone = [at(val, *one) for one in np.eye(n).tolist()]
    best = int(np.argmin([p.means()[0, ERROR] for p in alone]))
    single, uniform, greedy = at(test, *np.eye(n)[best].tolist()), at(test, *[1.0] * n), at(test, *chosen)
    apart, gain = difference(uniform, single, ERROR), difference(greedy, single, ERROR)
    without = [at(test, *(1.0 - np.eye(n)[k]).tolist()) for k in range(n)]
    worst = int(np.argmin([p.means()[0, ERROR] for p in without]))
    spared = difference(uniform, without[worst], ERROR)
    names = ", ".join(t for t, k in zip(TUNES, chosen, strict=True) if k)
    each = tuple(row(t, at(test, *one)) for t, one in zip(TUNES, np.eye(n).tolist(), strict=True))
    return Outcome(
        answer=0 if apart.high < 0 else 2 if apart.low > 0 else 1,
        sentence=(
            f"The soup of all eight minus the best model ({TUNES[best]}, by validation): **{apart.formatted(scale=100, unit='points', signed=True)}**"
            f" of error. The greedy soup took {names}: {gain.formatted(scale=100, unit='points', signed=True)}. {TUNES[worst]} hurts the soup most: without it the soup of seven has"
            f" {spared.formatted(scale=100, unit='points')} less."
        ),
        picture=Bars((*each, row("soup of all", uniform, strong=True), row("greedy soup", greedy, strong=True)), "test error (%)"),
    )


LESSON = Lesson(
    order=10,
    title="Soups",
    claim="Eight networks were fine-tuned from one parent, in eight ways. Their average costs no more to run than one of them.",
    question="All eight are averaged. How good is that soup, compared with the single model that is best on the validation split?",
    choices=("better", "no detectable difference", "worse"),
    experiment=experiment,
    see=see,
    formula=r"\theta_{\text{soup}}=\frac1{|S|}\sum_{i\in S}\theta_i,\qquad S\leftarrow S\cup\{i\}\;\text{ if the validation error does not rise}",
    text=(
        "A [[model soup]] works inside one [[basin]]: a model that has left it can spoil the average. The [[greedy soup]] tries models from"
        " best to worst and leaves such models out. Chosen on the validation [[split]], reported on test."
    ),
    paper="Wortsman et al. 2022, “Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time”",
)
