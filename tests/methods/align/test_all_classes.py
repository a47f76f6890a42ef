"""Weight matching with `symmetry=all`: known answers on shipped problems, and the laws that it must keep."""

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.spec import Aligned
from explorer.engine.realise_recipe import realise
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.align.shuffle import align as shuffle
from explorer.methods.align.weight_matching import align
from explorer.symmetry import gauges
from explorer.symmetry.alignment_report import Matched
from tests.methods.align import sample


def norm(weights, other=None):
    return sum(float((t.double() - (other[n].double() if other else 0)).square().sum()) for n, t in weights.items() if t.is_floating_point()) ** 0.5


def line(problem, a, b, metric="loss"):
    evaluate = Evaluate(problem, [a, b], split="test", metrics=(metric,))
    return np.array([evaluate(np.array([1 - t, t]))[0].sum() / evaluate.counts.sum() for t in (0, 0.25, 0.5, 0.75, 1)])


@pytest.mark.parametrize("name", ["digits-mlp", "digits-resnet", "digits-vit", "char-gpt"])
def test_a_planted_element_is_undone(name):
    """Random permutations, scales, maps and gains: every weight comes back, in float32."""
    problem, (a, _) = sample(name)
    planted = shuffle([a, a], problem, symmetry="all").weights[1]
    assert norm(a, planted) > 0.3 * norm(a)
    done = align([a, planted], problem, symmetry="all", restarts=2)
    assert norm(a, done.weights[1]) <= 1e-5 * norm(a)
    assert all(torch.equal(done.weights[0][n], t) for n, t in a.items())


def test_networks_that_differ_by_scales_alone_have_no_barrier():
    """One ReLU network and itself with other scales: a high barrier before, none after."""
    problem, (a, _) = sample("digits-mlp")
    lattice = symmetry.lattice_of(problem)
    scaled = gauges.changed(a, lattice, gauges.drawn(lattice, torch.Generator().manual_seed(0), spread=2.0))
    before, after = line(problem, a, scaled), line(problem, a, align([a, scaled], problem, symmetry="all", restarts=1).weights[1])
    assert before.max() > 2 * before[0]
    assert after == pytest.approx(np.full(5, before[0]), rel=1e-4)


def test_the_function_stays_and_nothing_else_changes_shape():
    """The aligned model is an ordinary checkpoint that computes what it computed."""
    problem, (a, b) = sample("digits-vit")
    done = align([a, b], problem, symmetry="all", restarts=1)
    assert {n: (t.shape, t.dtype) for n, t in done.weights[1].items()} == {n: (t.shape, t.dtype) for n, t in b.items()}
    inputs = problem.split("test").inputs[:32]
    network = problem.network().eval()
    outputs = []
    for weights in (b, done.weights[1]):
        network.load_state_dict(weights)
        outputs.append(network(inputs))
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-4 * outputs[0].abs().max()
    assert (np.diff(done.trace[0]) < 0).all()


def test_a_gain_of_zero_is_said_and_stays():
    """What cannot be divided by is not moved; the rest is aligned all the same."""
    problem, (a, b) = sample("digits-vit")
    b = {n: t.clone() for n, t in b.items()}
    b["blocks.0.norm1.weight"][3] = 0
    done = align([a, b], problem, symmetry="all", restarts=1)
    assert any("blocks.0.norm1.weight" in note for note in done.notes)
    assert all(t.isfinite().all() for t in done.weights[1].values())
    assert done.lattice is not None
    assert "blocks.0.norm1.weight" not in done.lattice.folds


def test_permutations_stay_the_default_and_the_id_too():
    """An option that came later is not in the method's hash while it stands at its default."""
    plain, chosen = registry.method("align", "weight_matching"), registry.method("align", "weight_matching", {"symmetry": "permutations"})
    assert plain == chosen
    assert registry.method("align", "weight_matching", {"symmetry": "all"}) != plain
    with pytest.raises(Refused, match="symmetry"):
        registry.method("align", "weight_matching", {"symmetry": "some"})


def test_the_report_tells_the_classes_and_comes_back_from_its_file(tiny, store, home, tmp_path):
    """Scales of the hidden layer, what was done to each unit, and the reference by itself."""
    from explorer.api import loaded

    recipe = Aligned(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)), 1, registry.method("align", "weight_matching", {"symmetry": "all"}))
    realise(recipe, store, home)
    found = Matched.read(locations.matched_at(recipe, home))
    (scales,) = found.classes
    assert (scales.cls, scales.size, scales.dimension) == ("scaled", 12, 12)
    assert found.dimension == 12
    assert found.elements[0][scales.name] == pytest.approx(np.ones((1, 12)), rel=1e-9)
    assert (found.elements[1][scales.name] > 0).all()
    before, after = found.likeness[1][scales.name]
    assert before.shape == after.shape == (1, 12)
    assert after.mean() > before.mean() + 0.1
    assert found.likeness[0][scales.name] == pytest.approx(np.ones((2, 1, 12)))
    found.write(tmp_path / "again.npz")
    again = Matched.read(tmp_path / "again.npz")
    assert np.array_equal(again.likeness[1][scales.name], found.likeness[1][scales.name])
    assert again.classes == found.classes
    (order,) = found.steps[1].values()
    assert len(order) == len(found.trace[0])
    assert np.array_equal(order[-1], *found.maps[1].values())
    assert np.array_equal(again.elements[1][scales.name], found.elements[1][scales.name])
