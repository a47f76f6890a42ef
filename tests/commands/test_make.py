"""Models from recipes, in Python and on the command line: the same bytes."""

import json

import pytest
import torch

from explorer.api import fuse, loaded, make
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Fused
from explorer.ui.widgets.recipe_view import as_json, as_python, as_yaml
from tests.commands.test_main import run


def test_a_recipe_is_carried_out_in_python_and_on_the_command_line(tiny, home, tmp_path):
    """From the JSON of the page, from its code, and by the method itself."""
    recipe = Fused(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)), registry.method("fuse", "interpolate", {"t": 0.25}), name="a quarter")
    file = tmp_path / "recipe.json"
    file.write_text(as_json(recipe), encoding="utf-8")
    expected = registry.find("fuse", "interpolate")([checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)], tiny.problem, t=0.25)
    made = make(file)
    assert all(torch.equal(expected[k], v) for k, v in checkpoint_file.read(made).weights.items())
    assert fuse(tiny.a, tiny.b, method="interpolate", method_options={"t": 0.25}, problem=tiny.folder) == made
    run("make", file, "--out", tmp_path / "made.safetensors")
    assert (tmp_path / "made.safetensors").read_bytes() == made.read_bytes()
    assert "exists already" in run("make", file, "--out", tmp_path / "made.safetensors", code=2)
    code = as_python(recipe, "recipe.json")
    assert "method='interpolate'" in code
    assert repr(str(tiny.a)) in code
    compile(code, "code", "exec")


def test_what_is_no_recipe_is_refused(tiny, home, tmp_path):
    """No JSON, another kind of thing, and a checkpoint as it is."""
    file = tmp_path / "x.json"
    for text, message in (
        ("{", "does not contain a recipe"),
        (json.dumps(tiny.run().to_json()), "which is not a recipe"),
        (as_json(loaded(tiny.a)), "nothing to make"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(Refused, match=message):
            make(file)
    with pytest.raises(Refused, match="does not exist"):
        make(tmp_path / "nowhere.json")


def test_the_pages_yaml_makes_the_same_model(tiny, home, tmp_path):
    """What the page gives for mergekit is what `loss-explorer fuse` reads; a method that no recipe can say has a reason instead."""
    models = (loaded(tiny.a), loaded(tiny.b))
    recipe = Fused(tiny.problem.spec, models, registry.method("fuse", "average", {"weights": (0.25, 0.75)}))
    text, why_not = as_yaml(recipe)
    assert not why_not
    file = tmp_path / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    run("fuse", file, tmp_path / "out")
    merged = checkpoint_file.read(tmp_path / "out" / "model.safetensors").weights
    for name, tensor in checkpoint_file.read(make_of(recipe, tmp_path)).weights.items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-6, atol=1e-7)
    text, why_not = as_yaml(Fused(tiny.problem.spec, models, registry.method("fuse", "fisher")))
    assert not text
    assert "fisher" in why_not


def make_of(recipe, folder):
    file = folder / "recipe.json"
    file.write_text(as_json(recipe), encoding="utf-8")
    return make(file)
