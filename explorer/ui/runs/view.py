"""The list of runs as a table that can be narrowed, live while one is being worked on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pandas as pd
import streamlit as st

from explorer.core import registry
from explorer.core.markdown import plain
from explorer.core.spec import Json, Run
from explorer.figures import line
from explorer.stats import line_words, units
from explorer.stats.barriers import barrier
from explorer.stats.preview_confirmation import mark
from explorer.store.cost_plan import Plan, Took
from explorer.store.job_status import State, Status, duration
from explorer.store.run_store import RunStore
from explorer.store.upkeep import shown_size
from explorer.ui.align.form import Comparison
from explorer.ui.frame import head, shell, status_badge
from explorer.ui.frame.polling import live
from explorer.ui.landscape import form as landscape_form
from explorer.ui.runs import queue, room
from explorer.ui.train.trajectories import called
from explorer.ui.widgets import precision

PAGE = 20
HEIGHT = 36 + 10 * 35  # pixels of the table: its head and ten rows
ONE = ("align", "interpolate")  # pages whose address has a single run
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "stopped")
CHART, PROBLEM = "$.field.chart.name", "$.field.problem.title"  # in a run's JSON


@dataclass(frozen=True)
class Filter:
    """Which runs are listed; empty parts leave all in."""

    text: str
    states: tuple[State, ...]
    where: dict[str, str]
    largest: bool = False

    def counts(self, store: RunStore) -> dict[State, int]:
        """How many there are, by their state; of the states that are not chosen, too."""
        return store.counts(clicks=False, text=self.text, where=self.where)

    def many(self, counts: Mapping[State, int]) -> int:
        """How many are listed."""
        return sum(number for state, number in counts.items() if not self.states or state in self.states)

    def runs(self, store: RunStore, page: int) -> list[Status]:
        """Those of a page, from 0."""
        return store.statuses(limit=PAGE, after=page * PAGE, only=self.states, clicks=False, text=self.text, where=self.where, largest=self.largest)


def show(store: RunStore) -> None:
    """The newest runs first, a page at a time; clicks on a picture are points of a run, not runs of their own."""
    _strange(store)
    counts = store.counts(clicks=False)
    if not counts:
        st.info("Nothing has been measured here yet. Measure a first line.", icon=":material/history:")
        shell.link("interpolate", "Interpolate", icon=":material/show_chart:")
        _rest(store)
        return
    wanted, page = _narrowed(store)
    active = _active(counts)
    live(_list, every=1.0, busy=active)(store, wanted, page, active)
    _rest(store)


def _rest(store: RunStore) -> None:
    busy = queue.busy(store)
    live(queue.show, every=1.0, busy=busy)(store, busy)
    room.show(store)


def _narrowed(store: RunStore) -> tuple[Filter, int]:
    """What is listed, by what is in a run, kind of picture, family and state; and which page of it is looked at, from 0."""
    with head.filters():
        text = st.text_input("Search", key="text", placeholder="a model, a method, an id", on_change=_first_page, width=240)
        charts = {"": "all pictures", **{name: name.replace("_", " ") for name in registry.names("chart")}}
        chart = st.selectbox("Picture of a", list(charts), format_func=charts.__getitem__, key="chart", on_change=_first_page, width=160)
        families = sorted({f.problem.title for f in store.checkpoints() if f.problem is not None and f.problem.title})
        family = st.selectbox("Family", ["", *families], format_func=lambda t: t or "all families", key="family", on_change=_first_page, width=250)
        paging = st.container(width=150)
        largest = st.toggle("Largest first", key="largest", on_change=_first_page, width="content", help="Those whose points take the most room.")
    with head.controls():
        states = st.pills("State", STATES, selection_mode="multi", key="states", on_change=_first_page, label_visibility="collapsed")
    wanted = Filter(text.strip(), tuple(states), {path: value for path, value in ((CHART, chart), (PROBLEM, family)) if value}, largest)
    with paging:
        return wanted, _page(wanted.many(wanted.counts(store)))


def _strange(store: RunStore) -> None:
    """What lies in the store and is none of this version's: named, and left as it is."""
    if not (rows := store.unreadable()):
        return
    with st.expander(f"{len(rows)} entr{'ies' if len(rows) > 1 else 'y'} of this store cannot be used here", icon=":material/help:"):
        st.dataframe(pd.DataFrame([{"kind": row.kind, "entry": row.id, "why": row.why} for row in rows]), hide_index=True)
        st.caption("They are left as they are, and nothing works on them.")


def _active(counts: Mapping[State, int]) -> bool:
    return bool(counts.get("waiting") or counts.get("running"))


def _first_page() -> None:
    st.session_state.pop("page", None)


def _page(runs: int) -> int:
    """Which page of the list is looked at, from 0; asked for where there are several."""
    pages = -(-runs // PAGE)
    if pages < 2:
        return 0
    if st.session_state.get("page", 1) > pages:
        _first_page()
    return int(st.number_input(f"Page, 1 to {pages:,}", min_value=1, max_value=pages, key="page", width=150)) - 1


def _list(store: RunStore, wanted: Filter, page: int, was_active: bool) -> None:
    active, many = _active(store.counts(clicks=False)), wanted.many(wanted.counts(store))
    runs = wanted.runs(store, page)
    workers = store.workers()
    st.caption(
        f"{many:,} run{'s' if many != 1 else ''} · workers alive: {len(workers)}{' (' + '; '.join(map(str, workers)) + ')' if workers else ''}"
    )
    if runs:
        _one(store, runs[_table(store, runs)])
    if was_active and not active:
        st.rerun()
    if active:
        shell.tend()


def _table(store: RunStore, runs: list[Status]) -> int:
    """One row each; which of them is chosen, the first where none is."""
    sizes = store.bytes_of_fields(s.request.field.id for s in runs if isinstance(s.request, Run))
    rows = [_row(store, status, sizes) for status in runs]
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=HEIGHT if len(rows) > 9 else "auto",
        key=f"runs-{runs[0].id}-{runs[-1].id}-{len(runs)}",  # another one when the rows are others, so that none stays chosen by its number
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "requested": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", width=130),
            "run": st.column_config.TextColumn(width=220),
            "opens on": st.column_config.TextColumn(width=90),
            "family": st.column_config.TextColumn(width=150),
            "state": st.column_config.TextColumn(width=70),
            "size": st.column_config.TextColumn(width=70, help="What the points of its field take, about. Runs of one field share them."),
            "result": st.column_config.TextColumn(width=220),
        },
    )
    chosen = cast("dict[str, dict[str, list[int]]]", event)["selection"]["rows"]
    return chosen[0] if chosen and chosen[0] < len(runs) else 0


def _row(store: RunStore, status: Status, sizes: Mapping[str, int]) -> dict[str, object]:
    assert isinstance(status.request, Run)
    problem = status.request.field.problem
    return {
        "run": _title(status.request),
        "state": status.state,
        "size": shown_size(size) if (size := sizes.get(status.request.field.id, 0)) else "",
        "result": _result(store, status),
        "family": problem.title or problem.name,
        "opens on": page_of(status.request).capitalize(),
        "requested": datetime.fromtimestamp(status.created),
    }


def _one(store: RunStore, status: Status) -> None:
    """The chosen run: all that is said of it, and what can be done with it."""
    assert isinstance(status.request, Run)
    field = status.request.field
    with st.container(border=True):
        what, go = st.columns([5, 2], vertical_alignment="center")
        with what:
            st.markdown(f"**{plain(_title(status.request))}** · {plain(field.problem.title or field.problem.name)}")
            status_badge.badge(status)
            asked = "shipped" if status.request.story else f"requested {datetime.fromtimestamp(status.created):%Y-%m-%d %H:%M}"
            st.caption(
                f"{field.chart.name} · {status.request.sampler.name} · {field.measured_on} split · buffers {field.buffers} · {asked}{queue.of_whom(status)} · {status.id}"
            )
            st.caption(_result(store, status))
            if (plan := store.plan(status.id)) is not None:
                st.caption(_plan(*plan))
            if (takes := room.takes(store, status.request)) and status.state != "waiting":
                st.caption(takes)
        with go:
            page = page_of(status.request)
            under = {"view": "conditions"} if page == "paths" and field.attack is not None else {}
            shell.link(page, "Open", icon=":material/open_in_new:", **{"run" if page in ONE else "runs": status.id}, **under)
            if status.active:
                queue.stop(store, status, key="stop")
            else:
                if status.state in ("stopped", "failed"):
                    label = "Resume" if status.state == "stopped" else "Try again"
                    st.button(label, icon=":material/play_arrow:", on_click=shell.resume, args=(status.request,), key=f"resume-{status.id}")
                st.button(
                    "Remove from the list",
                    icon=":material/close:",
                    on_click=shell.forget,
                    args=(status.id,),
                    key=f"forget-{status.id}",
                    disabled=bool(other := queue.others(store, status)),
                    help=other or "Its points stay until a sweep, unless another run needs them (Store, below).",
                )
                room.buttons(store, status)


def page_of(run: Run) -> str:
    """The page that shows a run, by what its chart and its sampler say of themselves."""
    field, chart = run.field, run.field.chart.name
    if registry.has_window(chart):
        return "landscape"
    if registry.averages_along(run.sampler.name):
        return "train"
    if registry.mixes(chart):
        return "soup" if len(field.corners) > 1 else "compare"
    if chart == "line" and field.attack is None:
        return "align" if Comparison.from_run(run) else "interpolate"
    return "paths"


def _title(run: Run) -> str:
    if registry.has_window(run.field.chart.name):
        return f"Plane of {landscape_form.name_of(run)}"
    if registry.mixes(run.field.chart.name):
        names = [c.name or c.id for c in run.field.corners]
        if registry.averages_along(run.sampler.name):
            return f"{called(run.sampler).upper()} along {names[0]} … {names[-1]}"
        return names[0] if len(names) == 1 else f"Soups of {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
    return " → ".join(line_words.names(run.field)) + mark(run.field)


def _plan(plan: Json, took: Json) -> str:
    """What was expected, and what it came to."""
    said = f"Planned: {Plan.from_json(plan)}"
    return f"{said}  \nTook: {Took.from_json(took)}" if took else said


def _result(store: RunStore, status: Status) -> str:
    assert isinstance(status.request, Run)
    if status.state != "done":
        return status_badge.sentence(status)
    field = status.request.field
    spent = f"{store.count(field.id):,} points, {duration(store.cost(field.id))} of computing"
    if len(registry.axes(field.chart.name)) != 1:
        return spent
    points, _ = store.points(field.id)
    judged = line.quoted(field, points, precision.again(store, field, points))
    found = barrier(judged, 0, name=field.metrics[0]) if len(judged) else None
    return f"{spent} · barrier {line_words.shown(found, unit=units.of_gap(field.problem, field.metrics[0]))}" if found else spent
