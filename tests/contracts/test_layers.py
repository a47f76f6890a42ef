"""The import layers of pyproject.toml name every module of the explorer: a new one cannot stand outside them unseen."""

import tomllib
from collections import Counter

from explorer.core import locations

ROOT = locations.root()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = next(c["layers"] for c in CONTRACTS if c["type"] == "layers")
MODULES = {
    f"explorer.{path.stem}"
    for path in (ROOT / "explorer").iterdir()
    if path.stem != "__init__" and (path.suffix == ".py" or (path / "__init__.py").is_file())
}


def test_every_module_is_in_one_layer():
    """What is in none may import anything, and be imported by anything."""
    listed = Counter(name.strip() for layer in LAYERS for name in layer.split("|"))
    assert len(MODULES) > 50
    assert set(listed) == MODULES
    assert max(listed.values()) == 1
