"""The wings: the contract of pyproject.toml, the folders of explorer/ and those of tests/ name the same ones."""

import tomllib

from explorer.core import locations

ROOT = locations.root()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
WINGS = next(c for c in CONTRACTS if c["type"] == "layers")["layers"]


def test_every_module_lies_in_a_wing():
    """A row a wing, and nothing flat beside them but what Python itself asks for."""
    modules = {p.name for p in (ROOT / "explorer").iterdir() if p.name != "__pycache__"}
    assert len(WINGS) == 16
    assert modules == {*WINGS, "__init__.py", "__main__.py"}


def test_tests_mirror_the_wings():
    """Whoever looks for the tests of a wing finds a folder of its name."""
    folders = {p.parent.relative_to(ROOT / "tests").parts[0] for p in (ROOT / "tests").rglob("test_*.py")}
    assert folders == {*WINGS, "contracts", "browser"}
