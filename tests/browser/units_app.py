"""A page with the units of a matching and its descent, linked; `?show=result` has no steps. Run by the browser tests."""

import numpy as np
import streamlit as st

from explorer.ui.charts.curve import Curve, curve
from explorer.ui.charts.units import units

N, STEPS = 512, 24
VALUES = tuple(float(20 - k**0.5) for k in range(STEPS + 1))


def orders() -> np.ndarray:
    """From the order of before by a swap of two neighbours a step: at step k, the first 2k units."""
    found = np.tile(np.arange(N), (STEPS + 1, 1))
    for k in range(1, STEPS + 1):
        found[k:, 2 * k - 2 : 2 * k] = [2 * k - 1, 2 * k - 2]
    return found


if st.query_params.get("show") == "result":
    units(orders()[-1:], key="u", unit="layer", reference="A", other="B", alt="Where each unit went.")
else:
    units(orders(), key="u", unit="layer", reference="A", other="B", alt="Where each unit went.", values=VALUES, objective="distance", group="g")
    steps = Curve("B", np.arange(STEPS + 1.0), np.array(VALUES))
    curve([steps], key="c", x_title="step", y_title="distance", pick=None, alt="How it went down.", play=True, group="g")
