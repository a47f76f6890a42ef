"""A Plotly figure on a page: its words in ink, which Streamlit would draw in a grey that is hard to read; on a dark page ink and rules in colours that are seen there."""

from __future__ import annotations

from typing import Any, cast

import plotly.graph_objects as go

from explorer.figures.curve import INK, RULE

TURNED = {INK: "#FAFAFA", RULE: "rgba(250,250,250,0.2)"}


def on_page(figure: go.Figure, *, dark: bool) -> go.Figure:
    """The figure for a page; the given one stays, and so do colours that it gives to words. What stands on a ground of its own, such as a label's box or a white mark,
    is the same on a dark page."""
    drawn = cast("dict[str, object]", figure.to_plotly_json())
    layout = cast("dict[str, Any]", drawn["layout"])
    axes = [layout.setdefault(name, {}) for name in {"xaxis", "yaxis", *(n for n in layout if n.startswith(("xaxis", "yaxis")))}]
    for part in (layout, layout.setdefault("legend", {}), *(axis.setdefault("title", {}) for axis in axes)):
        part.setdefault("font", {}).setdefault("color", INK)
    for axis in axes:
        axis.setdefault("tickfont", {}).setdefault("color", INK)
    return go.Figure(_turned(drawn) if dark else drawn)


def _turned(part: object) -> object:
    match part:
        case {"bgcolor": _} | {"color": "white"}:
            return part
        case dict():
            return {name: _turned(value) for name, value in part.items()}
        case list() | tuple():
            return [_turned(value) for value in part]
        case str():
            return TURNED.get(part, part)
        case _:
            return part
