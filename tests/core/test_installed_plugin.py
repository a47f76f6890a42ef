"""A package of somebody else's adds methods: installed beside the explorer, they are listed, described and run like its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "plugin_example"

ASKS = """
import json, sys
import torch
from explorer import symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

problem = Problem(problem_toml.read(sys.argv[1]))
a, b = (checkpoint_file.read(f"{sys.argv[1]}/{name}.safetensors").weights for name in "ab")
found = symmetry.symmetry_of(problem)
shuffled = symmetry.permuted(a, found, symmetry.random(found, torch.Generator().manual_seed(1)))
moved = registry.find("align", "sorted_norms")([a, shuffled], problem).weights[1]
wild = {name: tensor + 1e6 for name, tensor in a.items()}
median = registry.find("fuse", "median")([a, a, wild], problem)
middle = registry.find("fuse", "median")([a, b], problem)
lower = registry.find("fuse", "median")([a, b], problem, **registry.method("fuse", "median", {"lower": True}).kwargs())
print(json.dumps({
    "align": registry.names("align"),
    "fuse": registry.names("fuse"),
    "title": registry.title("fuse", "median"),
    "options": [o.name for o in registry.options("fuse", "median")],
    "models": registry.models_of("median"),
    "shuffled": all(torch.equal(shuffled[k], a[k]) for k in a),
    "restored": all(torch.equal(moved[k], a[k]) for k in a),
    "robust": all(torch.equal(median[k], a[k]) for k in a),
    "middle": all(torch.allclose(middle[k], (a[k] + b[k]) / 2, atol=1e-6) for k in a),
    "lower": all(torch.equal(lower[k], torch.minimum(a[k], b[k])) for k in a),
}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The example package, installed into a folder of its own by an ordinary pip."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")  # so that no build leaves anything beside the tests
    for file in EXAMPLE.rglob("*"):
        if file.suffix in (".py", ".toml"):
            (source / file.relative_to(EXAMPLE)).parent.mkdir(exist_ok=True)
            (source / file.relative_to(EXAMPLE)).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "pip", "install", str(source), "--no-deps", "--no-build-isolation", "--quiet", "--target", str(folder)]
    subprocess.run([*command, "--disable-pip-version-check", "--root-user-action", "ignore"], check=True)
    return folder


@pytest.fixture(scope="module")
def seen(site, tiny):
    """What a fresh process with that folder on its path says."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    result = subprocess.run([sys.executable, "-c", ASKS, str(tiny.folder)], env=environment, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def test_the_methods_of_a_package_are_listed_behind_the_explorers_own(seen):
    """By the names that its entry points give."""
    assert seen["align"][-1] == "sorted_norms" and "weight_matching" in seen["align"]
    assert seen["fuse"][-1] == "median" and "average" in seen["fuse"]


def test_their_titles_and_options_are_read_like_the_explorers_own(seen):
    """From the text of the module: the first line of its docstring, its keyword-only arguments, its constants."""
    assert (seen["title"], seen["options"], seen["models"]) == ("Median of the weights, number by number.", ["lower"], [2, None])


def test_an_alignment_of_a_package_undoes_a_shuffle(seen):
    """Bit for bit, as the contract of alignments wants."""
    assert (seen["shuffled"], seen["restored"]) == (False, True)


def test_a_fusion_of_a_package_gives_the_known_answer(seen):
    """The median of two models is their mean, or the smaller number; of a model, itself and a wild one it is that model."""
    assert seen["middle"] and seen["lower"] and seen["robust"]


def test_without_the_package_there_are_no_such_methods(tiny):
    """What is not installed is not offered."""
    from explorer.core import registry

    assert "sorted_norms" not in registry.names("align") and "median" not in registry.names("fuse")
