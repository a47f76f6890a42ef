"""What is handed out: every lesson as a notebook and a worksheet made of its own words, and one of them carried out."""

import json
import os
from html import unescape

import nbformat
import pytest
from nbclient import NotebookClient
from typer.testing import CliRunner

from explorer.api import run_lesson
from explorer.commands.main import app
from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.glossary import unmarked
from explorer.lessons import _handout, every

NAMES = list(every())


@pytest.mark.parametrize("name", NAMES)
def test_every_lesson_is_a_valid_notebook_with_all_its_words(name):
    """Format 4.5, no outputs, code that compiles, and nothing left out or marked."""
    lesson = every()[name]
    book = nbformat.reads(_handout.notebook(name, lesson), 4)
    nbformat.validate(book)
    text = "\n".join(cell.source for cell in book.cells)
    said = [lesson.title, lesson.question, lesson.formula, lesson.paper, *lesson.choices]
    said += [unmarked(part) for part in (lesson.claim, lesson.text, lesson.misconception)]
    said += [unmarked(part) for one in lesson.exercises for part in (one.question, one.answer)]
    assert [part for part in said if part not in text] == []
    assert "[[" not in text.replace("[[]]", "")
    for cell in book.cells:
        if cell.cell_type == "code":
            compile(cell.source, name, "exec")


@pytest.mark.parametrize("name", NAMES)
def test_a_worksheet_asks_first_and_answers_on_a_page_of_its_own(name):
    """Questions stand before the key, answers behind it; nothing is fetched from anywhere, and before the experiment the key says that it is missing."""
    lesson = every()[name]
    page = _handout.worksheet(lesson, None)
    asked, _, key = page.partition("<section class=key>")
    assert "break-before: page" in page
    assert "src=" not in page and "http" not in page
    for one in lesson.exercises:
        assert unmarked(one.question) in unescape(asked) and unmarked(one.question) not in unescape(key)
        assert unmarked(one.answer) in unescape(key) and unmarked(one.answer) not in unescape(asked)
    assert all(choice in unescape(asked) for choice in lesson.choices)
    assert "has not been run here yet" in key
    assert all(f"<p>{unmarked(paragraph)}</p>" in unescape(key) for paragraph in lesson.text.split("\n\n"))


def test_the_notebook_of_a_small_lesson_is_carried_out(tmp_path):
    """It prints the prediction, the measured choice and the sentence that the page shows, and draws the picture."""
    book = nbformat.reads(_handout.notebook("more_than_order", every()["more_than_order"]), 4)
    environment = os.environ | {"LOSS_EXPLORER_HOME": str(tmp_path)}
    NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(locations.root())}}).execute(env=environment)
    outputs = [out for cell in book.cells for out in cell.get("outputs", [])]
    printed = "".join(out["text"] for out in outputs if out.output_type == "stream" and out.name == "stdout")
    seen = every()["more_than_order"].see({})
    assert f"Predicted A, measured C: {every()['more_than_order'].choices[2]}." in printed
    assert seen.sentence in printed
    assert any("application/vnd.plotly.v1+json" in out.get("data", {}) for out in outputs)


def test_a_lesson_is_carried_out_from_python(home):
    """On shipped models, whose points are there: the answer that the page gives. What there is not is refused with what there is."""
    seen = run_lesson("barrier", home=home, progress=False)
    assert seen.answer == 1
    assert seen.figure("A title").data
    with pytest.raises(Refused, match="variants, counted from 0; got 9"):
        run_lesson("barrier", 9, home=home)
    with pytest.raises(Refused, match="There are: barrier"):
        run_lesson("nonsense", home=home)


def test_the_command_writes_both(tmp_path, home):
    """And refuses to write over a file, under another ending, of no lesson, or nothing."""
    book, sheet = tmp_path / "l.ipynb", tmp_path / "l.html"

    def run(*given):
        return CliRunner().invoke(app, ["lesson", *map(str, given), "--home", str(home)])

    assert run("two_neurons", "--notebook", book, "--worksheet", sheet).exit_code == 0
    assert json.loads(book.read_text("utf-8"))["nbformat"] == 4
    assert "Measured: <b>B, exactly one</b>" in sheet.read_text("utf-8")
    assert run("two_neurons", "--notebook", book).exit_code == 2
    assert run("two_neurons", "--notebook", tmp_path / "l.txt").exit_code == 2
    assert run("nonsense", "--notebook", tmp_path / "m.ipynb").exit_code == 2
    assert run("two_neurons").exit_code == 2
    assert "barrier: What is a barrier?" in run("list").stdout
