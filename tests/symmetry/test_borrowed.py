"""Networks that cannot be copied: their symmetry is found, and they are given back as they were."""

import pytest
import torch

from explorer import api
from explorer.symmetry import discover
from tests.odd_networks import HIDDEN, HookedNorm, ParametrisedNorm, Uncopied, checkpoints, problem_of

ODD = [Uncopied, HookedNorm, ParametrisedNorm]
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # that weight_norm is the old one


@pytest.mark.parametrize("network", ODD)
def test_a_network_that_cannot_be_copied_is_given_back_as_it_was(network):
    """The hidden units are found; afterwards modes, types, values, gradients and plain attributes are the very same."""
    made = network().train()
    made.out.eval()
    inputs = torch.rand(5, 64)
    made(inputs).sum().backward()
    before = {n: (t, t.clone()) for n, t in made.state_dict(keep_vars=True).items()}
    gradients = {n: p.grad for n, p in made.named_parameters()}
    attributes = [dict(m.__dict__) for m in made.modules()]
    found = discover(made, (inputs,))
    assert [g.size for g in found.groups.values()] == [HIDDEN]
    assert found.warnings == ()
    assert [m.training for m in made.modules()] == [m is not made.out for m in made.modules()]
    for name, tensor in made.state_dict(keep_vars=True).items():
        assert tensor is before[name][0]
        assert tensor.dtype == before[name][1].dtype
        assert torch.equal(tensor, before[name][1])
    assert all(p.grad is gradients[n] for n, p in made.named_parameters())
    assert all(
        m.__dict__.keys() == a.keys() and all(m.__dict__[k] is v for k, v in a.items()) for m, a in zip(made.modules(), attributes, strict=True)
    )


@pytest.mark.parametrize("network", ODD)
def test_checkpoints_of_a_network_that_cannot_be_copied_are_aligned(network, tmp_path, home, monkeypatch):
    """From files to the line after it: nearer, and each end as good as it was."""
    problem = problem_of(network, tmp_path, monkeypatch)
    a, b = checkpoints(problem, tmp_path)
    done = api.align(a, b, problem=tmp_path, samples=64, method_options={"restarts": 1}, home=home)
    assert done.matched.after[0, 1] < done.matched.before[0, 1]
    (pair,) = done.pairs
    for line in (pair.before, pair.after):
        assert line.points.means()[[0, -1], 0] == pytest.approx(pair.before.points.means()[[0, -1], 0], rel=1e-5)
