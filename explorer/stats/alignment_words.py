"""What an alignment did to a barrier, in words."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.core import registry, significant_digits
from explorer.core.spec import Aligned, Recipe
from explorer.stats import units
from explorer.stats.barriers import Barrier
from explorer.stats.intervals import Estimate


def tried(corners: Sequence[Recipe]) -> str:
    """The alignment that was made of one of these, in a few words."""
    made = next((c for c in corners if isinstance(c, Aligned)), None)
    return f"one run of {registry.title('align', made.method.name).split(':')[0].lower()}" if made is not None else "this alignment"


def lowered(first: Barrier, second: Barrier, lower: Estimate, *, scale: float, unit: str, how: str) -> str:
    """first, second: the barriers before and after; lower: by how much the second is lower, paired; how: what was tried."""
    gained = f"**{lower.formatted(scale=scale, unit=unit)}**"
    if lower.low > 0:
        share = lower.value / first.height.value
        text = f"The alignment lowers the barrier by {gained}: {100 * share:.0f} % of it was only due to the order of the units."
        if second.height.low > 0:
            return (
                text
                + f" The rest is still there after {how}: another order of the units may leave less of it, or the networks may differ in more than the order."
            )
        return (
            text + " What is left is indistinguishable from zero; with 97.5 % confidence it is below"
            f" {significant_digits.number(scale * second.height.high, 2)}{units.after(unit)}."
        )
    if lower.high < 0:
        return f"The barrier is **higher** after this alignment, by {significant_digits.within(-scale * lower.value, -scale * lower.high, -scale * lower.low, unit=unit)}."
    return f"The barrier changes by {gained}: on these samples that is indistinguishable from no change."
