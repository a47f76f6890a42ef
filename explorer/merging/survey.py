"""What is to be merged, layer by layer and model by model, before anything is written (explorer.checkpoints.task_survey): read in blocks, with as little memory as
the merge itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from explorer.checkpoints import task_survey
from explorer.checkpoints.task_survey import RANKED, Survey, Tally
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.merging.blocks import Blocks, Files
from explorer.merging.plan import FLOATS, MergePlan

Report: TypeAlias = Callable[[int, int], object]


def surveyed(plan: MergePlan, report: Report = lambda done, total: None) -> Survey:
    """Of the tensors that are made of all ingredients; the first ingredient stands for the base. Refused where no tensor is. `report(done, total)` in bytes."""
    count = len(plan.ingredients)
    jobs = [j for j in plan.jobs if j.rule is not None and j.dtype in FLOATS and {i for i, _ in j.sources} == set(range(count))]
    if count < 2 or not jobs:
        raise Refused("Nothing is merged of all models, so there is nothing to compare. A survey is of whole models and the method that merges them.")
    named = task_survey.layer_names([job.name for job in jobs])
    tallies: dict[str, Tally] = {}
    done, total = 0, sum(job.nbytes for job in jobs)
    with Files() as files:
        for job in jobs:
            tally = tallies.setdefault(named[job.name], Tally(count - 1))
            sources = sorted(job.sources)  # the first ingredient first
            ranks = len(job.shape) > 1 and tally.ranked < job.numel <= RANKED
            passes = Blocks(files, job.name, [(plan.ingredients[i], name) for i, name in sources], "whole" if ranks else "entries")
            for block in passes():
                tally.add(block)
                if ranks:
                    tally.add_rank(block)
            done += job.nbytes
            report(done, total)
    return task_survey.survey(tallies.items(), [short(Path(i.name).name) for i in plan.ingredients[1:]])
