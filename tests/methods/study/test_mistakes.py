"""What a model gets wrong, worst first."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

study = registry.find("study", "mistakes")


def test_they_are_those_of_a_plain_loop_in_order_of_their_loss(tiny):
    """Every example is wrong, the first has the highest loss of all, and the count is that of all wrong samples."""
    weights = checkpoint_file.read(tiny.a).weights
    found = study([weights], tiny.problem, count=5)
    network = tiny.problem.network()
    network.load_state_dict(weights)
    batch = tiny.problem.split("test")
    with torch.no_grad():
        outputs = network(batch.inputs)
    losses = torch.nn.functional.cross_entropy(outputs, batch.targets, reduction="none")
    wrong = outputs.argmax(1) != batch.targets
    assert found["wrong"] == int(wrong.sum()) > 5
    order = sorted(np.flatnonzero(wrong.numpy()), key=lambda i: -float(losses[i]))[:5]
    assert [e["index"] for e in found["examples"]] == [int(i) for i in order]
    assert all(e["true"] != e["said"] for e in found["examples"])
    image = np.array(found["examples"][0]["image"])
    assert image.shape == (8, 8)
    assert (image.min(), image.max()) == (0.0, 1.0)


def test_a_model_without_mistakes_has_none(tiny):
    """Labels that are the model's own answers: nothing is wrong, nothing is shown."""
    weights = checkpoint_file.read(tiny.a).weights

    class Agreeing(type(tiny.problem)):
        def split(self, name, most=None):
            batch = super().split(name, most)
            network = self.network()
            network.load_state_dict(weights)
            with torch.no_grad():
                return type(batch)(batch.inputs, network(batch.inputs).argmax(1))

    found = study([weights], Agreeing(tiny.problem.spec))
    assert found["wrong"] == 0
    assert found["examples"] == []


def test_every_place_of_a_text_is_an_answer():
    """Sample and place of the highest loss, what is true there and what was said."""
    problem = Problem(problem_toml.find("char-gpt"))
    weights = {k: v.clone() for k, v in problem.network(seed=0).state_dict().items()}
    found = study([weights], problem, count=3)
    batch, network = problem.split("test"), problem.network()
    network.load_state_dict(weights)
    with torch.no_grad():
        outputs = network(batch.inputs)
    losses = torch.nn.functional.cross_entropy(outputs.flatten(0, 1), batch.targets.flatten(), reduction="none").view(batch.targets.shape)
    wrong = outputs.argmax(dim=-1) != batch.targets
    assert (found["wrong"], found["of"]) == (int(wrong.sum()), wrong.numel())
    worst = found["examples"][0]
    at = worst["index"], worst["place"]
    assert float(losses[at]) == pytest.approx(float(losses[wrong].max()), abs=1e-5)
    assert (worst["true"], worst["said"]) == tuple(problem.classes[int(t[at])] for t in (batch.targets, outputs.argmax(dim=-1)))
    assert worst["image"] is None


def test_without_classes_there_are_no_mistakes(tiny):
    """A loss that compares with a reference model."""
    with pytest.raises(Refused, match="no true class"):
        study([checkpoint_file.read(tiny.a).weights], Problem(replace(tiny.problem.spec, loss="divergence")))
