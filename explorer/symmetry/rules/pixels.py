"""Rules of what keeps pixels in their places: convolutions, pools, resizing."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor

from explorer.symmetry.axes import Atom, Times, pin, pinned, size, unify
from explorer.symmetry.rules.operation import NotUnderstood, Operation, Type, Value, shape_of
from explorer.symmetry.rules.registry import rule

Window: TypeAlias = int | tuple[int, ...]


@rule("conv1d", "conv2d", "conv3d")
def convolution(
    op: Operation,
    input: Type,
    weight: Type,
    bias: Type | None = None,
    groups: int = 1,
    stride: Window = 1,
    padding: Window | str = 0,
) -> Value:
    """W is (out, in / groups, …); channels are products groups × channels of a group; pixels keep their order."""
    channel = len(input) - (len(weight) - 1)
    pin(*weight[2:])
    pixels = _seen_through(op, input[channel + 1 :], tuple(map(size, weight[2:])), stride, padding)
    op.makes(weight[0])
    op.layer(reads=input[channel], writes=weight[0])
    if groups == 1:
        unify(input[channel], weight[1])
    else:
        g = Atom(groups)
        unify(input[channel], Times((g, weight[1])))
        unify(weight[0], Times((g, Atom(size(weight[0]) // groups))))
    if bias:
        unify(bias[0], weight[0])
    return [*input[:channel], weight[0], *pixels]


def _seen_through(op: Operation, pixels: Type, kernel: Window, stride: Window, padding: Window | str) -> Type:
    """Pixels behind a window that moves over them: each stays by itself along an axis where the window is one place, and moves by one."""

    def along(value: Window | str, i: int) -> int | str:
        return value[min(i, len(value) - 1)] if isinstance(value, tuple) else value

    done: Type = []
    for i, (e, n) in enumerate(zip(pixels, op.shape[len(op.shape) - len(pixels) :], strict=True)):
        if along(kernel, i) == along(stride, i) == 1 and along(padding, i) in (0, "valid", "same"):
            done.append(e)
        else:
            pin(e)
            done.append(pinned(n))
    return done


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed_convolution(op: Operation, input: Type, weight: Type, bias: Type | None = None, groups: int = 1) -> Value:
    """W is (in, out / groups, …)."""
    channel = len(input) - (len(weight) - 1)
    pin(*input[channel + 1 :], *weight[2:])
    out = weight[1]
    op.makes(out)
    unify(input[channel], weight[0])
    if groups > 1:
        g = Atom(groups)
        unify(weight[0], Times((g, Atom(size(weight[0]) // groups))))
        out = Times((g, weight[1]))
    op.layer(reads=input[channel], writes=out)
    if bias:
        unify(bias[0], out)
    return [*input[:channel], out, *map(pinned, op.shape[channel + 1 :])]


@rule("convolution")
def any_convolution(
    op: Operation, input: Type, weight: Type, bias: Type | None, stride: Window, padding: Window, transposed: bool, groups: int
) -> Value:
    """One or the other."""
    if transposed:
        return transposed_convolution(op, input, weight, bias, groups)
    return convolution(op, input, weight, bias, groups, stride, padding)


@rule("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool2d_with_indices")
def pooling(op: Operation, self: Type, kernel_size: Window, stride: Window = (), padding: Window = 0) -> Value:
    """Pixels keep their order, channels stay what they are."""
    count = _dimensions(op)
    several = isinstance(op.value, tuple | list)
    if several:
        pin(*self[-count:])  # it also tells where
        return tuple([*self[:-count], *map(pinned, shape_of(v)[-count:])] for v in op.value)
    return [*self[:-count], *_seen_through(op, self[-count:], kernel_size, stride or kernel_size, padding)]


@rule("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d")
@rule("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
@rule("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d")
@rule("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "upsample_trilinear3d")
@rule("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
def resizing(op: Operation, self: Type | None = None, input: Type | None = None) -> Value:
    """Pixels keep their order, channels stay what they are."""
    x = self or input
    if not x:
        raise NotUnderstood("no tensor")
    count = _dimensions(op)
    pin(*x[-count:])

    def like(value: Tensor) -> Type:
        return [*x[:-count], *map(pinned, shape_of(value)[-count:])]

    return like(op.value) if isinstance(op.value, Tensor) else tuple(map(like, op.value))


def _dimensions(op: Operation) -> int:
    return 1 if "1d" in op.name else 3 if "3d" in op.name else 2


@rule("pixel_shuffle")
def pixel_shuffle(op: Operation, self: Type, upscale_factor: int) -> Value:
    """Channels are a product channels × r × r, whose two last factors become pixels."""
    pin(*self[-2:])
    *_, channels, high, wide = op.shape
    c = Atom(channels)
    unify(self[-3], Times((c, pinned(upscale_factor), pinned(upscale_factor))))
    return [*self[:-3], c, pinned(high), pinned(wide)]


@rule("pixel_unshuffle")
def pixel_unshuffle(op: Operation, self: Type, downscale_factor: int) -> Value:
    """The reverse."""
    pin(*self[-2:])
    channels = Times((self[-3], pinned(downscale_factor), pinned(downscale_factor)))
    return [*self[:-3], channels, *map(pinned, op.shape[-2:])]
