"""Mixing and measuring weights."""

import numpy as np
import pytest
import torch

from explorer.checkpoints.weights import Without, compatible, gram, mix, promoted
from explorer.core.errors import Refused


def model(seed, **extra):
    g = torch.Generator().manual_seed(seed)
    return {"w": torch.randn(3, 4, generator=g), "b": torch.randn(4, generator=g), "steps": torch.tensor(seed), **extra}


def test_mixture_is_the_linear_combination():
    """Against numpy in float64."""
    a, b = model(1), model(2)
    mixed = mix([a, b], [0.3, 0.7])
    assert mixed["w"].numpy() == pytest.approx(0.3 * a["w"].numpy() + 0.7 * b["w"].numpy(), rel=1e-6)


def test_one_hot_is_that_model_bit_for_bit_and_no_alias_of_it():
    """The copy may be written to."""
    a, b = model(1), model(2)
    mixed = mix([a, b], [0.0, 1.0])
    assert torch.equal(mixed["w"], b["w"])
    mixed["w"].zero_()
    assert b["w"].abs().sum() > 0


def test_integers_are_copied_from_the_first_never_mixed():
    """A mean of step counters means nothing."""
    assert mix([model(1), model(2)], [0.5, 0.5])["steps"] == 1


def test_a_model_without_one_tensor_has_the_others_as_they_are():
    """The name is not there; without a name that the model does not have, nothing is missing."""
    whole = model(1)
    rest = Without(whole, "w")
    assert list(rest) == ["b", "steps"]
    assert len(rest) == 2
    assert rest["b"] is whole["b"]
    with pytest.raises(KeyError):
        rest["w"]
    assert dict(Without(whole, "")) == whole


def test_half_precision_comes_back_as_it_was_after_a_sum_in_single():
    """Storage dtype kept; the sum of many small parts is not lost in half precision."""
    models = [{"w": torch.full((4,), 1.0, dtype=torch.float16)} for _ in range(64)]
    mixed = mix(models, [1 / 64] * 64)
    assert mixed["w"].dtype == torch.float16
    assert torch.equal(mixed["w"], models[0]["w"])


def test_types_are_promoted_to_the_one_that_holds_all():
    """As torch promotes, and float8 with them."""
    eight, other = torch.float8_e4m3fn, torch.float8_e5m2
    assert promoted([torch.bfloat16, torch.float16]) == torch.float32
    assert promoted([torch.float16, torch.float64]) == torch.float64
    assert (promoted([eight]), promoted([eight, torch.float16]), promoted([eight, other])) == (eight, torch.float16, torch.bfloat16)
    both = mix([{"w": torch.tensor([1.0, 3.0]).bfloat16()}, {"w": torch.tensor([1 + 2**-20, 3.0])}], (0.0, 1.0))["w"]
    assert (both.dtype, both.tolist()) == (torch.float32, [1 + 2**-20, 3.0])


def test_gram_gives_distances_and_counts_ties_once():
    """‖a − b‖² from inner products; a tensor under two names is one tensor."""
    tied = torch.randn(2, 2, generator=torch.Generator().manual_seed(3))
    a, b = model(1, x=tied, y=tied), model(2, x=tied * 2, y=tied * 2)
    b["y"] = b["x"]
    g = gram([a, b], ["w", "b", "x", "y"])
    flat = [torch.cat([m[k].flatten() for k in ("w", "b", "x")]).double().numpy() for m in (a, b)]
    assert g == pytest.approx(np.array([[u @ v for v in flat] for u in flat]))


def test_different_architectures_and_widths_are_told_apart_in_a_sentence():
    """The error names the tensor, both shapes and what to do."""
    a = model(1)
    with pytest.raises(Refused, match=r"different architectures: 'extra' is in only one"):
        compatible([a, model(2, extra=torch.zeros(1))], ["a", "b"])
    with pytest.raises(Refused, match=r"w is 3×4 in a and 5×4 in b"):
        compatible([a, {**a, "w": torch.zeros(5, 4)}], ["a", "b"])


def test_a_counter_that_a_file_holds_as_a_float_is_copied():
    """Files of torch before 0.4.1 do; a network of today has an integer there, into which nothing can be mixed."""
    models = [{"bn.num_batches_tracked": torch.tensor(float(n))} for n in (3, 8)]
    out = {"bn.num_batches_tracked": torch.tensor(0)}
    mix(models, [0.5, 0.5], out)
    assert out["bn.num_batches_tracked"].item() == 3
