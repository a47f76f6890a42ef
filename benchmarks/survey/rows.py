"""What was measured, kept as JSON lines: one file for each claim and size, one line for each replicate.

A line says of which code it is: the claim's file without its words, and the files that every claim uses. Lines of other code are not read, so that a claim
is measured again after its experiment has changed, and not after a sentence has.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.stats.intervals import Estimate

RESULTS = Path(__file__).parent / "results"
SHARED = ("workshop.py", "images.py")


@dataclass(frozen=True)
class Row:
    """One replicate of a claim: its effects by name, the address that shows it in an app whose home is the survey's, and how long it took."""

    replicate: int
    code: str
    effects: Mapping[str, Estimate]
    shown: str
    seconds: float


def code_of(claim: Path) -> str:
    """A digest of what decides a claim's numbers."""
    text = claim.read_text(encoding="utf-8")
    digest = hashlib.sha256(_experiment(text).encode())
    for name in (*SHARED, *sorted(_imported(text) - {*SHARED, "claim.py"})):
        digest.update(_experiment((Path(__file__).parent / name).read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def read(name: str, size: str, code: str, *, folder: Path = RESULTS) -> dict[int, Row]:
    """The rows of a claim by replicate, those of this code alone."""
    path = folder / f"{name}-{size}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [_row(json.loads(line)) for line in lines]
    return {row.replicate: row for row in rows if row.code == code}


def keep(name: str, size: str, rows: Sequence[Row], *, folder: Path = RESULTS) -> None:
    """Write all rows of a claim, at once: whoever is killed meanwhile leaves the file as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{size}.jsonl"
    written = path.with_suffix(".part")
    written.write_text("".join(json.dumps(_plain(row)) + "\n" for row in sorted(rows, key=lambda row: row.replicate)), encoding="utf-8")
    written.replace(path)


def _plain(row: Row) -> dict[str, object]:
    effects = {name: [float(f"{x:.6g}") for x in (e.value, e.low, e.high)] for name, e in row.effects.items()}
    return {"replicate": row.replicate, "code": row.code, "effects": effects, "shown": row.shown, "seconds": round(row.seconds, 1)}


def _row(line: Mapping[str, object]) -> Row:
    given = dict(line)
    effects = given.pop("effects")
    assert isinstance(effects, dict)
    return Row(effects={name: Estimate(*three) for name, three in effects.items()}, **given)  # pyright: ignore[reportArgumentType]


def _imported(text: str) -> set[str]:
    """The files of this folder that a claim imports from."""
    modules = [node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    return {f"{module.removeprefix(f'{__package__}.')}.py" for module in modules if module.startswith(f"{__package__}.")}


def _experiment(text: str) -> str:
    """The code without docstrings, comments, layout, and the words of CLAIM."""
    tree = ast.parse(text)
    tree.body = [n for n in tree.body if not (isinstance(n, ast.Assign) and [ast.unparse(t) for t in n.targets] == ["CLAIM"])]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return repr(_shape(tree))


def _shape(node: object) -> object:
    """A syntax tree as plain data, the same under every version of Python: fields that are empty, of which there are more in later ones, are left out."""
    if isinstance(node, ast.AST):
        return type(node).__name__, [(name, _shape(value)) for name, value in ast.iter_fields(node) if value not in (None, [])]
    return [_shape(one) for one in node] if isinstance(node, list) else node
