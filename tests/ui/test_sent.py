"""Whatever a browser sends in the place of a click, a page goes on as if nothing had been clicked."""

import pytest
import streamlit as st

from explorer.ui.charts import curve, plane

CLICKS = [
    None,
    1,
    "x",
    [],
    [1],
    {},
    {"x": 1},
    {"x": "1", "y": [], "at": {}},
    {"x": float("nan"), "y": 1, "at": 1},
    {"x": 10**400, "y": 1, "at": 10**400},
]


@pytest.mark.parametrize("click", CLICKS)
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_no_click_was_none(click, whole, monkeypatch):
    monkeypatch.setattr(st, "session_state", {"key": click if whole and click != {"x": 1} else {"pick": click}})
    assert plane._sent("key") is None
    x, at = curve._clicked("key")
    assert x in (None, 1) and at in (0, 1)


def test_a_click_is_what_was_sent(monkeypatch):
    """On a path, beside one, and with a path that is none."""
    click = {"x": 0.5, "y": 2, "at": 7, "on": {"s": 0.25, "path": "p"}}
    monkeypatch.setattr(st, "session_state", {"key": {"pick": click}})
    assert plane._sent("key") == click
    assert curve._clicked("key") == (0.5, 7)
    click["on"] = {"s": [], "path": 1}
    assert plane._sent("key") == {**click, "on": None}
