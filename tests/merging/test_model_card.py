"""The card of a merge: what Hugging Face reads of it, what it says of licences, and that words of others stay words."""

import hashlib
import json
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import ModelCard

from explorer import api
from explorer.core import registry
from explorer.core.markdown import spoken
from explorer.core.spec import Fused
from explorer.merging import model_card
from explorer.merging.model_card import Card, Number, Source, front_matter
from explorer.stats.intervals import Estimate
from tests.commands.test_main import run

CARD = Card(
    "soup",
    "ties",
    "merge_method: ties",
    "yaml",
    (Source("a", "ab12", "mit", "org/a"), Source("b", "cd34", "mit")),
    (Number("wiki", "test", "loss", Estimate(1.25, 1.0, 1.5), unit="nat"),),
)


def parts(text):
    """(front matter, the rest)."""
    _, front, rest = text.split("---\n", 2)
    return yaml.safe_load(front), rest


def test_the_front_matter_is_what_the_hub_reads():
    """Tags, licence, the base models that have a name there, and a model-index of the published form."""
    front, rest = parts(CARD.text())
    assert front["license"] == "mit"
    assert front["base_model"] == ["org/a"]
    assert front["base_model_relation"] == "merge"
    assert "merge" in front["tags"]
    (result,) = front["model-index"][0]["results"]
    assert front["model-index"][0]["name"] == "soup"
    assert result["task"]["type"]
    assert result["dataset"] == {"type": "wiki", "name": "wiki (test)"}
    assert result["metrics"] == [{"type": "loss", "value": 1.25, "name": "loss, 95 % interval 1 to 1.5"}]
    assert "| wiki | test | loss | 1.25 nat [1.00, 1.50] |" in spoken(rest)
    assert "```yaml\nmerge_method: ties\n```" in rest


def test_the_hubs_own_library_reads_it():
    """Its evaluation results included."""
    found = ModelCard(CARD.text()).data
    assert found.license == "mit"
    assert [(r.dataset_type, r.metric_type, r.metric_value) for r in found.eval_results] == [("wiki", "loss", 1.25)]


def test_licences_that_differ_make_none():
    """Nor does one that is not stated; the text says what each states."""
    for other in ("apache-2.0", ""):
        front, rest = parts(replace(CARD, sources=(CARD.sources[0], Source("b", "cd34", other))).text())
        assert "license" not in front
        assert "do not all state the same licence" in rest
        assert f"| b | `cd34` | {other or 'not stated'} |" in rest


def test_words_of_others_stay_words():
    """A name with a pipe and a tag is a cell, and a recipe with a fence in it ends where it ends."""
    front, rest = parts(replace(CARD, title="x: [y", sources=(Source("a|b<img>", "ab"),), recipe="# ```\nend").text())
    assert front["model-index"][0]["name"] == "x: [y"
    assert r"a\|b\<img\>" in rest
    assert "````yaml\n# ```\nend\n````" in rest


@pytest.mark.parametrize(
    "text", ["", "no front", "---\n[1, 2\n---\n", "---\n- a\n---\n", "---\nlicense: mit\n", "---\n!!python/object:os.system {}\n---\n"]
)
def test_a_card_that_says_nothing_readable_says_nothing(tmp_path, text):
    """And runs nothing."""
    file = tmp_path / "README.md"
    file.write_text(text, encoding="utf-8")
    assert front_matter(file) == {}


def test_a_merge_from_file_to_file_has_a_card_beside_it(three):
    """Digests of the bytes, licences from the ingredients' cards, their names on the hub, and the command or the recipe; a card that is there is kept."""
    for path, licence in zip(three.paths, ("mit", "mit", "apache-2.0"), strict=True):
        (path / "README.md").write_text(f"---\nlicense: {licence}\n---\n# Model\n", encoding="utf-8")
    (three.paths[0] / "config.json").write_text(json.dumps({"_name_or_path": "org/base"}), encoding="utf-8")
    run("fuse", *three.paths[:2], three.out, "--card", "-m", "task_arithmetic", "-o", "coefficients=0.5")
    front, rest = parts((three.out / "README.md").read_text(encoding="utf-8"))
    assert front["license"] == "mit"
    assert front["base_model"] == ["org/base"]
    assert front["library_name"] == "transformers"
    assert hashlib.sha256((three.paths[0] / "model.safetensors").read_bytes()).hexdigest() in rest
    assert f"loss-explorer fuse {three.paths[0]} {three.paths[1]} {three.out} --method task_arithmetic -o coefficients=0.5" in rest
    recipe = three.folder / "r.yaml"
    recipe.write_text(yaml.safe_dump({"merge_method": "linear", "models": [{"model": str(p), "parameters": {"weight": 1}} for p in three.paths]}))
    run("fuse", recipe, three.folder / "soup.safetensors", "--card")
    front, rest = parts((three.folder / "soup.md").read_text(encoding="utf-8"))
    assert "license" not in front
    assert "merge_method: linear" in rest
    assert "the card would replace it" in run("fuse", recipe, three.folder / "soup.safetensors", "--card", code=2)


def test_a_merge_in_memory_has_its_numbers(tiny, home, tmp_path):
    """Those that Python measures, and a recipe that makes it again."""
    target = tmp_path / "soup.safetensors"
    run("fuse", tiny.a, tiny.b, target, "--problem", tiny.folder, "--card")
    front, rest = parts((tmp_path / "soup.md").read_text(encoding="utf-8"))
    models = (api.loaded(tiny.a), api.loaded(tiny.b))
    merged = Fused(api.read_problem(tiny.folder), models, registry.method("fuse", "uniform_soup"))
    found = api.look(*models, merged, problem=tiny.folder, progress=False)
    assert found.value(2, "error").formatted(scale=100, unit="%") in spoken(rest)
    losses = [m for r in front["model-index"][0]["results"] for m in r["metrics"] if m["type"] == "loss"]
    assert losses[0]["value"] == pytest.approx(found.value(2).value, abs=1e-6)
    (tmp_path / "r.json").write_text(rest.split("```json\n")[1].split("```")[0], encoding="utf-8")
    assert api.read_recipe(tmp_path / "r.json").id == merged.id
    assert model_card.beside(tmp_path / "folder") == tmp_path / "folder" / "README.md"
