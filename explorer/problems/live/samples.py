"""A loader, a data set, arrays or a table → all samples in memory, read once and in order.

Nothing of what is read is changed: the global random generators stay where they are, a loader's workers are not started, an iterator that could be read
only once is refused. What shuffles is read in the order of its data set; what is augmented at random is drawn once, from a fixed seed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, SequentialSampler, SubsetRandomSampler, default_collate
from torch.utils.data.distributed import DistributedSampler

from explorer.core.errors import Refused
from explorer.problems.data import LIMIT_BYTES
from explorer.problems.live.tables import columns_of, frame_of, streamed
from explorer.problems.live.trees import Loose, Samples, Stacked, Tree, joined, leaves, lengths, mapped, tensors_of, untouched

log = logging.getLogger(__name__)

WITHOUT_END = 100_000  # samples that are read of a stream that does not say how long it is
BATCH = 256


def read(source: object, what: str, take: int = 0) -> Samples:
    """All samples of a source, or the first `take`; `what` is its name, for a sentence. Refused for what cannot be read in a fixed order, or has no end."""
    with untouched():
        found = _read(source, what, take)
    if not len(found):
        raise _empty(what)
    return found


def _empty(what: str) -> Refused:
    return Refused(f"There is no sample in {what}. Give data with at least one.")


def _read(source: object, what: str, take: int) -> Samples:
    if isinstance(source, Stacked | Loose):
        return source
    if isinstance(source, str | bytes):
        raise Refused(
            f"{what} is the text {source!r:.60}; a DataLoader, a Dataset, tensors or a table are expected. Data in files go under problem=."
        )
    if hasattr(source, "column_names") and hasattr(source, "with_format") and not isinstance(source, Mapping):
        if not _has_length(source):
            return _together(_batched(streamed(source)), what, take, bounded=False)
        return _first(columns_of(source, what), take)
    if isinstance(source, Mapping) and source and all(hasattr(v, "with_format") for v in source.values()):
        raise Refused(f"{what} has several splits: {', '.join(map(str, cast('Any', source)))}. Give one of them, and the others as train= and val=.")
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return _first(frame_of(source, what), take)
    if (arrays := _arrays(source)) is not None:
        return _first(_even(arrays, what), take)
    if isinstance(source, DataLoader):
        return _loader(cast("DataLoader[object]", source), what, take)
    if isinstance(source, IterableDataset):
        return _together(_batched(cast("Iterable[object]", source)), what, take, bounded=_has_length(source))
    if isinstance(source, Iterator):
        raise Refused(f"{what} is an iterator, which can be read only once. Give the DataLoader, the Dataset, or a list of its batches.")
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, Mapping):
        items = cast("Sequence[object]", source)
        first = items[0] if len(items) else None
        if isinstance(source, list | tuple) and _is_batch(first):
            return _together(items, what, take, bounded=True)
        return _items(items, default_collate, BATCH, what, take)
    if isinstance(source, Iterable):
        _same_twice(source, what)
        return _together(cast("Iterable[object]", source), what, take, bounded=_has_length(source))
    raise Refused(
        f"{what} is a {type(source).__name__}; a DataLoader, a Dataset, a tuple of tensors or arrays, a data frame, or a list of batches is expected."
    )


def _loader(loader: DataLoader[object], what: str, take: int) -> Samples:
    """In the order of its data set, where it has one of its own; else as it comes."""
    data, sampler, batches = loader.dataset, loader.sampler, loader.batch_sampler
    if isinstance(data, IterableDataset):
        return _together(DataLoader(data, batch_size=loader.batch_size or 1, collate_fn=loader.collate_fn), what, take, bounded=_has_length(data))
    collate = cast("Callable[[list[object]], object]", loader.collate_fn)
    items = cast("Sequence[object]", data)
    plain = batches is None or type(batches) is BatchSampler
    if plain and isinstance(sampler, SubsetRandomSampler):
        log.warning("%s shuffles a part of its data set; the samples are taken in the order of the data set instead.", what)
        return _items(_Some(items, sorted(map(int, sampler.indices))), collate, loader.batch_size or 1, what, take)
    if plain and isinstance(sampler, SequentialSampler | RandomSampler | DistributedSampler):
        if not isinstance(sampler, SequentialSampler):
            log.warning("%s shuffles; its samples are taken in the order of its data set instead, all of them once.", what)
        return _items(items, collate, loader.batch_size or 1, what, take)
    _same_twice(loader, what)
    return _together(loader, what, take, bounded=True)


class _Some(Sequence[object]):
    """Some items of a data set."""

    def __init__(self, items: Sequence[object], rows: Sequence[int]) -> None:
        self.items, self.rows = items, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: Any) -> Any:
        return self.items[self.rows[row]]


def _items(items: Sequence[object], collate: Callable[[list[object]], object], batch: int, what: str, take: int) -> Samples:
    """The items of a data set, put together as its loader does; loose where that gives no tensors of one shape."""
    if not (n := min(take or len(items), len(items))):
        raise _empty(what)
    taken: list[object] = []
    parts: list[Tree] = []
    budget = _Budget(what)
    stackable = True
    if _differ(_fixed(items, 0, 0), _fixed(items, 0, 1)):
        log.warning(
            "%s changes its samples at random (augmentation); each is drawn once, from a fixed seed. Give data without it where you can.", what
        )
    for start in range(0, n, batch):
        here = [items[i] for i in range(start, min(start + batch, n))]
        taken += here
        if stackable:
            with untouched():
                part = tensors_of(_put_together(collate, here, what))
            stackable = part is not None and lengths(part) == {len(here)} and (not parts or _shapes(part) == _shapes(parts[0]))
            if part is not None and stackable:
                budget.spend(part)
                parts.append(part)
                taken.clear()
            elif parts:  # what was stacked before is read again, as it is
                taken = [items[i] for i in range(start + len(here))]
    classes = tuple(map(str, names)) if isinstance(names := getattr(items, "classes", None), list | tuple) else ()
    return Stacked(joined(parts), classes) if stackable else Loose(tuple(taken), collate, classes)


def _put_together(collate: Callable[[list[object]], object], items: list[object], what: str) -> object:
    try:
        return collate(items)
    except Exception as error:  # whatever somebody's function raises, or torch's own at samples of different shapes
        said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
        raise Refused(f"The samples of {what} cannot be put together: {said}. Give a DataLoader with a collate_fn that does.") from error


def _together(batches: Iterable[object], what: str, take: int, *, bounded: bool) -> Samples:
    """Batches as they come, one after the other."""
    limit = WITHOUT_END if not bounded and not take else take or None
    parts: list[Tree] = []
    budget, n = _Budget(what), 0
    for batch in batches:
        part = tensors_of(batch)
        if part is None or len(lengths(part)) != 1:
            raise Refused(
                f"A batch of {what} is a {type(batch).__name__} whose parts are not all tensors with one row for each sample. Give the DataLoader or the"
                " Dataset itself, so that samples can be batched again, and forward= to say how the model takes them."
            )
        if parts and _shapes(part) != _shapes(parts[0]):
            raise Refused(
                f"The batches of {what} differ in shape: {_shapes(parts[0])} and then {_shapes(part)}. Pad all to one length, or give the DataLoader of a"
                " Dataset, whose samples can be batched again."
            )
        budget.spend(part)
        parts.append(part)
        n += next(iter(lengths(part)))
        if limit is not None and n >= limit:
            if not take:
                raise Refused(f"{what} does not say how long it is, and gave {n:,} samples without an end. Say how many to take: take=10_000.")
            break
    if not parts:
        raise _empty(what)
    return _first(Stacked(joined(parts)), take)


@dataclass
class _Budget:
    """Memory that data may take."""

    what: str
    left: int = LIMIT_BYTES

    def spend(self, part: Tree) -> None:
        self.left -= sum(t.nbytes for t in leaves(part))
        if self.left < 0:
            raise Refused(
                f"{self.what} takes more than the {LIMIT_BYTES:,} bytes of memory that data may. Say how many samples to take: take=10_000."
            )


def _arrays(source: object) -> Tree | None:
    """A tensor, an array, or a tuple, list or dict of nothing else; None for anything else."""
    if isinstance(source, tuple | list | Mapping):
        parts = list(cast("Mapping[object, object]", source).values() if isinstance(source, Mapping) else source)
        if isinstance(source, tuple) and all(isinstance(p, list) for p in parts):  # numbers in lists, as .tolist() gives them
            parts = [_of_numbers(p) for p in parts]
            return tensors_of(tuple(parts)) if all(p is not None for p in parts) else None
        if not parts or not all(isinstance(p, Tensor | np.ndarray) or hasattr(p, "iloc") or isinstance(p, Mapping) for p in parts):
            return None
        if isinstance(source, list) and all(isinstance(p, Mapping) for p in parts):  # batches
            return None
    elif not isinstance(source, Tensor | np.ndarray):
        return None
    return tensors_of(source)


def _of_numbers(value: object) -> np.ndarray[Any, np.dtype[Any]] | None:
    try:
        found = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):  # of different lengths, or of something else
        return None
    return found.astype(np.float32) if found.dtype.kind == "f" else found if found.dtype.kind in "biu" else None


def _even(tree: Tree, what: str) -> Stacked:
    found = leaves(tree)
    if any(t.dim() == 0 for t in found) or len({len(t) for t in found}) != 1:
        raise Refused(f"The parts of {what} have the shapes {', '.join(str(tuple(t.shape)) for t in found)}; each needs one row for each sample.")
    return Stacked(tree)


def _first(samples: Stacked, take: int) -> Stacked:
    return samples if not take or take >= len(samples) else Stacked(mapped(lambda t: t[:take], samples.tree), samples.classes)


def _batched(items: Iterable[object]) -> Iterator[object]:
    each = iter(items)
    while here := list(islice(each, BATCH)):
        yield default_collate(here)


def _same_twice(source: Iterable[object], what: str) -> None:
    """Refused where it begins with another batch the second time."""
    first, second = (tensors_of(next(iter(source), None)) for _ in range(2))
    if _differ(first, second):
        raise Refused(
            f"{what} gives another first batch each time it is read, by a sampler of its own, so its samples have no fixed order. Give its data set, or a"
            " loader with shuffle=False."
        )


def _fixed(items: Sequence[object], row: int, seed: int) -> object:
    with untouched(seed):
        return tensors_of(items[row])


def _differ(a: object, b: object) -> bool:
    pairs = zip(leaves(a), leaves(b), strict=False)
    return any(x.shape != y.shape or not torch.equal(torch.nan_to_num(x), torch.nan_to_num(y)) for x, y in pairs)


def _is_batch(value: object) -> bool:
    """Whether it is several samples together: all of its parts have one row for each."""
    tree = tensors_of(value)
    return tree is not None and all(t.dim() for t in leaves(tree)) and len(lengths(tree)) == 1 and not isinstance(value, Tensor)


def _shapes(tree: object) -> object:
    """The shape of one sample, part by part."""
    match tree:
        case Tensor():
            return tuple(tree.shape[1:])
        case Mapping():
            return {key: _shapes(part) for key, part in tree.items()}
        case tuple() | list():
            return tuple(_shapes(part) for part in tree)
        case _:
            return None


def _has_length(source: object) -> bool:
    try:
        return len(cast("Any", source)) >= 0
    except (TypeError, NotImplementedError):
        return False
