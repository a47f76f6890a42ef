"""Where models disagree, and what each gets right, against a plain count."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

study = registry.find("study", "answers")


def test_shares_are_those_of_a_plain_count(tiny):
    """Symmetric, zero with itself; classes weighted by their size give the accuracy."""
    models = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    found = study(models, tiny.problem)
    batch, answers = tiny.problem.split("val"), []
    for weights in models:
        network = tiny.problem.network()
        network.load_state_dict(weights)
        with torch.no_grad():
            answers.append(network(batch.inputs).argmax(1))
    apart = float((answers[0] != answers[1]).double().mean())
    assert np.array(found["disagree"]) == pytest.approx(np.array([[0, apart], [apart, 0]]))
    assert apart > 0
    sizes = np.bincount(batch.targets, minlength=10)
    for row, said in zip(found["by_class"], answers, strict=True):
        assert (np.array(row) * sizes).sum() / sizes.sum() == pytest.approx(float((said == batch.targets).double().mean()))


def test_every_place_of_a_text_is_an_answer():
    """Models disagree on a share of the places; of so many classes none is told by itself."""
    problem = Problem(problem_toml.find("char-gpt"))
    models = [{k: v.clone() for k, v in problem.network(seed=seed).state_dict().items()} for seed in (0, 1)]
    found, said = study(models, problem), []
    for weights in models:
        network = problem.network()
        network.load_state_dict(weights)
        with torch.no_grad():
            said.append(network(problem.split("val").inputs).argmax(dim=-1))
    apart = float((said[0] != said[1]).double().mean())
    assert np.array(found["disagree"]) == pytest.approx(np.array([[0, apart], [apart, 0]]))
    assert 0 < apart < 1
    assert found["by_class"] == []


def test_without_classes_nothing_is_compared(tiny):
    """A loss that compares with a reference model."""
    with pytest.raises(Refused, match="no true class"):
        study([checkpoint_file.read(tiny.a).weights], Problem(replace(tiny.problem.spec, loss="divergence")))
