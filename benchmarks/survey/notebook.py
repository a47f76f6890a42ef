"""A claim as a notebook: its own code, to be changed and carried out, from the networks to the verdict."""

from __future__ import annotations

import ast
import json

from benchmarks.survey.claim import Claim

START = """import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd().parents[1]))  # the folder that holds benchmarks/, seen from docs/survey/"""
RUN = """from benchmarks.survey.over_seeds import over_seeds

# "middle" needs Fashion-MNIST, as fashion=Path(...); weights and points are kept in the folder, and not made twice.
shop = Workshop("quick", Path("survey-home").resolve())
replicates = [measure(shop, 100 * k) for k in range(5)]"""
FOUND = """found = {name: over_seeds([effects[name] for effects, _ in replicates]) for name in CLAIM.effects}
for name, effect in CLAIM.effects.items():
    print(f"{effect.says}: {effect.formatted(found[name])}, claimed {effect.claimed}: {effect.outcome(found[name])}")
print(CLAIM.outcome(found))"""


def notebook(claim: Claim, text: str) -> str:
    """Jupyter's format 4.5. text: of the claim's file."""
    cells = [
        _cell("markdown", f"# {claim.sentence}\n\n{claim.source}. {(ast.get_docstring(ast.parse(text)) or '').strip()}"),
        _cell("code", START),
        _cell("code", experiment(text)),
        _cell("code", RUN),
        _cell("code", FOUND),
        _cell(
            "markdown",
            "`loss-explorer app --home survey-home`, started in this folder, shows the first replicate's picture at the address that the next cell prints.",
        ),
        _cell("code", 'print(f"http://localhost:8501/{replicates[0][1]}")'),
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    numbered = [{"id": f"cell-{k}", **cell} for k, cell in enumerate(cells)]
    return json.dumps({"cells": numbered, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False) + "\n"


def experiment(text: str) -> str:
    """A claim's file without its first words, which the notebook has as a heading."""
    words, *rest = ast.parse(text).body
    assert isinstance(words, ast.Expr), "every claim begins with its docstring"
    kept = [node for node in rest if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")]
    return "\n".join(text.splitlines()[kept[0].lineno - 1 :])


def _cell(kind: str, text: str) -> dict[str, object]:
    lines = text.splitlines(keepends=True)
    return {"cell_type": kind, "metadata": {}, "source": lines, **({"execution_count": None, "outputs": []} if kind == "code" else {})}
