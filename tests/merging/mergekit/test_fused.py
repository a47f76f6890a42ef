"""Merged models of the app as recipes, and back."""

import pytest

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Fused, Loaded
from explorer.merging import engine, plan
from explorer.merging.mergekit import fused
from explorer.merging.mergekit.text import write
from tests.merging import loaded

SAYABLE = [
    ("average", {"weights": (0.5, 0.3, 0.2)}),
    ("uniform_soup", {}),
    ("interpolate", {"t": 0.3}),
    ("slerp", {"t": 0.3}),
    ("karcher", {}),
    ("task_arithmetic", {"coefficients": (0.5, -0.2)}),
    ("ties", {"trim": "tensor", "density": 0.3, "weights": (1.0, 2.0), "scale": 0.8}),
    ("dare", {"drop": 0.25, "scale": 0.5}),
    ("dare", {"drop": 0.25, "elect": "mass"}),
    ("breadcrumbs", {"smallest": 0.5, "largest": 0.125}),
    ("della", {"drop": 0.5, "spread": 0.25, "elect": "none"}),
    ("della", {"drop": 0.5, "spread": 0.25}),
    ("model_stock", {}),
    ("multislerp", {"weights": (1.0, 2.0, 3.0)}),
    ("nearswap", {"t": 0.05}),
    ("arcee_fusion", {}),
    ("sce", {"select": 0.5}),
    ("ram", {"changed": 0.05}),
    ("ram", {"changed": 0.05, "boost": 0.3, "most": 0.5}),
]


@pytest.mark.parametrize(("name", "options"), SAYABLE)
def test_a_method_and_its_recipe_make_the_same_model(three, name, options):
    """Merged by either; and the recipe read back as a method, too."""
    method = registry.method("fuse", name, options)
    models = [str(p) for p in three.paths[: min(3, registry.models_of(name)[1] or 3)]]
    text = write(fused.written(method, models))
    back, paths = fused.method_of(text)
    assert list(paths) == models
    plans = [plan.of_method(method, models), plan.of_recipe(text), plan.of_method(back, list(paths))]
    results = []
    for i, made in enumerate(plans):
        engine.merge(made, three.folder / str(i))
        results.append(loaded(three.folder / str(i)))
    for other in results[1:]:
        for key, tensor in results[0].items():
            differs = int((tensor != other[key]).sum())
            assert differs <= 8 + 0.02 * tensor.numel(), key  # counts of entries differ by one at either end, and shares are rounded once more


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("ties", {}, "trim=model"),
        ("slerp", {"scope": "model"}, "scope=model"),
        ("della", {"elect": "count"}, "elect=count"),
        ("karcher", {"weights": (1.0, 2.0)}, "no recipe for karcher"),
        ("fisher", {}, "no recipe for fisher"),
    ],
)
def test_what_a_recipe_cannot_say_is_refused(name, options, sentence):
    """With the way out."""
    with pytest.raises(Refused, match=sentence):
        fused.written(registry.method("fuse", name, options), ["a", "b"])


def test_a_fused_model_is_written_with_its_files(tiny):
    """Loaded checkpoints by their path; one that is made here has none."""
    spec = tiny.problem.spec
    models = (Loaded("x", "m/model.safetensors"), Loaded("y", "b.safetensors"))
    text = fused.recipe_of(Fused(spec, models, registry.method("fuse", "average")))
    assert "model: m\n" in text and "model: b.safetensors" in text
    inner = Fused(spec, models, registry.method("fuse", "average"), name="soup")
    with pytest.raises(Refused, match="soup has no file yet"):
        fused.recipe_of(Fused(spec, (inner, models[0]), registry.method("fuse", "average")))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("merge_method: linear\nmodels: [{model: a, parameters: {weight: [0, 1]}}]", "differs between tensors"),
        ("merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 1]}]}]", "stacks layers"),
        (
            "merge_method: nuslerp\nmodels: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 1}}]",
            "no method equivalent to nuslerp",
        ),
        ("merge_method: linear\nmodels: [{model: a}]", "gives no weight for a"),
    ],
)
def test_what_the_app_cannot_do_points_to_the_command_line(text, sentence):
    """One sentence each."""
    with pytest.raises(Refused, match=sentence):
        fused.method_of(text)
