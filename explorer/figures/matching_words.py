"""What was done along an axis in a sentence: which signs, what scales, how far it was turned."""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array
from explorer.symmetry.alignment_report import AxisClass


def angles(value: Array) -> Array:
    """(outer, n) degrees: by how much each direction is turned, of the rotation within each map (its polar factor), from 0 to 180."""
    u, _, v = np.linalg.svd(value)
    return np.degrees(np.abs(np.angle(np.linalg.eigvals(u @ v)))).astype(np.float64)


def stretches(value: Array) -> Array:
    """(outer, n) the singular values of each map, or the sizes of its factors."""
    return np.abs(value) if value.ndim == 2 else np.linalg.svd(value, compute_uv=False).astype(np.float64)


def done(row: AxisClass, value: Array) -> str:
    """Of one axis, by its map."""
    said: list[str] = []
    if value.ndim == 2 and (flipped := int((value < 0).sum())):
        said.append(f"{flipped} of {value.size} signs changed")
    if value.ndim == 3:
        said.append(f"turned by {np.median(angles(value)):.0f}° in the median direction, {angles(value).max():.0f}° at most")
    sizes = stretches(value)
    if row.cls in ("scaled", "monomial", "invertible", "rotary") and np.abs(np.log(sizes)).max() > 1e-6:
        said.append(f"scaled by {sizes.min():.3g} to {sizes.max():.3g}")
    return "; ".join(said) if said else "nothing"


def closer(cosines: Array) -> str:
    """How the weights at the places of an axis came closer, (2, outer, n) cosines before and after."""
    before, after = cosines
    return f"Mean cosine {before.mean():.3f} before, {after.mean():.3f} after; {int((after > before).sum())} of {after.size} places came closer."
