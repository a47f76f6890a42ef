"""What merging methods need besides the models, as the groups in which forms, the command line and the docs show them; read from the methods themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from explorer.core import registry

Need: TypeAlias = Literal["weights", "base", "samples", "training"]

TITLES: dict[Need, str] = {"weights": "Weights alone", "base": "A base", "samples": "Samples", "training": "Training"}
MEANINGS: dict[Need, str] = {
    "weights": "Nothing but the models.",
    "base": "The model that the others were fine-tuned from.",
    "samples": "Inputs or labelled samples of the problem, through which the models are run.",
    "training": "Samples of the problem, on which coefficients or masks are learned by gradient descent.",
}


def need(method: str) -> Need:
    """The most that a merging method asks for: to train, where it has epochs; to see samples; a base; or nothing else."""
    if any(option.name == "epochs" for option in registry.options("fuse", method)):
        return "training"
    if registry.data_of(method):
        return "samples"
    return "base" if registry.has_base(method) else "weights"


def grouped(methods: Iterable[str]) -> dict[Need, list[str]]:
    """The methods by what they need, what asks for least first; groups that would be empty are left out."""
    found: dict[Need, list[str]] = {which: [] for which in TITLES}
    for method in methods:
        found[need(method)].append(method)
    return {which: names for which, names in found.items() if names}
