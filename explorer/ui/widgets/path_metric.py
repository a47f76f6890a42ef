"""Which metric of paths is shown: every one that has a barrier and means something for their problem; and the same paths measured for it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from explorer.core.spec import Field, Run
from explorer.stats import line_metrics, line_words, metrics, units
from explorer.store.run_store import RunStore
from explorer.ui.frame import query_state, shell

KEY = "metric"
WIDTH = 200  # pixels, as on Landscape, whatever the metrics: what else a page lets choose stands beside it


def choose(field: Field, *, first: str, barriers: bool = False, exponentials: bool = False) -> str:
    """A choice that is kept in the address by the metric's name, and reads as people write it; `first` where the address names none, or what the problem does
    not offer. barriers: only metrics that have one, and not those of which it is not known which values are the better ones. exponentials: those of a loss, too."""
    known = (*(metrics.offered if exponentials else line_metrics.offered)(field.problem), *metrics.own(field))
    offered = {metrics.short(m): m for m in known if metrics.find(m).good or not barriers}
    usual = first if first in offered else next(iter(offered))
    asked = query_state.get(KEY)
    st.session_state[KEY] = asked if asked in offered else usual  # the address decides, so that Back and a link do

    def chosen() -> None:
        now = str(st.session_state[KEY])
        query_state.put(**{KEY: None if now == usual else now})

    name = st.selectbox(
        "Metric",
        list(offered),
        format_func=lambda m: units.titled(line_words.called(field, offered[m]), units.of_level(field.problem, offered[m])),
        key=KEY,
        on_change=chosen,
        label_visibility="collapsed",
        width=WIDTH,
    )
    return offered[name]


def measured_for(store: RunStore, run: Run, metric: str) -> Run:
    """The same points measured for a metric: the run itself where it measures it, else one that measures it, too, which is asked for."""
    wider = replace(run, field=metrics.field_for(run.field, metric))
    if wider != run and store.status(wider.id) is None:
        shell.submit(wider)
    return wider
