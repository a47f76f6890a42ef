"""What a lecturer hands out of a lesson: a notebook that carries out its experiment, and a worksheet to print with its answer key.

Both are made of the lesson's own words; nothing is written twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape

from explorer.core.glossary import unmarked
from explorer.lessons import Lesson, Outcome

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #111; background: #fff }
h1 { font-size: 1.7rem } h2 { font-size: 1.2rem; margin-top: 1.8rem } .name { text-align: right } .small { font-size: 0.85rem; color: #444 }
ol.choices { list-style: none; padding: 0 } ol.choices li::before { content: "☐ "; font-size: 1.3em }
.room { height: 7rem; border-bottom: 1px solid #999; background: repeating-linear-gradient(#fff 0 2.2rem, #bbb 2.2rem 2.25rem) }
.key { break-before: page; border-top: 2px solid #111; margin-top: 3rem } @page { margin: 18mm }
"""


def notebook(name: str, lesson: Lesson, variant: int = 0) -> str:
    """A Jupyter notebook (format 4.5) in the order of the lesson: predict, run, compare, why, exercises, answers."""
    choices = "\n".join(f"- **{LETTERS[k]}**: {choice}" for k, choice in enumerate(lesson.choices))
    on = f"variant={variant}" if variant else ""
    call = ", ".join(part for part in (repr(name), on) if part)
    cells = [
        _words(f"# {lesson.title}\n\n{unmarked(lesson.claim)}\n\nAbout {lesson.minutes} minutes. Run on: {lesson.variants[variant]}."),
        _words(f"## Predict\n\n{lesson.question}\n\n{choices}"),
        _code('prediction = "A"  # your choice, before you go on'),
        _words("## Run\n\nWhat ships with the explorer measured is taken from there; the rest is measured now."),
        _code(f"from explorer.api import lesson, run_lesson\n\nseen = run_lesson({call})"),
        _words("## Compare"),
        _code(
            f"choices = lesson({name!r}).choices\n"
            f'right = "{LETTERS[: len(lesson.choices)]}"[seen.answer]\n'
            'print(f"Predicted {prediction}, measured {right}: {choices[seen.answer]}.")\nprint(seen.sentence)'
        ),
        _code("seen.figure()"),
        _words(
            "\n\n".join(part for part in ("## Why", f"$${lesson.formula}$$" if lesson.formula else "", unmarked(lesson.text), lesson.paper) if part)
        ),
    ]
    if lesson.misconception:
        cells.append(_words(f"## A common misconception\n\n{unmarked(lesson.misconception)}"))
    if lesson.exercises:
        cells.append(_words(f"## Exercises\n\n{_numbered([one.question for one in lesson.exercises])}"))
        answers = _numbered([one.answer for one in lesson.exercises])
        cells.append(_words(f"<details><summary>Answers</summary>\n\n{answers}\n\n</details>"))
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    numbered = [{"id": f"cell-{k}", **cell} for k, cell in enumerate(cells)]
    return json.dumps({"cells": numbered, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False) + "\n"


def worksheet(lesson: Lesson, seen: Outcome | None) -> str:
    """A page of HTML to print: the question, exercises with room to write, and on a page of its own the key. seen: what was measured; None: not yet, and the key says so."""
    measured = (
        f"<p>Measured: <b>{LETTERS[seen.answer]}, {escape(lesson.choices[seen.answer])}</b>.</p><p>{_bold(seen.sentence)}</p>"
        if seen is not None
        else "<p>The experiment has not been run here yet; run it on the lesson's page, and download the worksheet again.</p>"
    )
    asked = "".join(f"<h2>{i}</h2><p>{_text(one.question)}</p><div class=room></div>" for i, one in enumerate(lesson.exercises, 1))
    answered = "".join(f"<li>{_text(one.answer)}</li>" for one in lesson.exercises)
    wrong = f"<h2>A common misconception</h2><p>{_text(lesson.misconception)}</p>" if lesson.misconception else ""
    why = "".join(f"<p>{_text(paragraph)}</p>" for paragraph in lesson.text.split("\n\n"))
    choices = "".join(f"<li>{LETTERS[k]}, {escape(choice)}</li>" for k, choice in enumerate(lesson.choices))
    return (
        f"<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(lesson.title)}: worksheet</title><style>{STYLE}</style></head><body>\n"
        f"<p class=name>Name: ______________________</p><h1>{escape(lesson.title)}</h1><p>{_text(lesson.claim)}</p>\n"
        f"<h2>Predict</h2><p>{_text(lesson.question)}</p><ol class=choices>{choices}</ol><p>Why do you think so?</p><div class=room></div>\n"
        f"{asked}\n<section class=key><h1>Answer key: {escape(lesson.title)}</h1><h2>Prediction</h2>{measured}"
        f"<h2>Why</h2>{why}{wrong}<h2>Exercises</h2><ol>{answered}</ol><p class=small>{_text(lesson.paper)}</p></section>\n</body></html>\n"
    )


def _words(source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> dict[str, object]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source.splitlines(keepends=True)}


def _numbered(texts: Sequence[str]) -> str:
    return "\n".join(f"{i}. {unmarked(text)}" for i, text in enumerate(texts, 1))


def _text(text: str) -> str:
    return escape(unmarked(text))


def _bold(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text))
