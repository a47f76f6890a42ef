"""What `loss-explorer train` does: train, copy the snapshots into a folder, and stop where the next call with the same words resumes."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from explorer import api
from explorer.core import locations, registry
from explorer.core.errors import Refused, Stopped
from explorer.core.files import system
from explorer.core.progress import Progress


def train_into(
    folder: Path,
    problem: str,
    *,
    method: str,
    options: dict[str, object],
    start: Path | None,
    every: int,
    home: Path | None,
    device: str,
    report: api.Reporter,
    warn: Callable[[str], None],
) -> list[Path]:
    """The files of the snapshots, every so many, or (`every` = 0) of the last one; of a population one file for each network.

    Refused when one of them is there already. Stopped after the snapshot in which an interrupt came (Ctrl-C, once): what was trained is kept in `home`.
    """
    how = registry.method("train", method, options)
    total, members = registry.snapshots_of(how), registry.members_of(how)
    every = every or total
    files = [
        folder / f"{method}-{at}{f'-network-{member + 1}' if members > 1 else ''}.safetensors"
        for at in range(every, total + 1, every)
        for member in range(members)
    ]
    if there := next((f for f in files if f.exists()), None):
        raise Refused(f"{there} exists already. Choose another folder, or remove it.")
    with _interruptible(report, warn) as stoppable:
        made = api.train(problem, method=method, method_options=options, start=start, every=every, progress=stoppable, home=home, device=device)
    with system(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        for recipe, file in zip(made, files, strict=True):
            shutil.copyfile(locations.made_at(recipe, locations.home(home)), file)
    return files


@contextmanager
def _interruptible(report: api.Reporter, warn: Callable[[str], None]) -> Generator[Progress, None, None]:
    """A report as progress that stops the work when an interrupt came since the last report; a second interrupt stops it at once, as it always does."""
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGINT, before)
        warn("Stopping at the next snapshot. Ctrl-C once more stops at once.")

    def stoppable(done: int, total: int, message: str) -> None:
        report(done, total, 0, message)
        if came and done < total:
            raise Stopped(f"Stopped at {done} of {total}. The same command resumes from there.")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield stoppable
    finally:
        signal.signal(signal.SIGINT, before)
