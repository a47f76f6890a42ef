"""The live curve: values along a path, drawn in the browser and redrawn in place while points arrive.

`st.plotly_chart` remounts whenever its data change, which loses hover, zoom and clicks; this component is told the new points and
keeps them. Hovering and dragging never leave the browser, a click reaches Python. The drawing itself is `frontend/curve.js`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

import streamlit as st

from explorer.core.spec import Json
from explorer.figures import told
from explorer.figures.curve import Curve, Peak
from explorer.ui.charts import sent
from explorer.ui.charts.component import register

__all__ = ["Curve", "Peak", "curve"]


def curve(
    curves: Sequence[Curve],
    *,
    key: str,
    x_title: str,
    y_title: str,
    pick: float | None,
    alt: str,
    height: int = 360,
    log: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    on_pick: Callable[[float | None], None] | None = None,
    caption: str = "",
    does: str = "read the values at a point",
    group: str = "",
    play: bool = False,
    answers: dict[str, Json] | None = None,
) -> float | None:
    """Draw the curves and return the x where the handle stands: where the person last put it, else `pick`.

    A `pick` that differs from the one of the run before moves the handle; so a page may keep the returned value, in the address
    for instance, and hand it back. x_range: the part of the axis that is shown even while no point lies there yet; y_range: values
    that are to have room in any case, so that several pictures have one scale. does: what a click
    is for, in words. group: pictures of
    one group show where any of them is pointed at; their common axis is x. play: whether there is a button and a slider to walk along the axis.
    answers: what the models along the axis answer, as explorer.figures.answers tells it.
    """

    def handle_pick() -> None:
        if on_pick is not None:
            on_pick(_clicked(key)[0])

    at, stands = _stands(key, pick)
    _renderer(
        key=key,
        data=told.curves(
            curves,
            key=key,
            group=group,
            x_title=x_title,
            y_title=y_title,
            x_range=x_range,
            y_range=y_range,
            pick=stands,
            at=at,
            height=height,
            log=log,
            alt=alt,
            caption=caption,
            does=does,
            play=play,
            answers=answers,
        ),
        on_pick_change=handle_pick,
    )
    return stands


def _stands(key: str, pick: float | None) -> tuple[int, float | None]:
    """(when the last click was made, where the handle stands). The newer of two wills wins: the person's click, the page's pick."""
    pick = pick if pick is not None and isfinite(pick) else None
    clicked, at = _clicked(key)
    seen_at, seen_pick, stands = st.session_state.get(f"{key} seen", (0, None, None))
    if at > seen_at:
        stands = clicked
    elif pick != seen_pick:
        stands = pick
    at = max(at, seen_at)  # the component's own state is dropped when its page is left
    st.session_state[f"{key} seen"] = (at, pick, stands)
    return at, stands


def _clicked(key: str) -> tuple[float | None, int]:
    """The last click as the browser sent it: (x, or None when the handle was taken away; its time in ms, 0 before any)."""
    found = sent.pick(key)
    return sent.number(found.get("x")), int(sent.number(found.get("at")) or 0)


_renderer = register("curve")
