"""What this process holds in memory of somebody's own objects: networks, data, losses and metrics, each under a key that is made of its content.

A problem names them by these keys (network and data `live`, a loss `live_classes@…`), so it stays plain data: it can be hashed, stored and shown
anywhere. Measured and trained with it can be only where the objects are. `explorer.problems.live` puts them here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from explorer.core.errors import Refused

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explorer.problems.data import Dataset

KEPT_DATA = 8  # data sets; the one that was longest not asked for goes first

T = TypeVar("T")


@dataclass(frozen=True)
class HeldLoss:
    """A loss of somebody's own: `items(outputs, targets)` → (n, m). share: (n,) the weights by which its mean divides, where classes have weights."""

    items: Callable[[Tensor, Tensor], Tensor]
    share: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class HeldMetric:
    """A metric of somebody's own. each: it gives (n,) or (n, m) values whose mean it is; otherwise it gives one number for all samples together."""

    function: Callable[[Tensor, Tensor], object]
    each: bool


@dataclass(frozen=True)
class HeldNetwork:
    """`build()` makes a fresh copy; `joined(copy, rows)`, where inputs are numbers of rows, lets it take these instead of what they stand for."""

    build: Callable[[], nn.Module]
    joined: Callable[[nn.Module, object], nn.Module] | None = None


@dataclass(frozen=True)
class HeldData:
    """The samples as tensors; `rows`: what the numbers stand for, where these tensors are only numbers of rows."""

    dataset: Dataset
    rows: object = None


_networks: dict[str, HeldNetwork] = {}
_losses: dict[str, HeldLoss] = {}
_metrics: dict[str, HeldMetric] = {}
_data: OrderedDict[str, HeldData] = OrderedDict()


def hold_network(key: str, held: HeldNetwork) -> None:
    """Keep a network for the life of the process."""
    _networks[key] = held


def hold_loss(key: str, held: HeldLoss) -> None:
    """Keep a loss for the life of the process."""
    _losses[key] = held


def hold_metric(key: str, held: HeldMetric) -> None:
    """Keep a metric for the life of the process."""
    _metrics[key] = held


def hold_data(key: str, held: HeldData) -> None:
    """Keep data until KEPT_DATA others have been asked for since."""
    _data[key] = held
    _data.move_to_end(key)
    while len(_data) > KEPT_DATA:
        _data.popitem(last=False)


def network(key: str) -> HeldNetwork:
    """The network of a key; Refused in a process that does not hold it."""
    return _found(_networks, key, "The network")


def loss(key: str) -> HeldLoss:
    """The loss of a key; Refused in a process that does not hold it."""
    return _found(_losses, key, "The loss")


def metric(key: str) -> HeldMetric:
    """The metric of a key (a name, @ and a digest); Refused in a process that does not hold it."""
    return _found(_metrics, key, "The metric")


def data(key: str) -> HeldData:
    """The data of a key; Refused in a process that does not hold them."""
    found = _found(_data, key, "The data set")
    _data.move_to_end(key)
    return found


def _found(table: dict[str, T] | OrderedDict[str, T], key: str, what: str) -> T:
    if key not in table:
        raise Refused(
            f"{what} of this problem is an object in the memory of the Python process that measured it, and this is not that process, or it no longer holds"
            " it. What has been measured is shown; to measure more, call the function there again with the same network, data and loss."
        )
    return table[key]
