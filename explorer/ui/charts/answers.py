"""What the models along a path answer, for a curve to show where somebody stands on it: worked out once for a path, and kept like every study.

It comes by itself where that is quick, when nothing else is to do; else it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import streamlit as st

from explorer.core import registry
from explorer.core.points import Array
from explorer.core.spec import Field, Json, Study
from explorer.figures import answers
from explorer.stats.point_recipe import coefficients_at
from explorer.store.estimate_cost import expected
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.ui.frame import auto_start, failure, shell


@dataclass(frozen=True)
class Along:
    """The mixtures of a path that are looked at: where they stand on the curve's axis, and the request for what they answer; none while too little is measured."""

    study: Study | None
    x: tuple[float, ...]
    title: str
    status: Status | None
    quick: bool

    @property
    def active(self) -> bool:
        """Whether it is being worked out."""
        return self.status is not None and self.status.active

    def told(self, *, soon: bool = False) -> dict[str, Json] | None:
        """For explorer.ui.charts.curve; None where there is nothing to show. soon: whether the path is being measured, and its answers come by themselves
        after it: their place is kept."""
        if self.study is None or self.status is None:
            return answers.pending(self.title) if soon and self.quick else None
        if self.status.state != "done":
            return answers.pending(self.title) if self.active else None
        return _told(self.study.id, self.x, self.title, _found=self.status.result)

    def button(self, *, soon: bool = False) -> None:
        """Where it does not come by itself: a way to have it; where it failed, why."""
        if self.study is None:
            return
        if not soon and (self.status is None or self.status.state == "stopped"):
            st.button(
                "Show the answers along the path",
                icon=":material/grid_view:",
                on_click=shell.resume,
                args=(self.study,),
                key=f"along-{self.study.id}",
                help="Evaluates the models at the measured points once more, to see which samples each gets wrong.",
            )
        elif self.status is not None and self.status.state == "failed":
            failure.show(self.status, name="What the models answer along the path", key="along")


def along(store: RunStore, field: Field, title: str, *, ask: bool = False, axis: Callable[[Array], Array] = lambda t: t) -> Along | None:
    """Of a field with one axis; None where there is nothing to answer. title: whose answers they are. ask: whether the path is measured, so that
    it may come by itself. axis: t → place on the curve's axis."""
    known = store.field(field.id)
    coords = store.totals(field.id)[0].coords
    if known is None or len(coords) < 2:
        return _before(store, field, title)
    t = answers.chosen(coords[:, 0])
    return of_mixtures(store, field, np.stack([coefficients_at(field, known.gram, (float(at),)) for at in t]), axis(t), title, ask=ask)


def _before(store: RunStore, field: Field, title: str) -> Along | None:
    """While too little is measured to choose the mixtures: whether their place is kept goes by what comparable work took here."""
    if not _answered(field):
        return None
    like = _request(field, np.zeros((answers.FRAMES, len(field.corners))))
    seconds = expected(like, store)
    return Along(None, (), title, None, seconds is None or seconds < auto_start.PATIENCE_S)


def of_mixtures(store: RunStore, field: Field, rows: Array, x: Array, title: str, *, ask: bool = False) -> Along | None:
    """Of mixtures of a field's corners, (K, C), that stand at x on the curve's axis; None where nothing is known of what they answer."""
    if not _answered(field):
        return None
    study = _request(field, rows)
    quick = auto_start.quick(store, field, len(rows))
    if ask and quick and store.status(study.id) is None:
        shell.submit(study, idle=True)
    return Along(study, tuple(float(at) for at in x), title, store.status(study.id), quick)


def _answered(field: Field) -> bool:
    """Whether its models answer anything, and a worker can build them: not where another process holds the network."""
    held = registry.is_live("nets", field.problem.network.name)
    return not held and field.attack is None and registry.targets_of(field.problem.loss) != "none"


def _request(field: Field, rows: Array) -> Study:
    how = {"split": field.split, "samples": field.samples, "buffers": field.buffers, "mixtures": tuple(float(c) for c in rows.ravel())}
    return Study(field.problem, field.corners, registry.method("study", "along", how))


@st.cache_data(max_entries=64, show_spinner=False)
def _told(study: str, x: tuple[float, ...], title: str, *, _found: object) -> dict[str, Json]:
    """study: the id that decides `_found`."""
    return answers.told(cast("dict[str, Json]", _found), x, title=title)
