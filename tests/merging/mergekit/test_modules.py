"""Recipes that merge the modules of a network apart give the numbers that mergekit 0.1.5 gave for them (record_modules.py made these)."""

import io
import json

import numpy as np
import pytest
import yaml
from rich.console import Console

from explorer.commands import print_results
from explorer.core.errors import Refused
from explorer.merging import engine, plan
from explorer.merging.mergekit.modules import divided
from tests.merging import loaded
from tests.merging.mergekit import record_modules as record

FOUND = np.load(record.RECORDED)
TEXTS = [str(text) for text in FOUND["texts"]]
BOTH = ("a.layers.0.w", "a.layers.1.w", "b.blocks.0.w", "b.blocks.1.w", "head.w")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The models, a folder each."""
    made = tmp_path_factory.mktemp("models")
    record.written(made)
    return made


def test_the_recipes_are_those_of_today():
    """Modules with models, with slices, and a recipe without modules whose modules count their layers each by itself."""
    assert record.recipes() == TEXTS
    assert [sorted({"modules", "models"} & yaml.safe_load(text).keys()) for text in TEXTS] == [["modules"], ["modules"], ["models"]] * 2


@pytest.mark.parametrize("which", range(len(TEXTS)))
def test_a_recipe_gives_mergekits_numbers(which, folder, tmp_path):
    """The same tensors, to a millionth."""
    made = plan.of_recipe(record.located(TEXTS[which], folder))
    engine.merge(made, tmp_path / "out")
    result = loaded(tmp_path / "out")
    assert sorted(result) == list(FOUND[f"names-{which}"])
    ours = np.concatenate([result[n].numpy().reshape(-1) for n in sorted(result)])
    wrong = np.abs(ours - FOUND[str(which)])
    places = np.concatenate([np.full(result[n].numel(), n) for n in sorted(result)])
    assert wrong.max() <= 1e-6, f"{TEXTS[which]}\n{np.unique(places[wrong > 1e-6])[:5]} {wrong.max()} {made.notes}"


def test_slices_of_a_module_change_its_own_number_of_layers(folder, tmp_path):
    """The text decoder's four layers under its own key, the vision tower's as they were; where no key is known, a note says so."""
    for which, deeper in ((1, True), (4, False)):
        made = plan.of_recipe(record.located(TEXTS[which], folder))
        engine.merge(made, tmp_path / str(which))
        config = json.loads((tmp_path / str(which) / "config.json").read_text())
        assert config["text_config"]["num_hidden_layers"] == (4 if deeper else 3)
        assert config["vision_config"].get("depth", 2) == 2
        assert any("model.language_model.layers has 4 layers" in note for note in made.notes) != deeper


def test_the_dry_run_tells_the_modules_apart(folder, monkeypatch):
    """A row with each module's name, before its tensors."""
    said = io.StringIO()
    monkeypatch.setattr(print_results, "out", Console(file=said, width=300))
    print_results.print_plan(plan.of_recipe(record.located(TEXTS[0], folder)))
    words = ("module text_decoder", "model.norm", "module vision_tower", "visual.patch", "module multi_modal_projector", "visual.merger")
    places = [said.getvalue().index(word) for word in words]
    assert places == sorted(places)


def test_a_module_is_what_names_begin_with_or_all_the_rest():
    """Any beginning up to a dot; the longest wins."""
    assert divided(BOTH, ["a", "default"]) == {"a": list(BOTH[:2]), "default": list(BOTH[2:])}
    assert divided(BOTH, ["b", "b.blocks.1", "default"]) == {"b": [BOTH[2]], "b.blocks.1": [BOTH[3]], "default": [*BOTH[:2], BOTH[4]]}
    assert divided(["model.layers.0.w", "visual.blocks.0.w", "visual.merger.w"], ["vision_tower", "default"], "Qwen2VLForConditionalGeneration") == {
        "vision_tower": ["visual.blocks.0.w"],
        "default": ["model.layers.0.w", "visual.merger.w"],
    }


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (["a.layers", "b.blocks"], r"no module for 1 tensors: .*head\.w.*mergekit leaves them out.*Add their module, or default"),
        (["vision", "default"], r"module .*vision.* has no tensors\. There are the modules a\.layers, b\.blocks, default;"),
    ],
)
def test_modules_that_do_not_fit_the_network_are_refused(wanted, sentence):
    """With the tensors that nobody merges, or the modules there are."""
    with pytest.raises(Refused, match=sentence):
        divided(BOTH, wanted)


def test_a_module_does_not_read_the_models_that_it_does_not_name(folder, tmp_path):
    """A model whose text decoder alone is merged may have a vision tower of another shape."""
    from safetensors.numpy import load_file, save_file

    other = load_file(folder / "qwen-two" / "model.safetensors")
    name = "visual.blocks.0.attn.proj.weight"
    (tmp_path / "other").mkdir()
    save_file(other | {name: np.zeros((8, 20), np.float32)}, tmp_path / "other" / "model.safetensors", {"format": "pt"})
    models = [{"model": str(folder / "qwen-one")}, {"model": str(tmp_path / "other")}]
    modules = {"text_decoder": {"models": models}, "default": {"models": models[:1]}}
    recipe = {"merge_method": "linear", "parameters": {"weight": 1}, "modules": modules}
    engine.merge(plan.of_recipe(yaml.safe_dump(recipe)), tmp_path / "out")
    merged, one = loaded(tmp_path / "out"), load_file(folder / "qwen-one" / "model.safetensors")
    assert np.array_equal(merged[name].numpy(), one[name])
    text = "model.norm.weight"
    np.testing.assert_allclose(merged[text].numpy(), (one[text] + other[text]) / 2, rtol=1e-6)
