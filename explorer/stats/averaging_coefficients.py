"""Averages along a training, as mixing coefficients of its snapshots in order. Plain numpy; each is one row that sums to 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array


def swa(n: int, *, skip: int = 0, every: int = 1) -> Array:
    """Equal weights for every `every`-th of n snapshots after the first `skip`; the last one alone while there is none yet.

    The running mean W̄ ← (k W̄ + W)/(k + 1) at the end of each cycle (Izmailov et al. 2018), written out.
    """
    row = np.zeros(n)
    row[skip + every - 1 :: every] = 1.0
    return row / row.sum() if row.any() else lawa(n, latest=1)


def ema(n: int, *, decay: float, corrected: bool = True) -> Array:
    """W̄ ← β W̄ + (1 − β) W: from zero on and divided by 1 − βⁿ, or from the first snapshot on. β = 1 corrected is the mean, its limit."""
    ages = np.arange(n - 1, -1, -1.0)
    if corrected:
        row = decay**ages
        return row / row.sum()
    row = (1 - decay) * decay**ages
    row[0] = decay ** (n - 1)
    return row


def lawa(n: int, *, latest: int) -> Array:
    """Equal weights for the `latest` last of n snapshots, for all while there are fewer."""
    row = np.zeros(n)
    row[-latest:] = 1.0
    return row / row.sum()


def valley(losses: Sequence[float], *, converged: int = 3, tolerance: int = 6, ratio: float = 1.3) -> tuple[int, int]:
    """First and last snapshot that SWAD averages, from the validation losses of all, in order (Cha et al. 2021).

    It begins at the first loss that none of the next N_s = `converged` goes below (itself counted among them), and ends before the first from which on
    all of N_e = `tolerance` losses lie above r = `ratio` times the mean of the N_s that it began with. A loss that is not finite counts as infinite. The
    last snapshot alone when the losses fall to the end.
    """
    known = np.where(np.isfinite(losses), losses, np.inf)
    n = len(known)
    starts = (i for i in range(n - converged + 1) if np.isfinite(known[i]) and known[i] == known[i : i + converged].min())
    first = next(starts, None)
    if first is None:
        return n - 1, n - 1
    bound = ratio * known[first : first + converged].mean()
    over = (i for i in range(first + 1, n) if known[i : i + tolerance].min() > bound)
    return first, next(over, n) - 1


def swad(losses: Sequence[float], *, converged: int = 3, tolerance: int = 6, ratio: float = 1.3) -> Array:
    """Equal weights from the first to the last snapshot of the valley. Refused when no loss is a finite number."""
    if not np.isfinite(losses).any():
        raise Refused("None of the snapshots has a finite validation loss, so there is no valley to average. Leave out the broken ones.")
    first, last = valley(losses, converged=converged, tolerance=tolerance, ratio=ratio)
    row = np.zeros(len(losses))
    row[first : last + 1] = 1 / (last + 1 - first)
    return row
