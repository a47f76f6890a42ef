"""A fusing method of one's own, from file to file: the one that docs/plugins.md and CONTRIBUTING.md teach, and others as people write them."""

import json
import re
import sys

import pytest
import torch

from explorer import api
from explorer.checkpoints import checkpoint_file
from explorer.core import locations, plugins, registry, trust
from explorer.core.spec import Fused
from tests.commands.test_main import run
from tests.merging import identical

TAUGHT = {
    file: next(b for b in re.findall(r"```python\n(.*?)```", (locations.root() / file).read_text(encoding="utf-8"), flags=re.DOTALL) if "median" in b)
    for file in ("docs/plugins.md", "CONTRIBUTING.md")
}
WHOLE = '''
"""The median, of whole tensors."""
import torch
from explorer.checkpoints.arithmetic import wide
from explorer.checkpoints.per_tensor import by_tensor

def fuse(models, problem):
    shares = [1 / len(models)] * len(models)
    return by_tensor(models, problem, lambda _, tensors: torch.stack([wide(t) for t in tensors]).median(dim=0).values, buffers=shares)
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes a module of one's own, and forgets it afterwards."""
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setenv(trust.TRUST, "")

    def written(text):
        (tmp_path / "own.py").write_text(text)
        return tmp_path / "own.py"

    yield written
    sys.modules.pop("explorer_plugin_own", None)
    for kept in (plugins.digest, registry._text, registry.options):
        kept.cache_clear()


@pytest.fixture
def models(tiny, tmp_path):
    """Two trained models, and one that is far off."""
    first = checkpoint_file.read(tiny.a).weights
    checkpoint_file.write(tmp_path / "wild.safetensors", {n: t + 1e6 for n, t in first.items()}, {})
    return [tiny.a, tiny.b, tmp_path / "wild.safetensors"]


@pytest.mark.parametrize("text", [*TAUGHT.values(), WHOLE], ids=[*TAUGHT, "whole tensors"])
def test_the_median_is_the_same_in_memory_and_block_by_block(tiny, models, own, home, tmp_path, text):
    """Number by number the middle one of three, which is the larger of a and b; by the command line, with a problem, from a recipe, and in Python."""
    module = own(text)
    run("fuse", *models, tmp_path / "blocks.safetensors", "--method", "own", "--plugin", module)
    run("fuse", *models, tmp_path / "memory.safetensors", "--method", "own", "--plugin", module, "--problem", tiny.folder)
    python = api.fuse(*models, method="own", problem=tiny.folder, home=home)
    recipe = Fused(tiny.problem.spec, tuple(map(api.loaded, models)), registry.method("fuse", "own"))
    (tmp_path / "recipe.json").write_text(json.dumps(recipe.to_json()))
    run("make", tmp_path / "recipe.json", "--out", tmp_path / "made.safetensors", "--plugin", module)
    a, b = (checkpoint_file.read(p).weights for p in models[:2])
    expected = {n: torch.maximum(a[n], b[n]) for n in a}
    for file in (tmp_path / "blocks.safetensors", tmp_path / "memory.safetensors", tmp_path / "made.safetensors", python):
        assert identical(checkpoint_file.read(file).weights, expected), file


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return {n: t.clone() for n, t in models[0].items()}", "own works on whole models, and not through explorer.checkpoints.per_tensor, so it"),
        ("return by_entry(models, problem, sum, buffers=[models[0]['layers.0.bias'].sum().item()] * 3)", "own looks at the values of whole models"),
        ("return by_entry([by_entry(models, problem, sum)], problem, sum)", "goes over what it has fused before"),
        ("problem.network(); return by_entry(models, problem, sum)", "own asks for the problem that the models are of"),
        ("return by_entry(models, problem, lambda tensors: tensors[0][:3])", "has another number of entries than its"),
        ("return by_entry(models, problem, torch.cat)", "has another number of entries than its"),
    ],
)
def test_what_cannot_go_block_by_block_is_refused_with_why(models, own, home, tmp_path, body, sentence):
    """One true sentence, what to do, and nothing is written."""
    module = own(f'"""Own."""\nimport torch\nfrom explorer.api.plugin import by_entry\ndef fuse(models, problem):\n    {body}\n')
    text = run("fuse", *models, tmp_path / "out.safetensors", "--method", "own", "--plugin", module, code=2)
    assert sentence in text
    assert "Add --problem" in text or "A kernel keeps the shape" in text
    assert not (tmp_path / "out.safetensors").exists()
