"""The numbers behind a picture as files."""

import csv
import io

import numpy as np
import pandas as pd
import pytest

from explorer.core.errors import Refused
from explorer.figures import data, line
from tests.figures.test_line import FIELD, points


def test_the_same_columns_with_their_units_in_every_format(tmp_path):
    """Read again from each file, every number is the one that was measured."""
    table = data.frame(line.table(FIELD, points(0.5)), FIELD, way="the straight line")
    assert table.attrs["units"] == {"loss": "nat", "loss_low": "nat", "loss_high": "nat"}
    files = [tmp_path / f"a.{form}" for form in data.FORMS]
    data.save(table, *files)
    arrays = np.load(files[2], allow_pickle=False)
    read = pd.read_csv(files[0]), pd.read_parquet(files[1]), pd.DataFrame({name: arrays[name] for name in arrays.files})
    for one in read:
        assert list(one.columns) == ["way", "t", "loss (nat)", "loss_low (nat)", "loss_high (nat)", "error", "error_low", "error_high"]
        assert set(one["way"]) == {"the straight line"}
        np.testing.assert_allclose(one["loss (nat)"], table["loss"], rtol=1e-15)
        np.testing.assert_allclose(one["error_high"], table["error_high"], rtol=1e-15)


def test_units_stay_with_tables_that_are_joined():
    """Of several ways with the same metrics."""
    parts = [data.frame(line.table(FIELD, points(rise)), FIELD, way=str(rise)) for rise in (0.5, 1.0)]
    assert b"loss (nat)" in data.written(pd.concat(parts), "csv")


@pytest.mark.parametrize("form", data.FORMS)
def test_the_same_table_is_the_same_file(form):
    """Byte by byte."""
    first, second = (data.written(data.frame(line.table(FIELD, points(0.5)), FIELD), form) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_no_name_becomes_a_formula_in_a_spreadsheet(name):
    """Whether it is a column's or a cell's; numbers are what they were."""
    table = pd.DataFrame({name: [name, "seed-0", -1.5]})
    read = list(csv.reader(io.StringIO(data.written(table, "csv").decode(), newline="")))
    assert read == [[said := "'" + name.replace("\r", " ")], [said], ["seed-0"], ["-1.5"]]


def test_another_format_is_refused(tmp_path):
    """With those that there are."""
    with pytest.raises(Refused, match=r"t\.xlsx does not say what it is to hold\. Data end in \.csv, \.parquet, \.npz\."):
        data.save(pd.DataFrame({"t": [0.0]}), tmp_path / "t.xlsx")
