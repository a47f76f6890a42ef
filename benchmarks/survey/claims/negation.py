"""Negation: a task vector that is taken away takes the task with it."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.unpaired import apart
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=230,
    sentence="A network less the vector of a task does that task badly, and others nearly as before.",
    source="Ilharco et al. 2023",
    effects={
        "task": Effect("error that taking the vector away adds on its task", unit="points", above=0.05),
        "control": Effect("error that it adds on plain images", unit="points", below=0.02),
        "apart": Effect("the first minus the second", unit="points", above=0.0),
    },
    page="compare",
    lesson="arithmetic",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The task is to read negatives; all of the vector is taken away."""
    problem, base, (negative, *_) = shop.tasks(seed)
    without = shop.fused(problem, (base, negative), "task_arithmetic", coefficients=(-1.0,))
    there, here = (shop.points(problem, base, without, split=split) for split in ("negative", "plain"))
    task, control = less(there[1], there[0], ERROR), less(here[1], here[0], ERROR)
    return {"task": task, "control": control, "apart": apart(task, control)}, shop.line_shown(problem, base, negative)
