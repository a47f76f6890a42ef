"""The live volume: the surface on which a function of three coordinates has one value, in a box that is turned, with its minima and passes. Drawn by `frontend/volume.js`.

Turning and choosing the value never leave the browser; a click on a minimum or a pass reaches Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from explorer.core.points import Array
from explorer.figures import told_volume
from explorer.stats.field_topology import Basin
from explorer.ui.charts import sent
from explorer.ui.charts.component import register


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
        place, _ = _clicked(key)
        if on_pick is not None and place is not None:
            on_pick(place)

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
            at=_clicked(key)[1],
            log=log,
            height=height,
            caption=caption,
        ),
        on_pick_change=handle_pick,
    )


def _clicked(key: str) -> tuple[list[float] | None, int]:
    """Where the last click was, in distances, and when, in ms."""
    found = sent.pick(key)
    return sent.numbers(found.get("place"), 3), int(sent.number(found.get("at")) or 0)


_renderer = register("volume")
