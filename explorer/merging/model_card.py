"""The model card of a merge: a README.md with the front matter that Hugging Face reads, the recipe, the ingredients by their bytes, and the numbers with intervals.

The front matter names a licence only where every ingredient's own card states the same one; else the text says what each states. `base_model` has those
ingredients whose name on the hub their files tell. Imports nothing heavy.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from explorer.checkpoints import sharded
from explorer.core import allowed_folders, registry, significant_digits
from explorer.core.files import system
from explorer.core.locations import expand
from explorer.core.markdown import plain
from explorer.core.model_path import parse
from explorer.core.spec import Fused, Method, Recipe, files_of
from explorer.stats.intervals import Estimate

if TYPE_CHECKING:  # the pages import this, and never torch
    from explorer.merging.plan import MergePlan

NAME = "README.md"
LIMIT_BYTES = 2**20  # of a card or a configuration that is read
HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
UNSTATED = "not stated"
AGAIN = {
    "yaml": "`loss-explorer fuse recipe.yaml OUT` makes it again from this recipe.",
    "json": "`loss-explorer make recipe.json --out OUT.safetensors` makes it again from this recipe.",
    "bash": "Made by this command of the loss-landscape explorer:",
}


@dataclass(frozen=True)
class Source:
    """An ingredient: what it is called, the SHA-256 of its files, the licence its card states ("" for none), and its name on the hub ("" where unknown)."""

    name: str
    digest: str
    licence: str = ""
    hub: str = ""


@dataclass(frozen=True)
class Number:
    """What was measured of the merge. split: the test set. value: with its interval, times `scale` as it is shown."""

    data: str
    split: str
    metric: str
    value: Estimate
    scale: float = 1.0
    unit: str = ""


@dataclass(frozen=True)
class Card:
    """All that a card says. recipe: a text, in `language` (yaml, json, or bash for a command), that makes the merge again. notes: sentences."""

    title: str
    method: str
    recipe: str
    language: str
    sources: tuple[Source, ...]
    numbers: tuple[Number, ...] = ()
    notes: tuple[str, ...] = ()
    library: str = ""

    @property
    def licence(self) -> str:
        """What all ingredients state alike; "" otherwise."""
        stated = {source.licence for source in self.sources}
        return next(iter(stated)) if len(stated) == 1 else ""

    def text(self) -> str:
        """The whole README.md."""
        said = (self._head(), self._ingredients(), self._measured(), self._recipe(), *(plain(note) for note in self.notes))
        return f"---\n{self._front()}---\n\n" + "\n\n".join(filter(None, said)) + "\n"

    def _front(self) -> str:
        hubs = list(dict.fromkeys(source.hub for source in self.sources if source.hub))
        matter: dict[str, object] = {"tags": ["merge", "loss-explorer"]}
        if self.licence:
            matter["license"] = self.licence
        if self.library:
            matter["library_name"] = self.library
        if hubs:
            matter |= {"base_model": hubs, "base_model_relation": "merge"}
        if self.numbers:
            matter["model-index"] = [{"name": self.title, "results": [_result(number) for number in self.numbers]}]
        return yaml.safe_dump(matter, sort_keys=False, allow_unicode=True, width=150)

    def _head(self) -> str:
        several = f"{len(self.sources)} checkpoints" if len(self.sources) != 1 else "one checkpoint"
        of = f"A merge of {several} by {plain(self.method.replace('_', ' '))}"
        about = f": {plain(registry.title('fuse', self.method))}" if registry.known("fuse", self.method) else "."
        licence = (
            f"All ingredients state the licence {plain(self.licence)}."
            if self.licence
            else "The ingredients do not all state the same licence: read theirs before you use this model."
        )
        return f"# {plain(self.title)}\n\n{of}{about}\n\n{licence}"

    def _ingredients(self) -> str:
        rows = [(s.hub or s.name, f"`{s.digest}`", s.licence or UNSTATED) for s in self.sources]
        return "## Ingredients\n\n" + _table(("model", "SHA-256 of its files", "licence on its card"), rows)

    def _measured(self) -> str:
        if not self.numbers:
            return ""
        rows = [(n.data, n.split, n.metric, n.value.formatted(scale=n.scale, unit=n.unit)) for n in self.numbers]
        return "## Results\n\nWith 95 % intervals over the evaluation samples.\n\n" + _table(("data", "samples", "metric", "value, 95 %"), rows)

    def _recipe(self) -> str:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", self.recipe)), default=0))
        return f"## Recipe\n\n{AGAIN[self.language]}\n\n{fence}{self.language}\n{self.recipe.strip()}\n{fence}"


def of_plan(plan: MergePlan, title: str, method: str, command: str) -> Card:
    """The card of a merge from file to file; `command`: what was typed, where there is no recipe. The ingredients' bytes are read once, for their digests."""
    sources: list[Source] = []
    for ingredient in plan.ingredients:
        sources.append(_source(ingredient.name, ingredient.path, _digest(ingredient.path)))
        if ingredient.adapter is not None:
            sources.append(_source(ingredient.adapter.path.name, ingredient.adapter.path, _digest(ingredient.adapter.path)))
    library = "transformers" if (plan.ingredients[plan.config].folder / "config.json").is_file() else ""
    text, language = (plan.recipe, "yaml") if plan.recipe else (command, "bash")
    return Card(title, method, text, language, tuple(dict.fromkeys(sources)), notes=plan.notes, library=library)


def of_recipe(recipe: Recipe, numbers: Iterable[Number] = ()) -> Card:
    """The card of a model that was made in memory, by its recipe."""
    files = list(dict.fromkeys(files_of(recipe)))
    sources = tuple(_source(file.name or file.path, expand(file.path), file.digest) for file in files)
    method = recipe.method.name if isinstance(recipe, Fused) else type(recipe).__name__.lower()
    text = json.dumps(recipe.to_json(), indent=1, ensure_ascii=False)
    return Card(recipe.name or recipe.id, method, text, "json", sources, tuple(numbers))


def command(method: Method, models: Sequence[str], target: str) -> str:
    """A merge by one of the explorer's own methods, as it is typed."""
    options = [f"-o {shlex.quote(f'{name}={_typed(value)}')}" for name, value in method.options if value != ()]
    return " ".join(["loss-explorer fuse", *map(shlex.quote, (*models, target)), f"--method {method.name}", *options])


def _typed(value: object) -> str:
    return ",".join(map(str, cast("tuple[object, ...]", value))) if isinstance(value, tuple) else str(value)


def _source(name: str, path: Path, digest: str) -> Source:
    chosen = parse(path).path
    folder = chosen if chosen.is_dir() else chosen.parent
    front = front_matter(folder / NAME)
    stated = front.get("license")
    named = front.get("license_name")
    licence = stated if isinstance(stated, str) and stated != "other" else named if isinstance(named, str) else stated
    return Source(name, digest, str(licence)[:100] if isinstance(licence, str) else "", _hub(folder))


def _digest(path: Path) -> str:
    """Of a file, or of the checkpoint in a folder."""
    found = sharded.checkpoints_at(path)
    return sharded.digest(found[0] if found else path)


def front_matter(file: Path) -> dict[str, object]:
    """The YAML at the head of a model card; empty where there is none, or it is not readable as such."""
    text = _read(file)
    found = re.match(r"---\s*\n(.*?)\n---\s*(?:\n|$)", text, re.DOTALL)
    if found is None:
        return {}
    try:
        parsed: object = yaml.safe_load(found[1])
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}


def _hub(folder: Path) -> str:
    """What a model's own configuration says it is called on the hub."""
    try:
        found: object = json.loads(_read(folder / "config.json") or "{}")
    except (ValueError, RecursionError):
        return ""
    said = cast("dict[str, object]", found).get("_name_or_path") if isinstance(found, dict) else None
    return said if isinstance(said, str) and HUB_ID.fullmatch(said) else ""


def _read(file: Path) -> str:
    with system(file, "read"):
        if not file.is_file() or file.stat().st_size > LIMIT_BYTES:
            return ""
        return allowed_folders.content(file).decode("utf-8", errors="replace")


def _result(number: Number) -> dict[str, object]:
    low, high = number.scale * number.value.low, number.scale * number.value.high
    return {
        "task": {"type": "other"},
        "dataset": {"type": number.data, "name": f"{number.data} ({number.split})"},
        "metrics": [
            {
                "type": number.metric,
                "value": round(number.scale * number.value.value, 6),
                "name": f"{number.metric}, 95 % interval {significant_digits.number(low)} to {significant_digits.number(high)}",
            }
        ],
    }


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell if cell.startswith("`") else plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def beside(out: Path) -> Path:
    """Where the card of a merge lies: README.md in its folder; of a single file NAME.md, for others may share the folder."""
    return out.with_suffix(".md") if out.suffix == ".safetensors" else out / NAME
