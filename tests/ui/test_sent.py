"""Whatever a browser sends in the place of a click, a page goes on as if nothing had been clicked."""

import pytest
import streamlit as st

from explorer.ui.charts import basins, curve, plane, volume

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
    {"place": [0, 1], "minimum": "0", "at": "1"},
    {"place": [0, 1, "2"], "minimum": [0], "at": []},
]


@pytest.mark.parametrize("click", CLICKS)
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_no_click_was_none(click, whole, monkeypatch):
    monkeypatch.setattr(st, "session_state", {"key": click if whole and click != {"x": 1} else {"pick": click}})
    assert plane._sent("key") is None
    x, at = curve._clicked("key")
    assert x in (None, 1) and at in (0, 1)
    assert volume._clicked("key")[0] is None
    assert basins._clicked("key")[0] == -1


def test_a_click_is_what_was_sent(monkeypatch):
    """On a path, beside one, and with a path that is none."""
    click = {"x": 0.5, "y": 2, "at": 7, "on": {"s": 0.25, "path": "p"}}
    monkeypatch.setattr(st, "session_state", {"key": {"pick": click}})
    assert plane._sent("key") == click
    assert curve._clicked("key") == (0.5, 7)
    click["on"] = {"s": [], "path": 1}
    assert plane._sent("key") == {**click, "on": None}


def test_a_minimum_and_a_place_of_a_volume_are_what_was_sent(monkeypatch):
    """Numbers alone."""
    monkeypatch.setattr(st, "session_state", {"key": {"pick": {"place": [0.5, 1, 2], "minimum": 2, "at": 7}}})
    assert volume._clicked("key") == ([0.5, 1.0, 2.0], 7)
    assert basins._clicked("key") == (2, 7)
