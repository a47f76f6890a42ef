"""What was found out about checkpoint files and fields: plain data between the worker that looked and the page that shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from explorer.core.points import Array
from explorer.core.spec import UNSAID, Aligned, Connected, Field, Json, Method, ProblemSpec, Shifted, Spec
from explorer.stats import model_doubts


@dataclass(frozen=True)
class Quality(Spec):
    """Mean loss and error of one model on one split, each as (value, low, high) with 95 % intervals; `constant`: the loss of the best answer that is the
    same for every sample, where it is known."""

    split: str
    samples: int
    loss: tuple[float, float, float]
    error: tuple[float, float, float]
    constant: float | None = field(default=None, metadata=UNSAID)


@dataclass(frozen=True)
class Renaming(Spec):
    """A problem whose network has a file's shapes in order under other names: the pairs of names (stored, network's), how good the model is so, and how
    good the network is with its initial weights, which says whether the guess is right."""

    problem: ProblemSpec
    names: tuple[tuple[str, str], ...]
    quality: tuple[Quality, ...] = ()
    untrained: tuple[Quality, ...] = ()


@dataclass(frozen=True)
class Facts(Spec):
    """One checkpoint file. `error` is the sentence for which it was refused; `problem` is None when no known one fits, `why` says how it was told.

    `others`: other sets of weights in the file, as they are chosen behind its path. `network`: of what none fits, a network that has just these tensors, where one is known; files it names are written in full. `renaming`: of what none fits, one that it fits in order under other names.
    `unmeasured`: why its loss was not measured, and `items`: samples (or tokens) of each split then. `shift`: how far the problem's inputs are from what its first batch norm keeps. `movable`: share of the parameters that some permutation of units moves,
    None where it was not worked out; `held`: a sentence for each axis that keeps its order, or why none is known.
    """

    path: str
    name: str
    error: str = ""
    digest: str = ""
    problem: ProblemSpec | None = None
    why: str = ""
    parameters: int = 0
    tensors: int = 0
    dtype: str = ""
    notes: tuple[str, ...] = ()
    quality: tuple[Quality, ...] = ()
    network: Method | None = None
    others: tuple[str, ...] = field(default=(), metadata=UNSAID)
    renaming: Renaming | None = field(default=None, metadata=UNSAID)
    shift: tuple[str, float, float] | None = field(default=None, metadata=UNSAID)
    movable: float | None = field(default=None, metadata=UNSAID)
    held: tuple[str, ...] = field(default=(), metadata=UNSAID)
    unmeasured: str = field(default="", metadata=UNSAID)
    items: tuple[tuple[str, int], ...] = field(default=(), metadata=UNSAID)

    @property
    def half(self) -> bool:
        """Whether some of it is stored in half precision."""
        return any(dtype.startswith(("float16", "bfloat16", "float8")) for dtype in self.dtype.split(", "))

    def on(self, split: str) -> Quality | None:
        """The quality on a split, where it was measured."""
        return next((q for q in self.quality if q.split == split), None)

    def fixed(self) -> tuple[str, list[str]]:
        """What of it no permutation of units moves: in a sentence, and a sentence for each axis with the reason. Empty for a file that fits no problem."""
        if self.problem is None:
            return "", []
        if self.movable is not None:
            return f"{100 * self.movable:.1f} % of the parameters of {self.problem.name or self.name} can be permuted", list(self.held)
        if self.held:
            return f"Which parameters of {self.problem.name or self.name} can be permuted could not be found", list(self.held)
        return (
            f"Which parameters of {self.problem.name or self.name} can be permuted was not determined when it was inspected: `look --symmetry` does so, and so does an alignment.",
            [],
        )

    def doubts(self) -> list[str]:
        """What makes its numbers doubtful, a sentence each."""
        measured = self.on("test") or next(iter(self.quality), None)
        return [] if measured is None else model_doubts.of_model(self.name, measured.split, measured.loss[0], measured.constant, self.shift)


@dataclass(frozen=True)
class Seen(Spec):
    """All checkpoints at a path. `group`: which of them fit the first recognised problem; the store has the inner products among these (RunStore.gram)."""

    files: tuple[Facts, ...]
    group: tuple[int, ...] = ()


@dataclass(frozen=True)
class Made(Spec):
    """What fusing a model took: without loading its ingredients and without re-estimating its batch norm.

    memory: bytes beyond the ingredients, None where the system does not tell. counters: names of integer tensors, which are the first model's;
    `differ`: those of them in which the ingredients are not alike. `told`: what the method had to say of the model, a sentence each. `moved`: how far it is
    from the first ingredient, ‖θ − θ₀‖ / ‖θ₀‖ over parameters; None where that is no number.
    """

    seconds: float
    memory: int | None
    device: str
    threads: int
    counters: tuple[str, ...] = ()
    differ: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    moved: float | None = field(default=None, metadata=UNSAID)


@dataclass(frozen=True)
class Trial(Spec):
    """One candidate of a search: the method, its value on the validation split (None where it diverged), and how far it is from the first model."""

    method: Method
    value: float | None
    moved: float | None


@dataclass(frozen=True)
class Trials(Spec):
    """What a search has tried, in order; noted under the id of its request while it goes on."""

    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class FieldFacts:
    """What is known of a field once its corners are loaded: the shape of a value, the corners' Gram matrix, and more."""

    field: Field
    shape: tuple[int, ...]
    counts: Array
    gram: Array
    facts: dict[str, Json]

    def distances(self) -> Array:
        """(C, C) Euclidean distances between the corners in weight space."""
        square = np.diag(self.gram)
        return np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * self.gram, 0.0))

    def doubts(self) -> list[str]:
        """What makes the numbers of its models doubtful, a sentence each. Of models that somebody chose: what was trained between them, or shifted, is none."""
        alone, constant, shifts = (self.facts.get(key) for key in ("alone", "constant", "shifts"))
        chosen = [
            (i, c.models[c.which] if isinstance(c, Aligned) else c)
            for i, c in enumerate(self.field.corners)
            if not isinstance(c, Connected | Shifted)
        ]
        if not isinstance(alone, list) or not isinstance(shifts, list) or "loss" not in self.field.metrics:
            return []  # opened before these were kept, or measured for something else
        at = self.field.metrics.index("loss")
        found = [
            model_doubts.of_model(
                corner.name or corner.id,
                self.field.measured_on,
                cast("list[list[float]]", alone)[i][at],
                cast("float | None", constant),
                None if (shift := cast("list[tuple[str, float, float] | None]", shifts)[i]) is None else (shift[0], shift[1], shift[2]),
            )
            for i, corner in chosen
        ]
        return list(dict.fromkeys(sentence for each in found for sentence in each))

    def cosines(self) -> Array:
        """(C, C) cosines between the corners as vectors from zero."""
        norm = np.sqrt(np.diag(self.gram))
        return self.gram / np.outer(norm, norm)


@dataclass(frozen=True)
class Serving:
    """A worker that is alive: its device, what that calls itself, its memory in bytes as of the last heartbeat (0 where unknown), and the accelerators
    of its machine."""

    host: str
    device: str
    title: str
    free: int
    total: int
    sees: tuple[str, ...]

    def __str__(self) -> str:
        """For the person at the screen."""
        name = self.title if self.title in ("", self.device) or ":" not in self.device else f"{self.title} ({self.device})"
        room = f", {self.free / 2**30:.1f} of {self.total / 2**30:.0f} GiB free" if self.total else ""
        return f"{name or self.device}{room}"
