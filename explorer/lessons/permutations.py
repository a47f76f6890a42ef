"""Permutation symmetry: a network and a copy of it with its hidden units shuffled."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Aligned
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import MLPS, found, matched, nat, path


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The line to the shuffled copy, as it is and after weight matching."""
    problem, model = shelf.problem(MLPS), shelf.model(MLPS, f"seed-{variant}")
    shuffled = Aligned(problem, (model, model), 1, registry.method("align", "shuffle"), name=f"{model.name} (shuffled)")
    runs = {"shuffled": path(problem, (model, shuffled)), "matched": matched(problem, (model, shuffled), "weight_matching")}
    return Experiment(runs, Target("align", {"run": runs["matched"].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The loss of the copy against that of the network, and both barriers."""
    before, after = found(measured["shuffled"]), found(measured["matched"])
    own, copy = before.ends
    change = copy - own
    same = abs(change) <= 1e-6 * max(own, 1.0)
    return Outcome(
        answer=1 if same else 0 if change < 0 else 2,
        sentence=(
            f"The network has a loss of **{own:.4g} nat**, its shuffled copy **{copy:.4g} nat**: {'the same function' if same else 'not the same'}. And yet"
            f" on the straight line between them there is a barrier of **{nat(before)}**. After weight matching it is **{nat(after)}**."
        ),
        picture=Lines(
            (
                line.curve_of(measured["shuffled"], "loss", name="to the shuffled copy"),
                line.curve_of(measured["matched"], "loss", name="to the copy, its units matched"),
            ),
            "t (0 = the network, 1 = its copy)",
            "test loss (nat)",
        ),
    )


LESSON = Lesson(
    order=4,
    title="Permutation symmetry",
    claim="Which hidden unit of a layer is called the first is a matter of chance. Writing the units in a different order moves the weights.",
    question="All hidden units of a trained network are put in a random order, together with their incoming and outgoing weights. What happens to its loss?",
    choices=("it falls", "it stays exactly the same", "it rises"),
    experiment=experiment,
    see=see,
    formula=r"f(x)=W_2\,\sigma(W_1x+b)=\bigl(W_2P^{\top}\bigr)\,\sigma\bigl(PW_1x+Pb\bigr)\qquad\text{for every permutation }P",
    text=(
        "σ acts on every unit alone, so a [[permutation|permutation symmetry]] P and its inverse cancel. The function stays the same, the"
        " position in weight space does not: between two positions of one function there may be a barrier. To [[re-basin]] is to find the"
        " P that brings a network into another one's basin."
    ),
    paper="Entezari, Sedghi, Saukh & Neyshabur 2022, “The Role of Permutation Invariance in Linear Mode Connectivity of Neural Networks”",
    variants=tuple(f"digits MLP, seed {i}" for i in range(3)),
    hands="units",
    misconception=(
        "“A barrier means that the two networks do different things.” Here they do exactly the same, and there is a barrier: the line between them"
        " leads through networks that do not."
    ),
    exercises=(
        Exercise(
            "Which weights move when two hidden units are swapped?",
            "Their two rows in the incoming matrix, their two biases, and their two columns in the outgoing matrix.",
        ),
        Exercise(
            "Why must σ act on every unit alone?",
            "Then σ(Pz) = Pσ(z). A function that mixes units, such as softmax over the layer with a weight for each place, would not let P through.",
        ),
    ),
)
