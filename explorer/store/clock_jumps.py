"""Clocks that are set while leases run: a lease is told by the clock of the wall, the only one that machines share, and that may jump.

Back, and the lease of a worker that died would hold for as long as it jumped: no lease, and no sign of life, lies further ahead than a lease and what clocks may
differ by, and one that does is cut. Forth, and what living workers hold looks run out until they say that they live: who sees it waits for that. A process
sees a jump by the clock that is never set, which on some systems stands still while the machine sleeps; that looks the same, and is.
"""

from __future__ import annotations

import time
from collections.abc import Callable

CLOCKS_S = 300.0  # by which clocks of machines that share a store may differ
JUMP_S = 3.0  # more between two looks is a jump


class Jumps:
    """Whether a clock was set a short while ago. steady: the clock that is never set; where the first one is a made-up one, that itself."""

    def __init__(self, clock: Callable[[], float], within: float, steady: Callable[[], float] | None = None) -> None:
        self.clock, self.within = clock, within
        self.steady = steady or (time.monotonic if clock is time.time else clock)
        self._apart, self._at = self.clock() - self.steady(), float("-inf")

    def recent(self) -> bool:
        """Whether it jumped less than `within` seconds before now."""
        now = self.steady()
        apart = self.clock() - now
        if abs(apart - self._apart) > JUMP_S:
            self._at = now
        self._apart = apart
        return now - self._at < self.within
