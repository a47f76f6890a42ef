"""The live plane, as a map, as a relief or as a triangle: measured values with models and paths in it, drawn in the browser and redrawn in place while points arrive.

Linked with a curve: pointing at one, or walking along a path, shows the place on the other, without a word to Python. So does the switch between the
views; a page that wants to keep the view in its address hears of it. A click reaches Python. The drawing itself is `frontend/plane.js`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias, TypedDict, cast, get_args

from explorer.figures import told
from explorer.figures.plane import SCALE, Marker, Surface, Trace
from explorer.ui.charts import sent
from explorer.ui.charts.component import register

View: TypeAlias = Literal["map", "relief", "triangle"]


class Spot(NamedTuple):
    """A picked place: in the plane, and on a path where the click was on one."""

    x: float
    y: float
    s: float | None
    path: str


class _OnPath(TypedDict):
    s: float
    path: str


class _Sent(TypedDict):
    """A click as the browser sends it; `at`: when, in ms."""

    x: float
    y: float
    on: _OnPath | None
    at: float


def plane(
    grid: Surface,
    markers: Sequence[Marker],
    traces: Sequence[Trace],
    *,
    key: str,
    z_title: str,
    alt: str,
    unit: str = "t",
    pick: tuple[float, float] | None = None,
    on_pick: Callable[[Spot], None] | None = None,
    log: bool = False,
    span: tuple[float, float] | None = None,
    height: int = 440,
    caption: str = "",
    group: str = "",
    scale: str = SCALE,
    view: View = "map",
    on_view: Callable[[View], None] | None = None,
    stage: bool = False,
    mixtures: told.Mixtures | None = None,
) -> None:
    """Draw the plane.

    unit: what the paths' own coordinate is called. span: the values with the lowest and the highest colour, for planes that are compared. group: as of a
    curve. scale: of colours, by Plotly's name. view: how it is drawn at first; on_view hears of the person's choice. stage: a relief alone, on which a ball
    walks along the paths, one after another. mixtures: of the three models that are the first markers, whose triangle may then be chosen.
    """

    def handle_view() -> None:
        view = sent.state(key).get("view")
        if on_view is not None and view in get_args(View):
            on_view(cast("View", view))

    def handle_pick() -> None:
        if on_pick is not None and (click := _sent(key)) is not None:
            on = click["on"]
            on_pick(Spot(click["x"], click["y"], on["s"] if on else None, on["path"] if on else ""))

    last = _sent(key)
    _renderer(
        key=key,
        data=told.packed(
            told.plane(
                grid,
                markers,
                traces,
                key=key,
                group=group,
                z_title=z_title,
                unit=unit,
                pick=pick,
                at=last["at"] if last else 0,
                log=log,
                span=span,
                height=height,
                alt=alt,
                caption=caption,
                scale=scale,
                view=view,
                tells=on_view is not None,
                stage=stage,
                mixtures=mixtures,
            )
        ),
        on_pick_change=handle_pick,
        on_view_change=handle_view,
    )


def _sent(key: str) -> _Sent | None:
    """The last click."""
    found = sent.pick(key)
    x, y, at = (sent.number(found.get(name)) for name in ("x", "y", "at"))
    if x is None or y is None or at is None:
        return None
    on = sent.part(found.get("on"))
    s, path = sent.number(on.get("s")), on.get("path")
    return _Sent(x=x, y=y, on=_OnPath(s=s, path=path) if s is not None and isinstance(path, str) else None, at=at)


_renderer = register("plane")
