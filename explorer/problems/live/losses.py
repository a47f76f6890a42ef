"""A loss function as somebody has it → the loss of each item of each sample, whose mean is what the function says.

torch's plain cross-entropy and mean squared error are the explorer's own, with all its shortcuts. A function with a `reduction` is asked for the items
themselves. One that has already averaged over its batch is asked about every sample alone, after a test that its mean is the mean of these.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.core.errors import Refused
from explorer.problems.held import HeldLoss
from explorer.problems.live.answers import Form
from explorer.problems.live.trees import mapped

CLOSE = 1e-5  # relative: two orders of the same sums

LossFunction: TypeAlias = "Callable[[Any, Any], Any]"


def known(loss: LossFunction, form: Form) -> str:
    """The explorer's own name of a loss; "" for any other."""
    if form.kind == "classes":
        own = _plain_of(loss)
        return "cross_entropy" if own is not None and own.weight is None and own.label_smoothing == 0.0 and own.reduction != "sum" else ""
    if form.kind == "numbers" and form.dtype.is_floating_point:
        plain = isinstance(loss, nn.MSELoss) and type(loss) is nn.MSELoss and loss.reduction != "sum"
        return "mse" if plain or loss is functional.mse_loss else ""
    return ""


def ignoring(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the classes that are asked for, (n, …, C), (n, …) → (n, m), 0 where nothing is."""
    found = functional.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="none", ignore_index=-1)
    return found.reshape(len(targets), -1)


def held(loss: LossFunction, form: Form, outputs: Tensor, targets: Tensor) -> HeldLoss:
    """A loss of somebody's own, tried on a few samples. Refused where it is no mean or sum over samples."""
    loss = copy.deepcopy(loss).cpu() if isinstance(loss, nn.Module) else loss
    own = _plain_of(loss)
    if form.kind == "masked" and own is not None and own.label_smoothing == 0.0 and own.weight is None and own.ignore_index == form.ignored:
        return HeldLoss(ignoring)
    apart = _unreduced(loss)
    given = form.restored(outputs, targets)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what torch says of shapes is said below, as a refusal
        whole, items = _called(loss, *given), _called(apart, *given)
    if items.numel() > max(map(torch.numel, given)):
        raise Refused(
            f"The loss {called(loss)} compares every output with every target: the outputs are {_shape(given[0])} and the targets {_shape(given[1])}. Give"
            " targets of the outputs' shape."
        )
    weighted = own is not None and own.weight is not None
    share = partial(_shares, own.weight) if own is not None and own.weight is not None else None
    if items.dim() and len(items) in (len(outputs), targets.numel()) and (len(outputs) > 1 or items.numel() > 1):
        each = partial(_items, apart, form)
    else:
        each = partial(_one_by_one, apart, form, _mapped_over(apart, given))
    found = each(outputs, targets)
    if form.kind == "masked":
        if not (whole.dim() or weighted or _close(whole, found.sum() / (targets >= 0).sum())):
            raise _no_mean(loss)
        return HeldLoss(each, share)
    if whole.dim() or weighted or _close(whole, found.mean()):
        return HeldLoss(each if form.kind == "classes" else partial(_mean, each), share)
    if _close(whole, found.sum(dim=1).mean()) or _close(whole, found.sum()):
        return HeldLoss(partial(_sum, each))
    raise _no_mean(loss)


def called(loss: LossFunction) -> str:
    """What a loss is called."""
    inner = loss.func if isinstance(loss, partial) else loss
    name = getattr(inner, "__name__", type(inner).__name__)
    return "".join(c if c.isalnum() else "_" for c in name).strip("_") or "loss"


def of_outputs(loss: LossFunction, outputs: Any, targets: Any, n: int) -> Tensor:
    """(n,) the loss of each sample where outputs or targets are several tensors: of a function that averages, of every sample alone."""
    loss = copy.deepcopy(loss) if isinstance(loss, nn.Module) else loss
    found = _called(_unreduced(loss), outputs, targets)
    if found.dim() and len(found) == n:
        return found.reshape(n, -1).mean(dim=1)
    return torch.stack([_called(loss, cut(outputs, i), cut(targets, i)).reshape(()) for i in range(n)])


def cut(tree: Any, row: int) -> Any:
    """One sample of a batch of outputs."""
    return mapped(lambda t: t[row : row + 1] if t.dim() else t, tree)


def _no_mean(loss: LossFunction) -> Refused:
    return Refused(
        f"The loss {called(loss)} of a batch is neither the mean nor the sum of the losses of its samples, so it would depend on how samples are put together."
        " Give one that returns the loss of each sample, (n,), such as one with reduction='none'."
    )


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(['n', *map(str, tensor.shape[1:])])})"


def _plain_of(loss: LossFunction) -> nn.CrossEntropyLoss | None:
    if loss is functional.cross_entropy:
        return nn.CrossEntropyLoss()
    return loss if isinstance(loss, nn.CrossEntropyLoss) and type(loss) is nn.CrossEntropyLoss else None


def _unreduced(loss: LossFunction) -> LossFunction:
    """The same without its mean, where it can do without."""
    if isinstance(loss, nn.Module) and isinstance(getattr(loss, "reduction", None), str):
        apart = copy.deepcopy(loss)
        setattr(apart, "reduction", "none")  # noqa: B010  (a module's own attribute, which its type does not know)
        return apart
    try:
        takes = "reduction" in inspect.signature(loss).parameters
    except (TypeError, ValueError):  # made in C
        takes = False
    return partial(loss, reduction="none") if takes else loss


def _called(loss: LossFunction, outputs: Any, targets: Any) -> Tensor:
    if isinstance(loss, nn.Module) and isinstance(outputs, Tensor):
        loss.to(outputs.device)  # a copy
    try:
        found = cast("object", loss(outputs, targets))
    except Exception as error:  # whatever somebody's loss raises
        said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
        shapes = " and ".join(str(tuple(t.shape)) for t in (outputs, targets) if isinstance(t, Tensor))
        raise Refused(f"The loss {called(loss)} does not take outputs and targets {shapes}: {said}. Correct it, or give forward=.") from error
    if not isinstance(found, Tensor):
        raise Refused(
            f"The loss {called(loss)} returns a {type(found).__name__}; a tensor is expected: the loss of each sample, (n,), or their mean."
        )
    return found


def _items(loss: LossFunction, form: Form, outputs: Tensor, targets: Tensor) -> Tensor:
    return _called(loss, *form.restored(outputs, targets)).reshape(len(outputs), -1)


def _one_by_one(loss: LossFunction, form: Form, vectorised: bool, outputs: Tensor, targets: Tensor) -> Tensor:
    o, t = form.restored(outputs, targets)
    if vectorised:
        return _vectorised(loss, o, t)[:, None]
    return torch.stack([_called(loss, o[i : i + 1], t[i : i + 1]).reshape(()) for i in range(len(o))])[:, None]


def _vectorised(loss: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    def one(o: Tensor, t: Tensor) -> Tensor:
        return cast("Tensor", loss(o[None], t[None])).reshape(())

    return torch.vmap(one)(outputs, targets)


@torch.no_grad()
def _mapped_over(loss: LossFunction, given: tuple[Tensor, Tensor]) -> bool:
    """Whether torch can ask about all samples at once, and gives the same."""
    o, t = given
    alone = torch.stack([_called(loss, o[i : i + 1], t[i : i + 1]).reshape(()) for i in range(len(o))])
    try:
        return bool(torch.allclose(_vectorised(loss, o, t), alone, rtol=1e-6, atol=1e-7))
    except Exception:
        return False


def _mean(each: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    return each(outputs, targets).mean(dim=1, keepdim=True)


def _sum(each: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    return each(outputs, targets).sum(dim=1, keepdim=True)


def _shares(weight: Tensor, targets: Tensor) -> Tensor:
    found = weight.to(targets.device)[targets.clamp(min=0)] * (targets >= 0)
    return found.reshape(len(targets), -1).sum(dim=1)


def _close(a: Tensor, b: Tensor) -> bool:
    return not a.dim() and bool((a - b).abs() <= CLOSE * b.abs().clamp(min=1e-8))
