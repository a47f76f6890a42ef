"""A Plotly figure read strictly: what is not known here is refused by name, so that nothing is ever left out of a picture in silence."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from typing import cast

import numpy as np
import plotly.graph_objects as go

from explorer.core.errors import Refused
from explorer.core.points import Array

Props = Mapping[str, object]

# What speaks of pointing, of the web page or of how Plotly updates; nothing of it is to be seen.
UNSEEN = {
    "type", "uid", "meta", "ids", "customdata", "hoverinfo", "hovertemplate", "hovertext", "hoverlabel", "hoverongaps", "legendgroup", "hovermode",
    "captureevents", "template", "autosize", "dragmode", "uirevision", "modebar", "visible", "selected", "unselected",
}  # fmt: skip


def known(props: Props, *names: str, what: str) -> None:
    """Refused where something has a property that is not drawn."""
    if left := sorted(set(props) - UNSEEN - set(names)):
        raise Refused(f"{what} has {', '.join(left)}, which figures for paper do not draw yet. The HTML of this picture has everything.")


def parts(figure: go.Figure) -> tuple[list[Props], Props]:
    """The traces that are visible, and the layout."""
    traces = [cast("Props", trace.to_plotly_json()) for trace in cast("Sequence[go.Scatter]", figure.data)]
    return [trace for trace in traces if trace.get("visible", True) is True], cast("Props", figure.layout.to_plotly_json())


def group(props: Props, name: str) -> Props:
    """A group of properties, empty where it is not given."""
    return cast("Props", props.get(name) or {})


def groups(props: Props, name: str) -> list[Props]:
    """A list of such groups."""
    return list(cast("Iterable[Props]", props.get(name) or ()))


def number(props: Props, name: str, otherwise: float) -> float:
    """A number, or what Plotly takes without it."""
    value = props.get(name)
    return otherwise if value is None else float(cast("float", value))


def text(props: Props, name: str, otherwise: str = "") -> str:
    """A text as it is, with its markup."""
    value = props.get(name)
    return otherwise if value is None else str(value)


def titled(props: Props) -> tuple[str, Props]:
    """The text of a title, and what else is said of it."""
    title = props.get("title")
    if isinstance(title, Mapping):
        return text(cast("Props", title), "text"), cast("Props", title)
    return str(title or ""), {}


def array(values: object) -> np.ndarray:
    """Anything that Plotly takes as an array; also one that was read from a file, which is base64."""
    if isinstance(values, Mapping):
        packed = cast("Mapping[str, str]", values)
        flat = np.frombuffer(base64.b64decode(packed["bdata"]), dtype=packed["dtype"])
        return flat.reshape([int(n) for n in packed["shape"].split(",")]) if "shape" in packed else flat
    return np.asarray(values)


def floats(values: object) -> Array:
    """The same as numbers; what is missing is NaN."""
    found = array(values)
    if found.dtype == object:
        found = np.array([np.nan if v is None else v for v in found.ravel()], dtype=np.float64).reshape(found.shape)
    return found.astype(np.float64)


def lines(markup: str) -> tuple[list[str], bool]:
    """Plotly's markup as lines of plain text, and whether they are bold. Names are escaped, so what still looks like a tag is one."""
    bold = bool(found := re.fullmatch(r"<b>(.*)</b>", markup, flags=re.S)) and "<b>" not in (found[1] if found else "")
    inner = found[1] if found and bold else markup
    rows = re.split(r"<br\s*/?>", inner)
    for row in rows:
        if tag := re.search(r"</?[a-zA-Z][^>]*>", row):
            raise Refused(f"A text of this picture has {tag[0]} in it; figures for paper know line breaks and texts that are bold as a whole.")
    return [unescape(row) for row in rows], bold


def plain(markup: str) -> str:
    """Markup as one line of text."""
    return " ".join(lines(markup)[0])
