"""The gallery's notebooks, carried out as a reader would: no cell fails, and their outputs hold the numbers that their words speak of."""

from __future__ import annotations

import os
import re
from functools import cache

import nbformat
import pytest
from nbclient import NotebookClient

from explorer.core import locations

GALLERY = locations.root() / "docs" / "gallery"
BOOKS = sorted(path.stem for path in GALLERY.glob("*.ipynb"))
OWN = ("own-modules", "curved-path", "soup-of-modules", "recorder")
WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS = 300  # of a cell, on a machine that does other things as well

pytestmark = [pytest.mark.slow, pytest.mark.release]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """`executed(name) -> notebook`: each is run once, in a store of its own, from the top of the checkout."""

    @cache
    def run(name: str) -> nbformat.NotebookNode:
        book = nbformat.read(GALLERY / f"{name}.ipynb", 4)
        environment = os.environ | {"LOSS_EXPLORER_HOME": str(tmp_path_factory.mktemp(name)), "OMP_NUM_THREADS": "1"}
        client = NotebookClient(book, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(locations.root())}})
        client.execute(env=environment)
        return book

    return run


def outputs(book: nbformat.NotebookNode, source: str) -> list[dict[str, str]]:
    """What the cell shows whose last line is this; what progress left behind is nothing."""
    (cell,) = (c for c in book.cells if c.cell_type == "code" and c.source.splitlines()[-1] == source)
    return [o.data for o in cell.outputs if "data" in o and any(o.data.values())]


def intervals(text: str) -> list[tuple[float, float, float]]:
    """Every "value [low, high]" in a text."""
    number = r"([−+]?\d+(?:\.\d+)?)"
    found = re.findall(rf"{number}(?: nat)? +\[{number}, {number}\]", text)
    return [tuple(float(part.replace("−", "-")) for part in three) for three in found]


@pytest.mark.parametrize("name", BOOKS)
def test_a_notebook_begins_with_a_question_and_is_kept_without_outputs(name):
    """Prose first, small cells, and nothing in it that a run would change."""
    book = nbformat.read(GALLERY / f"{name}.ipynb", 4)
    nbformat.validate(book)
    assert book.cells[0].cell_type == "markdown" and book.cells[0].source.startswith("# ")
    for cell in book.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            assert 0 < len(cell.source.splitlines()) <= 25


@pytest.mark.parametrize("name", OWN)
def test_results_show_words_and_then_a_live_picture(executed, name):
    """Every live picture stands below words that stay in the saved file, and has an image in its place where no script runs."""
    shown = [o.data for cell in executed(name).cells for o in cell.get("outputs", []) if "data" in o]
    live = [i for i, data in enumerate(shown) if WIDGET in data]
    assert live
    for i in live:
        assert shown[i]["text/html"].startswith("<img alt=")
        assert WIDGET not in shown[i - 1] and "<strong>" in shown[i - 1]["text/html"]
    assert all(data.get("text/plain") is None for data in shown if not any(data.values()))


def test_modules_of_ones_own_and_their_alignment(executed):
    """The barrier of the straight line excludes zero, the model in the middle is worse than its ends, and the alignment takes most of it away."""
    book = executed("own-modules")
    words = outputs(book, "line")[0]["text/plain"]
    height, low, _ = intervals(words)[0]
    assert height > low > 0.3 and "A barrier: the interval excludes zero." in words
    middle = outputs(book, "look(first, second, line.model(0.5), problem=problem)")[0]["text/plain"]
    assert intervals(middle)[-1][1] > 0.3
    assert "The alignment lowers the barrier by" in outputs(book, "aligned")[0]["text/plain"]
    ((less, low, high),) = intervals(outputs(book, "reduction")[0]["text/plain"])
    assert low > 0.7 * height and low <= less <= high


def test_the_curve_goes_around_the_barrier(executed):
    """The shipped models' barrier is the number that README gives; that of the curve is a quarter of it at most, by its interval."""
    book = executed("curved-path")
    straight, curved = intervals(outputs(book, '[line.barrier("loss"), curve.barrier("loss"), curve.hidden("loss")]')[0]["text/plain"])
    assert straight[0] == pytest.approx(0.75, abs=0.01) and straight[1] > 0.65
    assert curved[2] < straight[1] / 4


def test_the_soup_is_better_than_each_of_its_ingredients(executed):
    """By more than sampling error, all three times; and it is called a soup."""
    book = executed("soup-of-modules")
    less = intervals(outputs(book, "[found.difference(3, than) for than in range(3)]")[0]["text/plain"])
    assert len(less) == 3 and all(high < 0 for _, _, high in less)
    assert "uniform soup" in outputs(book, "found")[0]["text/plain"]
    assert "The lowest measured loss is" in outputs(book, "plane")[0]["text/plain"]


def test_a_training_is_recorded_and_measured(executed):
    """Eight snapshots, a row for each; the average of the last five is better than the last."""
    book = executed("recorder")
    assert len(re.findall(r"step-000\d00\.safetensors", outputs(book, "[file.name for file in snapshots]")[0]["text/plain"])) == 8
    rows = outputs(book, "look(*snapshots, problem=problem)")[0]["text/plain"].splitlines()
    assert [row.split()[0] for row in rows if row.startswith("  step-")] == [f"step-000{k}00" for k in range(1, 9)]
    average = outputs(book, "look(snapshots[-1], average, problem=problem)")[0]["text/plain"]
    assert intervals(average)[-1][2] < 0
