"""One example, at least, of every figure that the explorer makes, by the function that makes it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go

from explorer import figures
from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Loaded, Method, ProblemSpec
from explorer.figures import (
    bars,
    confusion,
    curve,
    landscape,
    landscape_profile,
    layers,
    line,
    matching,
    matrix,
    model_map,
    phases,
    plane,
    reliability,
    search,
    similarity,
    simplex,
    slices,
    spectrum,
    survey,
    tasks,
    topology,
    tree,
)
from explorer.figures.curve import Curve, Peak
from explorer.figures.plane import Marker, Surface, Trace
from explorer.stats.field_topology import Basin, FieldTopology, basins, of_points
from explorer.stats.intervals import Estimate
from explorer.stats.model_map import Rises
from explorer.stats.multi_task import TaskTable
from explorer.stats.spanning_tree import spanning_tree
from explorer.symmetry.alignment_report import AxisClass, Matched, TensorSimilarity

X = np.linspace(0, 1, 9)
RNG = np.random.default_rng(0)
NAMES = ("seed-0", "<b>seed</b> $1$", "seed-2 (weight matching)")


def _curves(*, log: bool = False, lost: bool = False) -> go.Figure:
    y = 1 + 4 * X * (1 - X)
    y = np.where((X > 0.7) & (X < 0.8), np.nan, y) if lost else y
    shown = [
        Curve("a → b", X, y, 0.9 * y, 1.1 * y, chord=(1.0, 1.0), peak=Peak(0.5, 1.0, 2.0, "barrier 1.00 [0.90, 1.10] nat")),
        Curve("after weight matching", X, 0.5 + 0.1 * y, peak=Peak(0.5, 0.6, 0.7, "barrier 0.1 [0.0, 0.2] nat")),
        Curve("before", X, 0.3 * y, ghost=True),
    ]
    return curve.figure(shown, x_title="t   (0 = a, 1 = b)", y_title="test loss (nat)", title="a → b", footnote="512 samples. " * 12, log=log)


def _grid(gap: bool = False) -> Surface:
    x, y = np.linspace(-1, 3, 17), np.linspace(-1, 2, 13)
    z = 0.05 + np.add.outer((y - 0.5) ** 2, (x - 1) ** 2)
    lost = np.zeros(z.shape, dtype=bool)
    if gap:
        z[2, 3], lost[2, 3] = np.nan, True
    return Surface(x, y, z, lost)


MARKERS = [Marker(name, x, y) for name, x, y in zip(NAMES, (0.0, 2.0, 1.0), (0.0, 0.0, 1.5), strict=True)]
TRACES = [Trace("bezier", "#D55E00", X, 2 * X, 2 * X * (1 - X)), Trace("elastic band", "#009E73", X, 2 * X, X * (1 - X))]


def _plane(*, log: bool = False, gap: bool = False, guess: bool = False) -> go.Figure:
    grid = _grid(gap)
    if guess:
        grid = Surface(grid.x, grid.y, grid.z, grid.lost, np.indices(grid.z.shape).sum(axis=0) % 2 == 1)
    return plane.figure(grid, MARKERS, TRACES, z_title="test loss (nat)", title="The plane", footnote="221 points", log=log)


def _matched() -> Matched:
    return Matched(
        names=NAMES, method="weight_matching", exact=True, objective="distance of the weights", trace=((3.0, 2.0, 1.5), tuple(4 - 0.01 * k for k in range(80))),
        notes=(), seconds=0.1, movable=0.9, unknown=(), warnings=(), groups=(), before=np.zeros((3, 3)), after=np.zeros((3, 3)), maps=(), similarity=(),
        layers=(TensorSimilarity("h.weight", (0.1, 0.2), (0.8, 0.9)), TensorSimilarity("out.weight", (-0.2, 0.1), (0.7, 0.6))),
    )  # fmt: skip


ALIKE = {
    "layers": ["conv", "<b>head"],
    **{name: [[[1.0, 0.9], [0.9, 1.0]], [[1.0, 0.4], [0.4, 1.0]]] for name in ("cka", "debiased", "procrustes")},
    "between": [[0.9, None], [0.2, 0.4]],
    "disagree": [[[0.0, 0.0, 0.0], [0.1, 0.08, 0.15]], [[0.1, 0.08, 0.15], [0.0, 0.0, 0.0]]],
    "cosine": [[1.0, 0.5], [0.5, 1.0]],
    "distance": [[0.0, 4.0], [4.0, 0.0]],
    "samples": 100,
}


def _topology(noise: float = 0.0) -> FieldTopology:
    coords = np.column_stack([np.linspace(0, 1, 5), np.full(5, 0.5)])
    values = np.array([0.0, 4.0, 2.0, 6.0, 1.0])[:, None] + noise * RNG.standard_normal((5, 16))
    return of_points(Points(coords, values[:, None], np.ones(16)), coords * (40, 14))


def _minima(noise: float = 0.0) -> list[Basin]:
    return basins(_topology(noise))


def _profile(noise: float) -> go.Figure:
    found = _topology(noise)
    return landscape_profile.figure(found, basins(found), unit="nat", picked=0)


def _tasks() -> TaskTable:
    one = Estimate(0.9, 0.8, 0.95)
    rows = ((one, one), (Estimate(0.7, 0.6, 0.8), one), (one, Estimate(0.8, 0.7, 0.9)))
    return TaskTable(("base", "a", "<b>"), ("x", "y"), (0, 1), rows, rows, rows, (one,) * 3, counted=True)


def _spectra() -> list[spectrum.Spectrum]:
    largest = np.array([[4.0, 3.5, 4.5], [2.0, 1.8, 2.1]])
    at = np.linspace(-1, 5, 64)
    return [
        spectrum.Spectrum(name, shift + largest, np.array([-0.1, -0.2, 0.0]), np.array([10.0, 9.0, 11.0]), at, np.exp(-2 * (at - shift) ** 2))
        for name, shift in (("a", 0.0), ("b", 0.5))
    ]


def _line(log: bool) -> go.Figure:
    problem = ProblemSpec(Method("mlp"), Method("digits"), name="p", title="P")
    field = Field(problem, (Loaded("aa", name="A"), Loaded("bb", name="B")), registry.method("chart", "line"))
    loss = 1 + 2 * (X * (1 - X))[:, None] + 0.05 * RNG.normal(size=(9, 64))
    return line.figure_of(field, Points(X[:, None], np.stack([loss, loss / 10], axis=1), np.ones(64)), "loss", log=log)


DISTANCES = np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0.0]])
HEIGHTS = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]])
SHARES = np.array([(a, b, 4 - a - b) for a in range(5) for b in range(5 - a)]) / 4
VALUES = np.where(np.arange(15) == 4, np.nan, 1.0 + np.arange(15.0))
BINS = [reliability.Bins(n, np.array([9, 0, 20]), np.array([0.2, np.nan, 0.9]), np.array([a, np.nan, 0.8]), np.array([0.1, np.nan, 0.7]), np.array([0.5, np.nan, 0.95])) for n, a in (("a", 0.3), ("b", 0.4))]  # fmt: skip
BARS = [bars.Bar("seed-0", 0.91, 0.89, 0.93), bars.Bar("soup", 0.95, 0.94, 0.96, strong=True), bars.Bar("worst", np.nan, np.nan, np.nan)]
MEASURES = [
    layers.Measure("spread,<br>merged / own", np.array([1.0, 0.5, np.nan]), 1.0),
    layers.Measure("rise of loss", np.array([0.1, 0.2, 0.3]), 0.0, np.array([0.0, 0.1, 0.2]), np.array([0.2, 0.3, 0.5])),
]
COUNTS = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 0]])

SIZES = np.linspace(0, 1, 6).reshape(2, 3)
TRIED = [search.Tried(m, f"scale={v}", v, d) for m, v, d in (("ties", 1.0, 0.2), ("<b>own</b>", 0.5, 0.4), ("ties", float("nan"), 0.3))]

EXAMPLES: dict[str, list[Callable[[], go.Figure]]] = {
    "bars.figure": [lambda: bars.figure(BARS, x_title="accuracy (%)"), lambda: bars.figure(BARS, x_title="accuracy", title="Soups", footnote="A note. " * 30)],
    "confusion.figure": [lambda: confusion.figure(COUNTS, ["cat", "dog", "eel"], title="A"), lambda: confusion.figure(np.eye(40, dtype=np.int64), [f"class {i}" for i in range(40)], title="A")],
    "curve.figure": [_curves, lambda: _curves(log=True), lambda: _curves(lost=True), lambda: curve.figure([], x_title="t", y_title="loss", title="", footnote="")],
    "landscape.relief": [
        lambda: landscape.relief(_grid(gap=True), MARKERS, TRACES, z_title="test loss (nat)", log=False),
        lambda: landscape.relief(_grid(), MARKERS, TRACES, z_title="test loss (nat)", log=True, span=(0.05, 10.0)),
    ],
    "layers.figure": [lambda: layers.figure(["conv1", "conv2", "fc"], MEASURES)],
    "line.figure_of": [lambda: _line(False), lambda: _line(True)],
    "matching.convergence": [lambda: matching.convergence(_matched())],
    "matching.element": [lambda: matching.element(AxisClass("hidden", "scaled", 6), np.array([[1.0, -0.5, 2.0, 0.1, -3.0, 1.0]])), lambda: matching.element(AxisClass("stream", "orthogonal", 4), RNG.standard_normal((1, 4, 4)))],
    "matching.turned": [lambda: matching.turned(RNG.standard_normal((2, 6, 6)), 1)],
    "matching.places": [lambda: matching.places(AxisClass("stream", "orthogonal", 4), RNG.uniform(-1, 1, (2, 1, 4)), reference="a")],
    "matching.layers": [lambda: matching.layers(_matched(), 1)],
    "matching.moves": [lambda: matching.moves(np.array([2, 0, 1]), reference="a", other="b"), lambda: matching.moves(RNG.random((4, 4)), reference="a", other="b")],
    "matching.similarity": [lambda: matching.similarity(np.linspace(-1, 1, 16).reshape(4, 4), reference="a", other="b")],
    "matrix.figure": [lambda: matrix.figure(HEIGHTS, NAMES, title="Barriers"), lambda: matrix.figure(np.eye(3) * 2 - 1, NAMES, title="Cosines", signed=True), lambda: matrix.figure(RNG.random((16, 16)), [f"model {i}" for i in range(16)], title="Many")],
    "matrix.grid": [lambda: matrix.grid(np.array([[0.0, -1.5, 2.0], [np.nan, 1.0, -2.0]]), ["a", "b"], ["cat", "dog", "eel"], title="By class")],
    "model_map.figure": [lambda: model_map.figure(tree.layout(DISTANCES), Rises(HEIGHTS, 0.8 * HEIGHTS, 1.2 * HEIGHTS), NAMES, threshold=float(np.median(HEIGHTS)), unit="nat", colours=[1.0, 2.0, 3.0]),
        lambda: model_map.figure(tree.layout(DISTANCES), Rises(HEIGHTS, 0.8 * HEIGHTS, 1.2 * HEIGHTS), NAMES, threshold=1.0, unit="nat", groups=NAMES, sizes=np.linspace(0, 1, len(NAMES)), picked=[0])],
    "plane.figure": [_plane, lambda: _plane(log=True), lambda: _plane(gap=True), lambda: _plane(guess=True)],
    "reliability.figure": [lambda: reliability.figure(BINS, title="Calibration")],
    "search.candidates": [
        lambda: search.candidates(TRIED, y_title="val loss (nat)", base=2.0),
        lambda: search.candidates(TRIED, y_title="val accuracy (%)", lower=False, scale=100.0),
        lambda: search.candidates([], y_title="val loss"),
    ],
    "search.progress": [lambda: search.progress([t.value for t in TRIED], y_title="val loss (nat)"), lambda: search.progress([], y_title="loss")],
    "phases.figure": [lambda: phases.figure(X, [phases.Phase("sharpness (nat)", X, X - 0.1, X + 0.1)], x_title="epoch")],
    "similarity.between": [lambda: similarity.between(ALIKE)],
    "similarity.functions": [lambda: similarity.functions(ALIKE, NAMES[:2])],
    "simplex.figure": [lambda: simplex.figure(SHARES, VALUES, None, NAMES, value_title="error (%)", title="Soups", picked=[1, 1, 0]), lambda: simplex.figure(SHARES, VALUES, None, NAMES, value_title="loss", title="Soups", log=True)],
    "slices.figure": [lambda: slices.figure(1 + RNG.random((4, 3, 3)), [np.arange(4.0), np.arange(3.0), np.arange(3.0)], names="xyz", z_title="loss (nat)", log=True), lambda: slices.figure(RNG.random((3, 3, 3, 2)), [np.arange(3.0)] * 3 + [np.arange(2.0)], names=("x1", "<b>x2", "x3", "x4"), z_title="error (%)")],
    "spectrum.density": [lambda: spectrum.density(_spectra())],
    "spectrum.eigenvalues": [lambda: spectrum.eigenvalues(_spectra())],
    "survey.figure": [
        lambda: survey.figure(["layers.0", "layers.1"], NAMES, survey.panels(SIZES, SIZES - 0.5, SIZES, np.where(SIZES > 0.3, np.nan, 2.0))),
        lambda: survey.figure(["layers.0", "layers.1"], NAMES, survey.panels(SIZES, SIZES * np.nan, SIZES, SIZES)),
    ],
    "tasks.front": [lambda: tasks.front(NAMES, 100 * SIZES.T, [1, 2], x_title="worst task (%)", y_title="mean over tasks (%)")],
    "tasks.trade_off": [lambda: tasks.trade_off(_tasks())],
    "tasks.planes": [
        lambda: tasks.planes(["a", "<b>"], X, X[:5], [RNG.random((5, 9)), np.full((5, 9), np.nan)], [("m", 0.5, 0.5)], z_title="test loss (nat)")
    ],
    "landscape_profile.figure": [lambda: _profile(0.0), lambda: _profile(0.5)],
    "topology.barcode": [lambda: topology.barcode(_minima(), unit="nat"), lambda: topology.barcode(_minima(0.5), unit="nat", picked=0)],
    "topology.diagram": [lambda: topology.diagram(_minima(), unit="nat"), lambda: topology.diagram(_minima(0.5), unit="nat")],
    "topology.tree": [lambda: topology.tree(_minima(0.5), unit="nat", picked=1)],
    "tree.figure": [lambda: tree.figure(DISTANCES, HEIGHTS, spanning_tree(HEIGHTS), NAMES, unit="nat", title="Tree")],
}  # fmt: skip


def makers() -> set[str]:
    """Every public function of explorer.figures that makes a figure, of something else than a figure, by its module and name."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(figures.__path__):
        if module.name == "paper":
            continue
        there = importlib.import_module(f"{figures.__name__}.{module.name}")
        for name, function in inspect.getmembers(there, inspect.isfunction):
            if (
                function.__module__ == there.__name__
                and not name.startswith("_")
                and str(inspect.signature(function).return_annotation) == "go.Figure"
                and all(p.annotation != "go.Figure" for p in inspect.signature(function).parameters.values())
            ):
                found.add(f"{module.name}.{name}")
    return found


def flat() -> list[tuple[str, Callable[[], go.Figure]]]:
    """All examples with a name for each."""
    return [(f"{name}-{i}", make) for name, several in EXAMPLES.items() for i, make in enumerate(several)]
