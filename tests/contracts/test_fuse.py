"""Laws of every fusion method."""

import pytest
import torch

from explorer import checkpoint, methods


@pytest.fixture
def models(tiny):
    return [checkpoint.read(p).weights for p in (tiny.a, tiny.b)]


@pytest.mark.parametrize("name", methods.names("fuse"))
def test_a_model_with_itself_is_that_model(tiny, models, name):
    """fuse([w, w]) == w, to rounding."""
    fused = methods.find("fuse", name)([models[0], models[0]], tiny.problem)
    assert all(torch.allclose(fused[k], models[0][k], rtol=1e-6, atol=1e-7) for k in fused)


@pytest.mark.parametrize("name", methods.names("fuse"))
def test_names_shapes_and_dtypes_stay_and_inputs_are_untouched(tiny, models, name):
    """The result loads where the ingredients load."""
    before = [{k: v.clone() for k, v in m.items()} for m in models]
    fused = methods.find("fuse", name)(models, tiny.problem)
    assert {k: (v.shape, v.dtype) for k, v in fused.items()} == {k: (v.shape, v.dtype) for k, v in models[0].items()}
    assert all(torch.equal(m[k], b[k]) for m, b in zip(models, before, strict=True) for k in m)
