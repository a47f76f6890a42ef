"""The numbers behind a picture as a table, and the table as a file: CSV, Parquet or NPZ, with the same columns and their units in the columns' names.

In Python the columns have plain names, and `frame.attrs["units"]` says what they are in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.points import Array
from explorer.core.spec import Field
from explorer.stats import metrics, units

if TYPE_CHECKING:
    import pandas as pd  # not before there is a table: a command that writes none starts without

FORMS = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "npz": "application/zip"}
Columns = Mapping[str, Array | list[str]]


def frame(columns: Columns, field: Field, **first: str) -> pd.DataFrame:
    """Columns that a field was measured in (figures.line.table, figures.plane.table); first: columns in front of them, of one text each."""
    import pandas as pd

    made = pd.DataFrame({**first, **columns})
    made.attrs["units"] = units_of(field)
    return made


def units_of(field: Field) -> dict[str, str]:
    """The unit of each column that has one: of a metric, and of the ends of its interval. Shares are shares, and distances in weight space have none."""
    known = {metrics.short(m): units.of_level(field.problem, m) for m in metrics.given(field) if not metrics.find(m).percent}
    return {name + end: unit for name, unit in known.items() if unit for end in ("", "_low", "_high")}


def written(table: pd.DataFrame, form: str) -> bytes:
    """A table as a file: "csv", "parquet", or "npz" with an array for each column. The same table is the same file."""
    units_ = table.attrs.get("units", {})
    named = table.rename(columns={c: units.titled(str(c), units_.get(c, "")) for c in table.columns})
    if form == "csv":
        return csv(named).encode()
    buffer = BytesIO()
    if form == "parquet":
        named.to_parquet(buffer, index=False)
    elif form == "npz":
        np.savez_compressed(buffer, allow_pickle=False, **{str(c): _array(named[[c]].iloc[:, 0]) for c in named.columns})
    else:
        raise Refused(f"No format of data is called {form!r}. There are: {', '.join(FORMS)}.")
    return buffer.getvalue()


def csv(table: pd.DataFrame) -> str:
    """A table as CSV. A text that a spreadsheet would take for a formula (names of models come from anybody) is put behind an apostrophe, which it does not show."""
    harmless = table.rename(columns={c: _no_formula(c) for c in table.columns})
    return harmless.map(_no_formula).to_csv(index=False)


def _no_formula(value: object) -> object:
    if not isinstance(value, str):
        return value
    line = value.replace("\r", " ")  # which some readers take for the end of a row
    return f"'{line}" if line.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\n")) else line


def save(table: pd.DataFrame, *files: Path | str) -> None:
    """The same into files, each of the form that its ending says."""
    paths = [Path(file) for file in files]
    for path, content in [(path, written(table, form_of(path))) for path in paths]:
        with system(path, "written"):
            path.write_bytes(content)


def form_of(path: Path, forms: Sequence[str] = tuple(FORMS), what: str = "Data") -> str:
    """The form that a file's ending names. Refused for one that is not written."""
    form = path.suffix.lower().removeprefix(".")
    if form not in forms:
        raise Refused(f"{path.name} does not say what it is to hold. {what} end in {', '.join('.' + f for f in forms)}.")
    return form


def _array(column: pd.Series) -> np.ndarray:
    """Numbers as they are, anything else as text, which needs no pickle."""
    values = column.to_numpy()
    return values if values.dtype.kind in "biuf" else column.astype(str).to_numpy(dtype=np.str_)
