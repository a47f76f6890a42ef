"""What a picture in the browser sends back, read as what it has to be: it may be anything, for whoever has a browser can send it. What does not fit was not sent."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import cast

import streamlit as st


def state(key: str) -> Mapping[str, object]:
    """What the picture of that key has sent last, by name."""
    return part(st.session_state.get(key))


def pick(key: str) -> Mapping[str, object]:
    """The last click on the picture of that key; empty where there was none."""
    return part(state(key).get("pick"))


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


def numbers(sent: object, count: int) -> list[float] | None:
    """So many finite numbers; None where they are none."""
    found = [number(one) for one in cast("list[object]", sent)] if isinstance(sent, list) else []
    there = [one for one in found if one is not None]
    return there if len(there) == len(found) == count else None
