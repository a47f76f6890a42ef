"""Along an orbit the loss stays, and the sharpness does not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.core.errors import Refused
from explorer.methods.study.teleport import drawn, study, teleported
from explorer.problems.problem import Problem
from tests.methods.align import sample

QUICK = {"directions": 4, "samples": 128, "along": (0.0, 1.0, 2.0)}


def test_a_relu_network_gets_sharper_in_the_plain_ball_and_not_by_its_own_measure():
    """Dinh et al. 2017, with the exact known answer: sharpness by elements does not see scales, and the loss is the same."""
    problem, (a, _) = sample("digits-mlp")
    (found,) = study([a], problem, **QUICK)["models"]
    here, near, far = found["sharpness"]["models"]
    assert found["distance"][0] < 1e-6 < 0.3 < found["distance"][1] < found["distance"][2]
    for place in (near, far):
        assert place["loss"] == pytest.approx(here["loss"], rel=1e-4)
        assert place["element"]["average"][0] == pytest.approx(here["element"]["average"][0], rel=1e-3)
    levels = [place["global"]["average"][0][0] for place in (here, near, far)]
    assert levels[0] < levels[1] < levels[2]
    assert levels[2] > 3 * levels[0]


def test_a_transformer_computes_the_same_everywhere_on_its_way():
    """Streams, heads and gains at once; there and back is the model itself."""
    problem, (a, _) = sample("digits-vit")
    lattice = symmetry.lattice_of(problem)
    way = drawn(lattice, 0)
    there = teleported(a, lattice, way)
    outputs = []
    network = problem.network().eval()
    with torch.no_grad():
        for weights in (a, there):
            network.load_state_dict(weights)
            outputs.append(network(problem.split("test").inputs[:32]))
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-3 * outputs[0].abs().max()
    back = teleported(there, lattice, {n: -x for n, x in way.items()})
    assert all(torch.allclose(back[n], t, atol=1e-4) for n, t in a.items())
    assert not torch.allclose(there["head.weight"], a["head.weight"], atol=0.01)


def test_the_same_seed_goes_the_same_way():
    """And another one another."""
    lattice = symmetry.lattice_of(sample("digits-mlp")[0])
    ways = [np.concatenate([x.numpy().ravel() for x in drawn(lattice, s).values()]) for s in (0, 0, 1)]
    assert np.array_equal(ways[0], ways[1])
    assert not np.array_equal(ways[0], ways[2])


def test_what_has_no_way_is_refused(tiny):
    """A network of permutations alone, as one whose symmetry is written by hand, and steps that are no numbers."""
    written = (("layers.0.weight", ("hidden", "-")), ("layers.0.bias", ("hidden",)), ("layers.1.weight", ("-", "hidden")))
    problem = Problem(replace(tiny.problem.spec, symmetry=written))
    weights = dict(tiny.problem.network(seed=0).state_dict())
    with pytest.raises(Refused, match="no way leads along"):
        study([weights], problem)
    with pytest.raises(Refused, match="finite number"):
        study([weights], tiny.problem, along=(float("nan"),))
