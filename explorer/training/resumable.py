"""A resumable training run: networks that take their steps alternately, and what it takes to stop it after a snapshot and to resume bit for bit.

Kept are, of every learner, its weights and buffers, the state of its optimizer, that of its generator, and the order of the batches of the epoch that it
is in; and the generator that a training has beside them. All else follows from the arguments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import numpy as np
import torch

from explorer.checkpoints.weights import Weights
from explorer.training.curve_training import State
from explorer.training.learner import Learner


class ResumableTraining:
    """A training under way, from its beginning or from where another one with the same arguments was left."""

    def __init__(self, left: State | None = None, *, between: Callable[[], None] = lambda: None) -> None:
        """between: called after every step; what it draws or sets is to be as it was when it returns."""
        self.left = left
        self.between = between
        self.learners: tuple[Learner, ...] = ()
        self.dice: torch.Generator | np.random.Generator | None = None

    def steps(self, *learners: Learner, dice: torch.Generator | np.random.Generator | None = None) -> Iterator[int]:
        """Let all take one step after another; the number of those taken, from 1 on. `dice`: what the training draws from between the steps."""
        self.learners, self.dice = learners, dice
        if self.left is not None:
            self._take_up(self.left)
        for step, *_ in zip(*(learner.steps() for learner in learners), strict=True):
            self.between()
            yield step

    def state(self, snapshots: int) -> State | None:
        """Where it stands after so many snapshots; None for a training that has not said what its learners are."""
        if not self.learners:
            return None
        tensors: Weights = {f"{i}.{name}": t for i, learner in enumerate(self.learners) for name, t in learner.standing().items()}
        if isinstance(self.dice, torch.Generator):
            tensors["dice"] = self.dice.get_state()
        numbers = self.dice.bit_generator.state if isinstance(self.dice, np.random.Generator) else None
        return State(snapshots, tensors, json.dumps({"step": self.learners[0].step, "dice": numbers}))

    def _take_up(self, left: State) -> None:
        rest = json.loads(left.generator)
        for i, learner in enumerate(self.learners):
            head = f"{i}."
            learner.stand(rest["step"], {name.removeprefix(head): t for name, t in left.tensors.items() if name.startswith(head)})
        if isinstance(self.dice, torch.Generator):
            self.dice.set_state(left.tensors["dice"])
        elif self.dice is not None:
            self.dice.bit_generator.state = rest["dice"]
