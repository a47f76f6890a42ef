"""Robust connectivity: a curve that is low on the data as they are, and an adversary who moves every input."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Attack
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, PAIRS, at, connected, pair
from explorer.stats.barriers import difference

RADIUS = 0.1
THREAT = Attack("linf", RADIUS)
TITLES = {"plain": "curve, inputs as they are", "attacked": "the same curve, attacked", "robust": "curve trained under attack, attacked"}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """A Bézier curve with and without an adversary, and one trained against him."""
    problem, models = pair(shelf, variant)
    bezier, robust = registry.method("connect", "bezier"), registry.method("connect", "robust", {"linf": RADIUS})
    runs = {
        "plain": connected(problem, models, bezier),
        "attacked": connected(problem, models, bezier, attack=THREAT),
        "robust": connected(problem, models, robust, attack=THREAT),
    }
    return Experiment(runs, Target("paths", {"view": "conditions", "runs": ",".join(r.id for r in runs.values())}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """Errors in the middle of the curves, paired."""
    plain, attacked, robust = (at(measured[name], 0.5) for name in TITLES)
    more = difference(attacked, plain, ERROR)
    gain = difference(attacked, robust, ERROR)
    errors = [100 * float(p.means()[0, ERROR]) for p in (plain, attacked, robust)]
    times = errors[1] / errors[0] if errors[0] > 0 else float("inf")
    return Outcome(
        answer=0 if more.low <= 0 else 1 if times < 5 else 2,
        sentence=(
            f"At the midpoint of the curve {errors[0]:.3g} % of the digits are wrong, under attack **{errors[1]:.3g} %**: {more.formatted(scale=100, unit='points')}"
            f" more. At the midpoint of the curve that was trained under attack it is **{errors[2]:.3g} %**,"
            f" {gain.formatted(scale=100, unit='points')} less. The ends are the same networks."
        ),
        picture=Lines(
            tuple(line.curve_of(measured[name], "error", name=title) for name, title in TITLES.items()),
            "t (0 = one seed, 1 = the other)",
            "test error (%)",
        ),
    )


LESSON = Lesson(
    order=9,
    title="Robust connectivity",
    claim="A path of low loss is low for the inputs it was trained on. Move every input a little, on purpose.",
    question=f"An adversary may change every pixel by {RADIUS} (0 to 1). What happens to the error in the middle of the curve?",
    choices=("no detectable change", "up to five times as high", "more than five times as high"),
    experiment=experiment,
    see=see,
    formula=r"\min_\theta\;\mathbb E_{t}\,\mathbb E_{(x,y)}\max_{\lVert\delta\rVert_\infty\le\varepsilon}\;\ell\bigl(\varphi_\theta(t);\,x+\delta,\,y\bigr)",
    text=(
        "The [[adversary]] climbs the loss by gradient ascent at every point separately. Training the [[bend]] on attacked inputs can make"
        " the middle of the path more robust, while its ends stay the same: how robust a network is depends on where along the path it is."
    ),
    paper="Zhao et al. 2020, “Bridging Mode Connectivity in Loss Landscapes and Adversarial Robustness”; Wang et al. 2023, “Exploring and Exploiting the Robust Mode Connectivity for Adversarial Robustness”",
    variants=PAIRS,
    misconception=(
        "“A path of low loss is a path of equally good networks.” Equal on one measure only: under attack the same curve is anything but flat."
    ),
    exercises=(
        Exercise(
            "Why is the attack computed at every t separately?",
            "The worst change of an input depends on the network. One computed for another network would be weaker, and would flatter this one.",
        ),
        Exercise(
            "Could the ends be made more robust in this experiment?",
            "No: they are fixed. Only the bend is trained, so only the inside of the curve can change.",
        ),
    ),
)
