"""In what precision a checkpoint stores its weights, without reading their values where the format says so."""

from __future__ import annotations

from pathlib import Path

from explorer.checkpoints import checkpoint_file, safetensors_header, sharded
from explorer.checkpoints.weights import is_half
from explorer.core import model_path

HALVES = frozenset({"F16", "BF16", "F8_E4M3", "F8_E5M2"})


def holds_halves(path: Path) -> bool:
    """Whether some tensor of a checkpoint, one file or a folder of shards, is stored in half precision or less; False of a file that cannot be read.

    Of a .safetensors the header tells; other formats are read, and so is what was chosen of a file (explorer.core.model_path).
    """
    try:
        index = sharded.index_of(path)
        files = (path,) if index is None else index.shards
        if not model_path.parse(path).ending and all(f.suffix.lower() == ".safetensors" for f in files):
            return any(stored.dtype in HALVES for f in files for stored in safetensors_header.read(f).tensors.values())
        return any(map(is_half, checkpoint_file.read(path).weights.values()))
    except ValueError:  # a Refused: whoever measures the file says what is wrong with it
        return False
