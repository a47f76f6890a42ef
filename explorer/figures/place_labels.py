"""Where labels stand that name marks of a picture: each as near to its own mark as the others let it, in rows of their own.

Rows that are a line apart never overlap, whatever the width of the picture; their order is that of the marks, so that leaders do not cross.
`ui/charts/frontend/labels.js` is the same in the browser.
"""

from __future__ import annotations

from collections.abc import Sequence


def rows(wanted: Sequence[float], line: float, low: float, high: float) -> list[float]:
    """Heights in px, one for each wanted height and at least a `line` apart, with the least sum of squared shifts within [low, high].

    Labels that are more than [low, high] holds go on below `high`. Isotonic regression by pooling adjacent violators, after Barlow et al., *Statistical
    Inference under Order Restrictions*, 1972.
    """
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    pools: list[tuple[float, int]] = []  # sum and count of those that touch
    for place, k in enumerate(order):
        total, count = wanted[k] - place * line, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            total, count = total + pools[-1][0], count + pools.pop()[1]
        pools.append((total, count))
    last = high - (len(order) - 1) * line
    levels = [max(low, min(last, total / count)) for total, count in pools for _ in range(count)]
    found = [0.0] * len(order)
    for place, k in enumerate(order):
        found[k] = levels[place] + place * line
    return found
