"""What is measured: the problem's own loss, or how far answers are from the first model's, which needs no labels."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from explorer.core import registry
from explorer.core.spec import ProblemSpec


def choose(problem: ProblemSpec, shown: ProblemSpec | None, *, key: str) -> ProblemSpec:
    """Pick the loss; the problem under it. `shown`: the problem of the picture that the form is filled in from."""
    other = registry.without_targets(problem.loss)
    if problem.loss == other:
        return problem
    titles = {
        problem.loss: f"{registry.called(problem.loss).replace('_', ' ')}, the problem's own",
        other: f"{other.replace('_', ' ')} from A, no labels",
    }
    chosen = st.selectbox(
        "Loss",
        list(titles),
        index=int(shown is not None and shown.loss == other),
        format_func=titles.__getitem__,
        key=f"{key}-loss-{problem.id}",
        help=f"{registry.title('loss', other)} It is 0 at the first model and says how far the function has moved, not whether it became better or worse.",
    )
    return replace(problem, loss=chosen)
