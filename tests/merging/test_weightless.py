"""A weight of zero frees the shape, and what it is given to is not read."""

from pathlib import Path

import pytest
import torch

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import engine, plan
from explorer.merging.mergekit.known import METHODS
from tests.merging import drawn, identical, loaded, saved

OWN = [n for n in registry.names("fuse") if {o.name for o in registry.options("fuse", n)} & {"weights", "coefficients"} and not registry.data_of(n)]
WEIGHED = [n for n, known in METHODS.items() if "weight" in known.each and known.inputs[1] is None]


@pytest.fixture
def other(tmp_path):
    """A model of another shape, with other names and another number of layers, whose values are no numbers."""
    weights = {"model.embed_tokens.weight": torch.full((7, 5), torch.nan), "model.layers.0.attn.weight": torch.full((5, 5), torch.nan)}
    return saved(tmp_path / "other", weights, config=False)


def merged(made, out):
    engine.merge(made, out)
    return loaded(out)


def paths_read(made):
    return {made.ingredients[i].tensors[name].path for job in made.jobs for i, name in job.sources}


@pytest.mark.parametrize("name", OWN)
def test_a_model_without_weight_may_be_anything(three, other, name):
    """Bit for bit what the method makes with any model of the right shape in its place."""
    (key,) = {o.name for o in registry.options("fuse", name)} & {"weights", "coefficients"}
    weights = (1.0, 0.0) if registry.has_base(name) else (0.4, 0.6, 0.0)
    method = registry.method("fuse", name, {key: weights})
    first, second, third = map(str, three.paths)
    made = plan.of_method(method, [first, second, str(other)])
    found = merged(made, three.out)
    assert identical(found, merged(plan.of_method(method, [first, second, third]), three.folder / "alike"))
    assert not any(other in path.parents for path in paths_read(made))
    assert [note.endswith("other has a weight of 0 and is not read.") for note in made.notes] == [True]


def recipe(method: str, models: list[Path], weights: list[object], base: Path | None) -> str:
    each = "".join(f"- {{model: {m}, parameters: {{weight: {w}}}}}\n" for m, w in zip(models, weights, strict=True))
    more = "" if base is None else f"base_model: {base}\n"
    density = "parameters: {density: 0.5}\n" if "density" in METHODS[method].each else ""
    return f"merge_method: {method}\n{more}models:\n{each}{density}"


@pytest.mark.parametrize("name", WEIGHED)
def test_so_may_one_of_a_recipe(three, other, name):
    base = three.paths[0] if METHODS[name].base == "required" else None
    models, weights = (three.paths[1:], [0.7, 0]) if base else (three.paths, [0.3, 0.7, 0])
    made = plan.of_recipe(recipe(name, [*models[:-1], other], weights, base))
    assert all(f"{other}: weight=0" in job.said for job in made.jobs)
    found = merged(made, three.out)
    assert identical(found, merged(plan.of_recipe(recipe(name, models, weights, base)), three.folder / "alike"))


def test_the_first_may_be_without_weight(three, other):
    """Names, shapes and configuration are then those of the first that counts."""
    found = merged(plan.of_recipe(recipe("linear", [other, three.paths[1], three.paths[2]], [0, 1, 1], None)), three.out)
    assert identical(found, merged(plan.of_recipe(recipe("linear", three.paths[1:], [1, 1], None)), three.folder / "alike"))
    assert (three.out / "config.json").read_text() == (three.folder / "alike" / "config.json").read_text()


def test_a_filter_frees_the_tensors_that_it_fits(three):
    """Of a model whose layers have a shape of their own: with a weight of 0 for these, the rest is merged."""
    weights = {n: t[:, :50].contiguous() if "attn" in n else t for n, t in drawn(4).items()}
    narrow = saved(three.folder / "narrow", weights)
    filtered = "[{filter: attn, value: 0}, {value: 0.5}]"
    made = plan.of_recipe(recipe("task_arithmetic", [narrow], [filtered], three.paths[0]))
    found = merged(made, three.out)
    base = three.weights[0]
    for name, tensor in found.items():
        if "attn" in name:
            assert torch.equal(tensor, base[name])
        else:
            assert torch.allclose(tensor.float(), (base[name].float() + weights[name].float()) / 2, atol=1e-2)
    with pytest.raises(Refused, match="is 60×60 in .* and 60×50 in"):
        plan.of_recipe(recipe("task_arithmetic", [narrow], [0.5], three.paths[0]))


def test_all_without_weight_is_refused_as_before(three):
    with pytest.raises(Refused, match="sum to zero"):
        plan.of_recipe(recipe("ties", three.paths[1:], [0, 0], three.paths[0]))


@pytest.mark.parametrize("weight", [1, 0])
def test_the_tokenizer_and_the_chat_template_are_those_of_the_named_source(three, weight):
    """All files of them, of a model without weight as well."""
    for path in three.paths:
        (path / "chat_template.jinja").write_text(f"{{{{ messages }}}} of {path.name}")
        (path / "tokenizer_config.json").write_text(f'{{"chat_template": "{path.name}"}}')
    text = recipe("linear", three.paths, [1, 1, weight], None) + f"tokenizer_source: {three.paths[2]}\n"
    engine.merge(plan.of_recipe(text), three.out)
    assert (three.out / "chat_template.jinja").read_text() == "{{ messages }} of c"
    assert (three.out / "tokenizer_config.json").read_text() == '{"chat_template": "c"}'
