"""Soups: eight fine-tunes of one network; the average of all of them, or only of those that help."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Run
from explorer.lessons import Bars, Exercise, Experiment, Lesson, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, LOSS, at, mixtures, row
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
        "one left out, validation": mixtures(problem, models, (1.0 - np.eye(len(TUNES))).tolist(), split="val"),
        "soups, test": Run(Field(problem, models, chart), registry.method("sample", "subsets", {"which": "all"})),
    }
    return Experiment(runs, Target("soup", {"runs": runs["greedy, validation"].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """Best model, uniform soup, greedy soup: chosen on the validation split, compared on the test split."""
    val, test = (measured[name] for name in ("greedy, validation", "soups, test"))
    n = len(TUNES)
    kept = {step.model for step in walk(val, "error", "at_least").steps if step.accepted}
    chosen = tuple(float(k in kept) for k in range(n))
    alone = [at(val, *one) for one in np.eye(n).tolist()]
    best = int(np.argmin([p.means()[0, ERROR] for p in alone]))
    single, uniform, greedy = at(test, *np.eye(n)[best].tolist()), at(test, *[1.0] * n), at(test, *chosen)
    apart, gain, errors = difference(uniform, single, LOSS), difference(greedy, single, LOSS), difference(uniform, single, ERROR)
    without = (1.0 - np.eye(n)).tolist()
    worst = int(np.argmin([at(measured["one left out, validation"], *seven).means()[0, LOSS] for seven in without]))
    spared = difference(uniform, at(test, *without[worst]), LOSS)
    names = ", ".join(t for t, k in zip(TUNES, chosen, strict=True) if k)
    each = tuple(row(t, at(test, *one), LOSS) for t, one in zip(TUNES, np.eye(n).tolist(), strict=True))
    return Outcome(
        answer=0 if apart.high < 0 else 2 if apart.low > 0 else 1,
        sentence=(
            f"The soup of all eight minus the best model ({TUNES[best]}, by validation): **{apart.formatted(unit='nat', signed=True)}** of loss,"
            f" {errors.formatted(scale=100, unit='points', signed=True)} of error. The greedy soup took {names}: **{gain.formatted(unit='nat', signed=True)}**. By validation {TUNES[worst]}"
            f" hurts the soup most: without it the soup of seven has {spared.formatted(unit='nat')} less on test."
        ),
        picture=Bars((*each, row("soup of all", uniform, LOSS, strong=True), row("greedy soup", greedy, LOSS, strong=True)), "test loss (nat)"),
    )


LESSON = Lesson(
    order=11,
    title="Soups",
    claim="Eight networks were fine-tuned from one parent, in eight ways. Their average costs no more to run than one of them.",
    question="All eight are averaged. How good is the loss of that soup, compared with the single model that is best on the validation split?",
    choices=("better", "no detectable difference", "worse"),
    experiment=experiment,
    see=see,
    formula=r"\theta_{\text{soup}}=\frac1{|S|}\sum_{i\in S}\theta_i,\qquad S\leftarrow S\cup\{i\}\;\text{ if the validation error does not rise}",
    text=(
        "A [[model soup]] works inside one [[basin]]: a model that has left it can spoil the average. The [[greedy soup]] tries models from"
        " best to worst and leaves such models out. Chosen on the validation [[split]], reported on test."
    ),
    paper="Wortsman et al. 2022, “Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time”",
    hands="pour",
    misconception=("“More ingredients make a better soup.” One that has left the basin can spoil it, as here; the greedy soup takes three of eight."),
    exercises=(
        Exercise(
            "Why is the greedy soup chosen on the validation split and reported on test?",
            "It takes the best of several soups. On the samples that chose it, it looks better than it is.",
        ),
        Exercise(
            "Does the order in which models are tried matter?",
            "Yes. A model is kept if it does not hurt the soup so far, and that depends on what is in it. Trying the best first guarantees that the"
            " soup is never worse than the best model on the validation split.",
        ),
    ),
)
