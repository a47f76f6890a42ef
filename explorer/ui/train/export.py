"""What a person takes away from a training: the row under its curves, the averages as files, and the way to other pages."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from explorer.core import locations, registry
from explorer.core.spec import Make, Recipe, Trained
from explorer.figures import curve as curve_figure
from explorer.figures import line
from explorer.figures.curve import Curve
from explorer.stats import metrics
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, query_state, shell
from explorer.ui.train.plane import LOGARITHMIC
from explorer.ui.train.trajectories import Trajectory, called
from explorer.ui.widgets import python_source
from explorer.ui.widgets.chart_actions import actions
from explorer.ui.widgets.download import download
from explorer.ui.widgets.recipe_view import file_name

SHOWN = 20  # models that the Soup page takes


def export(store: RunStore, whole: Trajectory, drawn: Sequence[Curve], metric: str, *, key: str, x_title: str, words: str) -> None:
    """The row under the curves."""
    field = whole.field("val")

    def compare() -> None:
        st.caption("Choose further averages in the form above. These snapshots on other pages:")
        links(store, whole)

    actions(
        key=key,
        stem="training",
        explain=f"{words}\n\nIntervals are 95 %, over samples; another training seed may give another verdict.",
        compare=compare,
        table=lambda: pd.concat(
            pd.DataFrame({"curve": c.name, x_title: c.x, f"val_{metrics.short(metric)}": c.y, "low": c.low, "high": c.high}) for c in drawn
        ),
        figure=lambda: curve_figure.figure(
            drawn,
            x_title=x_title,
            y_title=line.y_title(field, metric),
            title=f"{whole.name[0].upper()}{whole.name[1:]}: validation {metrics.find(metric).called} of the snapshots and of their averages",
            footnote="The averages after each snapshot, batch-norm statistics re-estimated; band: 95 %.",
            log=metric in LOGARITHMIC,
        ),
        code=program(whole),
        link=query_state.link("train", runs=",".join(task.run.id for task in whole.tasks())),
    )


def program(whole: Trajectory) -> str:
    """Python that trains, where it was trained here, and measures the averages again."""
    ways = "".join(f"    {task.name!r}: {python_source.method('sample', task.run.sampler)},\n" for task in whole.tasks())
    measured = f", metrics={whole.metrics!r}" if whole.metrics != metrics.PLAIN else ""
    return python_source.program(
        f"problem = {python_source.spec_of(whole.problem)}\nmodels = {_models(whole)}\n"
        f'snapshots = Field(problem, models, method("chart", "mixture"), split="val"{measured})\nways = {{\n{ways}}}\n'
        "for name, way in ways.items():\n    measured = points(Run(snapshots, way))\n    last = averages(measured, **way.kwargs())[-1]\n"
        "    print(name, dict(zip(snapshots.metrics, measured.means()[row_of(measured, last)])))"
    )


def _models(whole: Trajectory) -> str:
    """The training that gives these snapshots; where they are not all of one training, each by itself."""
    first = whole.models[0]
    if not isinstance(first, Trained) or not first.at:
        return python_source.models(whole.models)
    at = range(first.at, registry.snapshots_of(first.method) + 1, first.at)
    every = tuple(Trained(first.problem, first.method, first.start, k, member) for k in at for member in range(whole.members))
    if [m.id for m in every] != [m.id for m in whole.models]:
        return python_source.models(whole.models)
    start = f"    start={python_source.model(first.start)},\n" if first.start is not None else ""
    return f"train(\n    problem,\n    method={first.method.name!r},\n    method_options={first.method.kwargs()!r},\n{start}    every={first.at},\n)"


def links(store: RunStore, whole: Trajectory) -> None:
    """To the pages that show more of it; to the plane's once somebody requested it."""
    if store.status(whole.plane().id) is not None:
        shell.link("landscape", "This plane in Landscape", icon=":material/landscape:", runs=whole.plane().id)
    if len(whole.models) <= SHOWN:
        shell.link("soup", "These snapshots in Soup", icon=":material/soup_kitchen:", runs=whole.tasks()[0].run.id)


def keep(store: RunStore, whole: Trajectory) -> None:
    """Each average as a file; kept ones are offered on every page."""
    wanted: list[tuple[str, Recipe]] = [(called(way).upper(), made) for way in whole.ways if (made := whole.fused(way)) is not None]
    if isinstance(whole.models[-1], Trained):
        wanted.append(("the last snapshot", whole.models[-whole.members]))
    for column, (name, recipe) in zip(st.columns(len(wanted)), wanted, strict=True):
        with column:
            make = Make(recipe)
            status = store.status(make.id)
            if status is not None and status.state == "failed":
                failure.show(status)
            elif status is not None and status.state == "done" and locations.made_at(recipe, locations.home()).is_file():
                path = locations.made_at(recipe, locations.home())
                download(f"Download {name}", path, f"{file_name(recipe)}.safetensors", icon=":material/download:", key=f"train-file-{recipe.id}")
                shell.link("compare", "Open in Compare", icon=":material/balance:", a=recipe.id)
            else:
                st.button(
                    f"Save {name}",
                    icon=":material/save:",
                    on_click=_submit,
                    args=(make,),
                    key=f"train-save-{recipe.id}",
                    width="stretch",
                    disabled=status is not None and status.active,
                    help="Writes a .safetensors file whose header records how it was made, and offers it on every page.",
                )


def _submit(make: Make) -> None:
    shell.submit(make, urgent=True, again=True)
