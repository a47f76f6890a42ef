"""The evaluator against an obviously right twin, and what it must leave alone."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import mix
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Attack
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem


@pytest.fixture
def corners(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def naive(problem, corners, coefficients, split="test"):
    """Per-sample losses and errors of the mixture, one sample after the other, mixed in float64."""
    network = problem.network()
    mixed = {k: sum(c * m[k].double() for c, m in zip(coefficients, corners, strict=True)).float() for k in corners[0]}
    network.load_state_dict(mixed)
    batch = problem.split(split)
    loss, wrong = [], []
    with torch.no_grad():
        for x, y in zip(batch.inputs, batch.targets, strict=True):
            logits = network(x[None])[0].double()
            loss.append(float(torch.logsumexp(logits, 0) - logits[y]))
            wrong.append(float(logits.argmax() != y))
    return np.array(loss), np.array(wrong)


@pytest.mark.parametrize("coefficients", [(1.0, 0.0), (0.0, 1.0), (0.6, 0.4), (1.5, -0.5)])
def test_equals_a_naive_loop_over_samples(tiny, corners, coefficients):
    """Sums over each block agree with the per-sample twin to float32 accuracy; errors exactly."""
    evaluate = Evaluate(tiny.problem, corners, blocks=7)
    loss, wrong = naive(tiny.problem, corners, coefficients)
    values = evaluate(np.array(coefficients))
    block = np.arange(len(loss)) % 7
    assert values[0] == pytest.approx(np.bincount(block, weights=loss), rel=1e-5)
    assert values[1].tolist() == np.bincount(block, weights=wrong).tolist()
    assert evaluate.counts.tolist() == np.bincount(block).tolist()


def test_a_corner_is_the_checkpoint_itself_bit_for_bit(tiny, corners):
    """Also after other points were measured with the same network."""
    evaluate = Evaluate(tiny.problem, corners)
    evaluate(np.array([0.3, 0.7]))
    for i in range(2):
        assert np.array_equal(evaluate(np.eye(2)[i]), evaluate.alone(i))


def test_fewer_samples_are_a_prefix_of_the_same_order(tiny, corners):
    """A preview on 100 samples uses samples that the full measurement uses too."""
    few = Evaluate(tiny.problem, corners, samples=100, blocks=100)(np.array([0.5, 0.5]))
    loss, _ = naive(tiny.problem, corners, (0.5, 0.5))
    assert few[0] == pytest.approx(loss[:100], rel=1e-5, abs=1e-6)


def test_more_blocks_than_samples_become_one_sample_a_block(tiny, corners):
    """No block stays empty."""
    assert Evaluate(tiny.problem, corners, samples=10).counts.tolist() == [1.0] * 10


def test_a_diverged_point_stays_nan(tiny, corners):
    """Neither repaired nor counted as right or wrong."""
    broken = {k: torch.full_like(v, torch.inf) for k, v in corners[1].items()}
    values = Evaluate(tiny.problem, [corners[0], broken])(np.array([0.5, 0.5]))
    assert np.isnan(values).all()


def test_a_broken_corner_does_not_touch_points_that_do_not_use_it(tiny, corners):
    """0 · NaN would be NaN; a coefficient of 0 leaves the model out."""
    broken = {k: torch.full_like(v, torch.nan) for k, v in corners[1].items()}
    assert np.isfinite(Evaluate(tiny.problem, [corners[0], broken])(np.array([1.0, 0.0]))).all()


def test_confusion_counts_every_sample_with_true_classes_down(tiny, corners):
    """Row sums are the class counts of the split; the off-diagonal sum is the number of errors."""
    counts = Evaluate(tiny.problem, corners, metrics=("confusion",))(np.array([0.8, 0.2]))
    targets = tiny.problem.split("test").targets
    assert counts.sum(axis=1).tolist() == torch.bincount(targets, minlength=10).tolist()
    _, wrong = naive(tiny.problem, corners, (0.8, 0.2))
    assert counts.sum() - np.trace(counts) == wrong.sum()


def test_half_precision_is_mixed_in_single_and_rounded(tiny, corners):
    """bfloat16 checkpoints are upcast before they are mixed, not after, and what is measured is the mixture as it would be saved."""
    halves = [{k: v.bfloat16() for k, v in m.items()} for m in corners]
    values = Evaluate(tiny.problem, halves)(np.array([0.5, 0.5]))
    saved = {k: (0.5 * v.float() + 0.5 * halves[1][k].float()).bfloat16().float() for k, v in halves[0].items()}
    assert np.array_equal(values, Evaluate(tiny.problem, [saved])(np.array([1.0])))


def test_nothing_of_the_caller_is_changed(tiny, corners):
    """Weights, global random state and thread count are as they were."""
    before = [{k: v.clone() for k, v in m.items()} for m in corners]
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    Evaluate(tiny.problem, corners)(np.array([0.5, 0.5]))
    assert all(torch.equal(m[k], b[k]) for m, b in zip(corners, before, strict=True) for k in m)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_an_unknown_metric_names_the_known_ones(tiny, corners):
    """Nobody has to guess."""
    with pytest.raises(Refused, match="'f1' to measure. Metrics: loss, error, brier"):
        Evaluate(tiny.problem, corners, metrics=("loss", "f1"))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_adversary_raises_the_loss_of_every_block(tiny, corners, norm):
    """At a mixture and at a corner; with radius 0 the values are those of the inputs as they are, and a larger radius hurts more."""
    plain = Evaluate(tiny.problem, corners, blocks=9)
    for coefficients in (np.array([0.5, 0.5]), np.array([1.0, 0.0])):
        none, small, large = (
            Evaluate(tiny.problem, corners, blocks=9, attack=Attack(norm, radius, steps=4))(coefficients) for radius in (0.0, 0.05, 0.2)
        )
        assert none == pytest.approx(plain(coefficients), rel=1e-6)
        assert (small[0] > none[0]).all()
        assert (large[0] > small[0]).all()
        assert large[1].sum() > none[1].sum()


def test_the_attack_of_a_linear_model_is_the_closed_form(tmp_path):
    """Two classes, one layer: under l∞ the margin falls by radius · ‖w₁ − w₀‖₁ at every sample."""
    (tmp_path / "problem.toml").write_text('[network]\nname = "mlp"\nwidths = [3, 2]\n[data]\nname = "npz"\npath = "data.npz"\n', encoding="utf-8")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(60, 3)).astype(np.float32), y=rng.integers(0, 2, 60))
    problem = Problem(problem_toml.read(tmp_path))
    network = problem.network(seed=1)
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    values = Evaluate(problem, [weights], blocks=1, attack=Attack("linf", 0.3, steps=5))(np.array([1.0]))
    (weight, bias) = weights.values()
    batch = problem.split("test")
    sign = 2.0 * batch.targets - 1
    margin = sign * (batch.inputs @ (weight[1] - weight[0]) + bias[1] - bias[0]) - 0.3 * (weight[1] - weight[0]).abs().sum()
    assert values[0, 0] == pytest.approx(float(torch.nn.functional.softplus(-margin).sum()), rel=1e-5)
    assert values[1, 0] == float((margin < 0).sum())


def test_double_precision_is_measured_in_double(tiny, corners):
    """The same losses as in single precision, to its rounding."""
    doubles = [{k: v.double() for k, v in c.items()} for c in corners]
    single, double = (Evaluate(tiny.problem, c)(np.array([0.3, 0.7])) for c in (corners, doubles))
    assert double[0].sum() == pytest.approx(single[0].sum(), rel=1e-6)
    assert double[1].tolist() == single[1].tolist()


def test_a_corner_after_a_point_between_is_still_the_checkpoint(tiny, corners):
    """Between the corners not every weight is mixed; nothing of that is left over at a corner, or the other way round."""
    evaluate = Evaluate(tiny.problem, corners)
    between = evaluate(np.array([0.4, 0.6]))
    assert np.array_equal(evaluate(np.array([0.0, 1.0])), evaluate.alone(1))
    assert np.array_equal(evaluate(np.array([0.4, 0.6])), between)
    assert np.array_equal(evaluate(np.array([1.0, 0.0])), evaluate.alone(0))


@pytest.mark.parametrize(
    "types", [(torch.bfloat16, torch.float32), (torch.float32, torch.bfloat16), (torch.bfloat16, torch.float16), (torch.float16,) * 2]
)
@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
def test_what_is_measured_between_two_stored_types_is_the_model_that_is_saved(tiny, corners, types, t):
    """By `average`, in memory and from file to file; an end is the model as it lies in its file, whatever the other's type."""
    models = [{k: v.to(dtype) for k, v in m.items()} for m, dtype in zip(corners, types, strict=True)]
    measured = Evaluate(tiny.problem, models)(np.array([1 - t, t]))
    saved = registry.find("fuse", "average")(models, tiny.problem, weights=(1 - t, t))
    assert {v.dtype for v in saved.values()} == {types[0] if types[0] == types[1] else torch.float32}
    assert np.allclose(measured, Evaluate(tiny.problem, [saved])(np.array([1.0])), rtol=1e-4)
    if t in (0, 1):
        assert np.array_equal(measured, Evaluate(tiny.problem, [models[int(t)]])(np.array([1.0])))
    else:
        assert all(torch.allclose(v, saved[k], rtol=1e-6) for k, v in mix(models, (1 - t, t)).items())


def test_the_first_samples_of_a_split_are_those_of_the_whole(tiny):
    """Whoever asks for some of them gets them without the others."""
    for name in ("train", "val", "test"):
        whole, some = tiny.problem.split(name), tiny.problem.split(name, 7)
        assert len(some.targets) == 7 < len(whole.targets)
        assert torch.equal(some.inputs, whole.inputs[:7])
        assert torch.equal(some.targets, whole.targets[:7])
    assert len(tiny.problem.split("val", 10**6).targets) == len(tiny.problem.split("val").targets)
