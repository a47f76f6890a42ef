"""Optimal transport: a network half as wide, carried onto a wide one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from explorer.core import registry, significant_digits
from explorer.core.points import Points
from explorer.core.spec import Trained
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, MLPS, at, found, matched, nat, rank, row

WIDTHS = (64, 32, 32, 10)
EDGES = (0.1, 1.0)  # nat
GUESS = 2.302585  # ln 10: the loss of knowing nothing of ten classes
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
    """The barrier on the line to the transported network."""
    points = measured["transported"]
    height = found(points)
    half = row("half-way", at(points, 0.5), LOSS)
    return Outcome(
        answer=rank(height.height.value, EDGES),
        sentence=(
            f"The transported narrow network has a loss of **{height.ends[1]:.3g} nat**; the wide one has {height.ends[0]:.3g}. The barrier between them is **{nat(height)}**:"
            f" half-way the loss is {significant_digits.within(half.value, half.low, half.high, unit='nat')}. Guessing uniformly among ten classes costs {GUESS:.2f}."
        ),
        picture=Lines(
            (line.curve_of(points, "loss", name="wide → narrow, transported"),), "t (0 = wide, 1 = narrow, transported)", "test loss (nat)"
        ),
    )


LESSON = Lesson(
    order=6,
    title="Optimal transport",
    claim="A permutation needs equal widths. Transport may split a unit among several, so networks of different widths can be aligned.",
    question="A network with half the hidden units is transported onto a wide one. How far does the loss rise on the straight line between the two?",
    choices=("by less than 0.1 nat", "by 0.1 to 1 nat", "by more than 1 nat"),
    experiment=experiment,
    see=see,
    formula=r"T_\ell=\arg\min_{T\ge0}\;\langle T,C_\ell\rangle\;\;\text{with}\;\;T\mathbf 1=\mu,\;T^{\top}\mathbf 1=\nu,\qquad \widetilde W_\ell\propto T_\ell\,W_\ell\,T_{\ell-1}^{\top}",
    text=(
        "[[Optimal transport|optimal transport]] moves mass μ on the units of one network to mass ν on those of the other at the least cost; with"
        " equal widths and the exact solver it is a permutation, otherwise a [[soft permutation]]. The narrow network is trained first, when you run this."
    ),
    paper="Singh & Jaggi 2020, “Model Fusion via Optimal Transport”",
    variants=("a narrow network from seed 9", "a narrow network from seed 10"),
    misconception=(
        "“Only networks of equal shape can be averaged.” Widths may differ where units can be split. Depth is another matter: transport within a"
        " layer does not add one."
    ),
    exercises=(
        Exercise(
            "Two units of mass ½ are carried onto four of mass ¼, each going to its two nearest. What does a row of T hold?",
            "Two entries of ¼ and two zeros; it sums to ½, and every column to ¼.",
        ),
        Exercise(
            "When does the exact plan between equal masses come out as a permutation?",
            "With equally many units of equal mass: the cheapest plan lies at a corner of the set of doubly stochastic matrices, and these corners"
            " are permutations (Birkhoff).",
        ),
    ),
)
