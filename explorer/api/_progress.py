"""How far work is, for whoever looks on: a bar by tqdm in a notebook or a terminal, else a plain line; in a notebook also the picture as it grows.

Nothing is shown of work that is done in a moment, nothing stays when it is done, and nothing is shown where nobody looks: standard error is a file.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, cast

from explorer.api._keywords import Reporter, silent
from explorer.api._shown import in_kernel, widgets_show
from explorer.api.plane_result import Plane, window_of
from explorer.api.results import Line
from explorer.core import registry, significant_digits
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Run
from explorer.stats import units
from explorer.store.job_status import duration
from explorer.store.run_store import RunStore

DELAY_S = 0.7  # work that takes no longer shows nothing
EVERY_S = 0.2  # between two looks at how far it is
PICTURE_S = 0.5  # between two pictures, and at least ten times what one takes


@contextmanager
def progress_of(asked: bool | Progress, title: str) -> Generator[Progress, None, None]:
    """What work calls at each step: what was asked for, or a bar where somebody looks on."""
    if not isinstance(asked, bool):
        yield asked
    elif not asked or not somebody_looks():
        yield quiet
    else:
        with _Bar(title, "step").open() as bar:
            yield bar.told


@contextmanager
def reporter_of(asked: bool | Progress, report: Reporter, run: Run, store: RunStore) -> Generator[Reporter, None, None]:
    """The same for measuring, with the losses seen so far and, in a notebook, the picture as it grows. A `report` of somebody's own takes its place."""
    if report is not silent:
        yield report
        return
    if asked is True and somebody_looks():
        with _Bar("Measuring", "point", _Seen(run, store)).open() as bar:
            yield lambda done, total, fresh, message: bar.told(done, total, message) or True
        return
    told = quiet if isinstance(asked, bool) else asked
    yield lambda done, total, fresh, message: told(done, total, message) or True


def somebody_looks() -> bool:
    """Whether progress would be seen: in a notebook, or where standard error is a terminal."""
    return in_kernel() or in_marimo() or sys.stderr.isatty()


def in_marimo() -> bool:
    """Whether this runs in a notebook of marimo."""
    return "marimo" in sys.modules and bool(sys.modules["marimo"].running_in_notebook())


class _Drawn(Protocol):
    """A bar: tqdm's, or the plain line that stands in for it."""

    n: float
    total: float | None

    def set_description_str(self, desc: str, refresh: bool) -> None: ...
    def set_postfix_str(self, s: str, refresh: bool) -> None: ...
    def refresh(self) -> object: ...
    def close(self) -> None: ...


class _Seen:
    """What is measured of a run so far."""

    def __init__(self, run: Run, store: RunStore) -> None:
        self._run, self._store = run, store
        self._next = 0.0  # when the next picture is due, by the clock of `time.monotonic`
        self.widget: Any = None

    def losses(self) -> str:
        """The lowest and the highest loss among the points."""
        loss = self._store.totals(self._run.field.id)[0]
        values = loss.means()[:, 0] if len(loss) and self._run.field.metrics[0] == "loss" else []
        known = sorted(v for v in values if v == v)
        if not known:
            return ""
        ends = " … ".join(dict.fromkeys(significant_digits.number(v, 3) for v in (known[0], known[-1])))
        return f"loss {ends}{units.after(units.of_level(self._run.field.problem, 'loss'))}"

    def draw(self) -> bool:
        """Bring the picture up to date where that is due; whether it is new, and has to be shown."""
        now = time.monotonic()
        if now < self._next or (result := self._result()) is None:
            return False
        fresh = self.widget is None
        if fresh:
            self.widget = result.widget()
        else:
            self.widget.data = result.told(key=str(self.widget.data["key"]))
        self._next = time.monotonic() + max(PICTURE_S, 10 * (time.monotonic() - now))
        return fresh

    def _result(self) -> Line | Plane | None:
        """The points so far as a result; None of what has no picture, or before there is a point."""
        run, known = self._run, self._store.field(self._run.field.id)
        if known is None or "loss" not in run.field.metrics:
            return None
        points = self._store.points(run.field.id)[0].sorted()
        if not len(points):
            return None
        if registry.has_window(run.field.chart.name):
            return Plane(run, points, window_of(run.field, known.gram))
        return Line(run, points) if registry.dimension(run.field) == 1 else None


class _Bar:
    """Progress on the screen, from its second look on; gone when it is closed."""

    def __init__(self, title: str, unit: str, seen: _Seen | None = None) -> None:
        self._title, self._unit, self._seen = title, unit, seen
        self._due = time.monotonic() + DELAY_S
        self._drawn: _Drawn | None = None
        self._shown: _Below | None = None

    @contextmanager
    def open(self) -> Generator[_Bar, None, None]:
        """The bar, closed in any case."""
        try:
            yield self
        finally:
            if self._drawn is not None:
                self._drawn.close()
            if self._shown is not None:
                self._shown.clear()

    def told(self, done: int, total: int, message: str) -> None:
        """Work is so far."""
        if time.monotonic() < self._due:
            return
        if self._drawn is None:
            self._drawn = self._begin(done, total)
        self._drawn.n, self._drawn.total = done, total
        self._drawn.set_description_str(message or self._title, refresh=False)
        if self._seen is not None:
            self._drawn.set_postfix_str(self._seen.losses(), refresh=False)
        self._drawn.refresh()
        if self._shown is not None and self._seen is not None and widgets_show() and self._seen.draw():
            self._shown.add(self._seen.widget)
        self._due = time.monotonic() + EVERY_S

    def _begin(self, done: int, total: int) -> _Drawn:
        if find_spec("tqdm") is None:
            return _PlainLine(done, self._unit)
        how = {"total": total, "initial": done, "unit": f" {self._unit}s", "leave": False}
        if in_kernel() and find_spec("ipywidgets") is None:  # tqdm.auto would refuse
            return import_module("tqdm").tqdm(**how)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            auto = import_module("tqdm.auto").tqdm
        if not any(base.__module__ == "tqdm.notebook" for base in auto.__mro__):
            return auto(**how)
        made = auto(**how, display=False)
        self._shown = _Below(made.container)
        return made


class _Below:
    """Widgets below the cell that runs, until they are cleared."""

    def __init__(self, first: object) -> None:
        from IPython.display import display
        from ipywidgets import VBox

        self._box = VBox([first])
        self._handle = cast("Any", display(self._box, display_id=True))

    def add(self, widget: object) -> None:
        """Under those that are there."""
        self._box.children = (*self._box.children, widget)

    def clear(self) -> None:
        """Leave nothing, in a saved notebook neither."""
        self._handle.update({"text/html": ""}, raw=True)
        for widget in (*self._box.children, self._box):
            widget.close()


class _PlainLine:
    """A line on standard error that is written over."""

    def __init__(self, first: int, unit: str) -> None:
        self.n: float = first
        self.total: float | None = None
        self._first, self._unit, self._begun = first, unit, time.monotonic()
        self._description = self._postfix = ""
        self._width = 0

    def set_description_str(self, desc: str, refresh: bool) -> None:
        """What is being done."""
        self._description = desc

    def set_postfix_str(self, s: str, refresh: bool) -> None:
        """What is known so far."""
        self._postfix = s

    def refresh(self) -> None:
        """Write it."""
        rest, made = max((self.total or 0) - self.n, 0), self.n - self._first
        left = f"about {duration((time.monotonic() - self._begun) * rest / made)} left" if made > 0 and rest else ""
        self._write(", ".join(filter(None, (f"{self._description}: {self.n:.0f} of {self.total:.0f} {self._unit}s", self._postfix, left))))

    def close(self) -> None:
        """Leave nothing."""
        self._write("")
        sys.stderr.write("\r")
        sys.stderr.flush()

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r{text.ljust(self._width)}")
        sys.stderr.flush()
        self._width = len(text)
