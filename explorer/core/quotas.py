"""How much one visitor of a served app may have going on, and may keep; on one's own machine there is no bound.

`loss-explorer app --serve --quota points=200000` sets them in `LOSS_EXPLORER_QUOTAS`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from explorer.core.errors import Refused

VARIABLE = "LOSS_EXPLORER_QUOTAS"  # such as "requests=100,points=1000000"; not set: no bound


@dataclass(frozen=True)
class Quotas:
    """Of each visitor: requests that are not finished, their points and their epochs of training together, and bytes of points of runs that the visitor asked for."""

    requests: int = 200
    points: int = 1_000_000
    epochs: int = 20_000
    bytes: int = 10 * 10**9

    def __str__(self) -> str:
        return ",".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))


def parsed(texts: Sequence[str]) -> Quotas:
    """Each text is a bound, such as `points=200000`; what none is said of keeps its default. Refused when it is none."""
    found = Quotas()
    known = [f.name for f in fields(Quotas)]
    for text in texts:
        name, _, number = text.partition("=")
        if name not in known or not re.fullmatch(r"[0-9]{1,18}", number):
            raise Refused(f"--quota {text!r}: one of {', '.join(known)} and a whole number is expected, such as points=200000.")
        found = replace(found, **{name: int(number)})
    return found


def in_force() -> Quotas | None:
    """Those of this process; None: no bound."""
    text = os.environ.get(VARIABLE)
    return None if text is None else parsed([part for part in text.split(",") if part])
