"""A surface in three dimensions: shaded from the upper left, with level lines at the ticks of its axis upwards, and paths and models that stand on it.

What is far is painted before what is near (the painter's algorithm), at 300 dpi; rules, ticks and names remain vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import contourpy
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize, to_rgba

from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.figures.curve import PALETTE
from explorer.figures.paper.axis import Axis, axis
from explorer.figures.paper.colours import on_paper, scale
from explorer.figures.paper.notes import names
from explorer.figures.paper.reading import Props, array, floats, group, known, lines, number, parts, plain, text
from explorer.figures.paper.sheet import Box, Sheet, union
from explorer.figures.paper.view import View, eye_of

__all__ = ["KINDS", "draw", "parts"]

KINDS = ("surface", "scatter3d")
FINE = 160  # cells along a side, at least: a coarse grid is drawn straight between its points, as on the page
SHADE = 0.42  # of the light that falls at right angles; the rest comes from everywhere
LINE = 0.004  # how far lines stand before the surface, in lengths of the box


def draw(sheet: Sheet, traces: Sequence[Props], layout: Props, area: Box) -> Box:
    """The scene in an area; the box around it with all its texts."""
    if any(t["type"] not in KINDS for t in traces):
        raise Refused("A picture with a surface and flat traces at once is not drawn on paper yet.")
    scene = group(layout, "scene")
    known(scene, "xaxis", "yaxis", "zaxis", "aspectmode", "aspectratio", "camera", what="The scene")
    size = number(group(layout, "font"), "size", 12.0)
    axes = [_axis(letter, scene, traces) for letter in "xyz"]
    ratio = group(scene, "aspectratio")
    view = View(
        np.array([a.low for a in axes]),
        np.array([a.high for a in axes]),
        np.array([number(ratio, letter, 1.0) for letter in "xyz"]),
        eye_of(scene),
        area,
    )
    around = [_walls(sheet, view, axes, size)]
    polygons: list[tuple[Array, Array, Array]] = []  # corners (n, m, 3), colours (n, 4), whether lines: width (n,)
    for index, trace in enumerate(traces):
        if trace["type"] == "surface":
            polygons += _surface(sheet, view, axes, trace)
        elif "lines" in text(trace, "mode", "lines+markers"):
            polygons.append(_path(sheet, view, axes, trace, index))
    _paint(sheet, view, polygons, area)
    for trace in traces:
        if trace["type"] == "scatter3d" and {"markers", "text"} & set(text(trace, "mode", "lines+markers").split("+")):
            _marks(sheet, view, axes, trace, size)
    return union(around)


def _axis(letter: str, scene: Props, traces: Sequence[Props]) -> Axis:
    props = {k: v for k, v in group(scene, f"{letter}axis").items() if k not in ("showbackground", "backgroundcolor")}
    values = [floats(t[letter]).ravel() for t in traces if t.get(letter) is not None]
    if letter != "z":  # as wide as the surface
        values = [floats(t[letter]).ravel() for t in traces if t["type"] == "surface" and t.get(letter) is not None] or values
    return axis(letter, f"{letter}axis", {f"{letter}axis": props}, [], values, tight=True)


def _walls(sheet: Sheet, view: View, axes: Sequence[Axis], size: float) -> Box:
    """Rules on the floor and the two walls behind, ticks and titles at the edges in front; the box around them."""
    found, half, front = [view.area], view.aspect / 2, view.front
    rule, ink = on_paper("#B4B7C0", sheet.theme), on_paper(sheet.theme.ink, sheet.theme, fixed=True)
    back = np.array([-front[0], -front[1], -1.0]) * half  # the floor is always the lower one

    def line(a: Array, b: Array) -> None:
        (x0, y0), (x1, y1) = view.seen(np.stack([a, b]))[0]
        sheet.stroke([x0, x1], [y0, y1], width=0.75, colour=rule, order=0.5)

    centre = view.seen(np.zeros(3))[0]
    for k, one in enumerate(axes):
        others = [i for i in range(3) if i != k]
        if k < 2:
            edge = np.array([0.0, 0.0, -half[2]])
            edge[1 - k] = front[1 - k] * half[1 - k]
        else:  # the upright edge on the left
            corners = [np.array([s * half[0], -s * front[0] * front[1] * half[1], 0.0]) for s in (1.0, -1.0)]
            edge = min(corners, key=lambda c: float(view.seen(c)[0][0]))
        ends = np.stack([edge, edge])
        ends[:, k] = [-half[k], half[k]]
        (ax, ay), (bx, by) = view.seen(ends)[0]
        along = np.array([bx - ax, by - ay])
        outward = np.array([-along[1], along[0]]) / np.linalg.norm(along)
        outward *= 1.0 if outward @ ((ax + bx) / 2 - centre[0], (ay + by) / 2 - centre[1]) > 0 else -1.0
        marks = one.ticks(float(np.linalg.norm(along)) * (2.4 if k == 2 else 1.6))
        boxes = list[Box]()
        for tick in marks:
            at = (tick.at - one.low) / (one.high - one.low) * view.aspect[k] - half[k]
            for wall in others:
                a, b = back.copy(), back.copy()
                a[k] = b[k] = at
                a[wall], b[wall] = -half[wall], half[wall]
                line(a, b)
            place = edge.copy()
            place[k] = at
            x, y = view.seen(place)[0] + 9 * outward
            across = "right" if outward[0] < -0.3 else "left" if outward[0] > 0.3 else "center"
            boxes.append(sheet.write([tick.text], x, y, size=0.85 * size, across=across, down="center", colour=ink))
        far = 14 + max([abs((b.right - b.left) * outward[0]) + abs((b.bottom - b.top) * outward[1]) for b in boxes], default=0.0)
        x, y = np.array([(ax + bx) / 2, (ay + by) / 2]) + far * outward
        turned = float(np.degrees(np.arctan2(-along[1], along[0])))
        turned = turned - 180 if turned > 90 else turned + 180 if turned < -90 else turned
        rows = sheet.wrapped(plain(one.title), size, max(float(np.linalg.norm(along)), 180.0))
        if k == 2:
            boxes.append(sheet.write(rows, x, y, size=size, across="right", down="center", turned=90, align="center"))
        else:
            boxes.append(sheet.write(rows, x, y, size=size, across="center", down="top", turned=turned))
        found += boxes
    return union(found)


def _surface(sheet: Sheet, view: View, axes: Sequence[Axis], trace: Props) -> list[tuple[Array, Array, Array]]:
    known(
        trace,
        "x",
        "y",
        "z",
        "surfacecolor",
        "colorscale",
        "reversescale",
        "cmin",
        "cmax",
        "showscale",
        "name",
        "opacity",
        "contours",
        what="A surface",
    )
    if trace.get("showscale") is not False:
        raise Refused("The scale of colours of a surface is not drawn on paper yet; its axis upwards has the values.")
    x, y = axes[0].numbers(trace["x"]), axes[1].numbers(trace["y"])
    z = axes[2].numbers(trace["z"])
    colour = floats(trace["surfacecolor"]) if trace.get("surfacecolor") is not None else z
    finite = colour[np.isfinite(colour)]
    if not finite.size:
        return []
    low, high = number(trace, "cmin", float(finite.min())), number(trace, "cmax", float(finite.max()))
    steps = scale(cast("Sequence[Sequence[object]]", trace["colorscale"]), sheet.theme, reverse=bool(trace.get("reversescale")))
    times = max(1, -(-FINE // max(len(x), len(y))))
    fx, fy, fz, fc = _finer(x, times), _finer(y, times), _between(z, times), _between(colour, times)
    grid = np.stack([*np.meshgrid(fx, fy), np.clip(fz, axes[2].low, axes[2].high)], axis=-1)
    corners = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2).reshape(-1, 4, 3)
    shades = np.stack([fc[:-1, :-1], fc[:-1, 1:], fc[1:, 1:], fc[1:, :-1]], axis=2).reshape(-1, 4).mean(axis=1)
    whole = np.isfinite(corners).all(axis=(1, 2)) & np.isfinite(shades)
    places = view.placed(corners[whole])
    normal = np.cross(places[:, 2] - places[:, 0], places[:, 3] - places[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    light = np.array([-0.55, 0.75, -0.6]) @ view.frame
    light /= np.linalg.norm(light)
    lit = 1 - SHADE + SHADE * np.clip(normal @ light, 0, 1) / max(float(light[2]), 0.2)
    faces = np.asarray(steps(Normalize(low, high, clip=True)(shades[whole])))
    faces[:, :3] = np.clip(faces[:, :3] * lit[:, None], 0, 1)
    faces[:, 3] = number(trace, "opacity", 1.0)
    found = [(places, faces, np.zeros(len(places)))]
    levels = [tick.at for tick in axes[2].ticks(1.2 * view.area.height)]
    generator = contourpy.contour_generator(x, y, np.ma.masked_invalid(z))
    pieces = [np.concatenate([run, np.full((len(run), 1), level)], axis=1) for level in levels for run in generator.lines(level)]  # pyright: ignore[reportArgumentType, reportCallIssue]
    segments = [np.stack([run[:-1], run[1:]], axis=1) for run in pieces if len(run) > 1]
    if segments:
        edges = view.placed(np.concatenate(segments))
        found.append((edges, np.tile(to_rgba("#000000", 0.45), (len(edges), 1)), np.full(len(edges), 0.8)))
    return found


def _finer(axis: Array, times: int) -> Array:
    n = (len(axis) - 1) * times + 1
    return np.interp(np.linspace(0, len(axis) - 1, n), np.arange(len(axis)), axis)


def _between(values: Array, times: int) -> Array:
    """(ny, nx) values with `times` steps for each, straight between them; NaN in every cell that has one at a corner."""
    for _ in range(2):
        at = np.linspace(0, len(values) - 1, (len(values) - 1) * times + 1)
        i = np.clip(at.astype(int), 0, len(values) - 2)
        share = (at - i)[:, None]
        values = (np.where(share < 1, (1 - share) * values[i], 0.0) + np.where(share > 0, share * values[i + 1], 0.0)).T
    return values


def _path(sheet: Sheet, view: View, axes: Sequence[Axis], trace: Props, index: int) -> tuple[Array, Array, Array]:
    """The pieces of a path, to be painted among the cells."""
    _scattered(trace)
    points = np.stack([axes["xyz".index(letter)].numbers(trace[letter]) for letter in "xyz"], axis=1)
    line = group(trace, "line")
    colour = on_paper(text(line, "color", PALETTE[index % len(PALETTE)]), sheet.theme)
    segments = np.stack([points[:-1], points[1:]], axis=1)
    segments = segments[np.isfinite(segments).all(axis=(1, 2))]
    return (view.placed(segments), np.tile(colour, (len(segments), 1)), np.full(len(segments), number(line, "width", 2.0) / 1.6))


def _scattered(trace: Props) -> None:
    known(trace, "x", "y", "z", "mode", "line", "marker", "name", "text", "textposition", "showlegend", "textfont", what="A scatter3d trace")
    known(group(trace, "line"), "color", "width", what="The line of a scatter3d trace")
    known(group(trace, "marker"), "color", "size", "line", "symbol", what="A marker of a scatter3d trace")


def _paint(sheet: Sheet, view: View, polygons: Sequence[tuple[Array, Array, Array]], area: Box) -> None:
    """All from the farthest to the nearest, as one picture."""
    shapes, depths, faces, edges, widths = list[Array](), list[Array](), list[Array](), list[Array](), list[Array]()
    for places, colours, width in polygons:
        if not len(places):
            continue
        is_line = places.shape[1] == 2
        seen, depth = view.seen(places)
        shapes += list(seen)
        depths.append(depth.mean(axis=1) - (3 * LINE if is_line else 0.0))
        faces.append(np.where(is_line, 0.0, 1.0) * colours)
        edges.append(colours)
        widths.append(width * sheet.k if is_line else np.full(len(places), 0.35 * sheet.k))
    if not shapes:
        return
    order = np.argsort(-np.concatenate(depths), kind="stable")
    ax = sheet.axes(area)
    ax.set_zorder(1)  # before the rules of the walls
    ax.set_xlim(area.left, area.right)
    ax.set_ylim(area.bottom, area.top)
    painted = PolyCollection(
        [shapes[i] for i in order], facecolors=np.concatenate(faces)[order], edgecolors=np.concatenate(edges)[order],
        linewidths=np.concatenate(widths)[order], closed=False, rasterized=True, clip_on=False, joinstyle="round", capstyle="round", zorder=2,
    )  # fmt: skip
    ax.add_collection(painted, autolim=False)


def _marks(sheet: Sheet, view: View, axes: Sequence[Axis], trace: Props, size: float) -> None:
    """Markers with their names, always in front: a model behind a ridge is still one of the picture."""
    _scattered(trace)
    marker = group(trace, "marker")
    edge = group(marker, "line")
    points = np.stack([axes["xyz".index(letter)].numbers(trace[letter]) for letter in "xyz"], axis=1)
    known_ = np.asarray(np.isfinite(points).all(axis=1))
    seen = view.seen(view.placed(points))[0]
    for x, y in seen[known_]:
        sheet.stroke(
            [x], [y], width=0, colour=on_paper(text(marker, "color", PALETTE[0]), sheet.theme, fixed=True), marker="o",
            markersize=1.6 * number(marker, "size", 8.0) * sheet.k, markeredgewidth=number(edge, "width", 0.0) * sheet.k,
            markeredgecolor=on_paper(text(edge, "color", "#31333F"), sheet.theme, fixed=True),
        )  # fmt: skip
    if trace.get("text") is not None:
        said = [" ".join(lines(str(t))[0]) for t in array(trace["text"])]
        names(
            sheet,
            Box(0, 0, sheet.width, sheet.height),
            [(float(x), float(y), t) for (x, y), t, k in zip(seen, said, known_.tolist(), strict=True) if k],
            size,
        )
