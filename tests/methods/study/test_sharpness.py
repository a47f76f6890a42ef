"""Sharpness: rises that are known, and the same for networks that compute the same."""

import json

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused, Stopped
from explorer.evaluate.hessian import Curvature
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

study = registry.find("study", "sharpness")
QUICK = {"directions": 4, "steps": 10, "samples": 150, "radii": (0.1, 0.3), "balls": (0.3, 1.0)}


@pytest.fixture(scope="module")
def a(tiny):
    return checkpoint_file.read(tiny.a).weights


@pytest.fixture(scope="module")
def found(tiny, a):
    return study([a, checkpoint_file.read(tiny.b).weights], tiny.problem, **QUICK)


def values(model, scale):
    """All rises of a model in one row."""
    return np.array([v[0] for what in ("average", "worst") for v in model[scale][what]])


def test_a_rescaled_unit_leaves_adaptive_sharpness_and_changes_the_plain_one(tiny, a, found):
    """Incoming weights and bias of a ReLU unit times 3, outgoing by 3: the same function, the same sharpness by the size of each weight."""
    scaled = {n: t.clone() for n, t in a.items()}
    for unit in range(6):
        scaled["layers.0.weight"][unit] *= 3
        scaled["layers.0.bias"][unit] *= 3
        scaled["layers.1.weight"][:, unit] /= 3
    first, same = found["models"][0], study([scaled], tiny.problem, **QUICK)["models"][0]
    assert same["loss"] == pytest.approx(first["loss"], rel=1e-5)
    assert values(same, "element") == pytest.approx(values(first, "element"), rel=1e-4)
    for scale in ("filter", "global"):
        assert (np.abs(values(same, scale) / values(first, scale) - 1) > 0.02).all()


def test_a_rescaled_layer_leaves_filter_normalised_sharpness_too(tiny, a, found):
    """All units alike: what filters are normalised against."""
    scaled = {**a, "layers.0.weight": 4 * a["layers.0.weight"], "layers.0.bias": 4 * a["layers.0.bias"], "layers.1.weight": a["layers.1.weight"] / 4}
    first, same = found["models"][0], study([scaled], tiny.problem, **QUICK)["models"][0]
    for scale in ("element", "filter"):
        assert values(same, scale) == pytest.approx(values(first, scale), rel=1e-4)
    assert (np.abs(values(same, "global") / values(first, "global") - 1) > 0.02).all()


@pytest.fixture(scope="module")
def quadratic(tmp_path_factory):
    """A linear regression: loss exactly quadratic in weights (w₁ … w₄, b), and some weights."""
    folder = tmp_path_factory.mktemp("quadratic")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4)) * (2, 1, 0.5, 0.1)
    np.savez(folder / "data.npz", x=x.astype(np.float32), y=(x @ [[-1.0], [1], [2], [-3]] + 0.1 * rng.normal(size=(400, 1))).astype(np.float32))
    (folder / "problem.toml").write_text(
        'loss = "mse"\n[network]\nname = "mlp"\nwidths = [4, 1]\n[data]\nname = "npz"\npath = "data.npz"\n', encoding="utf-8"
    )
    problem = Problem(problem_toml.read(folder))
    weights = {
        "layers.0.weight": torch.tensor([[-0.9, 1.1, 2.2, -2.5]], dtype=torch.float64),
        "layers.0.bias": torch.tensor([0.2], dtype=torch.float64),
    }
    curvature = Curvature(problem, weights)
    hessian = np.stack([curvature(row) for row in np.eye(5)])
    return problem, weights, curvature.gradient()[1], hessian, curvature.origin.numpy()


def test_the_average_of_a_quadratic_loss_is_half_its_scaled_trace(quadratic):
    """E L(θ + ρ c⊙u) − L(θ) = ρ²/2 Σ cᵢ² Hᵢᵢ, within the interval over directions and samples."""
    problem, weights, _, hessian, w = quadratic
    whole = np.full(5, np.sqrt((w**2).mean()))
    one_filter = np.array([*[np.sqrt((w[:4] ** 2).mean())] * 4, 0])
    model = study([weights], problem, directions=1000, steps=1, samples=0, radii=(0.5,), balls=(0.1,))["models"][0]
    for scale, c in (("element", np.abs(w)), ("global", whole), ("filter", one_filter)):
        known = 0.125 * (c**2 * np.diag(hessian)).sum()
        value, low, high = model[scale]["average"][0]
        assert value == pytest.approx(known, rel=0.08)
        assert low < known < high


def test_the_worst_of_a_quadratic_loss_is_its_maximum_on_the_ball(quadratic):
    """max of gᵀδ + δᵀHδ/2 over ‖u‖ ≤ r, by the secular equation: the multiplier μ with (μI − CHC) u = Cg and ‖u‖ = r lies above all eigenvalues."""
    problem, weights, g, hessian, w = quadratic
    model = study([weights], problem, directions=2, steps=60, samples=0, balls=(0.01, 0.3, 2.0))["models"][0]
    for scale, c in (("element", np.abs(w)), ("global", np.full(5, np.sqrt((w**2).mean())))):
        values, vectors = np.linalg.eigh(c[:, None] * hessian * c)
        slope = vectors.T @ (c * g)
        for k, r in enumerate((0.01, 0.3, 2.0)):
            low, high = values[-1], values[-1] + np.linalg.norm(slope) / r
            for _ in range(200):
                mu = (low + high) / 2
                low, high = (mu, high) if np.linalg.norm(slope / (mu - values)) > r else (low, mu)
            u = slope / (high - values)
            assert model[scale]["worst"][k][0] == pytest.approx(slope @ u + (values * u**2).sum() / 2, rel=1e-4)


def test_at_an_exact_minimum_the_worst_is_found_all_the_same(tmp_path):
    """Where the gradient is zero to the bit: r²/2 times the largest eigenvalue of CHC."""
    x = np.random.default_rng(0).integers(-4, 5, (100, 3)).astype(np.float32) * np.float32([3, 1, 1])
    np.savez(tmp_path / "data.npz", x=x, y=x @ np.float32([[1], [-2], [4]]))
    text = 'loss = "mse"\n[network]\nname = "mlp"\nwidths = [3, 1]\n[data]\nname = "npz"\npath = "data.npz"\n'
    (tmp_path / "problem.toml").write_text(text, encoding="utf-8")
    problem = Problem(problem_toml.read(tmp_path))
    weights = {"layers.0.weight": torch.tensor([[1.0, -2, 4]]), "layers.0.bias": torch.zeros(1)}
    curvature = Curvature(problem, weights, double=True)
    assert not curvature.gradient()[1].any()
    c = np.array([1, 2, 4, 0])
    scaled = c[:, None] * np.stack([curvature(row) for row in np.eye(4)]) * c
    model = study([weights], problem, directions=2, samples=0, balls=(0.5,), steps=40)["models"][0]
    assert model["element"]["worst"][0][0] == pytest.approx(0.125 * np.linalg.eigvalsh(scaled)[-1], rel=1e-3)


def test_differences_are_those_of_the_values_and_narrower_than_unpaired(tiny, a, found):
    """Of the second model; a model and itself differ by nothing at all."""
    first, second = found["models"]
    for scale in ("element", "filter", "global"):
        for what in ("average", "worst"):
            assert f"{what} − first" not in first[scale]
            for apart, mine, other in zip(second[scale][f"{what} − first"], second[scale][what], first[scale][what], strict=True):
                assert apart[0] == pytest.approx(mine[0] - other[0])
    twice = study([a, a], tiny.problem, **QUICK)["models"][1]
    assert twice["element"]["average − first"] == [[0, 0, 0]] * 2


def test_the_worst_is_worse_than_all_random_directions_of_its_length(tiny, a):
    """And grows with the ball."""
    n = sum(t.numel() for t in a.values())
    radii = (0.02, 0.05)
    model = study([a], tiny.problem, directions=8, steps=15, samples=150, radii=radii, balls=tuple(r * n**0.5 for r in radii))["models"][0]
    for scale in ("element", "filter", "global"):
        worst = [v[0] for v in model[scale]["worst"]]
        assert worst[0] < worst[1]
        assert all(high > average[2] for high, average in zip(worst, model[scale]["average"], strict=True))


def test_more_steps_never_find_less(tiny, a):
    """Where the loss is not convex a step can lead down: the highest point counts, not the last."""
    few = {"directions": 2, "samples": 150, "radii": (0.1,), "balls": (0.3,)}
    found = [study([a], tiny.problem, steps=steps, **few)["models"][0] for steps in range(1, 11)]
    for scale in ("element", "filter", "global"):
        rises = [model[scale]["worst"][0][0] for model in found]
        assert rises == sorted(rises)
        assert rises[-1] > rises[0] > 0


def test_what_overflows_is_none(tiny, a, quadratic):
    """Neither NaN nor infinity is a number; the result is JSON all the same."""
    problem, weights, *_ = quadratic
    single = {n: t.float() for n, t in weights.items()}
    for models, of in (([a, a], tiny.problem), ([single, single], problem)):
        huge = study(models, of, directions=2, steps=2, samples=20, radii=(1e30,), balls=(1e30,))
        json.dumps(huge, allow_nan=False)
        assert huge["models"][1]["element"]["average"] == [[None, None, None]]
        assert huge["models"][1]["element"]["worst − first"] == [[None, None, None]]


def test_it_is_json_and_the_same_seed_gives_the_same(tiny, a, found):
    """Models and random state stay."""
    json.dumps(found, allow_nan=False)
    before, state = {n: t.clone() for n, t in a.items()}, torch.get_rng_state()
    again = study([a], tiny.problem, **QUICK)
    assert again["models"][0] == found["models"][0]
    assert study([a], tiny.problem, **QUICK, seed=1)["models"][0]["element"]["average"] != again["models"][0]["element"]["average"]
    assert all(torch.equal(a[n], before[n]) for n in a)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("bad", [{"radii": ()}, {"radii": (0.1, 0.0)}, {"balls": (-1.0,)}, {"balls": (float("inf"),)}])
def test_radii_that_are_none_are_refused(tiny, a, bad):
    """In a sentence with an example."""
    with pytest.raises(Refused, match="above 0"):
        study([a], tiny.problem, **bad)


def test_it_tells_how_far_it_is_and_can_be_stopped(tiny, a):
    """Every evaluation is told."""
    reported = []
    study([a], tiny.problem, **QUICK, progress=lambda *t: reported.append(t[:2]))
    assert reported == [(i, 3 * (2 * 4 + 2 * 10)) for i in range(3 * (2 * 4 + 2 * 10))]

    def stop(done, total, message):
        raise Stopped

    with pytest.raises(Stopped):
        study([a], tiny.problem, **QUICK, progress=stop)
