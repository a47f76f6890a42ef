"""The largest entries of tensors that are gone through in blocks, exactly so many of them: of equal ones those that stand earlier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from torch import Tensor

from explorer.checkpoints.arithmetic import ranked
from explorer.checkpoints.passes import Passes


@dataclass(frozen=True)
class Largest:
    """The largest entries of one or more tensors, exactly so many: those above `value`, and the first `within` of those equal to it.

    `before`: how many of the equal ones there are in earlier tensors, by the tensor's name; None where all the equal ones are among the largest.
    """

    value: float
    within: int
    before: Mapping[str, int] | None

    @classmethod
    def at(cls, count: int, parts: Sequence[Passes], magnitudes: Callable[..., Iterator[Tensor]]) -> Largest:
        value, within, equal = ranked(lambda: magnitudes(*parts), count)
        if within == equal:
            return cls(value, within, None)
        if len(parts) == 1:
            return cls(value, within, {parts[0].name: 0})
        each = [sum(int((sizes == value).sum()) for sizes in magnitudes(part)) for part in parts]
        return cls(value, within, dict(zip((part.name for part in parts), accumulate(each, initial=0), strict=False)))

    def counted(self, name: str) -> Callable[[Tensor], Tensor]:
        """What of a tensor's blocks, one after another, is among the largest."""
        if self.before is None:
            return lambda sizes: sizes >= self.value
        seen = self.before[name]

        def mask(sizes: Tensor) -> Tensor:
            nonlocal seen
            equal = sizes == self.value
            places = equal.flatten().cumsum(0).view_as(sizes) + seen
            seen += int(equal.sum())
            return (sizes > self.value) | (equal & (places <= self.within))

        return mask
