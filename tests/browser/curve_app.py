"""A page with nothing but the live curve; `?show=` chooses the data. Run by the browser tests."""

import numpy as np
import streamlit as st

from explorer.figures import answers
from explorer.ui.charts.curve import Curve, Peak, curve

EVERY = 0.2
T = np.linspace(0, 1, 21)


def loss(t: np.ndarray, height: float = 1.83) -> np.ndarray:
    return 0.31 - 0.05 * t + height * np.sin(np.pi * t) ** 2


def banded(name: str, t: np.ndarray, y: np.ndarray, height: float, ghost: bool = False) -> Curve:
    width = 0.03 + 0.06 * np.nan_to_num(y)
    peak = Peak(0.5, 0.285, 0.285 + height, f"barrier {height:.2f} [{height - 0.08:.2f}, {height + 0.08:.2f}]")
    return Curve(name, t, y, y - width, y + width, chord=(0.31, 0.26), peak=peak, ghost=ghost)


def chosen(show: str, update: int) -> list[Curve]:
    match show:
        case "live":
            n = 2 + update % 20
            t = np.concatenate([[0.0, 1.0], T[1:-1][: n - 2]])
            return [Curve("loss", t, loss(t), chord=(0.31, 0.26))]
        case "nan":
            return [banded("loss", T, np.where((T > 0.62) & (T < 0.83), np.nan, loss(T)), 1.83)]
        case "pair" | "walks":
            return [banded("before alignment", T, loss(T), 1.83, ghost=True), banded("after weight matching", T, loss(T, 0.06), 0.06)]
        case "peaks":
            return [banded(f"method {i}", T, loss(T, height), height) for i, height in enumerate((1.83, 0.36, 0.355, 0.06, 0.0))]
        case "six":
            return [Curve(f"method {i}", T[:: 1 + i % 3], loss(T[:: 1 + i % 3], 0.3 * i)) for i in range(6)]
        case "long":
            return [banded("resnet20-seed0-" * 4, T, 1e-6 * loss(T), 1.83e-6)]
        case "empty" | "nothing":
            return []
        case "markup":
            return [Curve("<img src=x onerror=alert(1)>", T, loss(T))]
        case _:
            return [banded("loss", T, loss(T), 1.83)]


def answered(show: str) -> dict | None:
    """Two classes and a picture: at first all are right, in the middle the second class is taken for the first, at the end all are right again."""
    match show:
        case "answers":
            right, wrong = [[3, 0], [0, 5]], [[3, 0], [4, 1]]
            sample = {"index": 7, "true": 1, "image": [[0.0, 1.0], [0.5, 0.0]], "text": None, "said": [1, 0, 1], "loss": [0.1, 2.0, 0.1]}
            found = {"classes": ["cat", "dog"], "of": 8, "wrong": [0, 4, 0], "confusion": [right, wrong, right], "samples": [sample]}
        case "losses":
            sample = {"index": 7, "true": None, "image": None, "text": "to be or not", "said": None, "loss": [0.1, None, 0.25]}
            found = {"classes": None, "of": 8, "wrong": None, "confusion": None, "samples": [sample]}
        case "coming":
            return answers.pending("What the models answer")
        case _:
            return None
    return answers.told(found, [0.0, 0.5, 1.0], title="What the models answer")


show = st.query_params.get("show", "one")
live = show in ("live", "still")


@st.fragment(run_every=EVERY if live else None)
def picture() -> None:
    update = st.session_state["update"] = st.session_state.get("update", 0) + 1
    curves = chosen(show, update)
    wanted = st.session_state.get("wanted")
    t = curve(
        curves,
        key="c",
        x_title="t (0 = A, 1 = B)" if show != "long" else f"t (0 = {'resnet20-seed0-' * 4}, 1 = {'resnet20-seed1-' * 4})",
        y_title="loss",
        pick=wanted,
        alt="The loss rises by 1.83 between A and B.",
        log=show == "log",
        play=show in ("walk", "walks", "nothing", "answers"),
        answers=answered(show),
        x_range=(0.0, 1.0),
        on_pick=lambda x: st.session_state.update(told=x),
        caption=f"{len(curves[0].x) if curves else 0} of 21 points · 512 samples of the test split · seed 0",
    )
    st.text(f"Python has {t}")
    st.text(f"Told {st.session_state.get('told')}")
    st.text(f"Update {update}")


if st.button("Go to the peak"):
    st.session_state["wanted"] = 0.5
picture()
