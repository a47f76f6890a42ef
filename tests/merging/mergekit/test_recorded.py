"""Recipes drawn at random give the numbers that mergekit 0.1.5 gave for them (record.py made these)."""

import numpy as np
import pytest
import yaml

from explorer.merging import engine, plan
from explorer.merging.mergekit.known import METHODS
from tests.merging import loaded
from tests.merging.mergekit import record

FOUND = np.load(record.RECORDED)
TEXTS = [str(text) for text in FOUND["texts"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The models, a folder each."""
    made = tmp_path_factory.mktemp("models")
    record.written(made)
    return made


def test_the_recipes_are_those_that_are_drawn_today():
    """Every method of mergekit's is among them, as are gradients, filters and slices."""
    assert record.recipes() == TEXTS
    assert {yaml.safe_load(text)["merge_method"] for text in TEXTS} == METHODS.keys()
    assert all(any(part in text for text in TEXTS) for part in ("filter", "slices", "nuslerp_row_wise: true", "filter_wise: true", "rescale: true"))


@pytest.mark.parametrize("which", range(len(TEXTS)))
def test_a_recipe_gives_mergekits_numbers(which, folder, tmp_path):
    """To a millionth in single precision."""
    made = plan.of_recipe(record.located(TEXTS[which], folder))
    engine.merge(made, tmp_path / "out")
    result = loaded(tmp_path / "out")
    ours = np.concatenate([result[n].numpy().reshape(-1) for n in sorted(result)])
    assert ours.dtype == FOUND[str(which)].dtype
    wrong = np.abs(ours - FOUND[str(which)])
    places = np.concatenate([np.full(result[n].numel(), n) for n in sorted(result)])
    assert wrong.max() <= 1e-6, f"{TEXTS[which]}\n{np.unique(places[wrong > 1e-6])[:5]} {wrong.max()} {made.notes}"
