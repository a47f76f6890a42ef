"""Residual network with batch norm, for small images.

He et al. 2016 (the CIFAR networks): a 3×3 stem, stages of basic blocks (two 3×3 convolutions with batch norm),
the mean over the image, one linear layer. Every stage but the first halves the image. A shortcut whose shape changes is
projected by a 1×1 convolution with batch norm (option B of the paper).
Parameters: `stem.*`, `stem_norm.*`, `stages.s.b.{conv1,norm1,conv2,norm2}.*`, `stages.s.b.{project,project_norm}.*`, `head.*`.
"""

from __future__ import annotations

from typing import Annotated, cast

from torch import Tensor, nn
from torch.nn import functional

from explorer.core.errors import Refused
from explorer.core.registry import Range
from explorer.problems.nets import Shapes, confirmed, count


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        projected = stride != 1 or inputs != outputs
        self.project = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if projected else nn.Identity()
        self.project_norm = nn.BatchNorm2d(outputs) if projected else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.project_norm(self.project(x)))


class ResNet(nn.Module):
    """x (n, channels, height, width) → (n, classes)."""

    def __init__(self, channels: int, widths: tuple[int, ...], blocks: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        self.stages = nn.ModuleList()
        inputs = widths[0]
        for s, width in enumerate(widths):
            strides = [1 if s == 0 else 2] + [1] * (blocks - 1)
            self.stages.append(nn.ModuleList([Block(inputs if b == 0 else width, width, stride) for b, stride in enumerate(strides)]))
            inputs = width
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem_norm(self.stem(x)))
        for stage in self.stages:
            for block in cast("nn.ModuleList", stage):
                x = block(x)
        return self.head(x.mean(dim=(2, 3)))


def build(
    *,
    channels: Annotated[int, Range(1, 4096)] = 1,
    widths: tuple[int, ...] = (8, 16, 32),
    blocks: Annotated[int, Range(1, 64)] = 1,
    classes: Annotated[int, Range(1, 1048576)] = 10,
) -> nn.Module:
    """Channels of the image, channels of each stage, blocks in each stage, classes."""
    if not widths or min(widths) < 1:
        raise Refused(f"A ResNet needs at least one stage, none narrower than 1 channel; got widths {list(widths)}.")
    return ResNet(channels, widths, blocks, classes)


def recognise(shapes: Shapes) -> dict[str, object] | None:
    """All options stand in the shapes; that the convolutions are strided as in `build` is taken for granted."""
    firsts = [shapes.get(f"stages.{s}.0.conv1.weight", ()) for s in range(count(shapes, "stages."))]
    stem, head = shapes.get("stem.weight", ()), shapes.get("head.weight", ())
    if not firsts or any(len(f) != 4 for f in firsts) or len(stem) != 4 or len(head) != 2:
        return None
    options: dict[str, object] = {
        "channels": stem[1],
        "widths": tuple(f[0] for f in firsts),
        "blocks": count(shapes, "stages.0."),
        "classes": head[0],
    }
    return confirmed(build, options, shapes)
