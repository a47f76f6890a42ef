"""Models on several tasks: the tables that *Compare* shows, of what is measured here."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from explorer.api._keywords import Measuring, Model, takes
from explorer.api._shown import Shown, Summary
from explorer.api.looks import Models, look
from explorer.api.test_sets import on_test_sets
from explorer.core import registry, splits
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Fused
from explorer.engine.open_once import open_once
from explorer.figures import tasks as tasks_figure
from explorer.stats.intervals import Estimate
from explorer.stats.multi_task import TaskTable, interference
from explorer.stats.multi_task import table as task_table

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, repr=False)
class Tasks(Shown):
    """Models × tasks, by name. Values are shares of right answers where the problem has classes, else losses, each with its 95 % interval.

    `table` holds them as the pages have them; `measured` the models on each task's test set.
    """

    table: TaskTable
    measured: Mapping[str, Models]
    blocks: Mapping[str, Sequence[Points]]  # of each task, the error or the loss of each model of the table in blocks of samples
    ingredients: int  # the table's first models; the others are merged

    def value(self, model: str, task: str) -> Estimate:
        """Of a model on a task."""
        return self._at(self.table.value, model, task)

    def difference(self, model: str, task: str) -> Estimate:
        """What the model has more than the task's own model, paired sample by sample."""
        return self._at(self.table.apart, model, task)

    def left(self, model: str, task: str) -> Estimate:
        """The share of the right answers of the task's own model that is left: 1 for as many. Refused under a loss, of which there is no share."""
        if not self.table.counted:
            raise Refused("Under a loss no answer is right or wrong, so no share of them is left. Ask for the difference.")
        return self._at(self.table.left, model, task)

    def average(self, model: str) -> Estimate:
        """The mean over tasks of what is left; under a loss, of the difference."""
        return self.table.average[self._row(model)]

    def own(self, task: str) -> str:
        """The task's own model: the ingredient of its name, else the one that is best there."""
        return self.table.models[self.table.own[self._column(task)]]

    def front(self) -> list[str]:
        """The models that no other is as good as on every task and better than on one."""
        return [self.table.models[k] for k in self.table.front()]

    def interference(self) -> dict[str, dict[str, Estimate]]:
        """How much higher the error (or the loss) of every ingredient is on every task than the first one's, the base's; paired, above zero is interference."""
        base, *tuned = ({task: points[k] for task, points in self.blocks.items()} for k in range(self.ingredients))
        found = interference(base, tuned)
        names = self.table.models[1 : self.ingredients]
        return {name: dict(zip(self.table.tasks, row, strict=True)) for name, row in zip(names, found, strict=True)}

    def figure(self) -> go.Figure:
        """The trade-off between the worst task and the mean of all, with the front."""
        return tasks_figure.trade_off(self.table)

    def _at(self, table: tuple[tuple[Estimate, ...], ...], model: str, task: str) -> Estimate:
        return table[self._row(model)][self._column(task)]

    def _row(self, model: str) -> int:
        if model not in self.table.models:
            raise Refused(f"There is no model {model!r} here. The models: {', '.join(self.table.models)}.")
        return self.table.models.index(model)

    def _column(self, task: str) -> int:
        if task not in self.table.tasks:
            raise Refused(f"There is no task {task!r} here. The tasks: {', '.join(self.table.tasks)}.")
        return self.table.tasks.index(task)

    def _summary(self) -> Summary:
        table, scale = self.table, 100.0 if self.table.counted else 1.0
        shown = table.left if table.counted else table.apart
        unit = "of its own model (%)" if table.counted else "loss minus its own model's"
        rows = [
            (name, *(e.formatted(scale=scale, signed=not table.counted) for e in (*row, mean)))
            for name, row, mean in zip(table.models, shown, table.average, strict=True)
        ]
        head = ("", *(f"{task}: {unit}" for task in table.tasks), "mean")
        return Summary(
            f"{len(table.models)} models on {len(table.tasks)} tasks",
            [head, *rows],
            [f"No other model is at least as good on every task as: {', '.join(self.front())}."],
        )


@takes(Measuring)
def tasks(*models: Model, **how: Unpack[Measuring]) -> Tasks:
    """Models on every test set that their problem names: absolute, beside each task's own model, how tuning interferes, and the front, as *Compare* shows them.

    The first model is the base, and what `fuse` made is a merged model; the others are ingredients, of which each task has its own. Refused for a problem that names
    fewer than two test sets.

    >>> base, *tuned = [f"sample_models/digits-tasks/{name}.safetensors" for name in ("trunk", "upright", "turned", "inverted")]
    >>> found = tasks(base, *tuned, fuse(base, *tuned, method="task_arithmetic"))
    >>> found.front()[-1], found.own("turned")
    ('task arithmetic', 'turned')
    """
    with open_once():
        measured = look(*models, **how)
        problem = measured.run.field.problem
        if len(problem.tests) < 2:
            raise Refused(
                f"{problem.name} names {len(problem.tests)} test sets, and a table of tasks needs two. Add [tests.NAME] to its problem.toml for each task."
            )
        found = on_test_sets(measured, home=how["home"], progress=how["progress"], device=how["device"], report=how["report"])
    corners = measured.run.field.corners
    order = sorted(range(len(corners)), key=lambda k: isinstance(corners[k], Fused))  # ingredients first
    ingredients = sum(not isinstance(c, Fused) for c in corners)
    if not ingredients:
        raise Refused("All models are merged, and a task's own model is an ingredient. Give the models that were merged as well.")
    counted = registry.classifies(problem.loss)
    sets = {name: of for name, of in found.items() if name != splits.called(splits.tests(problem)[0])}
    points = {name: [of.blocks(k, "error" if counted else "loss") for k in order] for name, of in sets.items()}
    names = [corners[k].name or corners[k].id for k in order]
    return Tasks(task_table(names, points, ingredients=ingredients, counted=counted), sets, points, ingredients)
