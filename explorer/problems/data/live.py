"""Data that the process holds in memory (explorer.problems.held), for `explorer.api`: read once, in order, from a loader, a data set or arrays."""

from __future__ import annotations

from pathlib import Path

from explorer.problems import held
from explorer.problems.data import Dataset


def load(path: Path | None, *, key: str = "") -> Dataset:
    """The key of their content."""
    return held.data(key).dataset
