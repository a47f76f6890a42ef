"""A report as one HTML file that needs no network: words, tables, pictures, and the numbers as JSON inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd
import plotly.graph_objects as go

from explorer.core.spec import Json

OPEN_ROWS = 24  # of a table; a longer one is folded
# Whatever the file holds, a browser must ask nobody for anything: scripts and styles are those in it, pictures are data.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#31333F}"
    "table{border-collapse:collapse;font-size:14px;display:block;overflow-x:auto}td,th{border-bottom:1px solid #DADCE3;padding:.3rem .6rem;text-align:left}td{white-space:nowrap}"
    "summary{cursor:pointer;margin:.5rem 0}pre{background:#F5F6F8;padding:1rem;overflow-x:auto}figure{margin:1rem 0}"
)


@dataclass(frozen=True, eq=False)
class Section:
    """A heading, what its numbers say, a table, a picture and code, each where there is one. finding: the one sentence to read where only one is read."""

    title: str
    words: str = ""
    table: pd.DataFrame | None = None
    figure: go.Figure | None = None
    code: str = ""
    finding: str = ""

    @property
    def says(self) -> str:
        """All of its words."""
        return f"{self.finding} {self.words}".strip()


def page(title: str, sections: Sequence[Section], data: Json) -> str:
    """The whole file. Plotly stands in it once, and its button that uploads a chart is off; `data` is in <script id="data" type="application/json">."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>",
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
    ]
    drawn = False
    for section in sections:
        parts.append(f"<section><h2>{escape(section.title)}</h2>")
        if section.says:
            parts.append(f"<p>{escape(section.says)}</p>")
        if section.table is not None:
            html = _table(section.table)
            parts.append(html if len(section.table) <= OPEN_ROWS else f"<details><summary>{len(section.table)} rows</summary>{html}</details>")
        if section.figure is not None:
            picture = go.Figure(section.figure).update_layout(template="plotly_white")
            config = {"showSendToCloud": False, "displaylogo": False, "responsive": True}
            parts.append(f"<figure>{picture.to_html(full_html=False, include_plotlyjs=not drawn, config=config)}</figure>")
            drawn = True
        if section.code:
            parts.append(f"<details><summary>Code</summary><pre>{escape(section.code)}</pre></details>")
        parts.append("</section>")
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    parts.append(f'<script id="data" type="application/json">{text}</script></body></html>')
    return "".join(parts)


def _table(table: pd.DataFrame) -> str:
    """Three figures of every number, and words for yes and no."""
    flags = {c: {True: "yes", False: "no"}.__getitem__ for c in table.columns if table[c].dtype == bool}
    return table.to_html(index=False, border=0, na_rep="", float_format="{:.3g}".format, formatters=flags)
