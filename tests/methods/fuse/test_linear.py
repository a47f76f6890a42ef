"""Interpolation, soups and task arithmetic: known answers, and each other's."""

import math

import pytest
import torch

from explorer.checkpoints import checkpoint_file, per_tensor
from explorer.core.errors import Refused
from explorer.methods.fuse import average, interpolate, task_arithmetic, temperature, uniform_soup
from tests.methods.align import sample
from tests.methods.fuse import drawn, equal, flat, near

A, B, C = drawn(1), drawn(2), drawn(3)


def test_the_ends_of_an_interpolation_are_the_models(tiny):
    """Bit for bit."""
    assert equal(interpolate.fuse([A, B], tiny.problem, t=0.0), A)
    assert equal(interpolate.fuse([A, B], tiny.problem, t=1.0), B)


@pytest.mark.parametrize("t", [-0.5, 0.3, 1.5])
def test_interpolation_is_task_arithmetic_and_the_weighted_average(tiny, t):
    """The same numbers by three ways, within and beyond the ends."""
    line = interpolate.fuse([A, B], tiny.problem, t=t)
    assert equal(line, task_arithmetic.fuse([A, B], tiny.problem, coefficients=(t,)))
    assert near(line, average.fuse([A, B], tiny.problem, weights=(1 - t, t)))
    assert torch.allclose(flat(line), (1 - t) * flat(A) + t * flat(B), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("t", [-3.0, 0.1, 7.3])
def test_between_and_beyond_two_copies_lies_that_model(tiny, t):
    """Bit for bit: sums are in float64."""
    assert equal(interpolate.fuse([A, A], tiny.problem, t=t), A)


def test_a_uniform_soup_is_the_mean_in_any_order_and_copies_come_back(tiny):
    """Against float64; seven copies give the model bit for bit."""
    soup = uniform_soup.fuse([A, B, C], tiny.problem)
    assert torch.equal(flat(soup).float(), ((flat(A) + flat(B) + flat(C)) / 3).float())
    assert equal(soup, uniform_soup.fuse([C, A, B], tiny.problem))
    assert equal(uniform_soup.fuse([A] * 7, tiny.problem), A)


def test_half_precision_is_summed_in_single(tiny):
    """The mean of 64 halves, rounded once; in half precision the sum would be off."""
    models = [{"w": torch.randn(50, generator=torch.Generator().manual_seed(k)).to(torch.bfloat16)} for k in range(64)]
    soup = uniform_soup.fuse(models, tiny.problem)["w"]
    exact = torch.stack([m["w"] for m in models]).double().mean(0)
    assert soup.dtype == torch.bfloat16
    assert (soup.double() - exact).abs().max() <= exact.abs().max() * 2**-8


def test_task_arithmetic_adds_negates_and_finds_analogies(tiny):
    """λ = 1 is the model; τ and −τ cancel; W₀ − τ; W₀ − τ_A + τ_B + τ_C."""
    fuse = task_arithmetic.fuse
    assert equal(fuse([A, B], tiny.problem, coefficients=(1.0,)), B)
    assert equal(fuse([A, B, B], tiny.problem, coefficients=(1.0, -1.0)), A)
    assert torch.allclose(flat(fuse([A, B], tiny.problem, coefficients=(-1.0,))), 2 * flat(A) - flat(B), atol=1e-6)
    analogy = fuse([A, B, C, drawn(4)], tiny.problem, coefficients=(-1.0, 1.0, 1.0))
    assert torch.allclose(flat(analogy), flat(C) - flat(B) + flat(drawn(4)), atol=1e-6)


def test_equal_coefficients_are_the_soup_of_the_others(tiny):
    """λ = 1/N each, the default: the base drops out."""
    assert near(task_arithmetic.fuse([drawn(9), A, B, C], tiny.problem), uniform_soup.fuse([A, B, C], tiny.problem), 1e-7)


def test_effects_add_exactly_where_the_model_is_linear(tiny):
    """f(W₀ + Σ λτ) = f(W₀) + Σ λ·(f(W) − f(W₀)) for f = ⟨x, ·⟩."""
    x = flat(drawn(7))
    base, b, c = (x @ flat(m) for m in (A, B, C))
    merged = task_arithmetic.fuse([A, B, C], tiny.problem, coefficients=(0.4, -1.3))
    assert float(x @ flat(merged)) == pytest.approx(float(base + 0.4 * (b - base) - 1.3 * (c - base)), abs=1e-5)


def test_a_temperature_of_one_weighs_in_proportion_to_the_scores():
    """And a common factor of the scores changes nothing."""
    assert temperature.shares((1.0, 3.0), 2, 1.0, "logarithms") == pytest.approx((0.25, 0.75))
    assert temperature.shares((10.0, 30.0), 2, 0.3, "logarithms") == pytest.approx(temperature.shares((1.0, 3.0), 2, 0.3, "logarithms"))


def test_hot_is_the_soup_and_cold_the_best_model(tiny):
    """The limits of the temperature; the best comes back bit for bit."""
    hot = temperature.fuse([A, B, C], tiny.problem, scores=(0.2, 0.9, 0.5), temperature=1e6)
    assert near(hot, uniform_soup.fuse([A, B, C], tiny.problem), 1e-5)
    assert equal(temperature.fuse([A, B, C], tiny.problem, scores=(0.2, 0.9, 0.5), temperature=1e-6), B)


def test_a_score_of_zero_leaves_a_model_out():
    """No NaN from the logarithm."""
    assert temperature.shares((0.0, 1.0, 3.0), 3, 1.0, "logarithms") == pytest.approx((0, 0.25, 0.75))


def test_scores_that_are_not_given_are_measured_on_the_validation_split(tiny):
    """Accuracy, or the likelihood; a model whose loss is not finite is left out."""
    a, b = (checkpoint_file.read(p).weights for p in (tiny.a, tiny.b))
    networks = [tiny.problem.network(), tiny.problem.network()]
    batch = tiny.problem.split("val")
    right, likely = [], []
    for network, weights in zip(networks, (a, b), strict=True):
        network.load_state_dict(weights)
        with torch.no_grad():
            outputs = network(batch.inputs)
        right.append(float((outputs.argmax(1) == batch.targets).double().mean()))
        likely.append(math.exp(-float(tiny.problem.losses(outputs, batch.targets).double().mean())))
    assert temperature.measured([a, b], tiny.problem, "auto") == pytest.approx(right)
    assert temperature.measured([a, b], tiny.problem, "likelihood") == pytest.approx(likely, rel=1e-6)
    share = right[0] / sum(right)
    assert near(temperature.fuse([a, b], tiny.problem), average.fuse([a, b], tiny.problem, weights=(share, 1 - share)), 1e-6)
    broken = {k: torch.full_like(v, torch.nan) for k, v in a.items()}
    assert equal(temperature.fuse([broken, b], tiny.problem), b)


def test_a_softmax_of_the_scores_themselves_takes_negative_ones():
    """exp(s/T), normalised; large scores do not overflow."""
    e = math.exp(0.5)
    assert temperature.shares((-1.0, 0.0), 2, 2.0, "scores") == pytest.approx((1 / (1 + e), e / (1 + e)))
    assert temperature.shares((1e6, 1e6), 2, 1.0, "scores") == pytest.approx((0.5, 0.5))


def test_what_cannot_be_weighed_is_refused(tiny):
    """Each in a sentence."""
    for scores, message in [((1.0,), "2 models need 2 scores, got 1"), ((0.0, 0.0), "one of them above 0"), ((-1.0, 1.0), "one of them above 0")]:
        with pytest.raises(Refused, match=message):
            temperature.fuse([A, B], tiny.problem, scores=scores)
    with pytest.raises(Refused, match="finite numbers"):
        temperature.fuse([A, B], tiny.problem, scores=(math.nan, 1.0))
    with pytest.raises(Refused, match="need 1 coefficients, got 2"):
        task_arithmetic.fuse([A, B], tiny.problem, coefficients=(1.0, 1.0))
    with pytest.raises(Refused, match="finite coefficients"):
        task_arithmetic.fuse([A, B], tiny.problem, coefficients=(math.nan,))
    with pytest.raises(Refused, match="two models, got 3 models. Choose fewer"):
        interpolate.fuse([A, B, C], tiny.problem)


def test_a_variance_is_never_extrapolated():
    """Beyond an end of the line, running statistics are that end's; within, they are mixed; the counter is the first model's."""
    problem, (a, b) = sample("digits-resnet")
    name = next(n for n in a if n.endswith("running_var"))
    counter = next(n for n in a if n.endswith("num_batches_tracked"))
    b = {**b, counter: b[counter] + 5}
    beyond = interpolate.fuse([a, b], problem, t=8.0)
    assert all(torch.equal(beyond[n], b[n]) for n in b if n.endswith(("running_var", "running_mean")))
    assert torch.equal(beyond[counter], a[counter])
    assert torch.allclose(interpolate.fuse([a, b], problem, t=0.25)[name], 0.75 * a[name] + 0.25 * b[name])
    assert torch.equal(task_arithmetic.fuse([a, b], problem, coefficients=(-1.0,))[name], a[name])


def test_progress_names_the_tensors_and_may_stop(tiny):
    """One call for each tensor, and the end."""
    seen = []
    uniform_soup.fuse([A, B], tiny.problem, progress=lambda *step: seen.append(step))
    assert seen == [*((i, 4, n) for i, n in enumerate(A)), (4, 4, "done")]
    with pytest.raises(KeyboardInterrupt):
        uniform_soup.fuse([A, B], tiny.problem, progress=lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))


def test_relative_weights_are_checked():
    """As many as models, none negative, not all zero."""
    assert per_tensor.shares_of((1.0, 3.0), 2, "m") == (0.25, 0.75)
    for weights, message in [((1.0,), "needs 2 weights"), ((1.0, -1.0), "0 or more"), ((0.0, 0.0), "sum to zero"), ((math.inf, 1.0), "0 or more")]:
        with pytest.raises(Refused, match=message):
            per_tensor.shares_of(weights, 2, "m")
