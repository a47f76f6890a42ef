"""Weight and activation matching: two networks from different seeds, brought into one order in two ways."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core.points import Points
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import PAIRS, found, matched, nat, pair, path, rank


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The line as it is, and after either matching."""
    problem, models = pair(shelf, variant)
    runs = {
        "as they are": path(problem, models),
        "weights matched": matched(problem, models, "weight_matching"),
        "activations matched": matched(problem, models, "activation_matching"),
    }
    return Experiment(runs, Target("align", {"run": runs["weights matched"].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """What share of the barrier weight matching leaves."""
    heights = {name: found(points) for name, points in measured.items()}
    before, after, other = (heights[n] for n in ("as they are", "weights matched", "activations matched"))
    left = after.height.value / before.height.value if before.height.value > 0 else float("nan")
    return Outcome(
        answer=2 - rank(left, (0.1, 0.5)),
        sentence=(
            f"The barrier is **{nat(before)}** as they are, **{nat(after)}** with the weights matched and {nat(other)} with the activations matched: weight"
            f" matching leaves **{left:.0%}** of it. Matching changes no prediction of either network: only the order of the units of one."
        ),
        picture=Lines(
            tuple(line.curve_of(points, "loss", name=name) for name, points in measured.items()), "t (0 = one seed, 1 = the other)", "test loss (nat)"
        ),
    )


LESSON = Lesson(
    order=5,
    title="Matching weights and activations",
    claim="Two networks were trained from different seeds. Is it only the order of their hidden units that separates them?",
    question="Permute the units of one network until its weights come as close to the other's as they can. How much of the barrier between the two is left?",
    choices=("more than half", "between a tenth and a half", "less than a tenth"),
    experiment=experiment,
    see=see,
    formula=r"\min_{P_1,\dots,P_L}\;\sum_{\ell}\bigl\lVert W^A_\ell-P_\ell\,W^B_\ell\,P_{\ell-1}^{\top}\bigr\rVert^2\qquad\text{or}\qquad\max_{P_\ell}\;\bigl\langle P_\ell,\operatorname{corr}(z^A_\ell,z^B_\ell)\bigr\rangle",
    text=(
        "[[Weight matching|weight matching]] needs no data: layer by layer it solves an assignment problem, with the others held fixed. Activation"
        " matching pairs units that respond alike to the same inputs. A [[barrier]] that remains after the best permutation is not due to order; whether a method"
        " found the best one is not certain."
    ),
    paper="Ainsworth, Hayase & Srinivasa 2023, “Git Re-Basin”; Li et al. 2015, “Convergent Learning”",
    variants=PAIRS,
    descends=True,
    misconception=(
        "“After matching the two networks are the same.” They still give different answers on some digits, and a little of the barrier is left."
        " Matching removes what order contributes."
    ),
    exercises=(
        Exercise(
            "Why is it hard to find the best permutations of all layers at once?",
            "Each layer's best order depends on those of its neighbours; together it is a quadratic assignment problem, for which no fast exact"
            " method is known. One layer at a time is easy.",
        ),
        Exercise(
            "Activation matching needs data, weight matching does not. When might data help?",
            "When units with different weights respond alike on the inputs that occur, for example because inputs are correlated.",
        ),
    ),
)
