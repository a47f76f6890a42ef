"""Still pictures: well-formed, where the numbers say, and without a way for a name to become markup."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from xml.etree import ElementTree

import numpy as np

from explorer.figures import still
from explorer.figures.curve import Curve, Peak
from explorer.figures.plane import Marker, Surface
from explorer.figures.told import shades

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>\"'&"


def line(name: str = "a", **changes) -> Curve:
    t = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    y = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    return Curve(name, t, y, y - 0.1, y + 0.1, chord=(1.0, 1.0), peak=Peak(0.5, 1.0, 3.0, "barrier 2"), **changes)


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_point_stands_where_its_value_is():
    """Equal steps of t are equal steps to the right, and a value twice as far above the ends is drawn twice as far up."""
    drawn = ElementTree.fromstring(still.curves([line()], x_title="t", y_title="loss"))
    places = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in drawn.iter(f"{SVG}circle")]
    x, y = np.array(places).T
    assert np.allclose(np.diff(x), np.diff(x)[0], atol=0.2)
    assert abs((y[0] - y[2]) - 2 * (y[0] - y[1])) < 0.3 and y[0] > y[1] > y[2]
    assert abs(y[0] - y[4]) < 0.01


def test_a_point_that_diverged_is_a_gap_and_a_mark():
    """Two stretches of line, four dots, one cross."""
    t = np.linspace(0, 1, 5)
    svg = still.curves([Curve("a", t, np.array([1.0, 2.0, np.inf, 2.0, 1.0]))], x_title="t", y_title="loss")
    assert svg.count("<circle") == 4
    assert len(re.findall(r'fill="none" stroke="#0072B2" stroke-width="2"', svg)) == 2
    assert svg.count("l8 8m0 -8l-8 8") == 1


def test_nothing_measured_is_a_picture_too():
    """An empty curve has axes from 0 to 1 and no dot; one value has an axis around it."""
    empty, one = np.empty(0), np.array([0.5])
    assert "<circle" not in still.curves([Curve("a", empty, empty)], x_title="t", y_title="loss")
    assert still.curves([Curve("a", one, one)], x_title="t", y_title="loss").count("<circle") == 1


def test_a_name_is_never_markup():
    """Names of models and axes come out as the text that they are."""
    for svg in (
        still.curves([line(HOSTILE), line(HOSTILE, ghost=True)], x_title=HOSTILE, y_title=HOSTILE),
        still.plane(Surface(*grid()), [Marker(HOSTILE, 0.0, 0.0), Marker("b", 1.0, 0.0)], z_title=HOSTILE),
    ):
        assert ElementTree.fromstring(svg).find(f".//{SVG}script") is None
        assert HOSTILE in texts(svg)


def grid() -> tuple[np.ndarray, ...]:
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0])
    z = x[None, :] + 10 * y[:, None]
    return x, y, z, np.zeros(z.shape, dtype=bool)


def pixels(svg: str) -> np.ndarray:
    """The first image in the picture: (h, w, 3)."""
    png = base64.b64decode(re.findall(r'href="data:image/png;base64,([^"]*)"', svg)[0])
    width, height = struct.unpack(">II", png[16:24])
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    raw = np.frombuffer(zlib.decompress(png[start + 4 : start + 4 + length]), dtype=np.uint8)
    return raw.reshape(height, 1 + 3 * width)[:, 1:].reshape(height, width, 3)


def test_the_value_of_row_y_column_x_lies_there():
    """f = x + 10 y: the lowest colour is at the bottom left, the highest at the top right, and a step to the right is smaller than one up."""
    seen = pixels(still.plane(Surface(*grid()), [], z_title="f"))
    colours = [tuple(int(float(c)) for c in re.findall(r"[\d.]+", shade)) for shade in shades("Cividis")]
    place = np.array(
        [
            [min(range(128), key=lambda k, cell=cell: sum(abs(int(a) - b) for a, b in zip(cell, colours[k], strict=True))) for cell in row]
            for row in seen
        ]
    )
    assert place.shape == (2, 3)
    assert place[-1, 0] == 0 and place[0, -1] == 127
    assert 0 < place[-1, 1] < place[-1, 2] < place[0, 0]


def test_an_image_is_the_picture_and_nothing_else():
    """Its address holds the text, byte for byte."""
    svg = still.curves([line("ü")], x_title="t", y_title="loss")
    kind, _, text = still.address(svg).partition(",")
    assert kind == "data:image/svg+xml;base64" and base64.b64decode(text).decode() == svg


def test_labels_of_barriers_that_are_equally_high_stand_in_rows():
    """Two curves with one height: their labels are a row apart and within the picture."""
    found = still.curves([line("one"), line("two")], x_title="t", y_title="loss")
    heights = [float(y) for y in re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>barrier 2<', found)]
    assert len(heights) == 2 and abs(heights[0] - heights[1]) >= still.ROW - 0.2
    assert min(heights) > 0
