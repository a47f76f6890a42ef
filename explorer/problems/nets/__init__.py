"""Architectures the explorer ships: one file, one architecture.

`build(*, options) -> nn.Module` makes a network; `recognise(shapes)` goes back from a checkpoint's names and shapes to the
options that give exactly these, or None. A network that is described by a file has `settle(options, folder) -> options` instead: called when a problem
is read, it puts what the file says in place of its name, so that the problem does not depend on where the file lies. Torch is imported by the files that need it: a form is drawn without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

Shapes = Mapping[str, tuple[int, ...]]


def shapes_of(build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's state dict; built on the meta device, so without memory and without random numbers."""
    import torch

    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}


def confirmed(build: Callable[..., nn.Module], options: dict[str, object], shapes: Shapes) -> dict[str, object] | None:
    """The options when they give exactly these shapes; the last line of every `recognise`, whose guesses may so be rough."""
    if any(0 in shape for shape in shapes.values()):  # no network here has an empty tensor
        return None
    try:
        wanted = shapes_of(lambda: build(**options))
    except ValueError:  # a Refused: options that no network has
        return None
    return options if wanted == {name: tuple(shape) for name, shape in shapes.items()} else None


def count(shapes: Shapes, prefix: str) -> int:
    """How many modules are numbered under a prefix: `blocks.` → 1 + the highest i of `blocks.i.…`; 0 when there is none."""
    numbers = {name.removeprefix(prefix).partition(".")[0] for name in shapes if name.startswith(prefix)}
    return len({n for n in numbers if n.isdecimal()})
