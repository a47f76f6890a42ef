"""The pages below methods/: one for each kind, made from the registry and from docstrings, so that none can be forgotten."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, is_dataclass

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from explorer.core import registry
from explorer.core.needs import MEANINGS, TITLES, grouped


@dataclass(frozen=True)
class Kind:
    """How a page calls its methods, what they are for, and how one is chosen."""

    title: str
    purpose: str
    use: str = ""


BULLETS = ("- ", "* ")
METHOD = '`method="NAME", method_options={…}` in Python, `--method NAME --option KEY=VALUE` on the command line, a form in the app.'
PAGES = {
    "align": Kind("Alignments", "Put the units of models into one order, so that models that compute alike also lie close together.", METHOD),
    "connect": Kind("Paths", "Train what lies between two models, so that the loss stays low where a straight line has a barrier.", METHOD),
    "fuse": Kind("Merging", "Make one model of several.", METHOD),
    "train": Kind("Trainings", "Train a network, and keep snapshots along the way.", METHOD),
    "direct": Kind("Directions", "Two directions around one model, which span a plane.", '`landscape_around(model, directions="NAME", options={…})`, or `loss-explorer plane MODEL --around NAME`.'),
    "study": Kind("Studies", "What can be found out about models besides a metric at a point.", '`study("NAME", models…)` in Python; the pages *Soup*, *Compare* and *Landscape* in the app.'),
    "chart": Kind("Charts", "A chart maps coordinates to the mixing coefficients of a few corner models: it says what is drawn.", "The function that measures chooses it."),
    "sample": Kind("Samplers", "A sampler says which points of a picture are measured.", '`sampler="NAME", options={…}` in Python, `--sampler NAME` on the command line.'),
    "metric": Kind("Metrics", "What is measured of a model on samples, beside its loss.", '`metrics=["NAME"]` in Python, `--metric NAME` on the command line.'),
    "nets": Kind("Networks", "The architecture whose weights a checkpoint holds.", "`[network]` in `problem.toml`: `name = \"NAME\"`, and the options as keys."),
    "data": Kind("Data", "Where samples come from.", "`[data]` in `problem.toml`: `name = \"NAME\"`, `path` where there is one, and the options as keys."),
    "loss": Kind("Losses", "What is averaged over samples.", '`loss = "NAME"` in `problem.toml`, `loss="NAME"` in Python, `--loss NAME` on the command line.'),
    "lesson": Kind("Lessons", "What the page *Learn* teaches, each in one experiment."),
}  # fmt: skip


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each kind, and one that lists them."""
    for kind in registry.KINDS:
        files.append(File.generated(config, f"methods/{kind}.md", content=page(kind)))
    files.append(File.generated(config, "methods/index.md", content=overview()))
    return files


def overview() -> str:
    """All kinds, and the names of each."""
    lines = ["# All methods", "", "Generated from the registry and the docstrings of the version that these pages describe.", "", "| kind | what it is for | there are |", "|---|---|---|"]  # fmt: skip
    for kind, about in PAGES.items():
        found = ", ".join(f"[`{name}`]({kind}.md#{name})" for name in registry.names(kind))
        lines.append(f"| [{about.title}]({kind}.md) | {about.purpose} | {found} |")
    return "\n".join(lines) + "\n"


def page(kind: str) -> str:
    """Every method of a kind: title, formula and source from its docstring, options from its signature."""
    about = PAGES[kind]
    parts = [f"# {about.title}", about.purpose, *([f"How to choose one: {about.use}"] if about.use else []), *([by_need()] if kind == "fuse" else [])]
    for name in registry.names(kind):
        parts += [f"## `{name}` {{ #{name} }}", f"**{prose(registry.title(kind, name))}**", prose(registry.reference(kind, name))]
        parts += [needs(kind, name), *(options(kind, name) if kind in registry.VERBS else [])]
    return "\n\n".join(part for part in parts if part) + "\n"


def by_need() -> str:
    """The merging methods in the groups in which the app and the command line show them."""
    rows = [
        f"| {TITLES[which]} | {MEANINGS[which]} | {', '.join(f'[`{name}`](#{name})' for name in of)} |"
        for which, of in grouped(registry.names("fuse")).items()
    ]
    return "\n".join(["| needs | | methods |", "|---|---|---|", *rows])


def needs(kind: str, name: str) -> str:
    """What a merging method takes, which its module's constants say."""
    if kind != "fuse":
        return ""
    least, most = registry.models_of(name)
    count = f"{least} models" if most == least else f"{least} models or more" if most is None else f"{least} to {most} models"
    base = ", the first of which is the base" if registry.has_base(name) else ""
    data = f"; {registry.data_of(name)}" if registry.data_of(name) else "; no data"
    return f"Needs: {count}{base}{data}."


def options(kind: str, name: str) -> list[str]:
    """The table of a method's options, and what its function and its shared options say of them."""
    found = registry.options(kind, name)
    if not found:
        return ["No options."]
    rows = [f"| `{o.name}` | {_type(o)} | {_shown(o.default)} |" for o in found]
    function = registry.find(kind, name)
    shared = [type(p.default) for p in inspect.signature(function).parameters.values() if is_dataclass(p.default)]
    classes = [c for s in shared for c in s.__mro__[:-1]]
    said = [function.__doc__ or "", *(c.__doc__ or "" for c in classes)]
    return ["\n".join(["| option | takes | default |", "|---|---|---|", *rows]), *(prose(inspect.cleandoc(text)) for text in said if text)]


def _type(option: registry.Option) -> str:
    if option.choices:
        return ", ".join(_shown(c) for c in option.choices)
    kind = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false", "tuple": "list"}[option.kind]
    item = {"int": " of whole numbers", "float": " of numbers", "str": " of texts"}.get(option.item, "")
    return f"{kind}{item}" + (f", {option.range.low:.10g} … {option.range.high:.10g}" if option.range else "")


def _shown(value: object) -> str:
    text = "true" if value is True else "false" if value is False else ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"`{text}`" if text else "empty"


def prose(docstring: str) -> str:
    """A docstring as Markdown that shows what it says: lists and indented formulas stay, and no star or underscore of a formula becomes emphasis."""
    lines: list[str] = []
    inside = False
    for line in [*docstring.splitlines(), "\n"]:
        last = lines[-1] if lines else ""
        formula = line.startswith("    ") and (inside or not last.strip())
        if formula and not inside:
            lines.append("```text")
        elif inside and not formula and line != "":
            while not lines[-1]:
                lines.pop()
            lines += ["```", ""]
        inside = formula or (inside and line == "")
        if line.startswith(BULLETS) and last.strip() and not last.startswith((*BULLETS, "  ")):
            lines.append("")
        lines.append(line[4:] if formula else _escaped(line))
    return "\n".join(lines).rstrip()


def _escaped(line: str) -> str:
    """Stars, underscores, angles and brackets outside of code as they are."""
    bullet, rest = (line[:2], line[2:]) if line.startswith(BULLETS) else ("", line)
    parts = re.split(r"(`[^`]*`)", rest)
    return bullet + "".join(p if p.startswith("`") else re.sub(r"([*_<>\[\]|])", r"\\\1", p) for p in parts)
