"""What mixtures along a path answer, and whose answers change."""

import json

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.problems.problem import Problem

study = registry.find("study", "along")
T = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture
def ends(tiny):
    return [checkpoint_file.read(path).weights for path in (tiny.a, tiny.b)]


@pytest.fixture
def found(tiny, ends):
    return study(ends, tiny.problem, mixtures=tuple(c for t in T for c in (1 - t, t)), count=6)


def test_the_counts_are_those_that_a_point_is_measured_with(tiny, ends, found):
    """Of every mixture the confusion matrix and the number of wrong answers, as the points of a line have them."""
    measured = Evaluate(tiny.problem, ends, metrics=("confusion",)).many(np.array([(1 - t, t) for t in T]))
    assert found["confusion"] == measured.astype(int).tolist()
    assert found["wrong"] == [int(m.sum() - np.trace(m)) for m in measured]
    assert found["of"] == measured[0].sum()


def test_the_samples_are_those_whose_loss_rises_most_among_those_that_change(tiny, ends, found):
    """Right for one mixture, wrong for another; told by a plain loop over the mixtures."""
    batch = tiny.problem.split("test")
    network = tiny.problem.network()
    losses, said = [], []
    for t in T:
        network.load_state_dict({name: (1 - t) * ends[0][name] + t * ends[1][name] for name in ends[0]})
        with torch.no_grad():
            outputs = network(batch.inputs)
        losses.append(torch.nn.functional.cross_entropy(outputs, batch.targets, reduction="none").numpy())
        said.append(outputs.argmax(1).numpy())
    wrong = np.array(said) != batch.targets.numpy()
    rise = np.max(losses, axis=0) - np.maximum(losses[0], losses[-1])
    order = sorted(np.flatnonzero(wrong.any(0) & ~wrong.all(0)), key=lambda i: -rise[i])[:6]
    assert [s["index"] for s in found["samples"]] == [int(i) for i in order]
    first = found["samples"][0]
    assert first["said"] == [int(row[order[0]]) for row in said]
    assert first["loss"] == pytest.approx([row[order[0]] for row in losses], rel=1e-3)
    assert np.array(first["image"]).shape == (8, 8)


def test_it_is_json_also_where_a_mixture_diverges(tiny, ends):
    """NaN is not JSON: such a mixture has no counts and no answers."""
    broken = {name: w.clone() for name, w in ends[1].items()}
    next(iter(broken.values())).fill_(float("nan"))
    found = study([ends[0], broken], tiny.problem, mixtures=(1.0, 0.0, 0.5, 0.5))
    assert found["wrong"][0] > 0 and found["wrong"][1] is None and found["confusion"][1] is None
    json.dumps(found, allow_nan=False)


def test_numbers_have_losses_and_no_classes(tiny, ends):
    """Under a loss of numbers nothing is right or wrong: the samples whose loss changes most are there, and their pictures."""
    numbers = Problem(tiny.problem.spec.__class__(**{**tiny.problem.spec.__dict__, "loss": "squared_distance"}))
    found = study(ends, numbers, mixtures=(1.0, 0.0, 0.5, 0.5, 0.0, 1.0), count=3)
    assert found["classes"] is found["wrong"] is found["confusion"] is None
    assert len(found["samples"]) == 3
    assert found["samples"][0]["said"] is None and found["samples"][0]["loss"][0] == 0.0  # of the first model from itself


def test_coefficients_that_are_no_rows_are_refused(tiny, ends):
    """Three numbers are not mixtures of two models."""
    with pytest.raises(Refused, match="rows of 2 coefficients"):
        study(ends, tiny.problem, mixtures=(1.0, 0.0, 0.5))


def test_without_mixtures_it_is_the_models_themselves(tiny, ends, found):
    """The snapshots of a training, say."""
    alone = study(ends, tiny.problem)
    assert alone["wrong"] == [found["wrong"][0], found["wrong"][-1]]
