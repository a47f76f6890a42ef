"""A table: a CSV, TSV or Parquet file with one row for each sample, for classification or regression.

One column is the target, the others the inputs (n, d). Inputs must be numbers (or truth values); a column that is neither is named and refused, unless
`columns` leaves it out. Nothing is filled in: a missing value is refused. Classes are the values that occur in the target, sorted; a regression's targets
are left as they are, (n, 1). Under a loss of numbers it is a regression, whatever `task` says.

With `standardise` every input column becomes (x − mean) / standard deviation, over all rows of the file; a constant column becomes 0. The rows are
split afterwards, so these two numbers of a column have seen the test rows (their inputs, never their targets). Where that matters, standardise the file
yourself.

A network of several inputs: `inputs = ["numbers=age+income", "city"]` says which columns are given to which argument of its forward, numbers as (n, columns).
For an argument in `categories` they are numbered in sorted order, as an embedding takes them, int64 (n,) for one column; such columns may hold texts.

CSV and TSV are UTF-8 with a header line. Parquet needs pyarrow, which comes with Streamlit.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
import pandas as pd
import torch
from pandas.api import types

from explorer.core.allowed_folders import opened
from explorer.core.errors import Refused
from explorer.core.files import listed, short
from explorer.core.registry import UnlessGiven
from explorer.problems.data import ANY, LIMIT_BYTES, LIMIT_CLASSES, Dataset, Purpose, reading, regular
from explorer.problems.parts import asked, packed

WANTED = "a .csv, .tsv or .parquet file"
LIMIT_COLUMNS = 65536
_HEADER_BYTES = 2**22

# What pandas and pyarrow raise on damaged bytes. Wide, and therefore only around them.
_MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    EOFError,
    ArithmeticError,
    MemoryError,
    NotImplementedError,
    OSError,
    csv.Error,
    pd.errors.ParserWarning,
)


def load(
    path: Path | None,
    *,
    target: str = "",
    task: Literal["classification", "regression"] = "classification",
    columns: tuple[str, ...] = (),
    standardise: bool = True,
    inputs: Annotated[tuple[str, ...], UnlessGiven()] = (),
    categories: Annotated[tuple[str, ...], UnlessGiven()] = (),
    purpose: Purpose = ANY,
) -> Dataset:
    """Name of the target's column, by default the last; what it is; names of the input columns, by default all others; the inputs standardised; of several
    inputs, their columns, each as argument=column+column; those of them that are categories."""
    path = regular(path, WANTED)
    names = _names(path)
    target = target or names[-1]
    groups = {name: tuple(source.split("+")) for name, source in asked(inputs).items()}
    odd = [c for c in categories if c not in groups]
    if (columns and groups) or odd:
        raise Refused(f"{path.name}: with 'inputs' the columns are named there, and 'categories' are some of them; got {', '.join(columns or odd)}.")
    wanted = list(columns) or [c for group in groups.values() for c in group] or [n for n in names if n != target]
    if unknown := [n for n in (target, *wanted) if n not in names]:
        raise Refused(f"{path.name} has no column {short(unknown[0])!r}. It has: {listed(names)}.")
    if target in wanted or len(set(wanted)) < len(wanted):
        raise Refused(f"{path.name}: each input column is named once, and the target {short(target)!r} is none of them. Correct 'columns'.")
    if not wanted:
        raise Refused(f"{path.name} has no column beside its target {short(target)!r}. Give it inputs.")
    table = _read(path, [*wanted, target])
    if not len(table):
        raise Refused(f"{path.name} has no rows below its names. Give it at least one.")
    found = {n: _part(table, c, n in categories, standardise, path.name) for n, c in groups.items()}
    x, parts = packed(found) if found else (_part(table, tuple(wanted), False, standardise, path.name), ())
    answers = cast("Any", table[target])
    if missing := int(answers.isna().sum()):
        raise Refused(f"{path.name}: the target {short(target)!r} is missing in {missing} of {len(answers)} rows. Remove these rows.")
    if task == "regression" or purpose.numbers:
        with np.errstate(over="ignore"):
            y = _numbers(table, [target], path.name).astype(np.float32)
        return Dataset(x, torch.from_numpy(y), (), parts=parts)
    whole = types.is_float_dtype(answers.dtype)
    if whole and not ((answers == answers.round()) & np.isfinite(answers)).all():
        raise Refused(
            f"{path.name}: the target {short(target)!r} holds numbers that are not whole, and classes are expected. Choose task = 'regression'."
        )
    codes, found = cast("tuple[Any, Any]", pd.factorize(answers, sort=True))
    if len(found) > min(LIMIT_CLASSES, max(20, len(answers) // 2)):
        raise Refused(
            f"{path.name}: the target {short(target)!r} has {len(found):,} values in {len(answers):,} rows, too many for classes. Name another."
        )
    classes = tuple(str(int(v)) if whole else str(v) for v in found)
    return Dataset(x, torch.from_numpy(np.asarray(codes, dtype=np.int64)), classes, parts=parts)


def _part(table: pd.DataFrame, columns: tuple[str, ...], category: bool, standardise: bool, name: str) -> torch.Tensor:
    """(n, columns) float32; of categories int64 (n, columns), or (n,) of one column."""
    if category:
        codes = [_codes(cast("Any", table[c]), c, name) for c in columns]
        return codes[0] if len(codes) == 1 else torch.stack(codes, dim=1)
    numbers = _numbers(table, list(columns), name)
    if standardise:
        _standardise(numbers)
    with np.errstate(over="ignore"):  # what is beyond float32 is refused
        return torch.from_numpy(numbers.astype(np.float32))


def _codes(values: Any, column: str, name: str) -> torch.Tensor:
    if missing := int(values.isna().sum()):
        raise Refused(f"{name}: the column {short(column)!r} is empty in {missing} of {len(values)} rows. Remove these rows.")
    return torch.from_numpy(np.asarray(pd.factorize(values, sort=True)[0], dtype=np.int64))


def _numbers(table: pd.DataFrame, columns: list[str], name: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n, d) float64; Refused when a column holds anything else, or nothing in some row."""
    for column in columns:
        values = cast("Any", table[column])
        kind = values.dtype
        if not (types.is_numeric_dtype(kind) or types.is_bool_dtype(kind)) or types.is_complex_dtype(kind):
            raise Refused(f"{name}: the column {short(column)!r} holds no numbers ({kind}). Leave it out by naming the others in 'columns'.")
        if missing := int(values.isna().sum()):
            raise Refused(
                f"{name}: the column {short(column)!r} is empty or not a number in {missing} of {len(table)} rows. Remove these rows, or the column."
            )
    return cast("Any", table[columns]).to_numpy(dtype=np.float64, copy=True)


def _standardise(inputs: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    """In place. What is too large to be squared becomes NaN, which Dataset refuses; a constant column is told by its values, not by a rounded variance."""
    constant = (inputs == inputs[0]).all(axis=0) & np.isfinite(inputs[0])
    with np.errstate(all="ignore"):
        inputs -= inputs.mean(axis=0)
        spread = inputs.std(axis=0)
        inputs /= np.where(np.isfinite(spread), spread, np.nan)
    inputs[:, constant] = 0.0


def _separator(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _names(path: Path) -> list[str]:
    """The names of all columns, from the header alone."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet"):
        raise Refused(f"{path.name} does not end in .csv, .tsv or .parquet. Convert it to one of them.")
    with reading(path):
        if (size := path.stat().st_size) > LIMIT_BYTES // 16:  # an empty cell is one byte in the file, and eight or more in memory
            raise Refused(f"{path.name} has {size:,} bytes, more than the {LIMIT_BYTES // 16:,} that can be read. Use fewer rows.")
        with opened(path) as file:
            start = file.read(_HEADER_BYTES)
    try:
        if suffix == ".parquet":
            names = _parquet_names(path)
        else:
            line = start.decode("utf-8-sig", "replace").splitlines()[:1]
            names = next(csv.reader(line, delimiter=_separator(path)), [])
    except Refused:
        raise
    except _MALFORMED as error:
        raise Refused(f"{path.name} cannot be read as a table ({short(str(error))}). Save it again.") from error
    if not names or len(names) > LIMIT_COLUMNS or len(set(names)) < len(names) or "" in names:
        raise Refused(
            f"{path.name} has {len(names):,} columns in its first line; each needs a name of its own, and at most {LIMIT_COLUMNS:,} are read."
        )
    return names


def _parquet_names(path: Path) -> list[str]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise Refused("Parquet is read by pyarrow, which is not installed: pip install pyarrow.") from error
    with opened(path) as held, parquet.ParquetFile(held) as file:
        says = file.metadata
        unpacked = sum(says.row_group(i).total_byte_size for i in range(says.num_row_groups))
        if max(unpacked, says.num_rows * says.num_columns * 8) > LIMIT_BYTES:
            raise Refused(f"{path.name} unpacks to {says.num_rows:,} rows of {says.num_columns:,} columns, more than can be read. Use fewer rows.")
        return [n for n in cast("list[str]", file.schema_arrow.names) if not n.startswith("__index_level_")]  # row numbers that pandas adds


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    with reading(path), opened(path) as file:  # a file and no path: pandas would also take an address, or unpack by the ending
        try:
            if path.suffix.lower() == ".parquet":
                from pyarrow import parquet

                return cast("pd.DataFrame", cast("Any", parquet.read_table(file, columns=columns)).to_pandas(ignore_metadata=True))
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # more cells than names: it would drop them
                table = pd.read_csv(file, sep=_separator(path), index_col=False, low_memory=False, encoding="utf-8-sig")
        except _MALFORMED as error:
            raise Refused(f"{path.name} cannot be read as a table ({short(str(error))}). Save it again.") from error
    if lost := [n for n in columns if n not in table.columns]:
        raise Refused(f"{path.name} has an ambiguous first line ({short(lost[0])!r}). Quote its names.")
    return table
