"""What a piece of work took, and what is remembered of a model that was made."""

import sys

import numpy as np
import pytest
import torch

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.spec import Fused
from explorer.engine.realise_recipe import realise
from explorer.engine.resource_meter import measured
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.store.records import Made

MIB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts and resets a process's peak")
def test_memory_is_the_peak_also_of_what_was_freed_again():
    """64 MiB held and given back inside count, what was held before does not, and less work afterwards takes less."""
    held = np.ones(32 * MIB // 8)
    with measured("cpu") as large:
        np.ones(64 * MIB // 8).sum()
    with measured("cpu") as small:
        np.ones(1 * MIB // 8).sum()
    assert 60 * MIB < large.memory < 90 * MIB
    assert small.memory < 20 * MIB
    assert large.seconds > 0
    assert len(held)


def test_counters_that_are_not_mixed_are_told(store, home, tmp_path):
    """Batch norm counts its batches in an integer: copied from the first model, and named where the models differ."""
    problem = Problem(problem_toml.find("digits-resnet"))
    weights = problem.network().state_dict()
    name = next(n for n, t in weights.items() if not t.is_floating_point())
    checkpoint_file.write(tmp_path / "a.safetensors", weights)
    checkpoint_file.write(tmp_path / "b.safetensors", {**weights, name: torch.tensor(7), "head.bias": weights["head.bias"] + 1})
    models = tuple(loaded(tmp_path / f"{x}.safetensors") for x in "ab")
    recipe = Fused(problem.spec, models, registry.method("fuse", "uniform_soup"), buffers="mix")
    made = realise(recipe, store, home)
    took = Made.from_json(store.noted(recipe.id))
    assert torch.equal(made[name], weights[name])
    assert set(took.counters) == {n for n, t in weights.items() if not t.is_floating_point()}
    assert took.differ == (name,)
    assert store.noted("unknown") is None
