"""Which metric of paths is shown: every one that has a barrier and means something for their problem; and the same paths measured for it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from explorer.core.spec import Field, Run
from explorer.stats import line_metrics, metrics
from explorer.store.run_store import RunStore
from explorer.ui.frame import head, shell


def choose(field: Field, *, first: str, barriers: bool = False) -> str:
    """A choice that is kept in the address; `first` where it names none, or what the problem does not offer. barriers: only metrics that have one, and not
    those of which it is not known which values are the better ones."""
    known = (*line_metrics.offered(field.problem), *metrics.own(field))
    offered = {metrics.short(m): m for m in known if metrics.find(m).good or not barriers}
    begin = first if first in offered else next(iter(offered))
    named = st.segmented_control(
        "Metric", list(offered), default=begin, key="metric", bind="query-params", label_visibility="collapsed", width=head.width_of(offered)
    )
    return offered[named or begin]


def measured_for(store: RunStore, run: Run, metric: str) -> Run:
    """The same points measured for a metric: the run itself where it measures it, else one that measures it, too, which is asked for."""
    wider = replace(run, field=metrics.field_for(run.field, metric))
    if wider != run and store.status(wider.id) is None:
        shell.submit(wider)
    return wider
