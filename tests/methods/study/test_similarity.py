"""How alike models are, against shuffled copies and features taken by hand."""

import numpy as np
import pytest
import torch

from explorer.api import Aligned, loaded, method, study
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.stats.representations import centred, cka

of = registry.find("study", "similarity")


def test_units_in_another_order_are_the_same_function_and_other_weights(tiny, home):
    """A shuffled copy: CKA and Procrustes 1 in every layer, no prediction differs, and the weights' cosine is far below 1."""
    shuffled = Aligned(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.a)), 1, method("align", "shuffle"))
    found = study(tiny.a, shuffled, problem=tiny.folder, method="similarity", method_options={"samples": 100})
    for name in ("cka", "debiased", "procrustes"):
        assert np.array(found[name]) == pytest.approx(np.ones((len(found["layers"]), 2, 2)), abs=1e-4)
    assert found["disagree"][0][1][0] == 0.0
    assert found["disagree"][0][1][2] > 0.0  # of 100 samples none, and of others perhaps some
    assert found["cosine"][0][1] < 0.9
    assert found["distance"][0][1] > 1.0


def test_layers_are_compared_by_what_they_give(tiny):
    """Against a hook set by hand; two trainings are alike, but not the same; between layers the same layer's value is on the diagonal."""
    models = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    found = of(models, tiny.problem, samples=64)
    inputs = tiny.problem.split("val").inputs[:64]
    seen = []
    for weights in models:
        network = tiny.problem.network()
        network.load_state_dict(weights)
        network.get_submodule(found["layers"][0]).register_forward_hook(
            lambda _m, _i, output: seen.append(output.detach().flatten(1).double().numpy())
        )
        with torch.no_grad():
            network(inputs)
    expected = cka(np.stack([centred(x @ x.T) for x in seen]))
    assert np.array(found["cka"][0]) == pytest.approx(expected, rel=1e-5)
    assert 0.2 < found["debiased"][0][0][1] < 0.999
    assert np.diag(found["between"]) == pytest.approx([layer[0][1] for layer in found["debiased"]])
    value, low, high = found["disagree"][0][1]
    assert low < value < high
    assert found["samples"] == 64
    for name in ("cka", "debiased", "procrustes"):
        low, high = found["intervals"][name][0][0][1]
        assert low < found[name][0][0][1] < high


def test_one_model_and_too_many_are_refused(tiny):
    """With how many there may be."""
    weights = checkpoint_file.read(tiny.a).weights
    with pytest.raises(Refused, match="2 to 64 models; got 1"):
        of([weights], tiny.problem)
