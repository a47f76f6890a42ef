"""What a person takes away from planes: the data, the picture, the code that makes it again, and its address."""

from __future__ import annotations

from io import BytesIO

import pandas as pd
import streamlit as st

from explorer.figures import curve as curve_figure
from explorer.figures import line
from explorer.figures import plane as plane_figure
from explorer.points import Array
from explorer.spec import Run, Shifted
from explorer.store import RunStore
from explorer.ui import landscape_form, shell
from explorer.ui.download import download
from explorer.ui.landscape_seen import Picture, Seen, Style, look


def takeaway(store: RunStore, pictures: list[Picture], style: Style) -> None:
    """The row of buttons under the pictures."""
    ready = [(p, s) for p in pictures if (s := look(store, p, style, [])) is not None and len(s.points)]
    if not ready:
        return
    data, parquet, picture, code, link = st.columns(5)
    with data:
        download("Data (CSV)", lambda: _table(ready).to_csv(index=False), "plane.csv", mime="text/csv", icon=":material/table:", key="plane-csv")
    with parquet:
        download("Data (Parquet)", lambda: _parquet(_table(ready)), "plane.parquet", icon=":material/table:", key="plane-parquet")
    with picture:
        shown, there = ready[0]
        download("Picture (HTML)", lambda: _html(shown, there, style), "plane.html", mime="text/html", icon=":material/image:", key="plane-html")
    with code, st.popover("Code", icon=":material/code:", width="stretch"):
        st.code(_code(pictures[0].run), language="python")
    with link, st.popover("Link", icon=":material/link:", width="stretch"):
        st.code("/landscape?" + "&".join(f"{k}={v}" for k, v in st.query_params.to_dict().items()), language=None)
        st.caption("This address brings this picture back, on any browser that reaches this explorer.")


def _table(ready: list[tuple[Picture, Seen]]) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    for picture, there in ready:
        places = there.window.places(there.points.coords)
        columns: dict[str, Array] = {"x": places[:, 0], "y": places[:, 1], "u": there.points.coords[:, 0], "v": there.points.coords[:, 1]}
        columns |= {m: there.points.means()[:, i] for i, m in enumerate(there.field.metrics)}
        frames.append(pd.DataFrame({"plane": picture.name, **columns}))
    return pd.concat(frames)


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _html(picture: Picture, there: Seen, style: Style) -> str:
    figure = plane_figure.figure(
        there.drawn,
        there.markers,
        there.traces,
        z_title=line.y_title(there.field, style.metric),
        title=f"{style.metric} in the plane {picture.name}",
        footnote=there.caption(style),
        log=style.log,
    )
    return curve_figure.html(figure)


def _code(run: Run) -> str:
    field = run.field
    samples = f", samples={field.samples}" if field.samples else ""
    if landscape_form.is_around(field):
        first, second = field.corners[1:]
        extent = f"extent={field.chart['extent']}, refine=True{samples}"
        model = repr(shell.file_of(field.corners[0]))
        if isinstance(first, Shifted):
            given = ", ".join(f"{k}={v!r}" for k, v in first.method.options)
            how = f"directions={first.method.name!r}, options=dict({given})"
        else:
            how = f"towards=({shell.file_of(first)!r}, {shell.file_of(second)!r})"
        call = f"landscape_around(\n    {model},\n    {how},\n    {extent},\n)"
    else:
        files = "".join(f"    {shell.file_of(c)!r},\n" for c in field.corners)
        call = f"landscape(\n{files}    refine=True{samples},\n)"
    name = call.partition("(")[0]
    return f"from explorer.api import {name}\n\nplane = {call}\nprint(plane.certificate())\nplane.figure().show()\n"
