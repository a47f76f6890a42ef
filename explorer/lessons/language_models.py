"""Merging language models: the line between two character GPTs from different seeds, as they are, and matched by permutations and by all symmetries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Aligned, Field, Run
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import LOSS, at, found, nat, rank
from explorer.stats.barriers import Barrier

FAMILY = "char-gpt"
PLACES = tuple(float(t) for t in np.linspace(0, 1, 9))
PLAIN = "as they are"
MATCHED = {"permutations": "permutations", "all symmetries": "all"}


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Nine points on each of three lines."""
    problem = shelf.problem(FAMILY)
    models = tuple(shelf.model(FAMILY, f"seed-{i}") for i in (0, 1))
    sampler, chart = registry.method("sample", "given", {"at": PLACES}), registry.method("chart", "line")
    how = {name: registry.method("align", "weight_matching", {"symmetry": symmetry}) for name, symmetry in MATCHED.items()}
    corners = {PLAIN: models, **{name: Aligned.every(problem, models, method) for name, method in how.items()}}
    runs = {name: Run(Field(problem, ends, chart), sampler) for name, ends in corners.items()}
    return Experiment(runs, Target("interpolate", {"run": runs["all symmetries"].id}))


def barriers(measured: Mapping[str, Points]) -> dict[str, Barrier]:
    """Of each line, from the nine points alone, whatever else was measured on it."""
    return {name: found(_nine(measured[name])) for name in (PLAIN, *MATCHED)}


def see(measured: Mapping[str, Points]) -> Outcome:
    """Which share of the barrier is left after matching by permutations, and after matching by all symmetries."""
    heights = barriers(measured)
    before, after, all_of_them = (heights[name] for name in (PLAIN, *MATCHED))
    share, least = (one.height.value / before.height.value if before.height.value > 0 else float("nan") for one in (after, all_of_them))
    middle = [float(at(measured[name], 0.5).means()[0, LOSS]) for name in heights]
    return Outcome(
        answer=rank(share, (0.1, 0.5)),
        sentence=(
            f"The barrier between them is {nat(before)}. Matched by permutations **{nat(after)}** is left, **{share:.0%}** of it; matched by all symmetries {nat(all_of_them)},"
            f" {least:.0%}. Half-way the loss is {middle[0]:.2f}, {middle[1]:.2f} and {middle[2]:.2f} nat per character; the two GPTs have {before.ends[0]:.2f} and"
            f" {before.ends[1]:.2f}."
        ),
        picture=Lines(
            tuple(line.curve_of(_nine(measured[name]), "loss", name=name) for name in heights),
            "t (0 = one seed, 1 = the other)",
            "test loss (nat per character)",
        ),
    )


def _nine(points: Points) -> Points:
    return Points(np.array(PLACES)[:, None], np.concatenate([at(points, t).values for t in PLACES]), points.counts)


LESSON = Lesson(
    order=19,
    title="Merging language models",
    claim="Two small GPTs learned to continue one book, character by character, from different seeds. What is half-way between them?",
    question="The units of one GPT are put into the order that fits the other best, by weight matching. How much of the barrier between the two is left?",
    choices=("less than a tenth", "between a tenth and a half", "more than half"),
    experiment=experiment,
    see=see,
    formula=r"q^{\top}k=(Mq)^{\top}(M^{-\top}k),\qquad W_Q\to M\,W_Q,\quad W_K\to M^{-\top}\,W_K",
    text=(
        "In an MLP each hidden layer has an order of its own, and [[weight matching]] leaves little of the barrier. In a transformer all layers read from one residual stream and"
        " write to it, so one order has to serve all of them. And order is the least that is free: between queries and keys any [[invertible map]] M is, as it is"
        " between values and output, and LayerNorm leaves rotations of the stream. Matching by all of these takes away certainly more."
        "\n\n"
        "What is left is not shown to be necessary: the maps bring the weights close together and do not look at the loss. *Align* has `learned`, which does."
        " Language models that are merged in practice are mostly fine-tunes of one model, and so lie in one [[basin]] from the start."
    ),
    paper=(
        "Verma & Elbayad 2024, “Merging Text Transformer Models from Different Initializations”; Theus et al. 2025, “Generalized Linear Mode Connectivity for"
        " Transformers”"
    ),
    misconception=(
        "“Once their units are matched, two networks can be averaged.” It is nearly so for the small MLPs of *Matching*. Here more than half of the barrier stays, by"
        " permutations and by all symmetries, and half-way each line is worse than both GPTs by more than a nat per character."
    ),
    exercises=(
        Exercise(
            "The text has 70 different characters. What is the loss of guessing among them with equal probability?",
            "ln 70 ≈ 4.25 nat per character. Half-way between the two GPTs as they are the loss is below it, and far above that of either.",
        ),
        Exercise(
            "W_Q becomes M W_Q, with an invertible M. What has to become of W_K so that no attention score changes?",
            "M⁻ᵀ W_K: (M q)ᵀ(M⁻ᵀ k) = qᵀ Mᵀ M⁻ᵀ k = qᵀ k. A permutation is its own inverse transpose, so both are reordered alike.",
        ),
    ),
)
