"""What became of several models in an alignment: plain arrays between the worker that aligned and the page that shows.

A file beside the aligned checkpoints: one .npz, read without pickle.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.points import Array

GROUPED = ("maps", "similarity", "elements", "steps", "likeness")  # arrays by the name of a group, for each model


@dataclass(frozen=True)
class UnitGroup:
    """A group of interchangeable units: its size, the group it lies within, and the tensors it stands in."""

    name: str
    size: int
    within: str = ""
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True)
class AxisClass:
    """Places of a network that allow more than permutations: the class of their maps, the group each of whose units has one of its own, the tensors they
    stand in, what restricts them to the class, and the dimension of all these maps together."""

    name: str
    cls: str
    size: int
    within: str = ""
    tensors: tuple[str, ...] = ()
    why: str = ""
    dimension: int = 0


@dataclass(frozen=True)
class TensorSimilarity:
    """One parameter: its cosine with the reference's before and after, for each model."""

    tensor: str
    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True)
class Matched:
    """An alignment of N models.

    maps[i][group]: what became of model i's units: (n,) or (outer, n) whole numbers, the old place of the unit now at each place; or
    (n of the first model, n of this model) shares, with the outer units in front where there are some. similarity[i][group]: (n, n) cosine between the unit at each place of the reference (row) and each
    unit of model i before the alignment (column), all other groups as they ended; only of groups small enough to draw.
    steps[i][group]: (steps, n) or (steps, outer, n) the same whole numbers for each value of trace[i − 1], of methods that go from permutation to permutation;
    only of groups small enough to draw.
    distances: (N, N) between the models as vectors, before and after. `movable`: share of the parameters that some permutation moves.
    `held`: a sentence for each axis that keeps its order: of how many units, in which tensors, and why.
    Where all classes of symmetry were used: `classes`; `folded`: the gains that could be moved; `permutations_only`: a sentence for each group that allows no
    more; elements[i][class]: what was done to model i after the permutations, (outer, n) factors or (outer, n, n) matrices; likeness[i][class]: (2, outer, n)
    cosines of the weights at each place with the reference's, before and after.
    """

    names: tuple[str, ...]
    method: str
    exact: bool
    objective: str
    trace: tuple[tuple[float, ...], ...]
    notes: tuple[str, ...]
    seconds: float
    movable: float
    unknown: tuple[str, ...]
    warnings: tuple[str, ...]
    groups: tuple[UnitGroup, ...]
    layers: tuple[TensorSimilarity, ...]
    before: Array
    after: Array
    maps: tuple[dict[str, Array], ...]
    similarity: tuple[dict[str, Array], ...]
    held: tuple[str, ...] = ()
    classes: tuple[AxisClass, ...] = ()
    folded: tuple[str, ...] = ()
    permutations_only: tuple[str, ...] = ()
    elements: tuple[dict[str, Array], ...] = ()
    steps: tuple[dict[str, Array], ...] = ()
    likeness: tuple[dict[str, Array], ...] = ()

    @property
    def dimension(self) -> int:
        """How many numbers of the weights say nothing about the function, gains apart."""
        return sum(c.dimension for c in self.classes)

    def straight(self, model: int) -> bool:
        """Whether a straight line leads from the reference to this model as it was: not when it was transported from other widths."""
        return all(np.issubdtype(p.dtype, np.integer) or p.shape[-2] == p.shape[-1] for p in self.maps[model].values())

    def moved(self, model: int, group: str) -> float:
        """Share of a group's units that stand elsewhere than before; for a transport, the share of weight that comes from elsewhere."""
        p = self.maps[model][group]
        if not np.issubdtype(p.dtype, np.integer):
            rows = p.sum(axis=-1, keepdims=True)
            shares = p / np.where(rows > 0, rows, 1)
            return float(1 - np.diagonal(shares, axis1=-2, axis2=-1).mean()) if p.shape[-2] == p.shape[-1] else 1.0
        return float((p != np.arange(p.shape[-1])).mean())

    def write(self, path: Path) -> None:
        """Keep it as a file; a reader never sees half of one. Refused where it cannot be written."""
        plain = {k: v for k, v in asdict(self).items() if k not in ("before", "after", *GROUPED)}
        arrays = {"before": self.before, "after": self.after}
        for kind, models in ((kind, getattr(self, kind)) for kind in GROUPED):
            arrays |= {f"{kind}/{i}/{group}": a for i, groups in enumerate(models) for group, a in groups.items()}
        draft = path.with_name(f".{path.stem}.{uuid4().hex}.tmp")
        try:
            with system(path, "written"):
                path.parent.mkdir(parents=True, exist_ok=True)
                with draft.open("xb") as file:
                    np.savez_compressed(file, plain=np.array(json.dumps(plain)), **arrays)  # pyright: ignore[reportArgumentType]  (its stub takes the flag by name)
                draft.replace(path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> Matched:
        """The inverse of write. Refused when the file is missing or not one of these."""
        try:
            with np.load(path, allow_pickle=False) as file:
                plain = json.loads(str(file["plain"]))
                count = len(plain["names"])

                def grouped(kind: str) -> tuple[dict[str, Array], ...]:
                    starts = [f"{kind}/{i}/" for i in range(count)]
                    return tuple({k.removeprefix(start): file[k] for k in file.files if k.startswith(start)} for start in starts)

                return cls(
                    names=tuple(plain["names"]),
                    method=plain["method"],
                    exact=plain["exact"],
                    objective=plain["objective"],
                    trace=tuple(map(tuple, plain["trace"])),
                    notes=tuple(plain["notes"]),
                    seconds=plain["seconds"],
                    movable=plain["movable"],
                    unknown=tuple(plain["unknown"]),
                    warnings=tuple(plain["warnings"]),
                    groups=tuple(UnitGroup(g["name"], g["size"], g["within"], tuple(g["tensors"])) for g in plain["groups"]),
                    layers=tuple(TensorSimilarity(x["tensor"], tuple(x["before"]), tuple(x["after"])) for x in plain["layers"]),
                    before=file["before"],
                    after=file["after"],
                    maps=grouped("maps"),
                    similarity=grouped("similarity"),
                    held=tuple(plain.get("held", ())),
                    classes=tuple(AxisClass(**(c | {"tensors": tuple(c["tensors"])})) for c in plain.get("classes", ())),
                    folded=tuple(plain.get("folded", ())),
                    permutations_only=tuple(plain.get("permutations_only", ())),
                    elements=grouped("elements") if plain.get("classes") else (),
                    steps=grouped("steps"),
                    likeness=grouped("likeness") if plain.get("classes") else (),
                )
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise Refused(f"{path.name} is not an alignment that can be read ({type(error).__name__}). Align the models again.") from error
