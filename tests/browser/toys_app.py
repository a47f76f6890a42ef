"""A page with one of the lessons' moving pictures: `?kind=walk`. Run by the browser tests."""

import numpy as np
import streamlit as st

from explorer.core.points import Points
from explorer.ui.charts import toys

NAMES = ("tune-1", "tune-2", "tune-3")


def soups() -> Points:
    """All soups of three models, with a loss of 0.1 for each bit's number: 0.1, 0.2, …, 0.7."""
    shares = np.array([[(b >> k) & 1 for k in range(3)] for b in range(1, 8)], dtype=np.float64)
    values = np.repeat(0.1 * np.arange(1, 8)[:, None, None], 2, axis=1) * np.ones(8)
    return Points(shares, values, np.ones(8))


match st.query_params.get("kind", "walk"):
    case "pour":
        toys.pour(NAMES, soups(), key="toy")
    case kind:
        {"walk": toys.walk, "bend": toys.bend, "ellipses": toys.ellipses, "vote": toys.vote}[kind](key="toy")
