"""The sample models: made to the same bytes, and as good as they are said to be."""

import shutil
from itertools import combinations

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.commands import build_samples
from explorer.core import files, locations, splits
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.fuse import tsv_m
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

FOLDER = locations.root() / "sample_models"
# Number of files, and the least accuracy on the test split that every one of them reaches.
WANTED = {
    "digits-cue": (6, 0.96),
    "digits-mlp": (5, 0.97),
    "digits-mlp-branches": (10, 0.96),
    "digits-mlp-finetunes": (9, 0.95),
    "digits-mlp-constant": (12, 0.7),
    "digits-mlp-trajectory": (12, 0.70),
    "digits-resnet": (3, 0.98),
    "digits-vit": (2, 0.95),
    "char-gpt": (2, 0.45),
    "digits-tasks": (4, 0.6),
}


def weights_of(name):
    """Every checkpoint of a family by its file's stem."""
    return {path.stem: checkpoint_file.read(path).weights for path in files.checkpoints_at(FOLDER / name)}


def means(problem, corners, coefficients, split="test"):
    """Loss and error."""
    evaluate = Evaluate(problem, corners, split=split)
    return evaluate(np.array(coefficients)).sum(axis=1) / evaluate.counts.sum()


def barrier(problem, a, b):
    """Highest rise of the loss above the straight line, at eleven points."""
    evaluate, ts = Evaluate(problem, [a, b]), np.linspace(0, 1, 11)
    loss = np.array([evaluate(np.array([1 - t, t]))[0].sum() for t in ts]) / evaluate.counts.sum()
    return float((loss - (1 - ts) * loss[0] - ts * loss[-1]).max())


def test_every_family_is_listed_here_and_has_a_recipe():
    """No folder without a recipe, no recipe without a folder."""
    assert set(WANTED) == set(build_samples.FAMILIES) == {p.parent.name for p in FOLDER.glob("*/problem.toml")}


def test_making_a_family_twice_gives_the_same_bytes(tmp_path):
    """Headers too; families without a problem.toml in the folder are left alone."""
    made = []
    for run in ("one", "two"):
        folder = tmp_path / run / "digits-mlp-trajectory"
        folder.mkdir(parents=True)
        shutil.copy(FOLDER / folder.name / "problem.toml", folder)
        lines = []
        build_samples.make(tmp_path / run, report=lines.append)
        assert len(lines) == 12
        made.append({p.name: p.read_bytes() for p in folder.glob("*.safetensors")})
    assert len(made[0]) == 12
    assert made[0] == made[1]
    assert checkpoint_file.read(tmp_path / "one" / "digits-mlp-trajectory" / "epoch-04.safetensors").metadata["epoch"] == "4"


@pytest.mark.parametrize("name", WANTED)
def test_shipped_files_fit_their_problem_and_reach_the_accuracy(name):
    """Each alone, on the test split."""
    problem, (count, least) = Problem(problem_toml.read(FOLDER / name)), WANTED[name]
    models = weights_of(name)
    assert len(models) == count
    for stem, weights in models.items():
        checkpoint_file.check(weights, problem.shapes(), what=stem)
        assert 1 - means(problem, [weights], [1.0])[1] >= least, stem


@pytest.mark.parametrize("name", WANTED)
def test_headers_say_where_a_file_comes_from(name):
    """Problem, maker and seed."""
    for path in files.checkpoints_at(FOLDER / name):
        said = checkpoint_file.read(path).metadata
        assert (said["problem"], said["made_by"], said["seed"].isdecimal()) == (name, "explorer train-samples", True)


def test_independent_seeds_have_a_barrier_each():
    """At least 0.2 nat between any two of the five."""
    problem, models = Problem(problem_toml.read(FOLDER / "digits-mlp")), weights_of("digits-mlp")
    assert min(barrier(problem, models[a], models[b]) for a, b in combinations(models, 2)) > 0.2


def test_the_barrier_falls_to_nothing_the_later_two_runs_branch():
    """Frankle et al. 2020: none after ten common epochs, far less than what two independent seeds have."""
    problem, models = Problem(problem_toml.read(FOLDER / "digits-mlp-branches")), weights_of("digits-mlp-branches")
    heights = [barrier(problem, models[f"epoch-{e}-a"], models[f"epoch-{e}-b"]) for e in (0, 1, 2, 5, 10)]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] > 0.2
    assert heights[-1] < 0.005


def test_a_fine_tune_gains_its_own_task_and_loses_the_others():
    """Of three tasks: each model is best on its own by far, and below the trunk on the others; a merge of all is better than the trunk."""
    problem, models = Problem(problem_toml.read(FOLDER / "digits-tasks")), weights_of("digits-tasks")
    wrong = {
        task: {stem: means(problem, [w], [1.0], splits.find(problem.spec, task))[1] for stem, w in models.items()}
        for task in ("upright", "turned", "inverted")
    }
    for task, found in wrong.items():
        assert found[task] < 0.06
        assert all(error > found["trunk"] > 0.08 for stem, error in found.items() if stem not in (task, "trunk"))
    trunk, *tuned = (models[stem] for stem in ("trunk", "upright", "turned", "inverted"))
    merged = tsv_m.fuse([trunk, *tuned], problem)
    assert means(problem, [merged], [1.0])[1] < means(problem, [trunk], [1.0])[1]


def test_a_trajectory_gets_better():
    """The last snapshot is better than the first."""
    problem, models = Problem(problem_toml.read(FOLDER / "digits-mlp-trajectory")), weights_of("digits-mlp-trajectory")
    first, *_, final = models.values()
    assert means(problem, [final], [1.0])[0] < means(problem, [first], [1.0])[0] / 2


def test_the_language_models_beat_every_bigram_table():
    """Below 1.9 nat a character on val; the bigram's entropy on the text itself, which no table beats there, is about 2.4."""
    problem, models = Problem(problem_toml.read(FOLDER / "char-gpt")), weights_of("char-gpt")
    batch = problem.split("train")
    pairs = torch.zeros(len(problem.classes), len(problem.classes), dtype=torch.float64)
    pairs.index_put_((batch.inputs.flatten(), batch.targets.flatten()), torch.tensor(1.0, dtype=torch.float64), accumulate=True)
    joint = pairs / pairs.sum()
    conditional = joint / joint.sum(dim=1, keepdim=True).clamp(min=1e-300)
    bigram = -float(torch.xlogy(joint, conditional).sum())
    for weights in models.values():
        assert means(problem, [weights], [1.0], split="val")[0] < 1.9 < bigram


def test_everything_that_ships_stays_small():
    """Six megabytes of checkpoints and text."""
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.suffix in {".safetensors", ".txt"}) < 6e6
