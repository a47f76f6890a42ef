"""The live pictures of minima: merge tree, barcode and terrain, linked with one another and with the plane beside them. Drawn by `frontend/basins.js`.

Pointing at a minimum marks it in all of them and outlines in the plane what runs down to it, without a word to Python; a click reaches Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from explorer.figures import told_basins
from explorer.figures.told_basins import Kind
from explorer.stats.field_topology import Basin, FieldTopology
from explorer.ui.charts import sent
from explorer.ui.charts.component import register


def basins(
    kind: Kind,
    found: FieldTopology,
    listed: Sequence[Basin],
    *,
    key: str,
    unit: str,
    alt: str,
    scale: float = 1.0,
    group: str = "",
    plane: str = "",
    pick: int | None = None,
    on_pick: Callable[[int], None] | None = None,
    height: int = 300,
) -> None:
    """Draw them. listed: as explorer.stats.field_topology.basins gives them. group: pictures that mark what is pointed at in any of them; plane: the key of the plane that
    they are of, for one of the group. on_pick: is told the number of a minimum that is clicked."""

    def handle_pick() -> None:
        minimum, _ = _clicked(key)
        if on_pick is not None and minimum in range(len(listed)):
            on_pick(minimum)

    _renderer(
        key=key,
        data=told_basins.basins(
            kind,
            found,
            listed,
            key=key,
            unit=unit,
            alt=alt,
            scale=scale,
            group=group,
            plane=plane,
            pick=pick,
            at=_clicked(key)[1],
            height=height,
        ),
        on_pick_change=handle_pick,
    )


def _clicked(key: str) -> tuple[int, int]:
    """The number of the minimum that was clicked last, −1 where none was, and when, in ms."""
    found = sent.pick(key)
    minimum = sent.number(found.get("minimum"))
    return int(minimum) if minimum is not None else -1, int(sent.number(found.get("at")) or 0)


_renderer = register("basins")
