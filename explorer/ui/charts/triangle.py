"""Three models on a triangle: mixtures in equal steps, what they say, and the one that was clicked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from explorer.core.points import Array


def lattice(steps: int) -> Array:
    """((steps + 1)(steps + 2)/2, 3) shares in equal steps."""
    rows = [(a, b, steps - a - b) for a in range(steps + 1) for b in range(steps + 1 - a)]
    return np.array(rows, dtype=np.float64) / steps


def scale() -> bool:
    """Whether the triangle is drawn at true distances; else its sides are equal."""
    return st.toggle(
        "True distances", key="triangle-scale", help="Models near each other are then drawn near each other, and marks may cover one another."
    )


def clicked(figure: go.Figure, shares: Array, *, key: str, alt: str) -> tuple[float, ...] | None:
    """Draw the triangle; the shares of the mark that was clicked just now. shares: those of the figure's first trace, in its order."""
    event = st.plotly_chart(figure, key=key, on_select="rerun", selection_mode="points", config={"displaylogo": False}, alt=alt)
    marks = cast("list[dict[str, object]]", cast("dict[str, dict[str, object]]", event)["selection"]["points"])
    if not marks or marks[0]["curve_number"] != 0:
        return None
    at = tuple(shares[cast("int", marks[0]["point_index"])].tolist())  # by its place, as numbers that travel with a mark come back as text
    fresh = st.session_state.get(f"{key}-seen") != at
    st.session_state[f"{key}-seen"] = at
    return at if fresh else None


def says(shares: Array, values: Array, names: Sequence[str], formatted: Callable[[int], str], *, what: str, highest: bool = False) -> str:
    """Where the best mixture lies, and what the corners are; told: a row's value in words."""
    if not np.isfinite(values).any():
        return f"None of these mixtures has a finite {what}."
    best = int(np.nanargmax(values) if highest else np.nanargmin(values))
    mix = " + ".join(n if s == 1 else f"{s:.3g} {n}" for s, n in zip(shares[best], names, strict=True) if s)
    alone = [formatted(int(k)) for corner in np.eye(3) for k in np.flatnonzero((shares == corner).all(axis=1))]
    return f"The {'highest' if highest else 'lowest'} {what} is {formatted(best)}, at {mix}; alone they have {', '.join(alone)}."
