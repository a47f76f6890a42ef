"""The report's words and tables."""

import pandas as pd

from explorer.figures.report import OPEN_ROWS, Section, page


def test_numbers_have_three_figures_and_flags_are_words():
    """No 2.785515 and no True; what is missing stays empty, and whole numbers stay whole."""
    table = pd.DataFrame({"error": [2.785515, None], "best": [True, False], "count": [4160, 12]})
    text = page("t", [Section("s", table=table)], None)
    for cell in ("<td>2.79</td>", "<td></td>", "<td>yes</td>", "<td>no</td>", "<td>4160</td>"):
        assert cell in text


def test_long_tables_and_code_are_folded():
    """The pictures are not pushed out of sight; a short table stands open."""
    long, short = (page("t", [Section("s", table=pd.DataFrame({"n": range(rows)}))], None) for rows in (OPEN_ROWS + 1, OPEN_ROWS))
    assert f"<summary>{OPEN_ROWS + 1} rows</summary>" in long
    assert "<details>" not in short
    assert "<details><summary>Code</summary><pre>x &lt; 1</pre></details>" in page("t", [Section("s", code="x < 1")], None)
