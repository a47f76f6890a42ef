"""Robust curve: bend the path between two models until the loss stays low all along it, also for inputs perturbed by an adversary.

Wang et al. 2023, "Exploring and Exploiting the Robust Mode Connectivity for Adversarial Robustness"; Zhao et al. 2020, "Bridging Mode Connectivity in
Loss Landscapes and Adversarial Robustness". A Bézier curve, as in `bezier`, that minimises E_t Σᵢ max L(φ(t); x', y), the maximum being over all x'
within radius δᵢ of x in the i-th norm. At every batch a t is drawn, the inputs are attacked at φ(t) by projected gradient ascent, once for each
norm with a positive radius, and the curve takes a step on what was found. The mean over the norms is taken instead of the sum, so that one lr suits
any number of them. Inputs that are not attacked do not count; with both radii 0 this is `bezier`.

Needs labelled data of the train split with real inputs: tokens cannot be moved a little. Radii are in the units in which the network sees its inputs,
`l2` per sample. For each norm a batch goes through the network attack_steps + 2 times instead of once. What the explorer's pictures show of this curve
is the loss on the data as they are, which may be higher than that of `bezier`: they do not measure robustness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.pgd_attack import Norm, attack
from explorer.problems.problem import Problem
from explorer.training.curve_training import State, TrainedCorners, straight, train_along
from explorer.training.options import CurveOptions

CHART = "bezier"


def connect(
    ends: Sequence[Weights],
    problem: Problem,
    *,
    linf: Annotated[float, Range(0, 1000000)] = 0.03,
    l2: Annotated[float, Range(0, 1000000)] = 0.0,
    attack_steps: Annotated[int, Range(1, 1000)] = 5,
    bends: Annotated[int, Range(1, 20)] = 1,
    how: CurveOptions = CurveOptions(),
    device: str = "cpu",
    progress: Progress = quiet,
    resume: State | None = None,
) -> Iterator[TrainedCorners]:
    """The bends after every epoch; their loss is that of the attacked inputs."""
    radii: list[tuple[Norm, float]] = [("linf", linf), ("l2", l2)]
    threats: list[tuple[Norm, float]] = [(norm, radius) for norm, radius in radii if radius > 0]

    def perturb(losses_of: Callable[[Tensor], Tensor], inputs: Tensor) -> list[Tensor]:
        return [attack(losses_of, inputs, norm, radius, attack_steps) for norm, radius in threats]

    start = straight(ends, bends)
    return train_along(CHART, ends, problem, start, how, perturb=perturb if threats else None, device=device, progress=progress, resume=resume)
