"""Interference and REPAIR: what happens to the units of an average, and how to put it right."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Aligned, Buffers
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import found, nat, path, rank
from explorer.stats.barriers import reduction

FAMILY = "digits-resnet"
POLICIES: dict[str, Buffers] = {"statistics averaged": "mix", "statistics re-estimated": "recalibrate"}
PAIRS = ((0, 1), (1, 2), (0, 2))


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """Two ResNets with matched units; the batch norm between them averaged, and re-estimated."""
    problem = shelf.problem(FAMILY)
    models = tuple(shelf.model(FAMILY, f"seed-{i}") for i in PAIRS[variant])
    aligned = Aligned.every(problem, models, registry.method("align", "weight_matching"))
    runs = {name: path(problem, aligned, buffers=policy) for name, policy in POLICIES.items()}
    return Experiment(runs, Target("interpolate", {"run": runs["statistics re-estimated"].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """What share of the barrier goes when the statistics alone are set right."""
    mixed, anew = (found(measured[name]) for name in POLICIES)
    before, after = (measured[name] for name in POLICIES)
    less = reduction(before, after)
    assert less is not None  # both barriers are there
    share = less.value / mixed.height.value if mixed.height.value > 0 else float("nan")
    return Outcome(
        answer=rank(share, (0.1, 0.5)),
        sentence=(
            f"With averaged statistics the barrier is **{nat(mixed)}**, with statistics re-estimated **{nat(anew)}**: {share:.0%} less, by"
            f" {less.formatted(unit='nat')}. No weight differs between the two curves."
        ),
        picture=Lines(tuple(line.curve_of(p, "loss", name=n) for n, p in measured.items()), "t (0 = one seed, 1 = the other)", "test loss (nat)"),
    )


LESSON = Lesson(
    order=14,
    title="Interference and REPAIR",
    claim="Averaged units that do not quite match partly cancel each other, and the averaged statistics of batch norm no longer fit them.",
    question="Two ResNets are averaged after matching. Only their batch-norm statistics are re-estimated, no weight is touched. How much of the barrier disappears?",
    choices=("less than a tenth", "between a tenth and a half", "more than half"),
    experiment=experiment,
    see=see,
    formula=r"\operatorname{Var}\!\bigl[\tfrac12(z_A+z_B)\bigr]=\tfrac14\bigl(\sigma_A^2+\sigma_B^2+2\rho\,\sigma_A\sigma_B\bigr)\le\bigl(\tfrac{\sigma_A+\sigma_B}2\bigr)^2,\qquad z\;\leftarrow\;\tfrac{\sigma_A+\sigma_B}{2}\cdot\frac{z-\mu_z}{\sigma_z}+\tfrac{\mu_A+\mu_B}{2}",
    text=(
        "With a correlation ρ below one the average of two units of one spread varies less than they do: [[variance collapse]]. [[Batch norm|batch norm]] hides"
        " it when its statistics are re-estimated; [[REPAIR]] gives every unit, also in networks without batch norm, the mean and spread half-way between the two."
    ),
    paper="Jordan, Sedghi, Saukh, Entezari & Neyshabur 2023, “REPAIR: REnormalizing Permuted Activations for Interpolation Repair”",
    variants=tuple(f"digits ResNet, seeds {a} and {b}" for a, b in PAIRS),
    misconception=(
        "“The barrier is in the weights alone.” Most of this one goes while no weight is touched: the weights had been measured with statistics"
        " that were not theirs."
    ),
    exercises=(
        Exercise(
            "Two units have spread 1 and correlation 0. What is the spread of their average?",
            "√½ ≈ 0.71: the variance is ¼(1 + 1 + 0) = ½. With correlation 1 it would be 1.",
        ),
        Exercise(
            "What does re-estimating cost, and what does it need?",
            "A pass over some training inputs, without labels; so a merge that uses it is not free of data.",
        ),
    ),
)
