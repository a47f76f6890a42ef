"""Exported programs (.pt2) against the module they were made of: layers, batch norm, alignment."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from explorer.api import align, interpolate
from explorer.checkpoints import checkpoint_file
from explorer.core import trust
from explorer.core.errors import Refused
from explorer.problems.nets import program
from explorer.problems.nets._layers_of_programs import with_layers

pytestmark = pytest.mark.filterwarnings("ignore")  # torch about itself, when a program is loaded or copied


class Normed(nn.Module):
    """A layer of every kind, each with an option that is not the usual one."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU()
        )
        self.norm = nn.BatchNorm2d(8, eps=1e-4, momentum=0.2, affine=False)
        self.hidden = nn.Linear(8 * 16, 16)
        self.table = nn.Embedding(4, 16)
        self.head = nn.Sequential(nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))

    def forward(self, x):
        parity = (x[:, 0, 0, 0] * 0).long()
        return self.head(self.hidden(self.norm(self.features(x)).flatten(1)) + self.table(parity))


def exported(network, path, *, decomposed=False):
    """The network saved as a program."""
    program = torch.export.export(network, (torch.zeros(3, 1, 8, 8),), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False)
    torch.export.save(program.run_decompositions() if decomposed else program, path)


def loaded(path):
    """What a problem makes of a program."""
    network = torch.export.load(path).module()
    for mode in ("train", "eval"):
        vars(network).pop(mode)
    return with_layers(network)


def trained(seed):
    """A network a few steps of training away from its beginning, with statistics of its own."""
    from explorer.problems.data.digits import load

    digits = load(None)
    torch.manual_seed(seed)
    network = Normed()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for rows in torch.randperm(900).split(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(digits.inputs[rows]), digits.targets[rows]).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two trained networks as files; a problem whose network is the module, and one whose network is its program."""
    folder = tmp_path_factory.mktemp("programs")
    models = [folder / f"{seed}.safetensors" for seed in range(2)]
    networks = [trained(seed) for seed in range(2)]
    for network, path in zip(networks, models, strict=True):
        checkpoint_file.write(path, network.state_dict())
    for kind, network in (
        ("module", 'name = "factory"\ncall = "tests.problems.nets.test_programs:Normed"'),
        ("program", 'name = "program"\nfile = "net.pt2"'),
    ):
        (folder / kind).mkdir()
        (folder / kind / "problem.toml").write_text(f'[network]\n{network}\n[data]\nname = "digits"\n', encoding="utf-8")
    exported(networks[0], folder / "program" / "net.pt2")
    return SimpleNamespace(models=models, module=folder / "module", program=folder / "program", file=folder / "program" / "net.pt2")


@pytest.fixture
def leave(twins, monkeypatch):
    """Both may be run."""
    monkeypatch.setattr(trust, "given", frozenset({"tests.problems.nets.test_programs:Normed", str(twins.file)}))


@pytest.mark.parametrize("mode", ["eval", "train", "decomposed"])
def test_a_program_has_the_layers_of_its_network(mode, tmp_path):
    """The same answers, gradients' way and statistics to the bit, in both modes; whatever mode it was exported in."""
    network = trained(0).train(mode == "train")
    exported(network, tmp_path / "net.pt2", decomposed=mode == "decomposed")
    program, x = loaded(tmp_path / "net.pt2"), torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    kinds = {n: type(m) for n, m in network.named_modules() if list(m.parameters(recurse=False)) or list(m.buffers(recurse=False))}
    kinds = {n: k for n, k in kinds.items() if mode != "decomposed" or k is not nn.Linear}
    assert {n: type(program.get_submodule(n)) for n in kinds} == kinds
    with torch.no_grad():
        for training in (False, True, False):
            assert torch.equal(program.train(training)(x), network.train(training)(x))
    state = program.state_dict()
    assert state.keys() == network.state_dict().keys() and all(torch.equal(t, state[n]) for n, t in network.state_dict().items())


@pytest.mark.parametrize("buffers", ["recalibrate", "mix", "repair"])
@pytest.mark.usefixtures("leave")
def test_a_line_between_programs_is_the_line_between_modules(twins, home, buffers):
    """The statistics of what lies between are re-estimated as through the module: every value to the bit."""
    lines = [
        interpolate(*twins.models, problem=p, buffers=buffers, sampler="grid", options={"size": 5}, home=home) for p in (twins.module, twins.program)
    ]
    assert lines[0].run.id != lines[1].run.id and np.array_equal(lines[0].points.values, lines[1].points.values)


@pytest.mark.parametrize("method", ["weight_matching", "activation_matching"])
@pytest.mark.usefixtures("leave")
def test_programs_are_aligned_as_modules_are(twins, home, method):
    """The same units go to the same places."""
    both = [align(*twins.models, method=method, problem=p, sampler="grid", options={"size": 5}, home=home) for p in (twins.module, twins.program)]
    (one,), (other,) = (found.pairs for found in both)
    assert np.array_equal(one.after.points.values, other.after.points.values)
    assert not np.array_equal(one.after.points.values[2], one.before.points.values[2])


def test_statistics_of_no_layer_are_refused(tmp_path, monkeypatch):
    """Exported in train mode and decomposed, a batch norm is arithmetic that nothing can be measured through; the sentence says how to export it."""
    exported(trained(0).train(), tmp_path / "net.pt2", decomposed=True)
    monkeypatch.setattr(trust, "given", frozenset({str(tmp_path / "net.pt2")}))
    with pytest.raises(Refused, match=r"belong to no plain batch norm of torch's.*Call eval\(\) before the export"):
        program.build(**program.settle({"file": "net.pt2"}, tmp_path))
