"""Models of timm and torchvision, from a problem.toml to a number: skipped where the library is not installed.

Neither is among the test extras: torchvision has to be of the build that goes with the installed torch, which an index of packages cannot know.
"""

from importlib import import_module

import numpy as np
import pytest
import torch

from explorer.api import interpolate
from explorer.checkpoints import checkpoint_file
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry import discover
from tests.symmetry import moves

PROBLEM = """
[network]
name = "{library}"
model = "{model}"
classes = 4
[data]
name = "npz"
path = "images.npz"
[split]
val = 0.25
test = 0.5
"""

MODELS = [("timm", "resnet18"), ("timm", "mobilenetv3_small_050"), ("torchvision", "resnet18"), ("torchvision", "shufflenet_v2_x0_5")]

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs


@pytest.fixture(params=MODELS, ids=" ".join)
def case(request, tmp_path):
    """A folder with a problem, and two of the library's own networks with weights of two seeds, saved in it."""
    library, model = request.param
    where = "torchvision.models" if library == "torchvision" else library
    pytest.importorskip(where, reason=f"{library} is not installed, or for another torch", exc_type=(ImportError, RuntimeError, OSError))
    make = getattr(import_module(where), "get_model" if library == "torchvision" else "create_model")
    random = np.random.default_rng(0)
    images = random.normal(size=(64, 3, 32, 32)).astype(np.float32)
    np.savez(tmp_path / "images.npz", x=images, y=random.integers(0, 4, 64))
    (tmp_path / "problem.toml").write_text(PROBLEM.format(library=library, model=model))
    networks = []
    with torch.random.fork_rng():
        for seed in (0, 1):
            torch.manual_seed(seed)
            network = make(model, num_classes=4)
            with torch.no_grad():
                network(torch.as_tensor(images))  # once, in training: so that batch norm has statistics
            checkpoint_file.write(tmp_path / f"{seed}.safetensors", network.state_dict())
            networks.append(network.eval())
    return tmp_path, networks


def test_the_line_between_two_models_equals_a_loop_by_hand(case):
    """The library's own networks, their state dicts mixed by hand."""
    folder, (a, b) = case
    line = interpolate(folder / "0.safetensors", folder / "1.safetensors", buffers="mix", sampler="grid", options={"size": 5}, home=folder)
    test = Problem(problem_toml.read(folder)).split("test")
    losses = []
    first, last = ({k: v.clone() for k, v in network.state_dict().items()} for network in (a, b))
    for t in np.linspace(0, 1, 5):
        a.load_state_dict({k: (1 - t) * v + t * last[k] if v.is_floating_point() else v for k, v in first.items()})
        with torch.no_grad():
            losses.append(float(torch.nn.functional.cross_entropy(a(test.inputs), test.targets)))
    np.testing.assert_allclose(line.points.sorted().means()[:, 0], losses, rtol=1e-5)
    assert np.ptp(losses) > 1e-3


def test_its_units_may_be_permuted(case):
    """The symmetry is found in the library's own network, and moves no answer."""
    folder, _ = case
    problem = Problem(problem_toml.read(folder))
    network = problem.network()
    network.load_state_dict(checkpoint_file.read(folder / "0.safetensors").weights)
    images = problem.split("test").inputs[:4]
    symmetry = discover(network, (images,))
    assert len(symmetry.groups) > 5
    assert moves(network, symmetry, (images,)) < 1e-9
