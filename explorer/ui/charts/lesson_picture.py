"""A lesson's one picture: drawn, as a table, and as a file."""

from __future__ import annotations

import streamlit as st

from explorer.figures import bars as bars_figure
from explorer.lessons import Bars, Lines, Outcome, Relief
from explorer.lessons._drawn import LIMITS, figure, table
from explorer.ui.charts.curve import curve
from explorer.ui.charts.neurons import neurons

__all__ = ["LIMITS", "draw", "figure", "table"]


def draw(seen: Outcome, *, key: str, height: int, large: bool = False) -> None:
    """Draw it in the app; `large`: to be read from the last row of a class."""
    match seen.picture:
        case Lines() as lines:
            curve(
                lines.curves,
                key=key,
                x_title=lines.x_title,
                y_title=lines.y_title,
                log=lines.log,
                pick=None,
                height=height,
                alt=seen.sentence.replace("*", ""),
                play=lines.x_title.startswith("t "),
            )
        case Bars() as bars:
            drawn = bars_figure.figure(bars.rows, x_title=bars.x_title)
            if large:
                drawn.update_layout(height=height, margin_r=bars_figure.beside(bars.rows, letter=1.5 * bars_figure.LETTER))
                drawn.update_annotations(font_size=18).update_xaxes(tickfont_size=18, title_font_size=20).update_yaxes(tickfont_size=20)
            st.plotly_chart(drawn, key=key, alt=seen.sentence.replace("*", ""), config={"displayModeBar": False})
        case Relief(played=True):
            neurons(key=key)
        case Relief() as relief:
            drawn = figure(seen, "").update_layout(height=height if large else height + 100, font_size=20 if large else 13)
            drawn.update_layout(font_color=None)  # that of the theme: paper's is not to be seen on black
            drawn.update_traces(
                colorbar_title_text=relief.z_title, selector={"type": "heatmap"}
            )  # what paper says of its colours is too wide for a column
            drawn.update_traces(textfont_color="white", textposition="top right", selector={"mode": "markers+text"})
            st.plotly_chart(drawn, key=key, alt=seen.sentence.replace("*", ""), config={"displayModeBar": False})
