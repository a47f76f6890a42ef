"""A network's answers, and what is made of them, in a few fused kernels: torch.compile on a twin whose tensors are those of the mixture.

Between two matrix products or convolutions, everything (batch norm, ReLU, sums, layer norm, the loss) becomes one kernel that reads and writes each
activation once. The twin's parameters are views of the corner matrix's mixture, so a new point is a new content at the same place: nothing is compiled
again. In half precision they are views of a rounded copy of it, and the whole network computes in that type; batch norms keep their parameters and
statistics in float32, and what is summed over samples is summed as always.

Statistics are measured by a second compiled function, the network in train mode: each batch leaves its own mean and variance (a momentum of 1), and their
mean over batches is what explorer.evaluate.batch_norm's cumulative average is. What comes after the last batch norm is not worked out for it.

Compiling takes from seconds to a minute, and needs a C++ compiler on a CPU, Triton on a GPU. `NotCompiled` says why it was not possible.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FunctionType
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)

from explorer.evaluate.batch_norm import batches_of
from explorer.evaluate.corner_matrix import CornerMatrix

Values = Callable[[Tensor, Tensor], Tensor]
_add, _copy, _scale = (getattr(torch, f"_foreach_{name}_") for name in ("add", "copy", "mul"))  # many small tensors by one kernel


class NotCompiled(Exception):
    """This network cannot be compiled here; says why."""


class Compiled:
    """What samples add to the metrics, (metrics, n), at the mixture that `corner_matrix` holds when it is called.

    `twin`: a network like the one whose tensors that is, with its whole numbers written; it is changed. `values`: outputs and targets → (metrics, n);
    `fused`: whether the compiler may look into it. `train`: what statistics are measured on. `dtype`: what the network computes in. `mode`: of
    torch.compile; None is its default.
    """

    def __init__(
        self,
        twin: nn.Module,
        corner_matrix: CornerMatrix,
        inputs: Tensor,
        targets: Tensor,
        values: Values,
        *,
        train: Tensor | None,
        dtype: torch.dtype,
        fused: bool = True,
        mode: str | None = None,
    ) -> None:
        self.inputs, self.targets = _rounded(inputs, dtype), targets
        self.batches = [_rounded(part, dtype) for part in batches_of(train)] if train is not None else []
        self.mixture = corner_matrix.row
        self.rounded = self.mixture if dtype == self.mixture.dtype else torch.empty_like(self.mixture, dtype=dtype)
        self.norms = [(name, m) for name, m in twin.named_modules() if isinstance(m, _BatchNorm)]
        wide = {f"{prefix}.{name}" for prefix, m in self.norms for name, _ in [*m.named_parameters(), *m.named_buffers()]}
        tensors = twin.state_dict(keep_vars=True)
        self.own: list[Tensor] = []  # statistics, each by itself: what is written to may not be a part of what is read
        self.mixed: list[Tensor] = []  # the same of the mixture
        for name, place in corner_matrix.places.items():
            exact = corner_matrix.seen(self.mixture, name)
            if name in wide and not isinstance(tensors[name], nn.Parameter):
                self.own.append(tensors[name])
                self.mixed.append(exact)
            else:
                tensors[name].data = exact if name in wide else corner_matrix.seen(self.rounded, name)
            assert tensors[name].shape == place.shape
        for _, norm in self.norms:
            norm.momentum, norm.num_batches_tracked = 1.0, None
        self.sums = [torch.empty_like(t) for t in self.own]
        self.values, self.fused = values, fused

        def answered(x: Tensor, targets: Tensor) -> Tensor:
            outputs = twin(x)
            return values(outputs, targets) if fused else outputs

        def measured(x: Tensor) -> None:
            twin(x)

        self._answered, self._measured = _compiled(answered, mode), _compiled(measured, mode)

    def __call__(self, chunk: int, *, recalibrated: bool) -> Tensor:
        """(metrics, n) of all samples, `chunk` of them at once; with statistics measured first, or as they are mixed."""
        if self.rounded is not self.mixture:
            self.rounded.copy_(self.mixture)
        if self.own:
            _copy(self.own, self.mixed)
        found: Tensor | None = None
        with _saying_why():
            if recalibrated and self.own:
                self._recalibrate()
            for rows in even(len(self.inputs), chunk):
                targets = self.targets[rows]
                values = self._answered(self.inputs[rows], targets)
                values = values if self.fused else self.values(values, targets)
                found = values.new_empty(len(values), len(self.targets)) if found is None else found
                found[:, rows] = values
        assert found is not None
        return found

    def _recalibrate(self) -> None:
        """Give every batch norm the mean over the batches of their statistics."""
        with self._in_train_mode():
            for i, batch in enumerate(self.batches):
                self._measured(batch)
                (_add if i else _copy)(self.sums, self.own)
        _scale(self.sums, 1 / len(self.batches))
        _copy(self.own, self.sums)

    @contextmanager
    def _in_train_mode(self) -> Generator[None, None, None]:
        norms = [m for _, m in self.norms if m.track_running_stats]
        for m in norms:
            m.training = True
        try:
            yield
        finally:
            for m in norms:
                m.training = False


def _rounded(inputs: Tensor, dtype: torch.dtype) -> Tensor:
    """Inputs of a network in this type, images with their channels last, as compiled convolutions want them."""
    inputs = inputs.to(dtype) if inputs.is_floating_point() else inputs
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.dim() == 4 else inputs


def even(samples: int, chunk: int) -> list[slice]:
    """All samples in chunks of one size, at most `chunk`: compiled code is for one shape. The last begin a little earlier, where it does not come out even."""
    count = -(-samples // chunk)
    size = -(-samples // count)
    return [slice(start, start + size) for start in (min(i * size, samples - size) for i in range(count))]


@contextmanager
def _saying_why() -> Generator[None, None, None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # tracing, lowering, generating and building code raise whatever they like
        why = next((line for line in str(error).splitlines() if line.strip()), "")
        raise NotCompiled(f"{type(error).__name__}: {why}") from error


def _compiled(function: Callable[..., object], mode: str | None) -> Callable[..., Tensor]:
    """With code of its own: what is compiled is kept by code object, only a few versions of each."""
    given = cast("FunctionType", function)
    alone = FunctionType(given.__code__.replace(), given.__globals__, given.__name__, given.__defaults__, given.__closure__)
    return cast("Callable[..., Tensor]", torch.compile(alone, fullgraph=True, dynamic=False, mode=mode))
