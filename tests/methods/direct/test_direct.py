"""Directions around a model: random ones of the promised lengths, and those of largest curvature."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import gram
from explorer.core import registry
from explorer.core.errors import Refused, Stopped
from explorer.core.spec import Shifted
from explorer.engine import realise_recipe
from explorer.evaluate.hessian import Curvature
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.plane_frame import spanned

random = registry.find("direct", "random")
hessian = registry.find("direct", "hessian")
NAMES = registry.names("direct")
QUICK = {"random": {}, "hessian": {"samples": 100}}


@pytest.fixture(scope="module")
def a(tiny):
    return checkpoint_file.read(tiny.a).weights


def flat(direction):
    """All numbers of a direction."""
    return torch.cat([t.double().reshape(-1) for t in direction.values()]).numpy()


# --- laws of all ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_there_are_two_of_the_parameters_names_shapes_and_dtypes(tiny, a, name, dtype):
    """Finite, not parallel, and the model stays as it was."""
    model = {n: t.to(dtype) for n, t in a.items()}
    before = {n: t.clone() for n, t in model.items()}
    found = registry.find("direct", name)(model, tiny.problem, **QUICK[name])
    parameters = {n: (p.shape, dtype) for n, p in tiny.problem.network().named_parameters()}
    assert [{n: (t.shape, t.dtype) for n, t in d.items()} for d in found] == [parameters] * 2
    u, v = (flat(d) for d in found)
    assert np.isfinite([u, v]).all()
    assert abs(u @ v) < 0.2 * np.linalg.norm(u) * np.linalg.norm(v)
    assert all(torch.equal(model[n], before[n]) for n in model)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_directions(tiny, a, name):
    """Whatever the global random state is, which stays as it was."""
    torch.manual_seed(1)
    first = registry.find("direct", name)(a, tiny.problem, **QUICK[name], seed=3)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = registry.find("direct", name)(a, tiny.problem, **QUICK[name], seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(x[n], y[n]) for x, y in zip(first, again, strict=True) for n in x)


@pytest.mark.parametrize("name", NAMES)
def test_a_moved_model_is_the_model_and_its_direction(tiny, a, store, home, name):
    """Realised from its recipe, and a plane can be spanned by both."""
    base = tiny.field().corners[0]
    recipes = Shifted.both(tiny.problem.spec, base, registry.method("direct", name, QUICK[name]))
    corners = [realise_recipe.realise(r, store, home) for r in recipes]
    found = registry.find("direct", name)(a, tiny.problem, **QUICK[name])
    for moved, direction in zip(corners[1:], found, strict=True):
        assert all(torch.allclose(moved[n], a[n] + direction[n]) for n in direction)
    names = list(found[0])
    plane = spanned(gram(corners, names))
    assert plane.corners[1] == pytest.approx([np.linalg.norm(flat(found[0])), 0], rel=1e-5)


class Tied(torch.nn.Module):
    """Two layers that share their weight: one parameter under two names."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = torch.nn.Linear(64, 6), torch.nn.Linear(6, 6), torch.nn.Linear(6, 6)
        self.head = torch.nn.Linear(6, 10)
        self.third.weight = self.second.weight

    def forward(self, x):
        return self.head(self.third(torch.tanh(self.second(torch.tanh(self.first(x.flatten(1)))))))


class TiedProblem(Problem):
    """The digits, for that network."""

    def network(self, *, seed=0):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return Tied().eval()

    skeleton = network

    def blank(self, *args, **options):
        return self.network()


@pytest.mark.parametrize("name", NAMES)
def test_a_tied_parameter_moves_under_both_of_its_names(tiny, name):
    """It counts once, and a model that is moved and loaded has moved by just the direction."""
    problem = TiedProblem(tiny.problem.spec)
    network = problem.network()
    weights = {n: t.clone() for n, t in network.state_dict().items()}
    direction = registry.find("direct", name)(weights, problem, **QUICK[name])[0]
    assert set(direction) == set(weights)
    assert torch.equal(direction["second.weight"], direction["third.weight"])
    assert direction["second.weight"].any()
    network.load_state_dict({n: t + direction[n] for n, t in weights.items()})
    moved = {n: p.detach() - weights[n] for n, p in network.named_parameters()}
    assert len(moved) == len(weights) - 1
    assert all(torch.allclose(d, direction[n], atol=1e-6) for n, d in moved.items())
    if name == "hessian":
        curvature = Curvature(problem, weights, samples=100)
        v = flat(moved) / np.linalg.norm(flat(moved))
        assert np.linalg.norm(curvature(v) - (value := v @ curvature(v)) * v) < 1e-3 * value, "an eigenvector of the parameters, each counted once"
        assert np.linalg.norm(flat(moved)) == pytest.approx((2 / value) ** 0.5, rel=1e-3)


# --- random -----------------------------------------------------------------------------------------------------------


def test_filters_are_as_long_as_the_model_s(tiny, a):
    """Each row of a matrix; biases stay."""
    for direction in random(a, tiny.problem):
        for n, t in direction.items():
            if t.dim() == 2:
                assert t.norm(dim=1) == pytest.approx(a[n].norm(dim=1), rel=1e-5)
            else:
                assert not t.any()


def test_layers_are_as_long_as_the_model_s(tiny, a):
    """Each tensor as a whole; its rows are not, and biases go along when they are asked for."""
    for direction in random(a, tiny.problem, normalise="layer", vectors=True):
        for n, t in direction.items():
            assert float(t.norm()) == pytest.approx(float(a[n].norm()), rel=1e-5)
        rows = direction["layers.0.weight"].norm(dim=1)
        assert not torch.allclose(rows, a["layers.0.weight"].norm(dim=1), rtol=0.01)


def test_the_whole_direction_is_as_long_as_the_model(tiny, a):
    """Over all parameters, whether biases move or not."""
    for vectors in (False, True):
        for direction in random(a, tiny.problem, normalise="global", vectors=vectors):
            assert np.linalg.norm(flat(direction)) == pytest.approx(np.linalg.norm(flat(a)), rel=1e-5)
            assert direction["layers.0.bias"].any() == vectors


def test_unscaled_they_are_standard_normal(tiny, a):
    """Mean 0 and variance 1 over some nine hundred numbers."""
    drawn = flat(random(a, tiny.problem, normalise="none", vectors=True)[0])
    assert abs(drawn.mean()) < 4 / len(drawn) ** 0.5
    assert drawn.var() == pytest.approx(1, abs=4 * (2 / len(drawn)) ** 0.5)


def test_a_filter_of_zeros_stays_and_gives_no_nan(tiny, a):
    """A dead unit is as long as it was."""
    model = {**a, "layers.0.weight": a["layers.0.weight"].clone()}
    model["layers.0.weight"][3] = 0
    for direction in random(model, tiny.problem):
        assert not direction["layers.0.weight"][3].any()
        assert all(t.isfinite().all() for t in direction.values())


def test_a_rescaled_layer_has_the_rescaled_direction(tiny, a):
    """What filter normalisation is for: the same function at another scale gets the same picture."""
    model = {**a, "layers.0.weight": 4 * a["layers.0.weight"], "layers.0.bias": 4 * a["layers.0.bias"], "layers.1.weight": a["layers.1.weight"] / 4}
    for one, other in zip(random(a, tiny.problem), random(model, tiny.problem), strict=True):
        assert torch.allclose(4 * one["layers.0.weight"], other["layers.0.weight"])
        assert torch.allclose(one["layers.1.weight"] / 4, other["layers.1.weight"])


# --- Hessian ----------------------------------------------------------------------------------------------------------


def test_they_are_the_two_directions_of_largest_curvature(tiny, a):
    """Orthogonal eigenvectors of the matrix itself, for the two largest eigenvalues, the largest entry positive."""
    curvature = Curvature(tiny.problem, a, samples=100, double=True)
    matrix = np.stack([curvature(row) for row in np.eye(curvature.size)])
    values, vectors = np.linalg.eigh(matrix)
    for k, direction in enumerate(hessian(a, tiny.problem, samples=100, rise=0.5)):
        d = flat(direction)
        length = np.linalg.norm(d)
        assert length == pytest.approx((2 * 0.5 / values[-1 - k]) ** 0.5, rel=1e-4)
        assert abs(d @ vectors[:, -1 - k]) == pytest.approx(length, rel=1e-4)
        assert d[np.abs(d).argmax()] > 0


def test_the_loss_rises_as_the_quadratic_model_says(tiny, a):
    """For a small rise, on the mean of both ways along each direction, and on their sum as on each."""
    rise = 1e-4
    curvature = Curvature(tiny.problem, a, samples=100, double=True)
    u, v = (flat(d) for d in hessian(a, tiny.problem, samples=100, rise=rise))
    at = curvature.losses().mean()
    for step, wanted in ((u, rise), (v, rise), (u + v, 2 * rise)):
        both = (curvature.losses(step).mean() + curvature.losses(-step).mean()) / 2
        assert both - at == pytest.approx(wanted, rel=0.05)


def test_they_are_those_of_the_train_split(tiny, a):
    """Of its first samples; more than there are means all."""
    whole = flat(hessian(a, tiny.problem, samples=10**6)[0])
    few = flat(hessian(a, tiny.problem, samples=30)[0])
    assert flat(hessian(a, tiny.problem, samples=0)[0]) == pytest.approx(whole, abs=1e-6)
    values = [Curvature(tiny.problem, a)(d / np.linalg.norm(d)) @ (d / np.linalg.norm(d)) for d in (whole, few)]
    assert values[0] > values[1]


def flat_problem(folder, widths):
    """A regression whose targets and inputs have no second direction, or none at all."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 1)).astype(np.float32) * np.ones((1, widths[0]), dtype=np.float32)
    np.savez(folder / "data.npz", x=x - x.mean(), y=rng.normal(size=(40, widths[-1])).astype(np.float32))
    text = f'loss = "mse"\n[network]\nname = "mlp"\nwidths = {widths}\n[data]\nname = "npz"\npath = "data.npz"\n'
    (folder / "problem.toml").write_text(text, encoding="utf-8")
    return Problem(problem_toml.read(folder))


def test_a_loss_that_does_not_curve_along_two_directions_is_refused(tmp_path):
    """A dead network: only the last bias matters, one direction for the one output."""
    problem = flat_problem(tmp_path, [2, 3, 1])
    weights = {n: torch.zeros(s) for n, s in problem.shapes().items()}
    weights["layers.0.bias"] -= 1
    with pytest.raises(Refused, match=r"two largest eigenvalues of its Hessian are 2 and 0.*random"):
        hessian(weights, problem)


def test_a_direction_too_long_for_half_precision_is_refused(tiny, a):
    """A model that is sure of one class whatever it sees curves next to nowhere; with what to do."""
    sure = {n: torch.zeros_like(t, dtype=torch.float16) for n, t in a.items()}
    sure["layers.1.bias"][0] = 16
    assert all(t.isfinite().all() for d in hessian(sure, tiny.problem, samples=50) for t in d.values())
    with pytest.raises(Refused, match="smaller rise"):
        hessian(sure, tiny.problem, samples=50, rise=1e6)


def test_it_can_be_stopped(tiny, a):
    """At any product."""

    def progress(done, total, message):
        assert 0 <= done < total
        if done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        hessian(a, tiny.problem, samples=20, progress=progress)
