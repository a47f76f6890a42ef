"""What tells whether checkpoints have to be looked at again. Imports nothing heavy: pages use it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from explorer.checkpoints.sharded import stamp
from explorer.core import model_path
from explorer.core.allowed_folders import content
from explorer.core.files import system
from explorer.problems.write_problem_toml import found


def mark(path: Path) -> str:
    """Changes when a checkpoint at the path does (explorer.checkpoints.sharded.stamp), or the problem.toml that describes it."""
    files = stamp(path)  # first: it refuses what is no path at all
    plain = model_path.parse(path).path
    described = found(plain if plain.is_dir() else plain.parent)
    if described is None:
        return files
    with system(described, "read"):
        return f"{files}-{hashlib.sha256(content(described)).hexdigest()[:8]}"
