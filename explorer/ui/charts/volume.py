"""The live volume: the surface on which a function of three coordinates has one value, in a box that is turned, with its minima and passes. Drawn by `frontend/volume.js`.

Turning and choosing the value never leave the browser; a click on a minimum or a pass reaches Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict, cast

import streamlit as st

from explorer.core.points import Array
from explorer.figures import told_volume
from explorer.stats.field_topology import Basin
from explorer.ui.charts.component import register


class _Sent(TypedDict):
    """A click as the browser sends it, in distances; `at`: when, in ms."""

    place: list[float]
    at: int


def volume(
    values: Array,
    axes: Sequence[Array],
    *,
    key: str,
    z_title: str,
    alt: str,
    unit: str,
    minima: Sequence[Basin] = (),
    group: str = "",
    pick: Sequence[float] | None = None,
    on_pick: Callable[[Sequence[float]], None] | None = None,
    log: bool = False,
    height: int = 440,
    caption: str = "",
) -> None:
    """Draw it; the arguments are those of explorer.figures.told_volume. on_pick: is told the place of a minimum or pass that is clicked, in distances."""

    def handle_pick() -> None:
        if on_pick is not None and (sent := _sent(key)) is not None:
            on_pick(sent["place"])

    sent = _sent(key)
    _renderer(
        key=key,
        data=told_volume.volume(
            values,
            axes,
            key=key,
            z_title=z_title,
            alt=alt,
            unit=unit,
            minima=minima,
            group=group,
            pick=pick,
            at=sent["at"] if sent else 0,
            log=log,
            height=height,
            caption=caption,
        ),
        on_pick_change=handle_pick,
    )


def _sent(key: str) -> _Sent | None:
    """The last click."""
    state = st.session_state.get(key)
    return cast("_Sent | None", state.get("pick")) if state else None


_renderer = register("volume")
