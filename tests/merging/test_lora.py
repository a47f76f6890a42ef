"""Adapters: W + scale · B·A, worked out by hand and by PEFT's rules."""

import json

import pytest
import torch
from safetensors.torch import save_file

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import engine, plan
from tests.merging import identical, loaded, saved

NAME = "model.layers.0.q.weight"
A, B = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0], [-1.0]])


def adapter(folder, *, tensors=None, **config):
    folder.mkdir()
    settings = {"peft_type": "LORA", "r": 1, "lora_alpha": 4} | config
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    key = f"base_model.model.{NAME.removesuffix('.weight')}"
    save_file(tensors or {f"{key}.lora_A.weight": A, f"{key}.lora_B.weight": B}, folder / "adapter_model.safetensors")
    return folder


@pytest.fixture
def base(tmp_path):
    return saved(tmp_path / "base", {NAME: torch.ones(2, 3), "other.weight": torch.ones(700, 100)})


def made(base, text, out="out"):
    engine.merge(plan.of_recipe(text), base.parent / out)
    return loaded(base.parent / out)


def scaled(model):
    return f"merge_method: passthrough\nmodels: [{{model: {model}}}]"


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 4),
        ({"r": 16, "use_rslora": True}, 1),
        ({"r": 16}, 0.25),
        ({"alpha_pattern": {"layers.0.q": 8}}, 8),
        ({"rank_pattern": {"q": 8}, "alpha_pattern": {"k": 3}}, 0.5),
    ],
)
def test_model_plus_adapter(base, config, scale):
    """[[1, 2, 3], [−1, −2, −3]] times α/r, or α/√r, on ones; the rest is the base's."""
    found = made(base, scaled(f"{base}+{adapter(base.parent / 'lora', **config)}"))
    assert found[NAME].tolist() == (1 + scale * torch.tensor([[1.0, 2, 3], [-1, -2, -3]])).tolist()
    assert torch.equal(found["other.weight"], torch.ones(700, 100))


def test_a_layer_that_is_stored_transposed(base):
    """fan_in_fan_out, as GPT-2 has it: the transpose of B·A is added."""
    key = NAME.removesuffix(".weight")
    lora = adapter(
        base.parent / "lora", fan_in_fan_out=True, tensors={f"{key}.lora_A.weight": B.T.contiguous(), f"{key}.lora_B.weight": A.T.contiguous()}
    )
    assert made(base, scaled(f"{base}+{lora}"))[NAME].tolist() == (1 + 4 * A.T @ B.T).T.tolist()


def test_many_rows_are_those_of_one_product(base):
    """A tensor of several blocks; and what was trained whole replaces the base's."""
    g = torch.Generator().manual_seed(0)
    a, b, whole = (torch.randn(s, generator=g) for s in ((4, 100), (700, 4), (2, 3)))
    lora = adapter(
        base.parent / "lora",
        r=4,
        tensors={"base_model.model.o.lora_A.weight": a, "base_model.model.o.lora_B.weight": b, f"base_model.model.{NAME}": whole},
    )
    saved(base, {NAME: torch.ones(2, 3), "o.weight": torch.ones(700, 100)})
    found = made(base, scaled(f"{base}+{lora}"))
    assert torch.allclose(found["o.weight"], 1 + b @ a, atol=1e-5)
    assert torch.equal(found[NAME], whole)


def test_an_adapter_is_a_task_vector(base):
    """As a folder of its own it stands on the base; half of it is half of the change."""
    lora = adapter(base.parent / "lora")
    text = f"merge_method: task_arithmetic\nbase_model: {base}\nmodels: [{{model: {lora}, parameters: {{weight: 0.5}}}}]"
    found = made(base, text)
    assert torch.allclose(found[NAME], 1 + 2 * B @ A)
    own = plan.of_method(registry.method("fuse", "task_arithmetic", {"coefficients": (0.5,)}), [str(base), str(lora)])
    engine.merge(own, base.parent / "own")
    assert identical(loaded(base.parent / "own"), found)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"peft_type": "IA3"}, "of the kind IA3"),
        ({"use_dora": True}, "of the kind DoRA"),
        ({"r": 0}, "r = 0, a number above 0"),
        ({"tensors": {"base_model.model.gone.lora_A.weight": A, "base_model.model.gone.lora_B.weight": B}}, "gone.weight, which .* does not have"),
        ({"tensors": {"base_model.model.other.lora_A.weight": A, "base_model.model.other.lora_B.weight": B}}, "of 2×3, which is 700×100"),
        ({"tensors": {"base_model.model.other.lora_A.weight": A}}, "only one of lora_A and lora_B"),
    ],
)
def test_what_is_no_plain_change_is_refused(base, config, sentence):
    """One sentence each."""
    lora = adapter(base.parent / "lora", **config)
    with pytest.raises(Refused, match=sentence):
        made(base, scaled(f"{base}+{lora}"))


def test_an_adapter_alone_is_no_model(base):
    """The sentence says how to write it."""
    lora = adapter(base.parent / "lora", base_model_name_or_path="hub/model")
    with pytest.raises(Refused, match="is an adapter on hub/model, which is not a model here"):
        made(base, scaled(lora))
