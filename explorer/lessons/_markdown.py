"""Lessons by others: Markdown files with front matter, in folders that were named on the command line or in installed packages.

`--lessons DIR` names a folder, and the environment variable LOSS_EXPLORER_LESSONS hands it on; a package offers the files beside its `__init__.py` by an entry
point of the group `explorer.lessons`. A file names one of the experiments of explorer.lessons._named, so nothing in it is run. docs/own-lessons.md is the guide.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import yaml

from explorer.core import glossary, plugins, registry
from explorer.core.errors import Refused
from explorer.lessons import Exercise, Lesson
from explorer.lessons._named import NAMED, Read

VARIABLE = "LOSS_EXPLORER_LESSONS"
GROUP = "explorer.lessons"
LAST = 1000  # where a lesson that names no order comes: behind ours

_TEXT = {"title": "", "question": "", "formula": "", "paper": ""}
_REQUIRED = ("title", "question", "experiment")


def add(folders: Iterable[Path]) -> None:
    """What explorer.lessons.add says."""
    given = [folder for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    for folder in folders:
        where = folder.expanduser().resolve()
        modules = sorted(map(str, where.glob("[!_]*.py")))
        if not modules and not any(where.glob("*.md")):
            raise Refused(f"There is no lesson in {where}: a folder with at least one file that ends in .md or .py is expected.")
        plugins.add(modules)
        given.append(str(where))
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys(given))


def found() -> Mapping[str, Lesson]:
    """Every lesson of these folders, by the name of its file. Refused when a file is not a lesson, or two have one name."""
    own = registry.names("lesson")
    lessons: dict[str, Lesson] = {}
    for path in sorted(file for folder in _folders() for file in folder.glob("*.md")):
        if path.stem in own or path.stem in lessons:
            raise Refused(f"{path} would hide the lesson {path.stem!r}. Rename the file.")
        if re.search(r"[^\w-]", path.stem):
            raise Refused(f"{path} cannot be a lesson's name in an address. Name the file with letters, digits, - and _ alone.")
        lessons[path.stem] = _read(path, path.stat().st_mtime_ns)
    return lessons


def _folders() -> list[Path]:
    given = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return given + _installed()


@cache
def _installed() -> list[Path]:
    specs = [importlib.util.find_spec(entry.value) for entry in entry_points(group=GROUP)]
    return [Path(place) for spec in specs if spec is not None for place in spec.submodule_search_locations or ()]


@cache
def _read(path: Path, changed: int) -> Lesson:
    """The lesson in a file; read again when the file has changed."""
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except (Refused, UnicodeDecodeError) as error:
        raise Refused(f"{path}: {error}") from error


def parsed(text: str) -> Lesson:
    """A lesson from its text. Refused with what is missing, unknown or of another kind."""
    head, body = _halves(text)
    if missing := [name for name in _REQUIRED if name not in head]:
        raise Refused(f"The front matter lacks {', '.join(missing)}.")
    read, rest = _experiment(head)
    words = {name: _str(name, rest.pop(name, default)) for name, default in _TEXT.items()}
    order, minutes = (_int(name, rest.pop(name, default)) for name, default in (("order", LAST), ("minutes", 10)))
    choices = _strs("choices", rest.pop("choices", list(read.choices)))
    if rest:
        raise Refused(
            f"The front matter has {next(iter(rest))!r}, which experiment {head['experiment']} does not take. {_offered(str(head['experiment']))}"
        )
    if len(choices) != read.answers:
        raise Refused(f"The experiment tells {read.answers} cases apart, so {read.answers} choices are expected; got {len(choices)}.")
    sections = _sections(body)
    claim, _, behind = sections.pop("", "").partition("\n\n")
    misconception, exercises = sections.pop("Misconception", ""), sections.pop("Exercises", "")
    if sections:
        raise Refused(f"There is no section {next(iter(sections))!r} in a lesson. Sections are: Misconception, Exercises.")
    _check_words(claim, body)
    return Lesson(
        order=order,
        title=words["title"],
        claim=claim,
        question=words["question"],
        choices=choices,
        experiment=read.experiment,
        see=read.see,
        formula=words["formula"],
        text=behind.strip(),
        paper=words["paper"],
        misconception=misconception,
        exercises=_exercises(exercises),
        minutes=minutes,
    )


def _halves(text: str) -> tuple[dict[str, object], str]:
    """The front matter between two lines of ---, and the Markdown behind it."""
    match = re.match(r"---[ \t]*\r?\n(.*?)^---[ \t]*\r?\n?(.*)", text, re.DOTALL | re.MULTILINE)
    if match is None:
        raise Refused("A lesson begins with front matter: a line ---, then `name: value` lines, then a line ---.")
    try:
        head: object = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise Refused(f"The front matter is not valid YAML: {error}. A text with a colon or a backslash goes between single quotes.") from error
    if not isinstance(head, dict):
        raise Refused("The front matter must consist of `name: value` lines.")
    return {str(name): value for name, value in cast("dict[object, object]", head).items()}, match[2].replace("\r\n", "\n").strip()


def _experiment(head: Mapping[str, object]) -> tuple[Read, dict[str, object]]:
    """The experiment that the front matter names, and the lines that it left."""
    name, rest = head["experiment"], {key: value for key, value in head.items() if key != "experiment"}
    if not isinstance(name, str) or name not in NAMED:
        raise Refused(f"There is no experiment {name!r}. There are: {', '.join(NAMED)}.")
    options: dict[str, object] = {}
    for option in inspect.signature(NAMED[name]).parameters.values():
        if option.name in rest:
            options[option.name] = _AS[str(option.annotation)](option.name, rest.pop(option.name))
        elif option.default is option.empty:
            raise Refused(f"The experiment {name} lacks {option.name!r}. {_offered(name)}")
    return NAMED[name](**options), rest


def _offered(experiment: str) -> str:
    return (
        f"Its lines are: {', '.join(inspect.signature(NAMED[experiment]).parameters)}; every lesson's: {', '.join(_TEXT)}, choices, order, minutes."
    )


def _str(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"{name!r} must be a text, got {value!r}.")
    return value.strip()


def _strs(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in cast("list[object]", value)):
        raise Refused(f"{name!r} must be a list of texts, such as [one, two]; got {value!r}.")
    return tuple(cast("list[str]", value))


def _int(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(f"{name!r} must be a whole number, got {value!r}.")
    return value


def _floats(name: str, value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in cast("list[object]", value)):
        raise Refused(f"{name!r} must be a list of numbers, such as [0.1, 1]; got {value!r}.")
    return tuple(float(v) for v in cast("list[float]", value))


_AS = {"str": _str, "int": _int, "tuple[str, ...]": _strs, "tuple[float, ...]": _floats}


def _sections(body: str) -> dict[str, str]:
    """The text before the first heading under "", and that below each `## heading`."""
    parts = re.split(r"^## +(.+?)\s*$", body, flags=re.MULTILINE)
    return {"": parts[0].strip()} | {title: text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def _exercises(text: str) -> tuple[Exercise, ...]:
    """Each `### question`, and the answer below it."""
    parts = re.split(r"^### +(.+?)\s*$", text, flags=re.MULTILINE)
    pairs = [(question.strip(), answer.strip()) for question, answer in zip(parts[1::2], parts[2::2], strict=True)]
    if parts[0].strip() or not all(answer for _, answer in pairs):
        raise Refused("Each exercise is a line `### question`, and its answer below it.")
    return tuple(Exercise(question, answer) for question, answer in pairs)


def _check_words(claim: str, body: str) -> None:
    if not claim:
        raise Refused("Behind the front matter a paragraph is expected that says what the lesson is about.")
    if "![" in body:
        raise Refused("A lesson's text holds no pictures: its picture is that of its experiment. Take the `![…]` out.")
    if unknown := [term for term in glossary.terms(body) if term not in glossary.TERMS]:
        raise Refused(f"The glossary does not explain {unknown[0]!r}. Put one of its terms behind a | within the brackets, or take them out.")
