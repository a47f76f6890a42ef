"""What mixtures along a path answer, as a live curve is told it: one frame for each mixture, in order along the axis (the types are at the top of
`frontend/answers.js`). Numbers of many digits go as bytes in base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import cast

import numpy as np

from explorer.core.points import Array
from explorer.core.spec import Json

FRAMES = 33  # mixtures along a path


def chosen(x: Array) -> Array:
    """Of the places that are measured at most FRAMES, spread evenly, in order, with both ends."""
    x = np.unique(x)
    if len(x) <= FRAMES:
        return x
    wanted = np.linspace(x[0], x[-1], FRAMES)
    return np.unique(x[np.abs(x - wanted[:, None]).argmin(axis=1)])


def told(found: dict[str, Json], x: Sequence[float], *, title: str) -> dict[str, Json]:
    """found: what the study `along` gave for mixtures at x, which rises. title: whose answers they are."""
    matrices, wrong = found["confusion"], found["wrong"]
    counts = None if matrices is None else _counts(cast("list[list[list[int]] | None]", matrices))
    samples = cast("list[dict[str, Json]]", found["samples"])
    return {
        "title": title,
        "x": list(x),
        "classes": found["classes"],
        "of": found["of"],
        "wrong": wrong,
        "counts": counts,
        "samples": [{**sample, "image": _picture(sample["image"])} for sample in samples],
    }


def pending(title: str) -> dict[str, Json]:
    """While they are worked out: their place is kept."""
    return {"title": title, "x": [], "classes": None, "of": 0, "wrong": None, "counts": None, "samples": []}


def _counts(matrices: list[list[list[int]] | None]) -> Json:
    """All matrices one after another in as few bytes a count as they fit in; of a mixture that diverged zeros."""
    size = next((len(m) for m in matrices if m is not None), 0)
    every = np.array([m if m is not None else np.zeros((size, size)) for m in matrices])
    width = next((w for w in (1, 2) if every.max(initial=0) < 256**w), 4)
    return {"width": width, "bytes": _base64(every.astype(f"<u{width}"))}


def _picture(pixels: Json) -> Json:
    """(h, w) or (h, w, 3) numbers from 0 to 1 as bytes."""
    if pixels is None:
        return None
    grey = np.array(pixels)
    return {"high": grey.shape[0], "wide": grey.shape[1], "deep": 1 if grey.ndim == 2 else 3, "bytes": _base64(np.round(255 * grey).astype(np.uint8))}


def _base64(values: np.ndarray) -> str:
    return b64encode(values.tobytes()).decode()
