"""The methods of mergekit, all that its version 0.1.5 has, and their parameters with its defaults.

karcher's are its own: mergekit stops after 10 steps, whether or not the mean has been reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Number: TypeAlias = "bool | int | float"


@dataclass(frozen=True)
class Parameter:
    """One parameter: its default says whether it is a bool or a number; None has none, and must be given."""

    default: Number | None = None
    flag: bool = False


@dataclass(frozen=True)
class Known:
    """`shared` parameters hold for all models, `each` for every model but the base. `inputs`: fewest and most models besides the base."""

    shared: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])
    each: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])
    base: Literal["required", "optional", "a model like the others"] = "required"
    inputs: tuple[int, int | None] = (1, None)


def _tasks(*, normalize: bool, rescale: bool, **more: Parameter) -> Known:
    shared = {
        "normalize": Parameter(normalize, True),
        "lambda": Parameter(1.0),
        "rescale": Parameter(rescale, True),
        "int8_mask": Parameter(False, True),
    }
    return Known(shared, {"weight": Parameter(), "density": Parameter(1.0), **more})


METHODS: Mapping[str, Known] = {
    "linear": Known({"normalize": Parameter(True, True)}, {"weight": Parameter()}, "a model like the others"),
    "slerp": Known({"t": Parameter()}, inputs=(1, 1)),
    "nuslerp": Known(
        {"nuslerp_row_wise": Parameter(False, True), "nuslerp_flatten": Parameter(True, True)}, {"weight": Parameter()}, "optional", (2, 2)
    ),
    "multislerp": Known({"normalize_weights": Parameter(True, True), "eps": Parameter(1e-8)}, {"weight": Parameter()}, "optional"),
    "nearswap": Known({"t": Parameter()}, inputs=(1, 1)),
    "arcee_fusion": Known(inputs=(1, 1)),
    "sce": Known({"int8_mask": Parameter(False, True), "select_topk": Parameter(1.0)}),
    "ram": Known({"epsilon": Parameter(1e-5)}),
    "ramplus_tl": Known({"r": Parameter(0.1), "alpha": Parameter(0.2), "epsilon": Parameter(1e-5)}),
    "karcher": Known({"max_iter": Parameter(100), "tol": Parameter(1e-6)}, base="a model like the others"),
    "task_arithmetic": _tasks(normalize=False, rescale=False),
    "ties": _tasks(normalize=True, rescale=False),
    "dare_linear": _tasks(normalize=False, rescale=True),
    "dare_ties": _tasks(normalize=False, rescale=True),
    "breadcrumbs": _tasks(normalize=False, rescale=False, gamma=Parameter(0.01)),
    "breadcrumbs_ties": _tasks(normalize=False, rescale=False, gamma=Parameter(0.01)),
    "della": _tasks(normalize=True, rescale=True, epsilon=Parameter(0.15)),
    "della_linear": _tasks(normalize=False, rescale=True, epsilon=Parameter(0.15)),
    "model_stock": Known({"filter_wise": Parameter(False, True)}, inputs=(2, None)),
    "passthrough": Known(each={"scale": Parameter(1.0)}, base="a model like the others", inputs=(1, 1)),
}
