"""Recipes: what mergekit 0.1.5 makes of them, tensor by tensor, and what it passes over in silence."""

import pytest

from explorer.core.errors import Refused
from explorer.merging.mergekit.settings import effective
from explorer.merging.mergekit.text import read, write

NAMES = [
    "model.embed_tokens.weight",
    *(f"model.layers.{i}.{p}.weight" for i in range(5) for p in ("attn", "mlp")),
    "model.norm.weight",
    "lm_head.weight",
]


def resolved(text, key="weight", names=NAMES):
    """What every tensor has of a parameter: of each model, or of all of them."""
    recipe, _ = read(text)
    models = {s.model for part in recipe.modules for s in part.sources} | {recipe.base}
    found = effective(recipe, dict.fromkeys(models, names))
    return {e.tensor: [i.parameters[key] for i in e.inputs if key in i.parameters] or e.parameters[key] for e in found}


def linear(weight, more=""):
    return f"merge_method: linear\nmodels:\n- {{model: a, parameters: {{weight: {weight}}}}}\n- {{model: b, parameters: {{weight: 1}}}}\n{more}"


def test_a_gradient_runs_over_the_layers_and_begins_outside():
    """Measured of mergekit: [0, 1] on five layers gives 0, ¼, ½, ¾, 1, and 0 for the head."""
    found = resolved(linear("[0, 1]"))
    assert [found[f"model.layers.{i}.mlp.weight"][0] for i in range(5)] == [0, 0.25, 0.5, 0.75, 1]
    assert [found[n][0] for n in ("lm_head.weight", "model.norm.weight", "model.embed_tokens.weight")] == [0, 0, 0]


def test_a_gradient_of_three_has_its_middle_in_the_middle():
    """Piecewise linear; of a single layer the end."""
    found = resolved(linear("[0, 1, 0]"))
    assert [found[f"model.layers.{i}.mlp.weight"][0] for i in range(5)] == [0, 0.5, 1, 0.5, 0]
    assert resolved(linear("[0, 3]"), names=["model.layers.0.w"])["model.layers.0.w"][0] == 3


def test_a_gradient_of_flags_picks_one_of_them():
    """values[⌊t·(n − 1)⌋]."""
    found = resolved(linear("1", "parameters: {normalize: [true, false]}"), "normalize")
    assert [found[f"model.layers.{i}.mlp.weight"] for i in range(5)] == [True] * 4 + [False]


def test_the_first_filter_that_fits_wins_and_the_next_scope_follows():
    """A filter is a part of the name; what fits none is taken from the recipe's own parameters."""
    text = linear("[{filter: mlp, value: [0, 1]}, {filter: layers, value: 7}]", "parameters: {weight: 1e-1}")
    found = resolved(text)
    assert found["model.layers.1.mlp.weight"] == [0.25, 1]
    assert found["model.layers.1.attn.weight"] == [7, 1]
    assert found["lm_head.weight"] == [0.1, 1]  # YAML takes 1e-1 for text


def test_the_narrower_scope_comes_first():
    """Source, slice, module, recipe."""

    def text(*scopes):
        source, part, module, top = (f"parameters: {{weight: {k}}}" if k in scopes else "parameters: {}" for k in range(1, 5))
        sources = f"[{{model: a, layer_range: [0, 1], {source}}}]"
        return f"merge_method: linear\nmodules:\n  default:\n    slices: [{{sources: {sources}, {part}}}]\n    {module}\n{top}"

    for first in range(1, 5):
        assert set(map(tuple, resolved(text(*range(first, 5))).values())) == {(first,)}


def test_a_missing_parameter_is_named_with_its_tensor():
    """A filter that leaves a tensor without a weight."""
    with pytest.raises(Refused, match=r"no weight for a that holds for model.embed_tokens.weight"):
        resolved(linear("[{filter: mlp, value: 1}]"))


def test_a_base_that_is_not_listed_is_added():
    """It has no parameters of its own."""
    recipe, _ = read("merge_method: ties\nbase_model: base\nmodels: [{model: a, parameters: {weight: 1, density: 0.5}}]")
    (first, *_) = effective(recipe, {"a": NAMES, "base": NAMES})
    assert {i.model: dict(i.parameters) for i in first.inputs} == {"a": {"weight": 1, "density": 0.5}, "base": {}}
    assert first.parameters["normalize"] is True and first.parameters["lambda"] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("normalize: true", "'normalize' in the recipe has no effect and was ignored; it belongs under 'parameters'"),
        ("base_modle: x", "base_model is known"),
        ("parameters: {wieght: 3}", "'wieght' in the parameters of linear"),
        ("chat_template: auto", "keeps that of the model whose tokenizer it takes. Name that model as tokenizer_source"),
    ],
)
def test_keys_without_a_meaning_are_said(change, words):
    """mergekit is silent about them."""
    _, notes = read(linear("1", change))
    assert len(notes) == 1 and words in notes[0]
    assert read(linear("1"))[1] == ()


RECIPES = [
    linear("[0, 0.5, 1]", "dtype: bfloat16\nout_dtype: float16\ntokenizer_source: base"),
    "merge_method: ties\nbase_model: x\nmodels:\n- {model: {model: {path: a}, lora: {path: l}}, parameters: {weight: [{filter: mlp, value: [0, 1]}, {value: 2}]}}",
    "merge_method: passthrough\nslices:\n- sources: [{model: a, layer_range: [0, 3]}]\n- {sources: [{model: b, layer_range: [1, 5]}], parameters: {scale: 2}}",
    "merge_method: slerp\nbase_model: a\nmodules: {text: {models: [{model: b}], parameters: {t: 0.3}}}",
]


@pytest.mark.parametrize("text", RECIPES)
def test_a_recipe_comes_back_from_its_own_text(text):
    """Written, read, the same; and written again, the same text."""
    recipe, _ = read(text)
    assert read(write(recipe)) == (recipe, ())
    assert write(read(write(recipe))[0]) == write(recipe)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "should be a mapping"),
        ("a: [", "not valid YAML"),
        ("merge_method: linear\n---\nmerge_method: linear", "2 documents"),
        ("merge_method: fusion", "There are: linear"),
        ("merge_method: fisher\nmodels: []", "merge_method is 'fisher'. There are: linear"),
        ("merge_method: linear", "one of models, slices and modules; this has none"),
        (linear("1", "slices: [{sources: []}]"), "models and slices"),
        (linear("1", "merge_method: ties"), "'merge_method' twice"),
        (linear("1", "tokenizer: {source: base, tokens: {x: {}}}"), "has no source"),
        (linear("1", "tokenizer: {pad_to_multiple_of: 8}"), "needs tokenizer: {source: union}"),
        (linear("1", "tokenizer_source: union\ntokenizer: {source: union}"), "both tokenizer_source and tokenizer"),
        (linear("1", "dtype: int64"), "Use one of float16"),
        (linear("{value: null}"), "a number, a list of numbers"),
        (linear("1", "parameters: " + "[" * 5000 + "]" * 5000), "nested too deeply"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
         "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*d,*d]", "expands to more"),
        ("a: &a [*a]", "recursive node"),
        ("a: &a {b: *a}", "recursive node"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_refused(text, sentence):
    """One sentence each; nothing in it is run."""
    with pytest.raises(Refused, match=sentence):
        read(text)


def test_a_model_without_the_layers_that_a_slice_names_is_refused_and_not_counted_through():
    """A range is two numbers, and no list of what lies between."""
    recipe, _ = read("merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 1000000000000]}]}]")
    with pytest.raises(Refused, match="layer"):
        list(effective(recipe, {"a": NAMES}))


def test_a_number_is_wanted():
    """Not a word."""
    with pytest.raises(Refused, match="a finite number is expected"):
        resolved(linear("heavy"))


def test_layers_of_unequal_numbers_make_no_slice():
    """Two of one, three of the other."""
    with pytest.raises(Refused, match="different numbers of layers"):
        read("merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [0, 3]}]}]")


def test_rules_for_tokens_are_read_and_written():
    """Each kind of source, forced or not, and the padding: read, written and read again."""
    tokens = "{a: {source: m}, b: {source: {kind: zero}, force: true}, c: {source: {kind: model_token, model: m, token: x}}, d: {source: {kind: model_token, model: m, token_id: 7}}}"
    recipe, notes = read(linear("1", f"tokenizer: {{source: union, pad_to_multiple_of: 64, tokens: {tokens}}}"))
    assert notes == ()
    assert [(r.token, r.model, r.other, r.force) for r in recipe.token_rules] == [
        ("a", "m", None, False),
        ("b", "", None, True),
        ("c", "m", "x", False),
        ("d", "m", 7, False),
    ]
    assert recipe.pad == 64
    assert read(write(recipe))[0] == recipe
