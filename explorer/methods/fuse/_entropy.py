"""How sure predictions are, without labels: the mean entropy of softmax f(x).

Wang, Shelhamer, Liu, Olshausen & Darrell 2021, "Tent: Fully Test-Time Adaptation by Entropy Minimization"; for merging, Yang et al. 2024, "AdaMerging".
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.problems.problem import Problem


def entropy(problem: Problem, outputs: Callable[[Tensor], Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
    """The mean over all predictions that are asked for, in nats; of `targets` no more is used than that."""
    answers = outputs(inputs).float().log_softmax(dim=-1)
    if registry.targets_of(problem.spec.loss) == "masked":
        answers = answers[targets >= 0]
    return -(answers.exp() * answers).sum(dim=-1).mean()


def confidence_is_known(method: str, problem: Problem) -> None:
    """Refused where outputs are no probabilities of classes."""
    if not registry.classifies(problem.spec.loss):
        raise Refused(f"{method} makes predictions more confident, and a regression has no confidence. Use learned_soup, or fisher.")
