"""Plain convolutional network (VGG style), flattened before its classifier.

After Simonyan & Zisserman 2015, table 1, for small images: stages of 3×3 convolutions with ReLU, each stage halving the
image with a 2×2 maximum, then one hidden layer and the output. The hidden layer sees the flattened image, channel by
channel, so a permutation of the last channels moves blocks of its columns.
Parameters: `stages.s.i.conv.*`, with `norm` also `stages.s.i.norm.*`; `hidden.*`, `head.*`.
"""

from __future__ import annotations

from math import isqrt
from typing import Annotated, cast

from torch import Tensor, nn
from torch.nn import functional

from explorer.core.errors import Refused
from explorer.core.registry import Range
from explorer.problems.nets import Shapes, confirmed, count


class ConvBlock(nn.Module):
    """Convolution, batch norm if wanted, ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)))


class VGG(nn.Module):
    """x (n, channels, image, image) → (n, classes)."""

    def __init__(self, channels: int, image: int, widths: tuple[int, ...], layers: int, hidden: int, classes: int, norm: bool) -> None:
        super().__init__()
        inputs = (channels, *widths[:-1])
        self.stages = nn.ModuleList(
            nn.ModuleList([ConvBlock(a if i == 0 else b, b, norm) for i in range(layers)]) for a, b in zip(inputs, widths, strict=True)
        )
        side = image // 2 ** len(widths)
        self.hidden = nn.Linear(widths[-1] * side * side, hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            for layer in cast("nn.ModuleList", stage):
                x = layer(x)
            x = functional.max_pool2d(x, 2)
        return self.head(functional.relu(self.hidden(x.flatten(1))))


def build(
    *,
    channels: Annotated[int, Range(1, 4096)] = 1,
    image: Annotated[int, Range(2, 4096)] = 8,
    widths: tuple[int, ...] = (16, 32),
    layers: Annotated[int, Range(1, 64)] = 1,
    hidden: Annotated[int, Range(1, 1048576)] = 64,
    classes: Annotated[int, Range(1, 1048576)] = 10,
    norm: bool = False,
) -> nn.Module:
    """Channels and side of the image, channels and layers of each stage, width of the hidden layer, classes, batch norm."""
    if not widths or min(widths) < 1:
        raise Refused(f"A VGG needs at least one stage, none narrower than 1 channel; got widths {list(widths)}.")
    if image % 2 ** len(widths):
        raise Refused(f"Each of {len(widths)} stages halves the image, and {image} pixels cannot be halved so often. Use fewer widths.")
    return VGG(channels, image, widths, layers, hidden, classes, norm)


def recognise(shapes: Shapes) -> dict[str, object] | None:
    """Everything but the side of the image stands in the shapes; the side follows from the columns of the hidden layer."""
    stages = count(shapes, "stages.")
    first = shapes.get("stages.0.0.conv.weight", ())
    convs = [shapes.get(f"stages.{s}.0.conv.weight", ()) for s in range(stages)]
    hidden, head = shapes.get("hidden.weight", ()), shapes.get("head.weight", ())
    if stages == 0 or any(len(c) != 4 for c in convs) or len(hidden) != 2 or len(head) != 2 or not convs[-1][0]:
        return None
    options: dict[str, object] = {
        "channels": first[1],
        "image": isqrt(hidden[1] // convs[-1][0]) * 2**stages,
        "widths": tuple(c[0] for c in convs),
        "layers": count(shapes, "stages.0."),
        "hidden": hidden[0],
        "classes": head[0],
        "norm": "stages.0.0.norm.weight" in shapes,
    }
    return confirmed(build, options, shapes)
