"""The survey before a merge: known task vectors, the same from files and from memory, and the command that shows it."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file, task_survey
from explorer.checkpoints.task_survey import Tally, stable_rank, survey
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import plan
from explorer.merging.survey import surveyed
from tests.commands.test_main import run
from tests.merging import saved


def test_known_task_vectors_give_known_numbers():
    """τ₁ = (3, 4, 0), τ₂ = (3, −4, 0) on a base of length 2: sizes 5/2, cosine −7/25, and where the sum has another sign, or none, all of both entries of 4."""
    base = torch.tensor([0.0, 0.0, 2.0])
    tally = Tally(2)
    tally.add([base, base + torch.tensor([3.0, 4.0, 0.0]), base + torch.tensor([3.0, -4.0, 0.0])])
    found = survey([("layer", tally)], ["a", "b"])
    assert found.norm.tolist() == [[2.5, 2.5]]
    assert found.cosine == pytest.approx(np.array([[-7 / 25, -7 / 25]]))
    assert found.against == pytest.approx(np.array([[4 / 7, 4 / 7]]))
    assert np.isnan(found.rank).all()


def test_the_stable_rank_of_known_matrices():
    """One direction: 1. The identity: all. Zeros: none."""
    assert stable_rank(torch.outer(torch.arange(1.0, 5), torch.arange(1.0, 4))) == pytest.approx(1.0)
    assert stable_rank(torch.eye(4)) == pytest.approx(4.0)
    assert np.isnan(stable_rank(torch.zeros(2, 2)))


def test_blocks_add_up_to_the_whole():
    """However the entries are cut."""
    g = torch.Generator().manual_seed(0)
    tensors = [torch.randn(100, generator=g) for _ in range(4)]
    whole, cut = Tally(3), Tally(3)
    whole.add(tensors)
    for start in (0, 30, 61):
        cut.add([t[start : {0: 30, 30: 61, 61: 100}[start]] for t in tensors])
    for a, b in zip(whole.rows(), cut.rows(), strict=True):
        assert a == pytest.approx(b, nan_ok=True)


def test_layers_are_numbered_ones_or_the_modules_that_own_tensors():
    """An attention's matrices and norms are one layer; what is outside goes by its module."""
    names = ["model.embed.weight", *(f"model.layers.{i}.{part}" for i in range(2) for part in ("attn.q.weight", "norm.weight")), "lm_head.weight"]
    found = task_survey.layer_names(names)
    assert list(dict.fromkeys(found.values())) == ["model.embed", "model.layers.0", "model.layers.1", "lm_head"]


def test_files_and_memory_say_the_same(tiny, tmp_path):
    """Of the same weights; the first model is the base in both."""
    models = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    models.append({k: (models[0][k] + models[1][k]) / 2 + 0.01 for k in models[0]})
    files = [saved(tmp_path / str(i), m) for i, m in enumerate(models)]
    made = plan.of_method(registry.method("fuse", "ties"), [str(f) for f in files])
    seen = []
    here = surveyed(made, lambda done, total: seen.append((done, total)))
    there = registry.find("study", "survey")(models, tiny.problem)
    assert list(here.layers) == there["layers"]
    for name in ("norm", "cosine", "against", "rank"):
        assert getattr(here, name) == pytest.approx(np.array(there[name], dtype=np.float64), rel=1e-5, nan_ok=True)
    assert seen[-1][0] == seen[-1][1] == sum(j.nbytes for j in made.jobs)


def test_the_command_shows_layers_and_models_and_draws_them(three):
    """With --dry-run only; nothing is merged."""
    said = run("fuse", *three.paths, three.out, "--dry-run", "--survey", "--figure", three.folder / "layers.svg", "-m", "ties")
    assert "change / base" in said
    assert "model.layers.0" in said
    assert "blocks in memory" in said
    assert (three.folder / "layers.svg").stat().st_size > 1000
    assert not three.out.exists()
    assert "Add --dry-run" in run("fuse", *three.paths, three.out, "--survey", code=2)


def test_a_single_model_has_nothing_to_compare(tiny):
    """With a sentence."""
    with pytest.raises(Refused, match="at least two"):
        registry.find("study", "survey")([checkpoint_file.read(tiny.a).weights], tiny.problem)
