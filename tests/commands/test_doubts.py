"""Models that do worse than a constant are pointed out wherever a number is quoted of them, with one sentence; others are not."""

import json

import numpy as np
import pytest
import torch

from explorer.api import align, interpolate, landscape
from explorer.checkpoints import checkpoint_file
from explorer.problems.nets import mlp
from tests.commands.test_main import run


@pytest.fixture(scope="module")
def scaled(tmp_path_factory):
    """Regressions on targets of variance 1: one that answers with their mean but for a little of what it should, and two that were trained on another scale."""
    folder = tmp_path_factory.mktemp("scaled")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 3)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=x.sum(axis=1, keepdims=True) / np.sqrt(3))
    (folder / "problem.toml").write_text(
        "loss = 'mse'\n[network]\nname = 'mlp'\nwidths = [3, 6, 1]\n[data]\nname = 'npz'\npath = 'data.npz'\n", encoding="utf-8"
    )
    ways = torch.cat([torch.eye(3), -torch.eye(3)])
    for name, scale in (("good", 1.0), ("far", 20.0), ("farther", 30.0)):
        state = mlp.build(widths=(3, 6, 1)).state_dict()
        state["layers.0.weight"], state["layers.0.bias"] = ways, torch.zeros(6)
        state["layers.1.weight"] = scale / 3**0.5 * torch.tensor([[1.0, 1, 1, -1, -1, -1]])
        state["layers.1.bias"] = torch.full((1,), 10.0 * (name == "farther"))  # so that three do not lie on one line
        checkpoint_file.write(folder / f"{name}.safetensors", state)
    return folder


FAR = "far does worse than a constant: its test loss is"


def test_a_look_says_so(scaled, home):
    """Beside the constant's loss, the variance of the targets; the good model is left alone."""
    said = run("look", scaled)
    assert FAR in said and "farther does worse than a constant" in said
    assert "good does worse" not in said


def test_barrier_path_align_and_plane_say_so(scaled, home):
    """Each command that quotes a number of such a model, once; in JSON too."""
    good, far, farther = (scaled / f"{n}.safetensors" for n in ("good", "far", "farther"))
    for words in (
        ["barrier", good, far],
        ["path", good, far, "-o", "epochs=1"],
        ["align", good, far],
        ["plane", good, far, farther, "--size", "3"],
        ["plane", far, "--around", "random", "--size", "3"],
    ):
        assert run(*words).count(FAR) == 1
    assert FAR in json.loads(run("barrier", good, far, "--json"))["caution"]
    assert FAR in json.loads(run("align", good, far, "--json"))["doubts"][0]


def test_results_in_python_say_so(scaled, home):
    """A line, a pair and a plane have the sentence; of the good model alone there is none."""
    good, far, farther = (scaled / f"{n}.safetensors" for n in ("good", "far", "farther"))
    assert interpolate(good, good).doubts == () and interpolate(good, good).caution() == ""
    for found in (interpolate(good, far), align(good, far).pairs[0].before, landscape(good, far, farther, size=3)):
        assert FAR in found.caution()
        constant, loss = (float(found.doubts[0].split(word)[1].split()[0].strip(".,")) for word in ("every sample has ", "loss is "))
        assert loss > 100 * constant
