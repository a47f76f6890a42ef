"""How wrong a picture may be, in words that can stand under it."""

from __future__ import annotations

import numpy as np

from explorer.stats.sparse_grid_surrogate import Certificate


def certified(found: Certificate | None, measured: int, *, scale: float = 1.0, unit: str = "") -> str:
    """What is known of the difference between a smooth preview and a picture measured throughout; `unit` of differences that are not relative."""
    if found is not None and found.source == "complete":
        return "Every node is measured, with linear interpolation between them."
    head = f"Smooth preview: a spline between {measured} measured points"
    if found is None:
        return f"{head}. Its error is not known yet: nothing is held out."

    def amount(value: float) -> str:
        return f"{100 * value:.2g} %" if found.relative else f"{scale * value:.2g} {unit}".rstrip()

    rms = found.rms.formatted(scale=100 if found.relative else scale, unit="%" if found.relative else unit).replace(" [", " rms, 95 % interval [")
    if found.source == "coarser":
        return f"{head}. It differed from the last points, before they were added, by {rms}; now it is most likely several times better."
    said = [f"{head}, certified by {found.count} held-out random ones: it differs from measuring everywhere by {rms}"]
    if np.isfinite(found.quantile_upper):
        said.append(f"at 95 of 100 points by less than {amount(found.quantile_upper)}")
    said.append(f"features above {amount(found.largest)} that no point has hit cover less than {100 * found.unseen:.2g} % of the picture")
    if found.nan_mismatches:
        said.append(f"at {found.nan_mismatches} held-out points one of the two diverged and the other did not")
    return "; ".join(said) + "."
