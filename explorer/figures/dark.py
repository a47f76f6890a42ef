"""A Plotly figure on a dark page: what is drawn in ink, or as a rule, takes colours that are seen there."""

from __future__ import annotations

import plotly.graph_objects as go

from explorer.figures.curve import INK, RULE

TURNED = {INK: "#FAFAFA", RULE: "rgba(250,250,250,0.2)"}


def on_dark(figure: go.Figure) -> go.Figure:
    """The figure for a dark page; the given one stays. What stands on a ground of its own, such as a label's box or a white mark, stays as it is."""
    return go.Figure(_turned(figure.to_plotly_json()))


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
