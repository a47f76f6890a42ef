"""The options that trainings share: what a method of kind `train` or `connect` takes as its `how`, whose fields are options of the method's own.

A method's default may differ from the class's: `how: TrainingOptions = TrainingOptions(epochs=5)`. The form, the flags, the checks and the hash follow
(explorer.core.registry). No torch here: a page reads this file's text, and may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from explorer.core.registry import Range


@dataclass(frozen=True)
class TrainingOptions:
    """What every gradient descent has. `momentum` is β₁ for AdamW; `seed` draws initial weights, and on a path also the order of the batches."""

    epochs: Annotated[int, Range(1, 10000)] = 20
    lr: Annotated[float, Range(0, 100)] = 0.1
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9
    weight_decay: Annotated[float, Range(0, 100)] = 0.0
    batch: Annotated[int, Range(1, 1048576)] = 64
    seed: Annotated[int, Range(0, 2147483647)] = 0


@dataclass(frozen=True)
class NetworkOptions(TrainingOptions):
    """Of a network that is trained whole. `order_seed` draws the order of the batches, the noise and the shifts.

    `noise`: standard deviation of Gaussian noise on the inputs; `shift`: images (n, c, h, w) are moved by up to one pixel, a batch at a time; both do
    nothing to tokens.
    """

    order_seed: Annotated[int, Range(0, 2147483647)] = 0
    noise: Annotated[float, Range(0, 1000)] = 0.0
    shift: bool = False


@dataclass(frozen=True)
class ScheduledOptions(NetworkOptions):
    """`cosine` lets the rate fall from `lr` to 0 over all epochs."""

    schedule: Literal["cosine", "constant"] = "cosine"


@dataclass(frozen=True)
class AveragedOptions(NetworkOptions):
    """Of a trajectory that is to be averaged: until epoch `begin` the rate falls from `lr` to `swa_lr`."""

    epochs: Annotated[int, Range(1, 10000)] = 24
    begin: Annotated[int, Range(0, 10000)] = 8
    swa_lr: Annotated[float, Range(0, 100)] = 0.1


@dataclass(frozen=True)
class PathOptions(TrainingOptions):
    """Of the corners between two models."""

    epochs: Annotated[int, Range(1, 10000)] = 60
    lr: Annotated[float, Range(0, 100)] = 0.05
    batch: Annotated[int, Range(1, 1048576)] = 128


@dataclass(frozen=True)
class CurveOptions(PathOptions):
    """Of a curve: `sampling` uniform in t, or uniform along the path's length (the general form of the objective)."""

    sampling: Literal["uniform", "arc_length"] = "uniform"
