"""A folder that `datasets` saved (save_to_disk): columns of numbers, or of lists of numbers, and a target.

The folder holds state.json, which lists .arrow files, and dataset_info.json, which names the classes; or dataset_dict.json and such a folder for each
split. Of the splits `train` and `test` are read: test is then the test set; others are left out.

Inputs float32: one column of lists gives (n, …) of the lists' shape, all of one shape; several columns of numbers give (n, d). Integer and text targets
are classes, named by the column's ClassLabel where there is one; real ones are a regression, (n, 1). Nothing is filled in, nothing is standardised.
Pictures and texts are refused: save them as a folder of images, or as tokens.

A network of several inputs, such as a transformer with its attention mask: `inputs = ["input_ids", "attention_mask"]` names the columns, called as the
arguments of its forward are, or argument=column; whole numbers of 32 or 64 bits and truth values stay what they are.

The files may come from anyone: the files they name must lie in the folder, only uncompressed record batches of plain types are taken, and every value is
validated before one is read. Needs pyarrow, which comes with Streamlit; from version 15 on, as earlier ones could be made to run code.
"""

from __future__ import annotations

import importlib
import json
import struct
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
from torch import Tensor

from explorer.core.allowed_folders import content
from explorer.core.errors import Refused
from explorer.core.files import listed, short
from explorer.core.registry import UnlessGiven
from explorer.problems.data import ANY, LIMIT_BYTES, LIMIT_CLASSES, Dataset, Purpose, class_names, reading, regular
from explorer.problems.parts import asked, packed

WANTED = "a folder written by datasets' save_to_disk"
_LIMIT_JSON = 2**24
# What pyarrow raises on damaged bytes; StopIteration: there is no first message.
_MALFORMED = (ValueError, TypeError, LookupError, RuntimeError, EOFError, MemoryError, NotImplementedError, StopIteration, struct.error)
_RECORDS = 3  # kind of a message: a record batch (Arrow's Message.fbs)


def load(
    path: Path | None,
    *,
    target: str = "",
    columns: tuple[str, ...] = (),
    inputs: Annotated[tuple[str, ...], UnlessGiven()] = (),
    purpose: Purpose = ANY,
) -> Dataset:
    """Name of the target's column, by default the only ClassLabel, else the last; names of the input columns, by default all others; of several inputs, the columns."""
    folders = _folders(path)
    assert path is not None
    parts = [_table(folder) for folder in folders]
    names = cast("list[str]", parts[0].column_names)
    labels = _labels(folders[0])
    target = target or (next(iter(labels)) if len(labels) == 1 else names[-1])
    arguments = asked(inputs)
    if arguments and columns:
        raise Refused("With 'inputs' the columns are named there. Leave 'columns' out.")
    wanted = list(columns) or list(dict.fromkeys(arguments.values())) or [n for n in names if n != target]
    if unknown := [n for n in (target, *wanted) if any(p.column_names.count(n) != 1 for p in parts)]:
        raise Refused(f"{short(path.name)} does not have one column {short(unknown[0])!r} in each split. It has: {listed(names)}.")
    if not wanted or target in wanted or len(set(wanted)) < len(wanted):
        raise Refused(f"{short(path.name)}: each input column is named once, and the target {short(target)!r} is none of them. Correct 'columns'.")
    held = {n: torch.cat([_inputs(p, [c], as_it_is=True) for p in parts]) for n, c in arguments.items()}
    x, said = packed(held) if held else (torch.cat([_inputs(p, wanted) for p in parts]), ())
    test = parts[0].num_rows if len(parts) == 2 else None
    targets = [_values(p, target, text=True) for p in parts]
    if targets[0].ndim != 1 or targets[0].dtype != targets[-1].dtype:
        raise Refused(f"The target {short(target)!r} needs one number or text for each sample, of one type. Name another column.")
    whole = np.concatenate(targets)
    if whole.dtype.kind == "f" or (purpose.numbers and whole.dtype.kind != "O"):
        with np.errstate(over="ignore"):
            return Dataset(x, torch.from_numpy(whole.astype(np.float32))[:, None], (), test, parts=said)
    if whole.dtype.kind == "O":
        found, codes = np.unique(whole.astype(str), return_inverse=True)
        if len(found) > min(LIMIT_CLASSES, max(20, len(codes) // 2)):
            raise Refused(f"The target {short(target)!r} has {len(found):,} texts in {len(codes):,} rows, too many for classes. Name another.")
        return Dataset(x, torch.from_numpy(codes.astype(np.int64)), tuple(map(str, found)), test, parts=said)
    if len(whole) and int(whole.max()) >= 2**62:
        raise Refused(f"The target {short(target)!r} holds {int(whole.max())}, which is not a class. Number the classes 0, 1, 2, ….")
    classes = torch.from_numpy(whole.astype(np.int64))
    return Dataset(x, classes, class_names(classes, labels.get(target, ())), test, open=target not in labels, parts=said)


def tables_of(path: Path | None) -> tuple[list[Any], bool]:
    """The tables of a folder, of its train split and its test set where it has one, and whether it has. Refused as by `load`."""
    tables = [_table(folder) for folder in _folders(path)]
    return tables, len(tables) == 2


def texts_of(table: Any, name: str) -> list[str] | None:
    """A column of texts; None where it holds something else. Refused where a row has none."""
    kinds, column = _arrow().types, table.column(name)
    if not (kinds.is_string(column.type) or kinds.is_large_string(column.type)):
        return None
    if column.null_count:
        raise Refused(f"The column {short(name)!r} is empty in {column.null_count} places. Remove these rows.")
    return cast("list[str]", column.to_pylist())


def lists_of(table: Any, name: str) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """A column of lists of whole numbers, however long each is. Refused where it holds something else."""
    kinds, column = _arrow().types, table.column(name)
    kind = column.type
    if not (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)) or not kinds.is_integer(kind.value_type):
        raise Refused(f"The column {short(name)!r} holds {short(str(kind))}; lists of whole numbers are expected: tokens. Name another column.")
    found: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    for chunk in column.chunks:
        inner = chunk.flatten()  # without the rows that are empty
        if chunk.null_count or inner.null_count:
            raise Refused(f"The column {short(name)!r} is empty in {chunk.null_count or inner.null_count} places. Remove these rows.")
        values = inner.to_numpy(zero_copy_only=False).astype(np.int64)
        ends = np.cumsum(_arrow().compute.list_value_length(chunk).to_numpy(zero_copy_only=False).astype(np.int64))
        found += np.split(values, ends[:-1]) if len(ends) else []
    return found


def _folders(path: Path | None) -> list[Path]:
    """Where the tables lie: the folder itself, or those of the splits train and test."""
    if path is None:
        raise Refused(f"A path is expected here: {WANTED}. Give one in problem.toml, under [data].")
    with reading(path):
        several = (path / "dataset_dict.json").is_file()
    splits = _json(path / "dataset_dict.json").get("splits") if several else None
    if several and not (isinstance(splits, list) and "train" in splits):
        raise Refused(f"{short(path.name)} has no split called train. Save it with one, or give the folder of one split.")
    return [path / name for name in ("train", "test") if name in cast("list[object]", splits)] if several else [path]


def _json(path: Path) -> dict[str, object]:
    with reading(path):
        regular(path, WANTED)
        if path.stat().st_size > _LIMIT_JSON:
            raise Refused(f"{path.name} is larger than what datasets writes. Save the data set again.")
        text = content(path)
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path.name} is not valid JSON ({short(str(error))}). Save the data set again.") from error
    if not isinstance(found, dict):
        raise Refused(f"{path.name} is not what datasets writes. Save the data set again.")
    return cast("dict[str, object]", found)


def _labels(folder: Path) -> dict[str, tuple[str, ...]]:
    """The columns of classes, and the names of these; nothing where there is no dataset_info.json."""
    with reading(folder):
        if not (folder / "dataset_info.json").is_file():
            return {}
    features = _json(folder / "dataset_info.json").get("features")
    found: dict[str, tuple[str, ...]] = {}
    for name, feature in (cast("dict[str, object]", features) if isinstance(features, dict) else {}).items():
        about = cast("dict[str, object]", feature) if isinstance(feature, dict) else {}
        if about.get("_type") == "ClassLabel" and isinstance(names := about.get("names"), list):
            found[name] = tuple(map(str, cast("list[object]", names)))
    return found


def _table(folder: Path) -> Any:
    """All files of one split together, every value validated."""
    listing = _json(folder / "state.json").get("_data_files")
    files = [str(f.get("filename")) for f in cast("list[Any]", listing) if isinstance(f, dict)] if isinstance(listing, list) else []
    if not files or not all(f.endswith(".arrow") and f == Path(f).name and "\0" not in f and "\\" not in f for f in files):
        raise Refused(f"{short(folder.name)}/state.json lists no .arrow files beside it. Save the data set again.")
    arrow = _arrow()
    paths = [regular(folder / f, "an .arrow file") for f in files]
    with reading(folder):
        size = sum(p.stat().st_size for p in paths)
    if size > LIMIT_BYTES:
        raise Refused(f"{short(folder.name)} has {size:,} bytes, more than the {LIMIT_BYTES:,} that can be read. Use fewer rows.")
    parts: list[Any] = []
    for path in paths:
        try:
            parts.append(_file(arrow, path))
        except Refused:
            raise
        except (*_MALFORMED, OSError) as error:
            raise Refused(f"{short(path.name)} cannot be read ({short(str(error))}). Save the data set again.") from error
    if any(p.schema != parts[0].schema for p in parts):
        raise Refused(f"The .arrow files of {short(folder.name)} have different columns. Save the data set again.")
    return arrow.concat_tables(parts)


def _arrow() -> Any:
    try:
        arrow = cast("Any", importlib.import_module("pyarrow"))
    except ImportError as error:
        raise Refused("Data sets that datasets saved are read by pyarrow, which is not installed: pip install pyarrow.") from error
    if int(arrow.__version__.partition(".")[0]) < 15:
        raise Refused(f"pyarrow {arrow.__version__} can be made to run code by a data set. Update it: pip install 'pyarrow>=15'.")
    return arrow


def _file(arrow: Any, path: Path) -> Any:
    """The record batches of one file. What could grow in memory (compression, dictionaries, columns without bytes) is refused before it is unpacked."""
    ipc = cast("Any", importlib.import_module("pyarrow.ipc"))
    data = arrow.py_buffer(content(path))
    messages = ipc.MessageReader.open_stream(data)
    first = messages.read_next_message()
    if first.type != "schema":  # read as one all the same, it would end the process
        raise Refused(f"{short(path.name)} does not begin with its columns. Save the data set again.")
    schema = ipc.read_schema(first)
    if not schema.names:
        raise Refused(f"{short(path.name)} has no columns. Save the data set again.")
    for column in schema:
        kind = column.type.storage_type if isinstance(column.type, arrow.BaseExtensionType) else column.type
        if arrow.types.is_null(kind) or arrow.types.is_run_end_encoded(kind):
            raise Refused(f"The column {short(column.name)!r} is of the type {short(str(kind))}, which is not read. Remove it.")
    batches: list[Any] = []
    while True:
        try:
            message = messages.read_next_message()
        except StopIteration:
            break
        if not _plain(bytes(message.metadata)):
            raise Refused(f"{short(path.name)} has compressed or coded parts, which datasets never writes. Save the data set again.")
        batch = ipc.read_record_batch(message, schema)
        if batch.num_rows > 8 * len(data):  # a truth value is a bit
            raise Refused(f"{short(path.name)} claims {batch.num_rows:,} rows, more than it can hold. Save the data set again.")
        batches.append(batch)
    table = arrow.Table.from_batches(batches, schema)
    table.validate(full=True)
    return table


def _plain(metadata: bytes) -> bool:
    """Whether a message is a record batch without compression: Arrow's Message.fbs, read by hand. Message: header's kind 1, header 2; RecordBatch: compression 3."""
    message = struct.unpack_from("<I", metadata)[0]
    kind, header = _field(metadata, message, 1), _field(metadata, message, 2)
    if not kind or not header or metadata[kind] != _RECORDS:
        return False
    return not _field(metadata, header + struct.unpack_from("<I", metadata, header)[0], 3)


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table lies; 0 where it is left out."""
    fields = table - struct.unpack_from("<i", metadata, table)[0]
    place = 4 + 2 * number
    offset = struct.unpack_from("<H", metadata, fields + place)[0] if place < struct.unpack_from("<H", metadata, fields)[0] else 0
    return table + offset if offset else 0


def _inputs(table: Any, columns: list[str], *, as_it_is: bool = False) -> Tensor:
    """(n, …) of the one column of lists, or (n, d) of d columns of numbers, float32; as_it_is: of one column (n, …), whole numbers and truth values as they are."""
    found = [_values(table, name) for name in columns]
    if as_it_is:
        kind, size = found[0].dtype.kind, found[0].dtype.itemsize
        dtype = np.bool_ if kind == "b" else np.int64 if kind in "iu" and size >= 4 else np.float32
        return torch.from_numpy(np.ascontiguousarray(found[0], dtype=dtype).copy())
    if len(found) > 1 and (lists := [n for n, v in zip(columns, found, strict=True) if v.ndim > 1]):
        raise Refused(f"The column {short(lists[0])!r} holds lists, and can only be used alone. Name it alone in 'columns', or leave it out.")
    with np.errstate(over="ignore"):
        whole = found[0] if len(found) == 1 and found[0].ndim > 1 else np.stack(found, axis=1)
        return torch.from_numpy(np.ascontiguousarray(whole, dtype=np.float32).copy())


def _values(table: Any, name: str, *, text: bool = False) -> np.ndarray[Any, np.dtype[Any]]:
    """A column's values (n, …); Refused when one is missing, when lists differ in length, or when they are no numbers (or, with `text`, texts)."""
    arrow = _arrow()
    column = table.column(name)
    values = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    values = values.storage if isinstance(values, arrow.ExtensionArray) else values
    shape, kinds = [len(values)], arrow.types
    while True:
        if values.null_count:
            raise Refused(f"The column {short(name)!r} is empty in {values.null_count} places. Remove these rows.")
        kind = values.type
        if not (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)):
            break
        inner = values.flatten()
        each = len(inner) // len(values) if len(values) else 0
        if kinds.is_fixed_size_list(kind):
            even = each == kind.list_size
        else:
            even = not len(values) or bool((np.diff(np.asarray(values.offsets)) == each).all())
        if not even or not each:
            raise Refused(f"The lists in the column {short(name)!r} are empty or differ in length. Cut or fill them up to one length.")
        shape.append(each)
        values = inner
    if text and len(shape) == 1 and (kinds.is_string(kind) or kinds.is_large_string(kind)):
        return values.to_numpy(zero_copy_only=False)
    if not (kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind)):
        raise Refused(f"The column {short(name)!r} holds no numbers ({short(str(kind))}). Leave it out by naming the others in 'columns'.")
    return values.to_numpy(zero_copy_only=False).reshape(shape)
