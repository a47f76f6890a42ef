"""A page with nothing but the live plane; `?show=` chooses what is special about it. Run by the browser tests and by benchmarks/relief.py."""

import numpy as np
import streamlit as st

from explorer.figures.plane import Marker, Surface, Trace
from explorer.figures.told import Mixtures
from explorer.ui.charts.curve import Curve, curve
from explorer.ui.charts.plane import plane
from explorer.ui.charts.triangle import lattice

show = st.query_params.get("show", "one")
size = int(st.query_params.get("size", "65"))
axis = np.linspace(-2.0, 2.0, size)
x, y = np.meshgrid(axis, axis)
z = 0.08 + 1.1 * np.exp(-2.2 * (x**2 + (y + 0.2) ** 2)) + 0.12 * (x**2 + y**2) + 0.06 * np.sin(3 * x) * np.cos(2 * y)
lost = np.zeros_like(z, dtype=bool)
if show == "holes":
    z[(x < -0.8) & (y < -0.8)] = np.nan
    lost = (x > 1.1) & (y > 1.1)
    z[lost] = np.nan
guess = np.ones_like(lost) if show == "smooth" else None
if guess is not None:
    guess[::4, ::4] = False
t = np.linspace(0.0, 1.0, 101)
traces = [
    Trace("straight line", "#d1495b", t, -1.2 + 2.4 * t, 0.0 * t),
    Trace("curved path", "#2e86ab", t, -1.2 * np.cos(np.pi * t), 1.3 * np.sin(np.pi * t)),
]
markers = [Marker("seed-0", -1.2, 0.0), Marker("seed-1", 1.2, 0.0), Marker("bend", 0.0, 1.3)]
surface = Surface(axis, axis, z, lost, guess)
spot = st.session_state.get("spot")
plane(
    surface,
    markers,
    [] if show == "bare" else traces,
    key="p",
    z_title="loss (nat)",
    alt="A hill between two models.",
    height=560,
    pick=spot and (spot.x, spot.y),
    group="g",
    log=show in ("log", "stage"),
    view=st.query_params.get("view", "map"),
    on_view=lambda view: st.session_state.update(view=view),
    on_pick=lambda spot: st.session_state.update(spot=spot),
    stage=show == "stage",
    scale="Viridis" if show == "stage" else "Cividis",
    caption="A formula.",
    mixtures=Mixtures(("seed-0", "seed-1", "bend"), lattice(4), 0.1 + lattice(4)[:, 0]) if show == "three" else None,
)
if show == "linked" or (show == "late" and st.checkbox("Show the curve")):
    curve(
        [Curve(tr.name, t, 0.1 + t * (1 - t)) for tr in traces],
        key="c",
        x_title="t",
        y_title="loss",
        pick=None,
        alt="Two curves.",
        group="g",
        height=200,
    )
st.text(f"Told {st.session_state.get('view')} {spot}")
