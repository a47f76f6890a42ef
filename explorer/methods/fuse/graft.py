"""Graft: the body of the first model with the head of the second.

The head is the last layer with weights of its own. A stage of model ratatouille (Ramé et al. 2023), where a model that was
trained on an auxiliary task gets the head of the target task. Nothing is averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

from explorer.checkpoints.per_tensor import of_number
from explorer.checkpoints.weights import Weights, stored_type
from explorer.problems.problem import Problem
from explorer.training.classifier_head import last_layer

MODELS = (2, 2)  # fewest and most models


def fuse(models: Sequence[Weights], problem: Problem) -> Weights:
    """One model of the models' shapes. Buffers: the first model's. Refused for networks that do not end in a linear layer."""
    of_number(models, MODELS, "graft", "a body and a head")
    head = last_layer(problem)
    body, other = models
    return {name: (other if name in head else body)[name].to(stored_type(models, name), copy=True) for name in body}
