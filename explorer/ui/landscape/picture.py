"""What is known of a plane at this moment: its points, as cells or as a smooth preview, and the models and paths that stand in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, TypeVar, cast

import numpy as np

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.points import Array, Points
from explorer.core.spec import Field, Recipe, Run, Study
from explorer.figures.curve import PALETTE
from explorer.figures.plane import SCALE, Marker, Surface, Trace, cells, previewed
from explorer.stats import arc_length, candidate_extremes, line_words, metrics, units
from explorer.stats.arc_length import ChartFunction
from explorer.stats.certificate_words import certified
from explorer.stats.plane_frame import Window
from explorer.stats.preview_confirmation import Confirmed, is_preview
from explorer.stats.sparse_grid_surrogate import Certificate
from explorer.store.job_status import Status
from explorer.store.kept import Kept
from explorer.store.records import FieldFacts
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell
from explorer.ui.landscape import form
from explorer.ui.landscape.form import COARSE, FINEST
from explorer.ui.widgets import precision

SIZES = (COARSE, 33, FINEST)
KEPT_BYTES = 32 * 2**20  # of grids: some two hundred of the finest
Kind: TypeAlias = Literal["map", "relief", "triangle"]
Made = TypeVar("Made")
_made: Kept[object] = Kept(KEPT_BYTES)


@dataclass(frozen=True)
class Picture:
    """A plane by its coarsest request, and the finest size that somebody has requested."""

    run: Run
    size: int

    @property
    def name(self) -> str:
        """What it is called."""
        return form.name_of(self.run)

    @property
    def key(self) -> str:
        """What the drawn plane is called on the page."""
        return f"landscape-{self.run.id}"

    @property
    def refined(self) -> Run:
        """The request for more points where the picture needs them, and for its certificate."""
        return form.refined(self.run)

    def at_size(self, size: int) -> Run:
        """The request for the same plane with `size` points along each side."""
        return form.finer(self.run, size)

    def requested(self, store: RunStore) -> list[tuple[Run, Status]]:
        """All that was requested this plane."""
        runs = [*(self.at_size(size) for size in sizes(self.run)), self.refined]
        return [(run, status) for run in runs if (status := store.status(run.id)) is not None]


@dataclass(frozen=True)
class Style:
    """How a person wants to see a plane."""

    metric: str
    unit: str  # of the values as they are shown
    log: bool
    picture: Kind
    smooth: bool
    colours: str = SCALE

    @property
    def scale(self) -> float:
        """What values are multiplied by; shares are shown in percent."""
        return units.scale(self.metric)

    def interval(self, field: Field, points: Points) -> tuple[Array, Array]:
        """(K,) ends of the points' pointwise 95 % intervals, as they are shown."""
        low, high = metrics.interval(points, field.metrics, self.metric)
        return self.scale * low, self.scale * high


@dataclass(frozen=True)
class PlaneView:
    """What is known of a plane at this moment.

    drawn: what is to be drawn. whole: the finest grid that is measured everywhere, or what there is of the coarsest. certificate: of the preview, if one is drawn.
    points: with all blocks taken as one, for means; `blocks` reads those of some places, for intervals.
    """

    field: Field
    facts: FieldFacts
    window: Window
    points: Points
    blocks: Callable[[Array], Points]
    drawn: Surface
    whole: Surface
    certificate: Certificate | None
    markers: list[Marker]
    traces: list[Trace]
    again: Confirmed | None = None  # of a preview, what was measured again in float32
    deciding: Run | None = None  # of a picture on some of the samples, the request for all of them at the places that may be its lowest or highest
    decided: Points | None = None  # these places

    def caption(self, style: Style) -> str:
        """What must be known to read the picture."""
        samples = int(self.points.counts.sum()) if len(self.points) else 0
        if self.drawn.guess is not None:
            said = [
                f"{certified(self.certificate, self.drawn.measured, scale=style.scale, unit=style.unit)} {samples:,} {self.field.measured_on} samples"
            ]
        else:
            said = [f"{self.drawn.measured} of {self.drawn.z.size} cells measured on {samples:,} {self.field.measured_on} samples"]
        if is_preview(self.field):
            said.append(line_words.caution(self.field, self.again))
        far = [m for m in self.markers if m.outside > 1e-6 * np.ptp(self.drawn.x)]
        if far:
            names = ", ".join(f"{plain(m.name)} {m.outside:.3g}" for m in far[:8]) + (" …" if len(far) > 8 else "")
            said.append(f"outside this plane, at this distance: {names}")
        return " · ".join(said)


def sizes(run: Run) -> list[int]:
    """Points along each side of the grids that a plane is looked for in: those that are offered, and its own."""
    own = run.sampler.kwargs().get("size") if run.sampler.name == "grid" else None
    return sorted({*SIZES, *([own] if isinstance(own, int) and own > 1 else [])})


def finest(store: RunStore, run: Run) -> int:
    """The finest grid that was requested."""
    requested = [size for size in sizes(run) if store.status(form.finer(run, size).id) is not None]
    return max(requested, default=COARSE)


def current_view(store: RunStore, picture: Picture, style: Style, others: list[Recipe]) -> PlaneView | None:
    """The plane as far as it is known; None while nothing is."""
    field = picture.run.field
    facts = store.field(field.id)
    if facts is None:
        return None
    try:
        window = cast("Window", registry.find("chart", field.chart.name, function="window")(facts.gram, **field.chart.kwargs()))
    except Refused:  # the worker says why
        return None
    points, seen = store.totals(field.id)

    def kept(what: str, size: int, make: Callable[[], Made]) -> Made:
        return once((str(store.path), field.id, style.metric, what, size), seen, make)

    looked_at = [size for size in sizes(picture.run) if size <= picture.size]
    grids = [kept("cells", size, partial(cells, points, field.metrics, style.metric, window, size)) for size in looked_at]
    whole = next((g for g in reversed(grids) if g.measured == g.z.size), grids[0])
    drawn, certificate = grids[-1], None
    if style.smooth and _previewed(store, picture, drawn):
        drawn, certificate = kept("smooth", FINEST, partial(previewed, points, field.metrics, style.metric, window, FINEST))
    blocks = partial(store.points_at, field.id)
    deciding = None
    if field.samples and not is_preview(field) and whole.measured == whole.z.size:
        deciding = kept("deciding", 0, lambda: candidate_extremes.deciding(field, points, style.metric, blocks))
    return PlaneView(
        field,
        facts,
        window,
        points,
        blocks,
        drawn,
        whole,
        certificate,
        [*_corners(field, window), *_strangers(store, field, window, others)],
        _ways(store, field, window),
        precision.again(store, field, points),
        deciding,
        candidate_extremes.decided(deciding, store.points(deciding.field.id)[0]) if deciding is not None else None,
    )


def _previewed(store: RunStore, picture: Picture, grid: Surface) -> bool:
    """Whether a preview says more than the finest grid: not of one that is finer and whole, nor where its points are no nodes of the preview."""
    size = len(grid.x)
    if size > FINEST and grid.measured == grid.z.size:
        return False
    return (FINEST - 1) % (size - 1) == 0 or store.status(picture.refined.id) is not None


def once(key: tuple[str, str, str, str, int], seen: int, make: Callable[[], Made]) -> Made:
    """What follows from the points of a field up to number `seen`, made once for all sessions; a field's window never changes."""
    before = _made.last(key)
    if before is not None and before[0] == seen:
        return cast("Made", before[1])
    made = make()
    return cast("Made", _made.keep(key, seen, made, 10 * made.z.size if isinstance(made, Surface) else 40 * FINEST**2))


def span(grids: list[Surface], log: bool) -> tuple[float, float] | None:
    """The lowest and the highest value of all, for one scale of colours."""
    values = np.concatenate([g.z[np.isfinite(g.z)] for g in grids]) if grids else np.empty(0)
    values = values[values > 0] if log else values
    return (float(values.min()), float(values.max())) if values.size and values.min() < values.max() else None


def _corners(field: Field, window: Window) -> list[Marker]:
    corners = form.models_of(field)
    frame = window.frame
    return [Marker(c.name or c.id, float(x), float(y), float(out)) for c, (x, y), out in zip(corners, frame.corners, frame.outside, strict=False)]


def _strangers(store: RunStore, field: Field, window: Window, others: list[Recipe]) -> list[Marker]:
    """Other models, where they stand over the plane; asked for when that is not known."""
    if not others:
        return []
    request = Study(field.problem, (*field.corners, *others), registry.method("study", "gram"))
    status = store.status(request.id)
    if status is None:
        shell.submit(request, urgent=True)
    elif status.state == "failed":
        failure.show(status)
    if status is None or status.state != "done" or not isinstance(status.result, dict):
        return []
    gram = np.array(status.result["gram"], dtype=np.float64)
    c, frame = len(field.corners), window.frame
    found: list[Marker] = []
    for k, other in enumerate(others, start=c):
        # ⟨other − origin, axis⟩ and |other − origin|², from inner products alone
        along = frame.basis @ gram[:c, k] - frame.basis @ gram[:c, :c] @ frame.origin
        square = gram[k, k] - 2 * frame.origin @ gram[:c, k] + frame.origin @ gram[:c, :c] @ frame.origin
        found.append(Marker(other.name or other.id, float(along[0]), float(along[1]), float(np.sqrt(max(square - along @ along, 0.0)))))
    return found


def _ways(store: RunStore, field: Field, window: Window) -> list[Trace]:
    """Measured ways that lie in this plane because their corners are corners of it; and of many models, the order they come in."""
    found: list[Trace] = []
    own = [c.id for c in field.corners]
    t = np.linspace(0.0, 1.0, arc_length.STEPS // 2 + 1)
    for status in store.statuses("Run", limit=200):
        run = status.request
        if not isinstance(run, Run) or status.state != "done" or len(registry.axes(run.field.chart.name)) != 1 or len(found) >= len(PALETTE):
            continue
        corners = [c.id for c in run.field.corners]
        if len(corners) < 3 or not set(corners) <= set(own):
            continue
        rows = cast("ChartFunction", registry.find("chart", run.field.chart.name))(t[:, None], np.eye(len(corners)))
        x, y = window.frame.places(rows @ np.eye(len(own))[[own.index(c) for c in corners]]).T
        if (name := run.field.chart.name) not in {f.name for f in found}:
            found.append(Trace(name, PALETTE[len(found)], t, x, y))
    if len(own) > 3:
        order, places = np.linspace(0.0, 1.0, len(own)), window.frame.corners
        found.append(Trace("in their order", PALETTE[1], order, places[:, 0], places[:, 1]))
    return found
