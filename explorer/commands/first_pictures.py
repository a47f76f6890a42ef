"""What the app's pages open with, measured beforehand: the pages are opened as a first visitor opens them, and what they ask for is done, until they ask no more.
And the experiments of the lessons, on the models that they begin with, so that a class sees the answer at once.

So a page and a lesson decide alone what they show, and nothing here has to be kept in step with them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from explorer import lessons
from explorer.core import locations
from explorer.core.spec import Aligned, Run
from explorer.engine.worker import Worker
from explorer.lessons import Shelf
from explorer.store.run_store import RunStore

PAGES = ("interpolate", "align", "paths", "train", "soup", "compare")
ROUNDS = 8  # what a page asks for next follows from what it found; more rounds than this are a page that never comes to rest


def measure(store: RunStore, home: Path, made: Path, *, report: Callable[[str], None]) -> None:
    """Measure what the pages and the lessons ask for into the store, which is the one of `home`. made: the folder for what became of the models of an
    alignment, which a page reads from a file. RuntimeError when a page or an experiment fails, or a page never comes to rest."""
    from streamlit import cache_resource
    from streamlit.testing.v1 import AppTest

    settings = {"LOSS_EXPLORER_HOME": str(home), "LOSS_EXPLORER_HIRE": "no"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        for page in PAGES:
            for _ in range(ROUNDS):
                app = AppTest.from_file(str(locations.root() / "app.py"), default_timeout=600).run()
                app = app.switch_page(str(locations.root() / "pages" / f"{page}.py")).run()
                if app.exception:
                    raise RuntimeError(f"The page {page} could not be opened: {app.exception[0].value}")
                if not store.waiting():
                    break
                Worker(store, home).work_off()
            else:
                raise RuntimeError(f"The page {page} asks for more each time that it is opened.")
            report(f"the first picture of {page.capitalize()}")
    finally:
        cache_resource.clear()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
    _experiments(store, home, report)
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    for status in store.statuses("Run", limit=1000):
        corners = status.request.field.corners if isinstance(status.request, Run) else ()
        for path in {locations.matched_at(c, home) for c in corners if isinstance(c, Aligned)}:
            shutil.copy(path, made / path.name)


def _experiments(store: RunStore, home: Path, report: Callable[[str], None]) -> None:
    shelf = Shelf.from_checkpoints(store.checkpoints())
    for lesson in lessons.every().values():
        runs = lesson.experiment(shelf, 0).requests.values()
        for run in runs:
            store.submit(run)
        Worker(store, home).work_off()
        if failed := [found.error for run in runs if (found := store.status(run.id)) is not None and found.state != "done"]:
            raise RuntimeError(f"The experiment of {lesson.title} came to nothing: {failed[0]}")
        report(f"the experiment of {lesson.title}")
