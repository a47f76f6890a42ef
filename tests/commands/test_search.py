"""`loss-explorer search`: the answer of Python in words, files that make the merge again, and refusals."""

import json

import pytest
import torch

from explorer import api
from explorer.checkpoints import checkpoint_file
from explorer.core import locations
from tests.commands.test_main import run

FAMILY = locations.root() / "sample_models" / "digits-mlp-finetunes"
FILES = [FAMILY / f"{name}.safetensors" for name in ("parent", "tune-1", "tune-2")]
HOW = ("-m", "task_arithmetic", "--sampler", "random", "--trials", "5", "--samples", "200")


def test_it_says_what_was_chosen_and_writes_it(home, tmp_path):
    """The best is the file that is written, and the recipe makes the same; what is said is what Python finds."""
    said = run("search", *FILES, *HOW, "--out", tmp_path / "best.safetensors", "--recipe", tmp_path / "best.json", "--card")
    found = api.search(*FILES, methods=["task_arithmetic"], sampler="random", trials=5, samples=200, progress=False)
    value, low, high = found.test.parts()
    assert f"{value} nat [{low}, {high}]" in said
    assert "chosen among 5 candidates on the validation split" in said
    best = checkpoint_file.read(tmp_path / "best.safetensors").weights
    again = checkpoint_file.read(api.make(tmp_path / "best.json")).weights
    assert all(torch.equal(best[k], again[k]) for k in best)
    assert found.best == api.read_recipe(tmp_path / "best.json")
    assert len(found.figure().data) == 2
    card = (tmp_path / "best.md").read_text(encoding="utf-8")
    assert "Chosen among 5 candidates on the validation split" in card
    assert f"value: {found.test.value:.6f}".rstrip("0") in card


def test_as_json_it_gives_all_candidates(home):
    """With the recipe of the best."""
    said = json.loads(run("search", *FILES, *HOW, "--json"))
    assert len(said["trials"]) == said["tried"] == 5
    assert said["best"]["kind"] == "Fused"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((FILES[0],), "at least two models"),
        ((*FILES, "-m", "model_stock"), "no numbers to search"),
        ((*FILES, "--sampler", "bayes"), "must be one of ['tpe', 'cmaes', 'random']"),
        ((*FILES, "--range", "density"), "name=low:high"),
        ((*FILES, "--card"), "Add --out"),
        ((*FILES, "--out", "best.pt"), "Let its name end in .safetensors"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(home, words, sentence):
    """And exit code 2."""
    assert sentence in run("search", *words, code=2)
