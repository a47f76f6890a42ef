"""In what precision a checkpoint stores its weights, without reading their values."""

from __future__ import annotations

from pathlib import Path

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import is_half


def holds_halves(path: Path) -> bool:
    """Whether some tensor of a checkpoint, one file or a folder of shards, is stored in half precision or less; False of a file that cannot be read."""
    try:
        return any(map(is_half, checkpoint_file.outline(path).weights.values()))
    except ValueError:  # a Refused: whoever measures the file says what is wrong with it
        return False
