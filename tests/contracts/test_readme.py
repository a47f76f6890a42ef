"""What README.md and the pages of docs/ promise is what there is: methods, commands, kinds, and their Python."""

from __future__ import annotations

import ast
import re
import runpy

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.commands.main import app
from explorer.core import locations, registry

README = (locations.root() / "README.md").read_text(encoding="utf-8")
DOCS = {p.name: p.read_text(encoding="utf-8") for p in sorted((locations.root() / "docs").glob("*.md"))}
BLOCKS = re.findall(
    r"```python\n(.*?)```", README + (locations.root() / "CONTRIBUTING.md").read_text(encoding="utf-8") + "".join(DOCS.values()), flags=re.DOTALL
)
TABLES = {"align": "alignments.md", "connect": "paths.md", "fuse": "merging.md", "train": "merging.md"}
LISTED = {
    name
    for page in set(TABLES.values())
    for row in re.findall(r"^\| (.+?) \|", DOCS[page], flags=re.MULTILINE)
    for name in re.findall(r"`([a-z_]+)`", row)
}


def test_the_product_page_is_short():
    """A stranger reads it in two minutes."""
    assert len(README) < 9000


@pytest.mark.parametrize("kind", TABLES)
def test_every_method_stands_in_a_table(kind):
    """Whoever adds a method tells its users: a line, or a word of one, in the table of its kind."""
    own = {name for name in registry.names(kind) if registry.find(kind, name).__module__.startswith("explorer.")}
    assert own <= LISTED, f"docs/{TABLES[kind]} has no line for {kind}: {', '.join(sorted(own - LISTED))}"


def test_no_table_names_a_method_that_does_not_exist():
    """A method that was removed or renamed leaves its line, too."""
    assert {n for kind in registry.VERBS for n in registry.names(kind)} >= LISTED


def test_every_command_is_named():
    """Each command of the program has its line."""
    commands = {c.name or c.callback.__name__.replace("_", "-") for c in app.registered_commands if c.callback is not None}
    assert commands
    for command in commands:
        assert f"`loss-explorer {command}" in DOCS["commands.md"], command


def test_every_kind_of_method_is_a_group_of_entry_points():
    """The list for packages that add methods is complete."""
    for kind in registry.KINDS:
        assert f"`explorer.{kind}`" in DOCS["plugins.md"], kind


def test_its_python_can_be_read_and_imports_what_exists():
    """Every block of Python parses, CONTRIBUTING.md's and the pages' too, and takes from the explorer what the api has, and nothing else."""
    assert len(BLOCKS) >= 5
    for block in BLOCKS:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("explorer"):
                assert node.module in ("explorer.api", "explorer.api.plugin"), ast.unparse(node)
                module = __import__(node.module, fromlist=[a.name for a in node.names])
                assert all(hasattr(module, a.name) for a in node.names), ast.unparse(node)


@pytest.mark.parametrize("block", [b for b in BLOCKS if "def fuse(" in b])
def test_its_method_is_the_median(tiny, tmp_path, block):
    """Written into a file as it stands, it takes the middle one of 1, 5 and 100 times the same weights, whatever their order."""
    file = tmp_path / "median.py"
    file.write_text(block, encoding="utf-8")
    weights = checkpoint_file.read(tiny.a).weights
    models = [{name: c * tensor for name, tensor in weights.items()} for c in (100, 1, 5)]
    merged = runpy.run_path(str(file))["fuse"](models, tiny.problem)
    assert all(torch.equal(merged[name], 5 * tensor) for name, tensor in weights.items())
