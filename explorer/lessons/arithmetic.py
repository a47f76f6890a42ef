"""Model arithmetic: what a fine-tuning changed, as a vector to be added in any amount."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Run
from explorer.figures.curve import Curve
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, at
from explorer.stats import mechanistic_similarity
from explorer.stats.barriers import band, difference

FAMILY = "digits-cue"
AMOUNTS = tuple(round(float(t), 12) for t in np.linspace(-0.5, 1.5, 17))
CUES = {"kept": "the cue tells the truth", "randomised": "the cue is random"}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """A reader of the cue plus λ times what unlearning it changed, with the cue kept and with a random cue."""
    problem = shelf.problem(FAMILY)
    models = (shelf.model(FAMILY, "cue-0"), shelf.model(FAMILY, "tuned-high-rate"))
    given = mechanistic_similarity.interventions(problem)
    sampler = registry.method("sample", "given", {"at": AMOUNTS})
    runs = {cue: Run(Field(given[cue], models, registry.method("chart", "line")), sampler) for cue in CUES}
    return Experiment(runs, Target("interpolate", {"a": models[0].digest, "b": models[1].digest}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The error under a random cue at half the amount, against none and all of it."""
    none, half, whole = (at(measured["randomised"], t) for t in (0.0, 0.5, 1.0))
    errors = [100 * float(p.means()[0, ERROR]) for p in (none, half, whole)]
    less = difference(none, half, ERROR)
    share = (errors[0] - errors[1]) / (errors[0] - errors[2]) if errors[0] != errors[2] else float("nan")
    minus = {cue: 100 * float(at(measured[cue], -0.5).means()[0, ERROR]) for cue in CUES}
    return Outcome(
        answer=0 if share < 0.4 else 1 if share <= 0.6 else 2,
        sentence=(
            f"With a random cue {errors[0]:.3g} % are wrong at λ = 0, **{errors[1]:.3g} %** at λ = ½ and {errors[2]:.3g} % at λ = 1: half of the vector brings"
            f" **{share:.0%}** of the gain ({less.formatted(scale=100, unit='points')}). At λ = −½ it is {minus['randomised']:.3g} %,"
            f" and {minus['kept']:.3g} % where the cue tells the truth."
        ),
        picture=Lines(tuple(_curve(measured[cue], name) for cue, name in CUES.items()), "λ (0 = reads the cue, 1 = unlearned it)", "test error (%)"),
    )


def _curve(points: Points, name: str) -> Curve:
    points = points.sorted()
    low, high = band(points, ERROR)
    return Curve(name, points.coords[:, 0], 100 * points.means()[:, ERROR], 100 * low, 100 * high)


LESSON = Lesson(
    order=15,
    title="Model arithmetic",
    claim="A network read a planted cue instead of the digits; further training taught it not to. The difference between the two is a vector.",
    question="Half of that difference is added to the network that reads the cue. How much of the gain on digits with a random cue does half of it bring?",
    choices=("less than two fifths", "about half", "more than three fifths"),
    experiment=experiment,
    see=see,
    formula=r"\tau=\theta_{\text{tuned}}-\theta_{\text{base}},\qquad\theta(\lambda)=\theta_{\text{base}}+\lambda\,\tau,\qquad\theta_{\text{merged}}=\theta_{\text{base}}+\sum_i\lambda_i\tau_i",
    text=(
        "A [[task vector]] can be scaled, added to others and subtracted. Half of it need not bring half of the gain: the error is not"
        " linear in the weights. It is used between models of one [[basin]]; TIES, DARE and related methods deal with vectors that disagree."
    ),
    paper="Ilharco et al. 2023, “Editing Models with Task Arithmetic”; Lubana et al. 2023, “Mechanistic Mode Connectivity” (the cue)",
    misconception=(
        "“A task vector adds as much as you scale it.” Half of it brings most of the gain, and between the two networks there is a rise where the"
        " cue tells the truth."
    ),
    exercises=(
        Exercise(
            "With λ = −½ the error under a random cue hardly changes and that with the true cue is high. Has the network learned the opposite?",
            "No: it is wrong nearly everywhere. A vector was subtracted beyond what the network can bear; that is damage, not the opposite skill.",
        ),
        Exercise(
            "What must two models share for the difference of their weights to be meaningful?",
            "A starting point. Units of networks from different seeds do not correspond, and so neither do their weights.",
        ),
    ),
)
