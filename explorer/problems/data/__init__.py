"""Data sources: each file turns one kind of source into tensors, `load(path, *, options) -> Dataset`. What the same numbers mean, targets of a regression
or classes, tokens or measurements, depends on the loss and the network: a `load` that takes `purpose` is told (Purpose).

A source may come from anyone: what a header claims is compared with what the file holds before memory is taken, and a
number that is not a number is refused, never repaired. Torch is imported by the files that need it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Literal

from explorer.core.allowed_folders import admit
from explorer.core.errors import Refused
from explorer.core.files import hashed, short

if TYPE_CHECKING:
    from torch import Tensor

    from explorer.problems.parts import Part

LIMIT_BYTES = 8 * 2**30  # of one source, unpacked: data stay in memory as a whole
LIMIT_CLASSES = 1_000_000


@dataclass(frozen=True)
class Purpose:
    """What data are for. `targets`: what the loss compares with (explorer.problems.loss), "" where that is not known; `embeds(shape)`: whether the network
    takes whole numbers for a sample of that shape, and no others."""

    targets: str = ""
    embeds: Callable[[tuple[int, ...]], bool] = lambda shape: False

    @property
    def numbers(self) -> bool:
        """Whether targets are to be numbers, whatever they could be taken for."""
        return self.targets == "numbers"


ANY = Purpose()


@dataclass(frozen=True)
class Dataset:
    """A whole source in memory, in the source's order. Refused when its parts contradict one another.

    inputs: float32 (n, …), or tokens int64 (n, L). targets: class of each sample int64 (n,), or the next tokens int64
    (n, L), or what a regression should give float32 (n, d); −1 where a masked text asks for nothing; (n, 0) where there are none. classes: their names, or the symbols of a language model; empty
    for a regression. Tokens with the class of each text, (n, L) and (n,), may be any numbers from 0: only the network knows how many there are. test: rows from here on are the test set that the source fixes; None where it fixes none. val: likewise of the
    validation set, which goes up to the test set. rows: inputs are numbers of rows (n, 1), behind which a network of somebody's own finds what they stand
    for; a text may then ask for any number of tokens. open: the classes are those that occur, numbered, and a network that tells
    more apart has as many as it gives. parts: the several inputs that lie in the one tensor (explorer.problems.parts); () where there is one.
    """

    inputs: Tensor
    targets: Tensor
    classes: tuple[str, ...]
    test: int | None = None
    val: int | None = None
    rows: bool = False
    open: bool = False
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        inputs, targets, classes = self.inputs, self.targets, len(self.classes)
        if len(inputs) != len(targets):
            raise Refused(f"There are {len(inputs)} inputs and {len(targets)} targets; each input needs one target.")
        if inputs.numel() == 0 or (targets.numel() == 0 and self.sort != "none"):
            raise Refused("The data set is empty. Give one with at least one sample.")
        if targets.is_floating_point() and targets.dim() != 2:
            raise Refused(
                f"Targets of a regression have the shape (n, d); these have {tuple(targets.shape)}. Reshape them, with d = 1 for one number."
            )
        for name, values in (("inputs", inputs), ("targets", targets)):
            if values.is_floating_point() and (bad := int((~values.isfinite()).flatten(1).any(dim=1).sum())):
                raise Refused(
                    f"{bad} of {len(values)} samples have {name} that are NaN, infinite or beyond float32. Remove these samples or correct them."
                )
        if self.sort == "masked":
            asked = (targets >= 0).sum(dim=1)
            if int(targets.min()) < -1 or not (self.rows or int(asked.min()) > 0):
                raise Refused("A text has the target −1 wherever nothing is to be predicted, and must ask for at least one token.")
        elif not targets.is_floating_point() and (low := int(targets.min())) < 0:
            raise Refused(f"Targets are numbered from 0; the smallest here is {low}.")
        if not targets.is_floating_point() and (high := int(targets.max())) >= classes:
            raise Refused(f"A target is number {high}, and there are only {classes} classes (0 … {classes - 1}).")
        tokens = not inputs.is_floating_point() and not self.parts
        if tokens and (targets.dim() == 1 or targets.is_floating_point()) and (low := int(inputs.min())) < 0:
            raise Refused(f"Tokens are numbered from 0; the smallest here is {low}.")
        if (
            tokens
            and not targets.is_floating_point()
            and not self.rows
            and targets.dim() == 2
            and not 0 <= int(inputs.min()) <= int(inputs.max()) < classes
        ):
            raise Refused(f"Tokens must lie in 0 … {classes - 1}; here they go from {int(inputs.min())} to {int(inputs.max())}.")
        if self.test is not None and not 0 < self.test < len(inputs):
            raise Refused("The source's training set or its test set is empty.")

    @property
    def sort(self) -> Literal["classes", "numbers", "masked", "none"]:
        """What the targets are: classes or next tokens, numbers, tokens where they were masked, or nothing."""
        if self.targets.is_floating_point():
            return "none" if self.targets.dim() == 2 and self.targets.shape[1] == 0 else "numbers"
        return "masked" if self.targets.dim() == 2 and int(self.targets.min()) < 0 else "classes"


def class_names(targets: Tensor, given: tuple[str, ...]) -> tuple[str, ...]:
    """The given names, or the numbers 0 … of the classes that occur. Refused when there are fewer names than classes."""
    high = int(targets.max()) if targets.numel() else -1
    if high >= LIMIT_CLASSES:
        raise Refused(f"A label is {high}, and at most {LIMIT_CLASSES:,} classes are possible. Number the classes 0, 1, 2, ….")
    if given and high >= len(given):
        raise Refused(f"'classes' names {len(given)} classes, and the labels go up to {high}. Name all {high + 1}.")
    return given or tuple(str(i) for i in range(high + 1))


def fingerprint(path: Path | None) -> str:
    """SHA-256 in hex over a source: of a file its bytes, of a folder the names and bytes of all files in it, in order; "" for none.

    Hidden files and folders, pipes and devices are passed over: no source reads them.
    """
    if path is None:
        return ""
    if "\0" in str(path):
        raise Refused(f"{short(path.name)} cannot be the name of a file: it contains a zero character. Correct the path of the data.")
    with reading(path):
        if not S_ISDIR(path.stat().st_mode):
            return _digest(path)
    files = sorted((p.relative_to(path).as_posix(), p) for p in _files(path))
    return hashlib.sha256("".join(f"{name}\0{_digest(p)}\n" for name, p in files).encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def reading(path: Path) -> Generator[None, None, None]:
    """What the system says against reading a path, as a sentence; and whether it may be read at all (explorer.core.allowed_folders)."""
    admit(path)
    try:
        yield
    except FileNotFoundError:
        raise Refused(f"There is no {path}. Correct the path of the data.") from None
    except OSError as error:
        raise Refused(f"{short(path.name)} cannot be read: {error.strerror or error}.") from error


def regular(path: Path | None, what: str) -> Path:
    """The path when a regular file lies there; Refused otherwise: a pipe or a device would block or never end."""
    if path is None:
        raise Refused(f"A path is expected here: {what}. Give one in problem.toml, under [data].")
    with reading(path):
        if not S_ISREG(path.stat().st_mode):
            raise Refused(f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}; expected: {what}.")
    return path


def _files(folder: Path) -> Generator[Path, None, None]:
    with reading(folder):
        inside = [p for p in folder.iterdir() if not p.name.startswith(".")]
    for path in inside:
        with reading(path):
            mode, link = path.stat().st_mode, path.is_symlink()
        if S_ISDIR(mode) and link:  # it may lead back to where it lies
            raise Refused(f"{path} is a link to a folder, and those are not followed. Put the folder itself there, or remove the link.")
        if S_ISDIR(mode):
            yield from _files(path)
        elif S_ISREG(mode):
            yield path


def _digest(path: Path) -> str:
    with reading(path):
        if not S_ISREG(path.stat().st_mode):
            raise Refused(f"{path} is not a regular file. Copy the data into one.")
        return hashed(path)
