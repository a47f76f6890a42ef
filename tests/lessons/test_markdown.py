"""Lessons by others: a folder of Markdown files is taught after ours, and a file that is none says what to put right."""

import re
from importlib.metadata import EntryPoint

import pytest

from explorer.core import locations, plugins
from explorer.core.errors import Refused
from explorer.lessons import _markdown, add, every
from explorer.lessons._read import found
from tests.commands.test_main import run
from tests.lessons.conftest import measured

LESSON = """---
title: Two networks on a line
question: How high is the barrier between two networks?
choices: [below 0.1 nat, 0.1 to 1 nat, above 1 nat]
experiment: barrier
family: digits-mlp
models: [seed-0, seed-1]
edges: [0.1, 1]
formula: 'B=\\max_t L(\\theta(t))'
minutes: 7
---
A [[barrier]] is looked for.

It is read from the line.

It has two paragraphs.

## Misconception
“None is there.”

## Exercises
### Is it *high*?
Yes.

It is.
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of lessons; what is named is forgotten again."""
    monkeypatch.setenv(_markdown.VARIABLE, "")
    monkeypatch.setenv(plugins.VARIABLE, "")
    return tmp_path


def written(folder, text, name="mine"):
    """A lesson's file, offered."""
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    add([folder])


def test_a_markdown_file_is_a_lesson_after_ours(folder):
    """Everything in it is where the page shows it."""
    ours = list(every())
    written(folder, LESSON)
    assert [*every()] == [*ours, "mine"]
    lesson = every()["mine"]
    assert (lesson.claim, lesson.text) == ("A [[barrier]] is looked for.", "It is read from the line.\n\nIt has two paragraphs.")
    assert (lesson.misconception, lesson.minutes, lesson.formula) == ("“None is there.”", 7, r"B=\max_t L(\theta(t))")
    assert [(e.question, e.answer) for e in lesson.exercises] == [("Is it *high*?", "Yes.\n\nIt is.")]


def test_its_answer_is_read_from_what_is_measured(shop, folder):
    """The barrier of the two shipped networks lies in the second range, and with other edges in another."""
    written(folder, LESSON)
    points = measured(shop, "mine")
    (only,) = points.values()
    height = found(only).height.value
    assert 0.1 < height < 1
    assert every()["mine"].see(points).answer == 1
    written(folder, LESSON.replace("[0.1, 1]", "[0.1, 0.5]"))
    assert every()["mine"].see(points).answer == 2


OTHERS = {
    "alignment": ("experiment: alignment\nfamily: digits-mlp\nmodels: [seed-0, seed-1]\nalign: weight_matching", 0),
    "error": ("experiment: barrier\nfamily: digits-mlp\nmodels: [seed-0, seed-1]\nmetric: error\nedges: [5, 50]", 1),
    "soup": ("experiment: soup\nfamily: digits-mlp\nmodels: [seed-0, seed-1]", 2),
    "lesson": ("experiment: lesson\nlesson: ensembles", 0),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_named_experiment_runs_and_gives_the_known_answer(shop, folder, name):
    """Matching leaves little; 10.5 points of error; a soup of two seeds is worse; another lesson's experiment keeps its answer."""
    lines, answer = OTHERS[name]
    written(folder, re.sub(r"experiment: barrier.*?edges: \[0\.1, 1\]", lines, LESSON, flags=re.DOTALL))
    seen = every()["mine"].see(measured(shop, "mine"))
    assert seen.answer == answer
    assert "nan" not in seen.sentence


WRONG = {
    "no front matter": (LESSON[4:], "begins with front matter"),
    "no experiment": (LESSON.replace("experiment: barrier\n", ""), "lacks experiment"),
    "unknown experiment": (LESSON.replace(": barrier\n", ": barier\n"), "no experiment 'barier'.*There are: barrier, alignment, soup, lesson"),
    "missing option": (LESSON.replace("edges: [0.1, 1]\n", ""), "lacks 'edges'"),
    "unknown line": (LESSON.replace("minutes:", "minute:"), "'minute'.*Its lines are: family"),
    "wrong count": (LESSON.replace(", above 1 nat]", "]"), "3 choices are expected; got 2"),
    "edges that fall": (LESSON.replace("[0.1, 1]", "[1, 0.1]"), "numbers that rise"),
    "text for numbers": (LESSON.replace("[0.1, 1]", "[low, 1]"), "list of numbers"),
    "unknown term": (LESSON.replace("[[barrier]]", "[[wall]]"), "does not explain 'wall'"),
    "a picture": (LESSON.replace("It is read", "![x](http://example.org/x.png) It is read"), "holds no pictures"),
    "unknown section": (LESSON.replace("## Misconception", "## Myth"), "no section 'Myth'"),
    "no answer": (LESSON.replace("Yes.\n\nIt is.\n", ""), "its answer below it"),
    "no claim": (LESSON[: LESSON.index("A [[")], "what the lesson is about"),
    "unknown alignment": (LESSON.replace("edges:", "align: magic\nedges:"), "no alignment called 'magic'"),
    "broken YAML": (LESSON.replace("title: Two", "title: a: Two"), "not valid YAML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_no_lesson_says_what_to_put_right(folder, case):
    """With the file's name, and what is known."""
    text, said = WRONG[case]
    written(folder, text)
    with pytest.raises(Refused, match=f"(?s)mine.md: .*{said}"):
        every()


def test_a_file_is_read_again_when_it_has_changed(folder):
    """So that one can write with the page open."""
    import os

    written(folder, LESSON)
    before = every()["mine"]
    assert every()["mine"] is before
    (folder / "mine.md").write_text(LESSON.replace("Two networks", "Three networks"), encoding="utf-8")
    os.utime(folder / "mine.md", ns=(1, 1))
    assert every()["mine"].title == "Three networks on a line"


def test_a_name_that_is_taken_is_refused_and_so_is_an_empty_folder(folder):
    """Neither hides a lesson of ours nor is passed over."""
    with pytest.raises(Refused, match="no lesson in"):
        add([folder])
    written(folder, LESSON, name="curves")
    with pytest.raises(Refused, match="would hide the lesson 'curves'"):
        every()


def test_a_broken_lesson_stops_the_start_with_its_name(folder):
    """Before a server is opened."""
    (folder / "mine.md").write_text("nonsense", encoding="utf-8")
    assert "mine.md: A lesson begins with front matter" in " ".join(run("app", "--lessons", folder, "--headless", code=2).split())


def test_a_package_offers_the_files_beside_its_code(folder, monkeypatch):
    """By an entry point of the group explorer.lessons; the package is not imported."""
    package = folder / "course_of_this_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "mine.md").write_text(LESSON, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    offered = [EntryPoint("course", "course_of_this_test", _markdown.GROUP)]
    monkeypatch.setattr(_markdown, "entry_points", lambda group: offered if group == _markdown.GROUP else [])
    _markdown._installed.cache_clear()
    try:
        assert [*every()][-1] == "mine"
    finally:
        _markdown._installed.cache_clear()


def test_a_python_file_of_the_folder_is_a_lesson_too(folder):
    """By its LESSON."""
    (folder / "by_hand.py").write_text(
        "from dataclasses import replace\nfrom explorer.lessons import soups\nLESSON = replace(soups.LESSON, order=50)\n"
    )
    add([folder])
    assert [*every()][-1] == "by_hand"


def test_the_guides_lesson_is_a_lesson():
    """The example of docs/own-lessons.md, as it stands there."""
    guide = (locations.root() / "docs" / "own-lessons.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^````markdown\n(.*?)^````$", guide, re.DOTALL | re.MULTILINE)
    assert _markdown.parsed(example).exercises
