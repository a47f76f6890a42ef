"""Figures for papers: every figure that is made, in every format, with nothing left out."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.text import Text

from explorer.core.errors import Refused
from explorer.figures import curve, plane
from explorer.figures.curve import DASHES, PALETTE, Curve
from explorer.figures.paper import reading
from explorer.figures.paper.colours import greyed, luminance, on_paper, parsed, scale
from explorer.figures.paper.composed import composed
from explorer.figures.paper.export import image, images
from explorer.figures.paper.presets import DPI, FORMATS, PRESETS, THEMES
from explorer.figures.paper.sheet import Box, Sheet
from explorer.figures.paper.view import View
from explorer.figures.plane import SCALES, Surface
from tests.figures import examples

EVERY = pytest.mark.parametrize(("name", "make"), examples.flat(), ids=[name for name, _ in examples.flat()])


def one_of_each_kind() -> list[object]:
    """All examples; those with no kind of trace that none before them has are for releases: a format depends on the kinds alone."""
    seen: set[str] = set()
    params: list[object] = []
    for name, make in examples.flat():
        kinds = {trace.type for trace in make().data}
        params.append(pytest.param(name, make, id=name, marks=() if kinds - seen else pytest.mark.release))
        seen |= kinds
    return params


ONE_EACH = pytest.mark.parametrize(("name", "make"), one_of_each_kind())
X = np.linspace(0, 1, 5)


def texts(sheet: Sheet) -> list[str]:
    """All that is written on it."""
    return [artist.get_text() for artist in sheet.figure.findobj(Text) if isinstance(artist, Text)]


def pixels(png: bytes) -> np.ndarray:
    """(height, width, 3) of a PNG, from 0 to 1."""
    from io import BytesIO

    from matplotlib.image import imread

    return imread(BytesIO(png))[..., :3]


def test_there_is_an_example_of_every_figure():
    """Found by looking: a function that returns a figure and has no example here fails this."""
    assert examples.makers() == set(examples.EXAMPLES)


@ONE_EACH
def test_every_figure_is_drawn_in_every_format(name, make):
    """A PDF with its letters inside as TrueType, an SVG whose letters are outlines, and a PNG of 300 dpi as wide as the column."""
    made = images(make(), list(FORMATS))
    assert made["pdf"].startswith(b"%PDF-")
    assert (b"/FontFile2" in made["pdf"]) and b"/Type3" not in made["pdf"]
    root = ET.fromstring(made["svg"])
    assert not list(root.iter("{http://www.w3.org/2000/svg}text"))
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(3.35 * 72)
    width, _ = struct.unpack(">II", made["png"][16:24])
    assert width == round(3.35 * DPI)
    assert struct.unpack(">II", made["png"][made["png"].index(b"pHYs") + 4 :][:8]) == (round(DPI / 0.0254), round(DPI / 0.0254))


def test_a_warning_of_something_else_stays_a_warning(monkeypatch):
    """Such as of a socket that is collected while the picture is drawn: it goes where it would have gone, and the picture is drawn."""

    def drawn(*given):
        warnings.warn("unclosed socket", ResourceWarning, stacklevel=1)
        return composed(*given)

    monkeypatch.setattr("explorer.figures.paper.composed.composed", drawn)
    with pytest.warns(ResourceWarning, match="unclosed socket"):
        assert image(dict(examples.flat())["curve.figure-0"](), "png").startswith(b"\x89PNG")


@EVERY
@pytest.mark.parametrize("preset", ["column", pytest.param("slide", marks=pytest.mark.release)])
def test_all_is_written_and_lies_on_the_sheet(name, make, preset):
    """Titles, legend, axes, annotations: each word of the figure; nothing is cut off, and plain letters have the points of the preset."""
    figure = make()
    layout = figure.layout
    sheet = composed(figure, PRESETS[preset], THEMES["light"], PRESETS[preset].width)
    for box in sheet.placed:
        assert box.left >= -0.5 and box.top >= -0.5
        assert box.right <= sheet.width + 0.5 and box.bottom <= sheet.height + 0.5
    assert sheet.k * (layout.font.size or 12) == pytest.approx(PRESETS[preset].points)
    if PRESETS[preset].height:
        assert sheet.figure.get_size_inches() == pytest.approx([13.33, 7.5], rel=1e-3)
    wanted = [layout.title.text, *(a.text for a in layout.annotations)]
    wanted += [axis.title.text for axis in (layout.xaxis, layout.yaxis) if axis.visible is not False]
    wanted += [
        t.name for t in figure.data if t.name and t.showlegend is not False and layout.showlegend and t.type in ("scatter", "bar", "scatter3d")
    ]
    wanted += [text for t in figure.data if t.type in ("scatter", "scatter3d") and "text" in (t.mode or "") for text in t.text]
    wanted += list(layout.yaxis.ticktext or ()) if layout.yaxis.range is None else []
    assert not {word for markup in wanted if markup for word in reading.plain(markup).split()} - set(" ".join(texts(sheet)).split())


@EVERY
def test_curves_of_a_figure_differ_without_their_colours(name, make):
    """Of two traces that a legend names, none has the dash and the symbol of the other."""
    figure = make()
    named = [t for t in figure.data if t.type == "scatter" and t.name and t.showlegend is not False and figure.layout.showlegend is not False]

    def look(t):
        symbol = t.marker.symbol if isinstance(t.marker.symbol, str | None) else tuple(t.marker.symbol)
        lines, marks = "lines" in (t.mode or "lines+markers"), "markers" in (t.mode or "lines+markers")
        filled = str(t.marker.color) not in ("white", "rgba(0,0,0,0)")
        return (t.fill or "", (t.line.dash or "solid") if lines else "", (symbol or "circle", filled) if marks else "")

    for a, b in combinations(named, 2):
        if a.type != "scatter3d":
            assert look(a) != look(b), (a.name, b.name)


def test_the_same_figure_is_the_same_file():
    """Byte by byte, so that a repository sees a change only where there is one; and every file says what it shows and where it came from."""
    make = examples.EXAMPLES["plane.figure"][0]
    first, second = (images(make(), list(FORMATS), source="http://localhost/?run=abc") for _ in range(2))
    assert first == second
    assert b"The plane" in first["pdf"] and b"http://localhost/?run=abc" in first["pdf"] and b"CreationDate" not in first["pdf"]
    assert b"http://localhost/?run=abc" in first["svg"]
    assert b"http://localhost/?run=abc" in first["png"]


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (go.Figure(go.Pie(values=[1, 2])), "type 'pie'"),
        (go.Figure(go.Scatter(x=[1], y=[1], stackgroup="a")), "A scatter trace has stackgroup"),
        (go.Figure(go.Scatter(x=[1], y=[1], mode="markers", marker={"symbol": "bowtie"})), "marker 'bowtie'"),
        (go.Figure(go.Scatter(x=[1, 2], y=[1, 2], fill="tozeroy")), "fill of the kind 'tozeroy'"),
        (go.Figure(go.Bar(x=[1], y=[1], marker={"pattern": {"shape": "/"}})), "The marker of a bar trace has pattern"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout={"xaxis": {"rangebreaks": [{}]}}), "The axis xaxis has rangebreaks"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout={"images": [{"source": "a"}]}), "The layout has images"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout={"shapes": [{"type": "circle", "x0": 0, "x1": 1, "y0": 0, "y1": 1}]}), "A shape of the type 'circle'"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout={"title": {"text": "a <sup>2</sup>"}}), "<sup>"),
        (go.Figure(go.Contour(z=[[1, 2], [3, 4]])), "Filled contours"),
        (go.Figure(go.Scatter(x=[1], y=[1]), layout={"title": {"text": "\u1200"}}), "No font here has '\u1200'"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_by_its_name(figure, said):
    """Never left out in silence."""
    with pytest.raises(Refused, match=re.escape(said)):
        image(figure, "svg")


def test_names_that_are_not_known_are_refused_with_those_that_are():
    """Formats, presets, themes, widths, endings."""
    figure = curve.figure([], x_title="t", y_title="loss", title="", footnote="")
    with pytest.raises(Refused, match="No format is called 'eps'. There are: pdf, svg, png"):
        image(figure, "eps")
    with pytest.raises(Refused, match="No preset is called 'book'"):
        image(figure, "svg", preset="book")
    with pytest.raises(Refused, match="No theme is called 'sepia'"):
        image(figure, "svg", theme="sepia")
    with pytest.raises(Refused, match="from 0.5 to 60 inches"):
        image(figure, "svg", width=0.1)
    with pytest.raises(Refused, match="does not fit"):
        image(figure, "svg", width=0.6)


def test_without_matplotlib_a_sentence_says_what_to_install(monkeypatch):
    """And the settings of somebody's own matplotlib are theirs again afterwards."""
    import matplotlib as mpl

    before = mpl.rcParams["svg.fonttype"], mpl.rcParams["font.family"]
    mpl.rcParams["lines.linewidth"] = 9.0
    image(curve.figure([], x_title="t", y_title="loss", title="", footnote=""), "svg")
    assert (mpl.rcParams["svg.fonttype"], mpl.rcParams["font.family"], mpl.rcParams["lines.linewidth"]) == (*before, 9.0)
    mpl.rcdefaults()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    with pytest.raises(Refused, match=re.escape("pip install 'explorer[figures]'")):
        image(curve.figure([], x_title="t", y_title="loss", title="", footnote=""), "svg")


def test_the_app_starts_without_matplotlib():
    """It is loaded when a picture is drawn, and not before."""
    code = "import sys, explorer.ui.widgets.chart_actions, explorer.commands.main, explorer.api; assert not {'matplotlib', 'contourpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_every_sequential_scale_keeps_its_order_in_greys():
    """On white paper and in greys: lightness rises from the lowest value to the highest, in steps that can be seen; a scale of signed values becomes one that does."""
    for name in (*SCALES, "RdBu"):
        stops = go.Figure(go.Heatmap(z=[[0]], colorscale=name)).data[0].colorscale
        for theme in ("light", "grey") if name != "RdBu" else ("grey",):
            steps = luminance(scale(stops, THEMES[theme])(np.linspace(0, 1, 64))[:, :3])
            assert (np.diff(steps) > -0.004).all() and steps[-1] - steps[0] > 0.5


def test_a_plane_is_as_light_as_its_values_are_high():
    """f = x drawn in greys: from left to right the picture becomes lighter, and every grey is one."""
    axis = np.linspace(0, 1, 6)
    figure = plane.figure(Surface(axis, axis, np.tile(axis, (6, 1)), np.zeros((6, 6), bool)), [], [], z_title="loss", title="", footnote="")
    found = pixels(image(figure, "png", theme="grey"))
    assert np.ptp(found, axis=2).max() == 0
    sheet = composed(figure, PRESETS["column"], THEMES["grey"], 3.35)
    box = sheet.placed[0]
    share = found.shape[1] / sheet.width
    row = round((box.top + 0.58 * box.height) * share)
    across = [found[row - 3 : row + 4, round((box.left + (k + 0.5) / 6 * box.width) * share) + 8].max() for k in range(6)]
    assert (np.diff(across) > 0.05).all()


@pytest.mark.parametrize("theme", THEMES)
def test_letters_and_lines_can_be_seen_on_every_paper(theme):
    """Contrast after WCAG 2: 3 for what is drawn, 4.5 for what is read."""
    ground = float(luminance(np.array(parsed(THEMES[theme].paper)[:3])))

    def contrast(colour):
        other = float(luminance(np.array(colour[:3])))
        return (max(ground, other) + 0.05) / (min(ground, other) + 0.05)

    assert contrast(on_paper(THEMES[theme].ink, THEMES[theme], fixed=True)) > 7
    if theme == "dark":  # on white they are those of the page
        for colour in PALETTE:
            assert contrast(on_paper(colour, THEMES[theme])) > 3
    if theme == "grey":
        assert greyed(parsed("#D55E00"))[0] == greyed(parsed("#D55E00"))[2]


def test_a_curve_has_the_axes_of_the_page():
    """The ends and the ticks of `frontend/curve.js`: steps of 1, 2 or 5, from zero where that is near, no margin across."""
    figure = curve.figure([Curve("a", X, 1 + X)], x_title="t", y_title="loss", title="", footnote="")
    assert list(figure.layout.xaxis.range) == [0, 1]
    assert list(figure.layout.yaxis.range) == [1.0, 2.0]
    assert list(figure.layout.yaxis.ticktext) == ["1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]
    near = curve.figure([Curve("a", X, 0.3 + X)], x_title="t", y_title="loss", title="", footnote="")
    assert near.layout.yaxis.range[0] == 0
    written = texts(composed(figure, PRESETS["column"], THEMES["light"], 3.35))
    assert [t for t in written if re.fullmatch(r"[\d.]+", t)] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]


def test_dashes_are_told_apart():
    """As many as there are symbols, and none twice."""
    assert len(set(DASHES)) == len(DASHES) == 6


def test_a_surface_is_seen_from_its_camera():
    """Higher is further up on the sheet; the corner at the eye is nearest and lowest; and the box fills its area."""
    view = View(np.zeros(3), np.ones(3), np.array([1, 1, 0.6]), np.array([1.25, 1.25, 1.25]), Box(0, 0, 300, 200))
    seen, depth = view.seen(view.placed(np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)))
    assert (seen[1::2, 1] < seen[::2, 1]).all()
    assert depth.argmin() == 7 and depth.argmax() == 0
    assert seen[:, 1].argmax() == 6
    assert np.ptp(seen[:, 0]) == pytest.approx(300) or np.ptp(seen[:, 1]) == pytest.approx(200)
    assert seen[4, 0] < seen[2, 0], "x runs to the left of y, seen from where both are high"


def test_what_is_near_covers_what_is_far():
    """A wall at the near edge, yellow, hides the floor behind it, blue."""
    from explorer.figures import landscape

    axis = np.linspace(0, 1, 21)
    z = np.zeros((21, 21))
    z[:, -2:] = 1.0
    figure = landscape.relief(Surface(axis, axis, z, np.zeros(z.shape, bool)), [], [], z_title="", log=False)
    found = pixels(image(figure, "png"))
    sheet = composed(figure, PRESETS["column"], THEMES["light"], 3.35)
    view = View(np.zeros(3), np.ones(3), np.array([1, 1, 0.6]), np.array([1.25, 1.25, 1.25]), sheet.placed[-1])
    (x, y), share = view.seen(view.placed(np.array([1.0, 0.5, 0.9])))[0], found.shape[1] / sheet.width
    red, green, blue = found[round(y * share), round(x * share)]
    assert red > blue + 0.2 and green > blue + 0.1


def test_a_figure_read_from_its_file_is_drawn_as_it_was():
    """JSON holds arrays in base64."""
    import plotly.io

    make = examples.EXAMPLES["plane.figure"][0]
    again = plotly.io.from_json(str(make().to_json()))
    assert image(again, "svg") == image(make(), "svg")


def test_the_walls_stand_behind_the_surface():
    """Of a wall at the near edge no rule is seen through."""
    from explorer.figures import landscape

    axis = np.linspace(0, 1, 21)
    figure = landscape.relief(Surface(axis, axis, np.ones((21, 21)) - 0.5 * axis, np.zeros((21, 21), bool)), [], [], z_title="", log=False)
    sheet = composed(figure, PRESETS["column"], THEMES["light"], 3.35)
    rules = [artist for artist in sheet.figure.artists if artist.get_zorder() < 1]
    assert rules and all(artist.get_zorder() < ax.get_zorder() for artist in rules for ax in sheet.figure.axes)
