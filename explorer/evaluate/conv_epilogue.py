"""A convolution and what follows it, its bias, a sum and a ReLU, in one kernel instead of three that each read and write every activation.

Small convolutions on a GPU wait for memory more than for arithmetic. Within `joined`, a convolution of two dimensions is answered with a promise: asked
for a ReLU, or for a sum and then a ReLU, cuDNN does all of it at once; asked for anything else, the promise is kept by the plain convolution. Where there
is no CUDA device the same promises are kept by the plain operations. The sums are those of the same float32 products in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.evaluate.shared_first_layer import close

RELUS = frozenset({functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_})
SUMS = frozenset({torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__})


class Promise:
    """conv(x) + other, not worked out yet. It may be handed to any function of torch, and used as the tensor that it stands for."""

    def __init__(self, layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None, other: Tensor | None = None) -> None:
        self._parts = (layer, x, weight, bias, other)
        self._kept: Tensor | None = None

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., object], types: object, given: Sequence[object] = (), named: Mapping[str, object] | None = None
    ) -> object:
        if given and isinstance(given[0], Promise) and function in RELUS:
            return given[0].relu()
        if function in SUMS and len(given) == 2 and not named:
            one, two = given if isinstance(given[0], Promise) else given[::-1]
            assert isinstance(one, Promise)
            return one + two
        return function(*(_kept(g) for g in given), **{name: _kept(g) for name, g in (named or {}).items()})

    def __add__(self, other: object) -> object:
        layer, x, weight, bias, before = self._parts
        tensor = _kept(other)
        if before is None and self._kept is None and isinstance(tensor, Tensor) and tensor.shape == _shape(layer, x, weight):
            return Promise(layer, x, weight, bias, tensor)
        return torch.add(self.tensor(), tensor)  # pyright: ignore[reportArgumentType]  (torch says what it cannot add)

    __radd__ = __add__

    def __getattr__(self, name: str) -> object:
        return getattr(self.tensor(), name)

    def tensor(self) -> Tensor:
        """What was promised."""
        if self._kept is None:
            layer, x, weight, bias, other = self._parts
            answer = nn.Conv2d._conv_forward(layer, x, weight, bias)  # pyright: ignore[reportPrivateUsage]
            self._kept = answer if other is None else answer + other
        return self._kept

    def relu(self, inplace: bool = False) -> Tensor:
        """max(0, what was promised), in one kernel where there is one."""
        layer, x, weight, bias, other = self._parts
        if self._kept is not None or not x.is_cuda:
            return torch.relu(self.tensor())
        padding = [int(pad) for pad in layer.padding]
        if other is None:
            return torch.cudnn_convolution_relu(x, weight, bias, layer.stride, padding, layer.dilation, layer.groups)
        return torch.cudnn_convolution_add_relu(x, weight, other, 1.0, bias, layer.stride, padding, layer.dilation, layer.groups)


def _carried_out(name: str) -> Callable[..., object]:
    def operator(promise: Promise, *given: object) -> object:
        return getattr(promise.tensor(), name)(*map(_kept, given))

    return operator


for _name in ("mul", "rmul", "sub", "rsub", "truediv", "rtruediv", "neg", "getitem", "pow", "matmul", "gt", "lt", "ge", "le"):
    setattr(Promise, f"__{_name}__", _carried_out(f"__{_name}__"))


@contextmanager
def joined(network: nn.Module) -> Generator[None, None, None]:
    """Within: the network's convolutions answer with promises. What is folded into them has to be folded after this begins."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.padding_mode == "zeros" and not isinstance(m.padding, str)]
    for layer in layers:
        layer._conv_forward = partial(Promise, layer)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    try:
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("_conv_forward", None)


@torch.inference_mode()
def joins(network: nn.Module, inputs: Tensor) -> bool:
    """Whether the network has such convolutions and answers the same with promises. In-place operations on shared tensors are one reason not to."""
    if not any(isinstance(m, nn.Conv2d) for m in network.modules()):
        return False
    plain = network(inputs)
    try:
        with joined(network):
            answer = network(inputs)
    except (RuntimeError, TypeError, AttributeError):  # code that wants a tensor and no promise
        return False
    return close(_kept(answer), plain)  # pyright: ignore[reportArgumentType]


def _kept(value: object) -> object:
    if isinstance(value, Promise):
        return value.tensor()
    return type(value)(_kept(v) for v in value) if isinstance(value, list | tuple) else value  # pyright: ignore[reportUnknownVariableType]


def _shape(layer: nn.Conv2d, x: Tensor, weight: Tensor) -> tuple[int, ...]:
    """Of the convolution's answer."""
    settings = zip(x.shape[2:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True)
    sides = ((size + 2 * int(pad) - gap * (kernel - 1) - 1) // step + 1 for size, kernel, step, pad, gap in settings)
    return (x.shape[0], weight.shape[0], *sides)
