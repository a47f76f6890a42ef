"""What an alignment did to a barrier, in words."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.core import registry, significant_digits
from explorer.core.spec import Aligned, Recipe
from explorer.stats import units
from explorer.stats.barriers import Barrier
from explorer.stats.intervals import Estimate

WIDE = ("learned",)  # methods that use every class of symmetry without being asked


def tried(corners: Sequence[Recipe]) -> str:
    """The alignment that was made of one of these, in a few words."""
    made = next((c for c in corners if isinstance(c, Aligned)), None)
    return f"one run of {registry.title('align', made.method.name).split(':')[0].lower()}" if made is not None else "this alignment"


def freedom(corners: Sequence[Recipe]) -> str:
    """What an alignment of one of these is free to change without changing the function."""
    every = any(isinstance(c, Aligned) and (c.method.name in WIDE or c.method.kwargs().get("symmetry") == "all") for c in corners)
    return "symmetries of the network" if every else "order of the units"


def lowered(first: Barrier, second: Barrier, lower: Estimate, *, scale: float, unit: str, how: str, due_to: str = "order of the units") -> str:
    """first, second: the barriers before and after; lower: by how much the second is lower, paired; how: what was tried; due_to: what it was free to
    change."""
    gained = f"**{lower.formatted(scale=scale, unit=unit)}**"
    if lower.low > 0:
        share = lower.value / first.height.value
        text = f"The alignment lowers the barrier by {gained}: {100 * share:.0f} % of it was only due to the {due_to}."
        if second.height.low > 0:
            more = "the order" if due_to == "order of the units" else "those"
            other = "order of the units" if due_to == "order of the units" else "choice of them"
            return (
                text + f" The rest is still there after {how}: another {other} may leave less of it, or the networks may differ in more than {more}."
            )
        return (
            text + " What is left is indistinguishable from zero; with 97.5 % confidence it is below"
            f" {significant_digits.number(scale * second.height.high, 2)}{units.after(unit)}."
        )
    if lower.high < 0:
        return f"The barrier is **higher** after this alignment, by {significant_digits.within(-scale * lower.value, -scale * lower.high, -scale * lower.low, unit=unit)}."
    return f"The barrier changes by {gained}: on these samples that is indistinguishable from no change."
