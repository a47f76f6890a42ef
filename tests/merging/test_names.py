"""Merging files whose names differ: read as everywhere, nothing lost, and what cannot be read alike refused."""

import json

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import engine, plan
from tests.merging import identical, loaded, saved

METHOD = registry.method("fuse", "uniform_soup")


def merged(three, *weights):
    """The mean of these weights, and what was said of their names."""
    paths = [saved(path, w) for path, w in zip(three.paths, weights, strict=False)]
    made = plan.of_method(METHOD, [str(p) for p in paths])
    engine.merge(made, three.out)
    return loaded(three.out), made.notes


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_before_names_are_read_past(three, which, prefix):
    """In the first model or the other; the result has the plain names, and is that of the plain files."""
    plain, _ = merged(three, *three.weights[:2])
    three.out = three.folder / "again"
    other = list(three.weights[:2])
    other[which] = {f"{prefix}{n}": t for n, t in other[which].items()}
    found, notes = merged(three, *other)
    assert identical(found, plain)
    assert f"stripped the prefix '{prefix.partition('.')[0]}.'" in " ".join(notes)


def test_names_that_are_alike_stay_as_they_are(three):
    """Whatever they begin with."""
    weights = [{f"module.{n}": t for n, t in w.items()} for w in three.weights[:2]]
    found, notes = merged(three, *weights)
    assert (found.keys(), notes) == (weights[0].keys(), ())


@pytest.mark.parametrize("which", [0, 1])
def test_a_tied_tensor_that_is_stored_once_elsewhere_is_kept_once(three, which):
    """The head equals the embedding in one file, and is not in the other."""
    tied = [{n: t for n, t in w.items() if n != "lm_head.weight"} for w in three.weights[:2]]
    plain, _ = merged(three, *tied)
    three.out = three.folder / "again"
    tied[which] = tied[which] | {"lm_head.weight": tied[which]["model.embed_tokens.weight"].clone()}
    found, notes = merged(three, *tied)
    assert identical(found, plain)
    assert "left out, as it equals model.embed_tokens.weight and is not in every model: lm_head.weight" in " ".join(notes)


def test_a_tie_that_the_header_says_is_one(three):
    """As `checkpoint_file.write` stores it; the alias comes back from the result."""
    w = [torch.randn(4, 4, generator=torch.Generator().manual_seed(s)) for s in (1, 2)]
    (three.paths[0] / "model.safetensors").unlink()
    checkpoint_file.write(three.paths[0] / "model.safetensors", {"a": w[0], "b": w[0]})
    saved(three.paths[1], {"a": w[1], "b": w[1].clone()})
    engine.merge(plan.of_method(METHOD, [str(p) for p in three.paths[:2]]), three.out)
    found = checkpoint_file.read(three.out / "model.safetensors").weights
    assert found["a"] is found["b"] and torch.equal(found["a"], (w[0] + w[1]) / 2)


@pytest.mark.parametrize("name", ["embeddings.position_ids", "layers.0.rotary_emb.inv_freq"])
def test_a_constant_in_one_file_only_is_left_out(three, name):
    """Old versions saved them."""
    found, notes = merged(three, three.weights[0] | {name: torch.arange(8)[None]}, three.weights[1])
    assert found.keys() == three.weights[0].keys()
    assert f"left out, a constant that is not in every model: {name}" in " ".join(notes)


def test_layers_that_one_model_has_alone_are_not_left_out(three):
    """Though their values, ones and noughts, are also elsewhere."""
    extra = {"extra.weight": torch.zeros(60, 60), "extra.bias": torch.zeros(60)}
    weights = [w | {"known.weight": torch.zeros(60, 60), "known.bias": torch.zeros(60)} for w in three.weights[:2]]
    with pytest.raises(Refused, match=r"extra\.\w+ is in .* and not in"):
        merged(three, weights[0] | extra, weights[1])


def test_a_recipe_reads_names_alike(three):
    """Of a whole model, and says so."""
    paths = [saved(three.paths[0], three.weights[0]), saved(three.paths[1], {f"module.{n}": t for n, t in three.weights[1].items()})]
    models = ", ".join(f"{{model: {json.dumps(str(p))}, parameters: {{weight: 1}}}}" for p in paths)
    made = plan.of_recipe(f"merge_method: linear\nmodels: [{models}]")
    engine.merge(made, three.out)
    assert loaded(three.out).keys() == three.weights[0].keys()
    assert any("stripped the prefix 'module.'" in n for n in made.notes)


@pytest.mark.parametrize("where", ["the recipe's base", "a slice's base", "a slice's model"])
def test_a_recipe_of_layers_reads_names_alike(three, where):
    """Also those of a base that is no model of it; the result is that of plain names."""
    plain = [saved(path, w) for path, w in zip(three.paths, three.weights, strict=True)]
    wrapped = saved(three.folder / "wrapped", {f"module.{n}": t for n, t in three.weights[0].items()})

    def text(base):
        def of(model, layers):
            return f"{{model: {model}, layer_range: {layers}, parameters: {{weight: 0.5}}}}"

        if where == "a slice's model":
            parts = [f"{{sources: [{{model: {m}, layer_range: {r}}}]}}" for m, r in ((base, [0, 2]), (plain[1], [1, 3]))]
            return f"merge_method: passthrough\nslices: [{', '.join(parts)}]"
        top, inner = (f"base_model: {base}\n", "") if where == "the recipe's base" else ("", f"base_model: {base}, ")
        return f"merge_method: ties\n{top}slices: [{{{inner}sources: [{of(plain[1], [0, 3])}, {of(plain[2], [0, 3])}]}}]"

    engine.merge(plan.of_recipe(text(plain[0])), three.out)
    engine.merge(plan.of_recipe(text(wrapped)), three.folder / "again")
    assert identical(loaded(three.out), loaded(three.folder / "again"))


def test_other_names_in_order_are_taken_when_asked(three):
    """Merged as under the first one's names, and said; Refused unasked, and where no model says what to."""
    plain = {"layers.0.weight": torch.arange(6.0).view(3, 2), "layers.0.bias": torch.ones(3), "layers.1.weight": torch.ones(1, 3)}
    other = dict(zip(("0.weight", "0.bias", "2.weight"), (3 * t for t in plain.values()), strict=True))
    a, b = (saved(path, w) for path, w in zip(three.paths, (plain, other), strict=False))
    with pytest.raises(Refused, match="not in"):
        plan.of_method(METHOD, [str(a), str(b)])
    made = plan.of_method(METHOD, [str(a), f"{b}#renamed"])
    assert any("renamed in order: 0.bias → layers.0.bias" in note for note in made.notes)
    engine.merge(made, three.out)
    assert identical(loaded(three.out), {n: 2 * t for n, t in plain.items()})
    with pytest.raises(Refused, match="none has the names to use"):
        plan.of_method(METHOD, [f"{a}#renamed", f"{b}#renamed"])
