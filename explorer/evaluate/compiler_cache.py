"""Whether compiling a network pays, and where what was compiled is kept: the compiler's own cache and a note for each network, in one folder.

Compiling takes about a minute the first time, and from the second time on, in any process, the seconds that reading its cache takes. So it is begun where
the points that are asked for would get back what it costs; the first time, where `USES` such runs would, for that many are likely to come, and with the
gain that was seen on most networks. From then on the note says what it took and what it gained, and nothing is guessed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "compiled"
VARIABLE = "TORCHINDUCTOR_CACHE_DIR"  # where torch's compiler keeps its results
BOUND = 2 * 2**30  # bytes; a cache may be given up whole
COLD_S = {"float32": 20.0, "tf32": 60.0, "bfloat16": 60.0}
GAIN = {"float32": 1.3, "tf32": 1.5, "bfloat16": 2.5}  # by how many times points are faster
USES = 3


@dataclass(frozen=True)
class Compilation:
    """What came of compiling a network: seconds that it took the first and the last time, and of a point with it and without."""

    first: float
    last: float
    point: float
    other: float

    @classmethod
    def noted(cls, folder: Path, key: str) -> Compilation | None:
        """The note on a network; None where there is none that can be read."""
        try:
            return cls(**json.loads((folder / f"{key}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def note(self, folder: Path, key: str) -> None:
        """Keep it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{key}.json").write_text(json.dumps(asdict(self)), encoding="utf-8")


def pays(points: int, seconds: float, precision: str, known: Compilation | None) -> bool:
    """Whether to compile for so many points, each of which takes so many seconds without."""
    if known is not None:
        return points * (seconds - seconds * known.point / known.other) > known.last
    return USES * points * seconds * (1 - 1 / GAIN[precision]) > COLD_S[precision]


def key_of(*decides: object) -> str:
    """The name of a note, from all that decides what is compiled."""
    return hashlib.sha256(repr(decides).encode()).hexdigest()[:20]


def kept_in(home: Path) -> Path:
    """The folder in `home`, which torch's compiler uses from now on unless the user has named another; emptied when it has grown beyond its bound."""
    folder = home / FOLDER
    if folder.is_dir() and sum(_bytes(Path(where) / name) for where, _, names in os.walk(folder) for name in names) > BOUND:
        shutil.rmtree(folder, ignore_errors=True)
    os.environ.setdefault(VARIABLE, str(folder.resolve() / "torch"))
    return folder


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # another process has just replaced it
        return 0
