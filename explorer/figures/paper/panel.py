"""A pair of axes on the sheet, and the traces that are drawn between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize

from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.figures.curve import PALETTE
from explorer.figures.paper.axis import Axis
from explorer.figures.paper.colours import Colour, on_paper, readable, scale
from explorer.figures.paper.marks import STROKES, dash, symbol
from explorer.figures.paper.reading import Props, array, floats, group, known, lines, number, plain, text
from explorer.figures.paper.sheet import Box, Sheet
from explorer.figures.ticks import nice_step

CELLS = 64**2  # of a heatmap; with more it is embedded as a picture
SHARED = ("name", "x", "y", "xaxis", "yaxis", "showlegend", "opacity", "mode", "text")


@dataclass(frozen=True, eq=False)
class Bar:
    """A scale of colours that is to stand beside a panel."""

    colours: Colormap
    low: float
    high: float
    props: Props


@dataclass(frozen=True, eq=False)
class Panel:
    """x, y: its axes; box: where it stands; fixed: whether it has a ground of its own colours, a heatmap."""

    sheet: Sheet
    axes: Axes
    x: Axis
    y: Axis
    box: Box
    fixed: bool
    layout: Props

    def px(self, x: float) -> float:
        """The px of a place along the axis."""
        return self.box.left + self.box.width * self.x.at(x)

    def py(self, y: float) -> float:
        """The same upwards."""
        return self.box.bottom - self.box.height * self.y.at(y)

    def colour(self, name: str) -> Colour:
        """As it is on this paper and in this panel."""
        return on_paper(name, self.sheet.theme, fixed=self.fixed)


def draw(panel: Panel, trace: Props, index: int) -> Bar | None:
    """A trace, above those before it; the scale of its colours where it has one that is to be seen."""
    kind = text(trace, "type", "scatter")
    if kind not in DRAWERS:
        raise Refused(f"A trace of the type {kind!r} is not drawn on paper yet. There are: {', '.join(DRAWERS)}, surface, scatter3d.")
    return DRAWERS[kind](panel, trace, 2 + 0.01 * index)


def own_colour(trace: Props, index: int) -> str:
    """The colour of a scatter trace: of its line or its markers, else the next of the palette."""
    given = [group(trace, part).get("color") for part in ("line", "marker")]
    return next((c for c in given if isinstance(c, str)), PALETTE[index % len(PALETTE)])


def mode(trace: Props) -> set[str]:
    """What a scatter trace consists of."""
    return set(text(trace, "mode", "lines" if len(array(trace["x"])) > 20 else "lines+markers").split("+"))


def _scatter(panel: Panel, trace: Props, order: float) -> Bar | None:
    known(
        trace, *SHARED, "line", "marker", "fill", "fillcolor", "connectgaps", "error_x", "error_y", "textposition", "textfont", "cliponaxis",
        what="A scatter trace",
    )  # fmt: skip
    x, y = panel.x.numbers(trace["x"]), panel.y.numbers(trace["y"])
    parts, opacity, k = mode(trace), number(trace, "opacity", 1.0), panel.sheet.k
    line, own = group(trace, "line"), own_colour(trace, round((order - 2) * 100))
    known(line, "color", "width", "dash", what="The line of a scatter trace")
    if (fill := text(trace, "fill", "none")) != "none":
        if fill != "toself":
            raise Refused(f"A fill of the kind {fill!r} is not drawn on paper yet; 'toself' is.")
        for outline in np.split(np.stack([x, y], axis=1), np.flatnonzero(np.isnan(x) | np.isnan(y))):
            if len(shown := outline[np.isfinite(outline).all(axis=1)]) > 2:
                red, green, blue, alpha = panel.colour(text(trace, "fillcolor", own))
                panel.axes.fill(shown[:, 0], shown[:, 1], color=(red, green, blue, alpha * opacity), linewidth=0, zorder=order)
    if "lines" in parts and (width := number(line, "width", 2.0)) > 0:
        if trace.get("connectgaps"):
            there = np.isfinite(x) & np.isfinite(y)
            x, y = x[there], y[there]
        panel.axes.plot(
            x, y, color=panel.colour(text(line, "color", own)), linewidth=width * k, linestyle=dash(text(line, "dash", "solid")), alpha=opacity,
            solid_joinstyle="round", solid_capstyle="round", zorder=order,
        )  # fmt: skip
    for axis in ("x", "y"):
        if bars := group(trace, f"error_{axis}"):
            _errors(panel, x, y, axis, bars, text(bars, "color", own), order)
    bar = _markers(panel, trace, x, y, own, opacity, order + 0.003) if "markers" in parts else None
    return bar


def _markers(panel: Panel, trace: Props, x: Array, y: Array, own: str, opacity: float, order: float) -> Bar | None:
    marker, k = group(trace, "marker"), panel.sheet.k
    known(
        marker, "color", "size", "symbol", "line", "colorscale", "cmin", "cmax", "showscale", "colorbar", "reversescale", "opacity", what="A marker"
    )
    edge, bar = group(marker, "line"), None
    sizes = np.broadcast_to(np.asarray(marker.get("size") if marker.get("size") is not None else 6.0, dtype=np.float64), x.shape)
    symbols = np.broadcast_to(np.asarray(marker.get("symbol") or "circle"), x.shape)
    colours: list[Colour]
    if isinstance(given := marker.get("color"), str) or given is None:
        colours = [panel.colour(str(given or own))] * len(x)
    elif array(given).dtype.kind in "OU":
        colours = [panel.colour(str(c)) for c in array(given)]
    else:
        values = floats(given)
        low, high = number(marker, "cmin", float(np.nanmin(values))), number(marker, "cmax", float(np.nanmax(values)))
        steps = scale(cast("Sequence[Sequence[object]]", marker["colorscale"]), panel.sheet.theme, reverse=bool(marker.get("reversescale")))
        if marker.get("showscale") or (marker.get("showscale") is None and marker.get("colorbar")):
            bar = Bar(steps, low, high, group(marker, "colorbar"))
        colours = [cast("Colour", tuple(steps(Normalize(low, high)(v)))) for v in values[: len(x)]]
    opacity *= number(marker, "opacity", 1.0)
    alike: dict[tuple[float, str, Colour], list[int]] = {}
    for i, (size, name, colour) in enumerate(zip(sizes, symbols, colours, strict=True)):
        alike.setdefault((float(size), str(name), colour), []).append(i)
    for (size, name, colour), those in alike.items():
        shape, is_open, factor = symbol(name)
        bare = is_open or shape in STROKES
        stroke = panel.colour(text(edge, "color")) if edge.get("color") else colour
        width = number(edge, "width", 1.5 if bare else 0.0)
        panel.axes.plot(
            x[those], y[those], marker=shape, markersize=size * factor * k, linestyle="none", clip_on=False,
            markerfacecolor="none" if bare else faded(colour, opacity), markeredgecolor=faded(stroke, opacity), markeredgewidth=width * k, zorder=order,
        )  # fmt: skip
    return bar


def faded(colour: Colour, opacity: float) -> Colour:
    """A colour with less of it."""
    return (*colour[:3], colour[3] * opacity)


def _errors(panel: Panel, x: Array, y: Array, axis: str, bars: Props, colour: str, order: float) -> None:
    known(bars, "type", "array", "arrayminus", "symmetric", "color", "thickness", "width", what="An error bar")
    middle = x if axis == "x" else y
    up = floats(bars["array"])
    down = up if bars.get("symmetric") is True or bars.get("arrayminus") is None else floats(bars["arrayminus"])
    ends = middle - down, middle + up
    k, shade = panel.sheet.k, panel.colour(colour)
    stems = np.stack(
        [np.stack([ends[0], y], 1), np.stack([ends[1], y], 1)] if axis == "x" else [np.stack([x, ends[0]], 1), np.stack([x, ends[1]], 1)], 1
    )
    stems = stems[np.isfinite(stems).all(axis=(1, 2))]
    width = number(bars, "thickness", 2.0) * k
    panel.axes.add_collection(LineCollection(list(stems), colors=[shade], linewidths=width, zorder=order), autolim=False)
    cap = 2 * number(bars, "width", 4.0) * k
    tips = stems.reshape(-1, 2)
    panel.axes.plot(
        tips[:, 0], tips[:, 1], marker="|" if axis == "x" else "_", markersize=cap, markeredgewidth=width, color=shade, linestyle="none", zorder=order,
    )  # fmt: skip


def _bars(panel: Panel, trace: Props, order: float) -> None:
    known(trace, *SHARED, "orientation", "marker", "error_x", "error_y", "textposition", what="A bar trace")
    known(group(trace, "marker"), "color", what="The marker of a bar trace")
    if text(trace, "textposition", "none") != "none":
        raise Refused("Texts in bars are not drawn on paper yet; annotations are.")
    level = text(trace, "orientation", "v") == "h"
    x, y = panel.x.numbers(trace["x"]), panel.y.numbers(trace["y"])
    colours = np.broadcast_to(np.asarray(group(trace, "marker").get("color") or PALETTE[0]), x.shape)
    thick = 1 - number(panel.layout, "bargap", 0.2)
    for a, b, colour in zip(x, y, colours, strict=True):
        if np.isfinite([a, b]).all():
            (panel.axes.barh if level else panel.axes.bar)(*((b, a) if level else (a, b)), thick, color=panel.colour(str(colour)), zorder=order)
    for axis in ("x", "y"):
        if bars := group(trace, f"error_{axis}"):
            _errors(panel, x, y, axis, bars, text(bars, "color", "#31333F"), order + 0.003)


def edges(middles: Array) -> Array:
    """(n,) middles of cells → (n + 1,) their edges."""
    if len(middles) < 2:
        return np.array([middles[0] - 0.5, middles[0] + 0.5])
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])


def middles(axis: Axis, trace: Props, count: int) -> Array:
    """Where the columns or rows of a matrix stand."""
    given = trace.get(axis.letter)
    return np.arange(count, dtype=np.float64) if given is None else axis.numbers(given)


def _heatmap(panel: Panel, trace: Props, order: float) -> Bar | None:
    known(
        trace, *SHARED, "z", "colorscale", "reversescale", "zmin", "zmax", "colorbar", "showscale", "xgap", "ygap", "texttemplate", "zsmooth",
        what="A heatmap",
    )  # fmt: skip
    z = floats(trace["z"])
    finite = z[np.isfinite(z)]
    low = number(trace, "zmin", float(finite.min()) if finite.size else 0.0)
    high = number(trace, "zmax", float(finite.max()) if finite.size else 1.0)
    high = high if high > low else low + 1.0
    steps = scale(cast("Sequence[Sequence[object]]", trace["colorscale"]), panel.sheet.theme, reverse=bool(trace.get("reversescale")))
    across, up = (edges(middles(axis, trace, count)) for axis, count in ((panel.x, z.shape[1]), (panel.y, z.shape[0])))
    ax, norm, known_cells = panel.axes, Normalize(low, high, clip=True), np.ma.masked_invalid(z)
    even = all(np.allclose(np.diff(e), np.diff(e)[0], rtol=1e-4) for e in (across, up))
    if even and (z.size > CELLS or trace.get("zsmooth")):
        smooth = "bilinear" if trace.get("zsmooth") else "nearest"
        ax.imshow(
            known_cells,
            cmap=steps,
            norm=norm,
            extent=(across[0], across[-1], up[0], up[-1]),
            origin="lower",
            aspect="auto",
            interpolation=smooth,
            zorder=order,
        )
    else:
        gap = min(number(trace, "xgap", 0.0), 0.1 * panel.box.width / z.shape[1])
        ax.pcolormesh(
            across, up, known_cells, cmap=steps, norm=norm, edgecolors=panel.sheet.theme.paper if gap else "face",
            linewidth=(gap or 0.3) * panel.sheet.k, rasterized=z.size > CELLS, zorder=order,
        )  # fmt: skip
    if (form := text(trace, "texttemplate")) == "%{text}":
        for (i, j), word in np.ndenumerate(array(trace["text"])):
            if np.isfinite(z[i, j]):
                ink = readable(cast("Colour", tuple(steps(norm(z[i, j])))))
                x, y = panel.px(float((across[j] + across[j + 1]) / 2)), panel.py(float((up[i] + up[i + 1]) / 2))
                panel.sheet.write(
                    [plain(str(word))], x, y, size=12, colour=on_paper(ink, panel.sheet.theme, fixed=True), across="center", down="center"
                )
    elif form:
        raise Refused(f"The text {form!r} of a heatmap's cells is not drawn on paper yet; '%{{text}}' is.")
    return Bar(steps, low, high, group(trace, "colorbar")) if trace.get("showscale") is not False else None


def _contours(panel: Panel, trace: Props, order: float) -> None:
    known(trace, *SHARED, "z", "contours", "line", "showscale", "ncontours", "autocontour", what="A contour trace")
    how, line = group(trace, "contours"), group(trace, "line")
    known(how, "coloring", "showlabels", "labelfont", "start", "end", "size", "labelformat", what="Contours")
    known(line, "color", "width", "dash", what="The line of contours")
    if text(how, "coloring", "fill") not in ("none", "lines"):
        raise Refused("Filled contours are not drawn on paper yet; a heatmap under lines is.")
    z = floats(trace["z"])
    finite = z[np.isfinite(z)]
    if finite.size == 0 or min(z.shape) < 2:
        return
    low, high = float(finite.min()), float(finite.max())
    size = number(how, "size", 0.0) or nice_step((high - low) / number(trace, "ncontours", 15.0) or 1.0)
    first, last = number(how, "start", float(np.ceil(low / size) * size)), number(how, "end", high)
    levels = [level for level in first + size * np.arange(int((last - first) / size + 1e-9) + 1) if low < level < high]
    if not levels:
        return
    x, y = middles(panel.x, trace, z.shape[1]), middles(panel.y, trace, z.shape[0])
    colour = panel.colour(text(line, "color", "#31333F"))
    drawn = panel.axes.contour(
        x, y, np.ma.masked_invalid(z), levels=levels, colors=[colour], linewidths=number(line, "width", 1.0) * panel.sheet.k,
        linestyles=[dash(text(line, "dash", "solid"))], zorder=order,
    )  # fmt: skip
    if how.get("showlabels") or trace.get("name"):  # one level's line is called after it, also where Plotly would write a logarithm
        font = group(how, "labelfont")
        said = text(trace, "name")

        def written(level: float) -> str:
            return said or f"{level:.4g}"

        panel.axes.clabel(
            drawn, fmt=written, fontsize=number(font, "size", 11.0) * panel.sheet.k,
            colors=[panel.colour(text(font, "color", "#31333F"))], inline=True, inline_spacing=2 * panel.sheet.k, zorder=order + 0.5,
        )  # fmt: skip


DRAWERS: dict[str, Callable[[Panel, Props, float], Bar | None]] = {
    "scatter": _scatter,
    "bar": _bars,
    "heatmap": _heatmap,
    "contour": _contours,
}


def reach(trace: Props, letter: str, log: bool) -> list[Array]:
    """The values along an axis that a trace needs room for."""
    values = trace.get(letter)
    if trace.get("type") in ("heatmap", "contour"):
        z = floats(trace["z"])
        at = np.arange(z.shape["yx".index(letter)], dtype=np.float64) if values is None else array(values)
        return [edges(at.astype(np.float64))] if at.dtype.kind in "iuf" else []
    if values is None or (array(values).dtype.kind in "OU" and any(isinstance(v, str) for v in array(values))):
        return []
    found = [floats(values)]
    if (bars := group(trace, f"error_{letter}")) and not log:
        up = floats(bars["array"])
        found += [found[0] + up, found[0] - (floats(bars["arrayminus"]) if bars.get("arrayminus") is not None else up)]
    if trace.get("type") == "bar" and letter == ("x" if trace.get("orientation") == "h" else "y"):
        found.append(np.zeros(1))
    return found


def texts(panel: Panel, trace: Props) -> list[tuple[float, float, str]]:
    """Names that stand at the places of a trace, in px."""
    if trace.get("type", "scatter") != "scatter" or "text" not in mode(trace):
        return []
    x, y = panel.x.numbers(trace["x"]), panel.y.numbers(trace["y"])
    return [
        (panel.px(float(a)), panel.py(float(b)), " ".join(lines(str(t))[0]))
        for a, b, t in zip(x, y, array(trace["text"]), strict=True)
        if np.isfinite([a, b]).all()
    ]
