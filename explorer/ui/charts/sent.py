"""What a picture in the browser sends back, read as what it has to be: it may be anything, for whoever has a browser can send it. What does not fit was not sent."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import cast

import streamlit as st


def pick(key: str) -> Mapping[str, object]:
    """The last click on the picture of that key; empty where there was none."""
    state = st.session_state.get(key)
    return part(cast("Mapping[str, object]", state).get("pick")) if isinstance(state, Mapping) else {}


def part(sent: object) -> Mapping[str, object]:
    """A JSON object; empty where it is none."""
    return cast("Mapping[str, object]", sent) if isinstance(sent, Mapping) else {}


def number(sent: object) -> float | None:
    """A finite number; None where it is none."""
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        return None
    try:
        return float(sent) if isfinite(sent) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None
