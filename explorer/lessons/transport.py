"""Optimal transport: a network half as wide, carried onto a wide one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from explorer.core import registry, significant_digits
from explorer.core.points import Points
from explorer.core.spec import Trained
from explorer.figures import line
from explorer.lessons import Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, MLPS, at, found, matched, nat, row

WIDTHS = (64, 32, 32, 10)
TRAINING = {"epochs": 60, "lr": 0.1, "weight_decay": 1e-3, "noise": 0.25}  # that of the family


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Train the narrow network here, transport it, and walk to it."""
    problem, wide = shelf.problem(MLPS), shelf.model(MLPS, "seed-0")
    small = replace(problem, network=registry.method("nets", "mlp", {**problem.network.kwargs(), "widths": WIDTHS}), name="", title="")
    seed = 9 + variant
    narrow = Trained(small, registry.method("train", "sgd", {**TRAINING, "seed": seed, "order_seed": seed}), name="half as wide")
    runs = {"transported": matched(problem, (wide, narrow), "optimal_transport")}
    return Experiment(runs, Target("align", {"run": runs["transported"].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The barrier to the transported network, against the loss of the worse end."""
    points = measured["transported"]
    height = found(points)
    half = row("half-way", at(points, 0.5), LOSS)
    guess = 2.302585  # ln 10: the loss of knowing nothing of ten classes
    answer = 2 if half.low > guess else 1 if height.height.low > 0 and half.low > 2 * max(height.ends) else 0
    return Outcome(
        answer=answer,
        sentence=(
            f"The transported narrow network has a loss of **{height.ends[1]:.3g} nat**; the wide one has {height.ends[0]:.3g}. Half-way between them it is"
            f" **{significant_digits.within(half.value, half.low, half.high, unit='nat')}**, and the barrier is {nat(height)}. Guessing uniformly among ten classes costs {guess:.2f}."
        ),
        picture=Lines(
            (line.curve_of(points, "loss", name="wide → narrow, transported"),), "t (0 = wide, 1 = narrow, transported)", "test loss (nat)"
        ),
    )


LESSON = Lesson(
    order=5,
    title="Optimal transport",
    claim="A permutation needs equal widths. Transport may split a unit among several, so networks of different widths can be aligned.",
    question="A network with half the hidden units is transported onto a wide one. How high is the loss half-way between the two?",
    choices=("low: less than twice that of the worse end", "clearly higher, but better than guessing", "as bad as guessing"),
    experiment=experiment,
    see=see,
    formula=r"T_\ell=\arg\min_{T\ge0}\;\langle T,C_\ell\rangle\;\;\text{with}\;\;T\mathbf 1=\mu,\;T^{\top}\mathbf 1=\nu,\qquad \widetilde W_\ell\propto T_\ell\,W_\ell\,T_{\ell-1}^{\top}",
    text=(
        "[[Optimal transport|optimal transport]] moves mass μ on the units of one network to mass ν on those of the other at the least cost; with"
        " equal widths and the exact solver it is a permutation, otherwise a [[soft permutation]]. The narrow network is trained first, when you run this."
    ),
    paper="Singh & Jaggi 2020, “Model Fusion via Optimal Transport”",
    variants=("a narrow network from seed 9", "a narrow network from seed 10"),
)
