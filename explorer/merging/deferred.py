"""How one of the explorer's methods, or a plug-in, merges models of which only the headers have been read.

The method itself says it: it is called with models that have names, shapes and dtypes and no values, and hands back what it would do with each tensor
(explorer.checkpoints.per_tensor). There is no list of methods that can, and no second copy of what they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Never, cast

import torch

from explorer.checkpoints.passes import MergeRule
from explorer.checkpoints.per_tensor import Deferred, Unread
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.core.spec import Method
from explorer.merging.blocks import DTYPES
from explorer.merging.ingredients import Ingredient

if TYPE_CHECKING:
    from explorer.problems.problem import Problem

IN_MEMORY = "Add --problem with the problem that the models are of, to merge them in memory as the app does."


def deferred(method: Method, opened: Sequence[Ingredient]) -> tuple[MergeRule, tuple[int, ...]]:
    """How the method makes a tensor, and of which of the models, in their order. Refused where it needs more than the models' tensors, one at a time."""
    models = [Unread({name: _empty(stored.shape, stored.dtype) for name, stored in model.tensors.items()}) for model in opened]
    fuse = registry.find("fuse", method.name)
    try:
        made = fuse(models, cast("Problem", _NoProblem(method.name)), **method.kwargs())
    except RuntimeError as error:  # torch's, which is asked for values where there are none
        raise Refused(_why(method.name, f"looks at the values of whole models ({short(str(error))})")) from error
    if not isinstance(made, Deferred):
        raise Refused(_why(method.name, "works on whole models, and not through explorer.checkpoints.per_tensor"))
    places = {id(model): i for i, model in enumerate(models)}
    return made.rule, tuple(places[id(model)] for model in made.models)


def _empty(shape: Sequence[int], dtype: str) -> torch.Tensor:
    """Of whole numbers, which are copied as they are, it only matters that they are no decimals."""
    return torch.empty(tuple(shape), dtype=DTYPES.get(dtype, torch.int64), device="meta")


class _NoProblem:
    """Stands where a method expects a problem; Refused when it asks for anything of it."""

    def __init__(self, method: str) -> None:
        self._method = method

    def __getattr__(self, name: str) -> Never:
        raise Refused(_why(self._method, "asks for the problem that the models are of, such as its network"))


def _why(method: str, otherwise: str) -> str:
    split, _, what = registry.data_of(method).partition(" ")
    needs = f"needs {what} of the {split} split besides the models" if what else otherwise
    return f"{method} {needs}, so it cannot merge them block by block. {IN_MEMORY}"
