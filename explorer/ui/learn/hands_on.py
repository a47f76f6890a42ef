"""What a lesson lets one do by hand before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import streamlit as st

from explorer import lessons
from explorer.figures import curve as curve_figure
from explorer.figures.curve import Curve
from explorer.lessons import _units as toy
from explorer.ui.charts import lesson_picture
from explorer.ui.charts.curve import curve
from explorer.ui.charts.neurons import neurons
from explorer.ui.frame.polling import apart
from explorer.ui.learn import moving
from explorer.ui.widgets.chart_actions import corner

ORDER = "learn-order"  # of the copy's units, in the session
NAMES = "abcdef"


def two_neurons() -> None:
    """A point of the landscape to drag, neurons to swap."""
    st.markdown("Drag the orange point. **Swap the neurons**: where does it go, and what does the network compute now?")
    neurons(key=(key := "learn-neurons"))
    seen = lessons.every()["two_neurons"].see({})
    title = "The loss of two neurons over their two weights"
    corner(key=key, stem="two-neurons", title=title, figure=lambda: lesson_picture.figure(seen, title), explain=seen.sentence)


@apart  # a swap redraws this alone
def units() -> None:
    """Six hidden units to put in order."""
    st.markdown(
        "A small network with six hidden units, **a** to **f**, and a copy of it in a different order. Pick two positions in the copy and"
        " swap their units: its loss stays the same. Can you restore the order of the network?"
    )
    order: tuple[int, ...] = st.session_state.setdefault(ORDER, toy.shuffled(1))
    places = [f"{place + 1}: {NAMES[unit]}" for place, unit in enumerate(order)]
    left, right = st.columns([2, 3], gap="large")
    with left:
        picked = st.pills("Positions in the copy, and the units there", places, selection_mode="multi", key=f"learn-places-{order}")
        first, second, third = st.columns(3)
        with first:
            st.button("Swap", on_click=_swap, args=(tuple(map(places.index, picked)),), disabled=len(picked) != 2, key="learn-swap", width="stretch")
        with second:
            st.button("Match all", on_click=_put, args=(tuple(range(toy.UNITS)),), key="learn-match", width="stretch")
        with third:
            st.button("Shuffle", on_click=_again, args=(order,), key="learn-shuffle", width="stretch")
        values = toy.along(order)
        rise = float((values - ((1 - toy.LINE) * values[0] + toy.LINE * values[-1])).max())
        table = pd.DataFrame(
            {
                "": ["loss of the network", "loss of its copy", "distance between them", "barrier between them"],
                "value": [f"{values[0]:.6f}", f"{values[-1]:.6f}", f"{toy.distance(order):.3f}", f"{max(rise, 0.0):.3f}"],
            }
        )
        st.table(table, hide_index=True, hide_header=True)  # a data frame lays its toolbar over the buttons above
    with right:
        drawn, x_title, y_title = Curve("to the copy", toy.LINE, values), "t (0 = the network, 1 = its copy)", "mean squared error"
        words = f"Loss on the line to the copy in the order {', '.join(NAMES[k] for k in order)}: {values[0]:.4g} at both ends, at most {values.max():.4g}."
        curve(
            [drawn],
            key=(key := "learn-units"),
            x_title=x_title,
            y_title=y_title,
            pick=None,
            height=260,
            x_range=(0.0, 1.0),
            alt=words,
        )
        title = "The line from a network to its copy"
        corner(
            key=key,
            stem="six-units",
            title=title,
            figure=lambda: curve_figure.figure([drawn], x_title=x_title, y_title=y_title, title=title, footnote="Exact: computed from the formula."),
            explain=words,
        )


def _put(order: tuple[int, ...]) -> None:
    st.session_state[ORDER] = order


def _swap(places: tuple[int, ...]) -> None:
    order = list(st.session_state[ORDER])
    i, j = places
    order[i], order[j] = order[j], order[i]
    _put(tuple(order))


def _again(order: tuple[int, ...]) -> None:
    seed = int(np.dot(order, 6 ** np.arange(toy.UNITS)))  # another one for each order, the same for everybody
    _put(toy.shuffled(seed))


HANDS: Mapping[str, Callable[[], None]] = {
    "neurons": two_neurons,
    "units": units,
    "walk": moving.walk,
    "bend": moving.bend,
    "ellipses": moving.ellipses,
    "pour": moving.pour,
    "vote": moving.vote,
}
