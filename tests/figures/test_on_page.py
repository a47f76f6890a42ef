"""What is drawn in ink is seen on a dark page."""

import json

import plotly.graph_objects as go

from explorer.figures import bars
from explorer.figures.bars import Bar
from explorer.figures.curve import INK, RULE
from explorer.figures.on_page import TURNED, on_page
from explorer.figures.search import Tried, candidates


def test_ink_and_rules_take_the_dark_pages_colours():
    """Of a figure as the app draws it: its front, its first model, its best, its lines across; the file that is exported stays."""
    figure = candidates([Tried("ties", "density=0.2", 0.5, 0.1), Tried("dare", "density=0.3", 0.4, 0.2)], y_title="val loss", base=0.9)
    before = figure.to_json()
    dark = on_page(figure, dark=True)
    assert INK in before and RULE in before
    assert INK not in dark.to_json() and RULE not in dark.to_json()
    assert dark.layout.yaxis.gridcolor == TURNED[RULE] and dark.layout.annotations[0].font.color == TURNED[INK]
    assert dark.data[0].marker.color == figure.data[0].marker.color, "colours that tell methods apart are the same in both"
    assert figure.to_json() == before


def test_what_has_a_ground_of_its_own_stays():
    """Dark letters on a label's white box, and the dark edge of a white mark."""
    figure = go.Figure(go.Scatter(x=[0], y=[0], marker={"color": "white", "line": {"color": INK}}))
    figure.add_annotation(text="a", bgcolor="white", font={"color": INK})
    shown = json.loads(on_page(figure, dark=True).to_json())
    assert shown["data"] == json.loads(figure.to_json())["data"]
    assert shown["layout"]["annotations"] == json.loads(figure.to_json())["layout"]["annotations"]


def test_words_without_a_colour_are_in_ink():
    """Of axes, of the legend and of what is written in the picture; a colour that was given stays."""
    figure = bars.figure([Bar("ties", 0.2, 0.1, 0.3)], x_title="points")
    figure.update_yaxes(tickfont_color="#0072B2")
    shown = on_page(figure, dark=False).layout
    assert shown.font.color == shown.legend.font.color == shown.xaxis.tickfont.color == shown.xaxis.title.font.color == INK
    assert shown.yaxis.tickfont.color == "#0072B2"
    assert figure.layout.font.color is None
