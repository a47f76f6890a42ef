"""The bridge as a study: what a page shows of it."""

import json

import pytest

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate

study = registry.find("study", "bridge")


def test_its_answers_are_those_of_the_evaluator_and_its_differences_are_paired(tiny):
    """A alone and the target have the losses that a picture shows at its ends; a difference is that of the values."""
    a, b = (checkpoint_file.read(p).weights for p in (tiny.a, tiny.b))
    found = study([a, b], tiny.problem, epochs=5)
    json.dumps(found)
    evaluate = Evaluate(tiny.problem, [a, b])
    for who, corner in (("alone", 0), ("target", 1)):
        loss, error = evaluate.alone(corner).sum(axis=1) / evaluate.counts.sum()
        assert found["answers"][who]["loss"][0] == pytest.approx(loss, rel=1e-5)
        assert found["answers"][who]["error"][0] == pytest.approx(error)
    for metric in ("loss", "error"):
        apart = found["answers"]["bridged"][metric][0] - found["answers"]["alone"][metric][0]
        assert found["answers"]["bridged"][f"{metric} − alone"][0] == pytest.approx(apart, abs=1e-9)
    assert found["cost"] > 0


def test_one_model_is_no_bridge(tiny):
    """Nor are three."""
    a = checkpoint_file.read(tiny.a).weights
    with pytest.raises(Refused, match="one model to another"):
        study([a], tiny.problem)
