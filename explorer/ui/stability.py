"""From which epoch on has a training settled its basin? Pairs of copies that branched at epoch k, and the barrier between them against k.

The Paths page's fourth view: of checkpoints that are there, or trained anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from explorer import methods
from explorer import stability as analysis
from explorer.errors import Refused
from explorer.figures.curve import Curve
from explorer.points import Points
from explorer.spec import Loaded, Method, Run, Trained
from explorer.stability import Branch
from explorer.statistics import Barrier, barrier
from explorer.store import RunStore
from explorer.ui import forms, shell
from explorer.ui.curve import curve
from explorer.ui.download import download
from explorer.ui.families import Family, families
from explorer.ui.several import active, asked_runs, progress, want

POLL_S = 0.5
NAMED = re.compile(r"(?:^|\D)(\d+)[-_]([ab])$")  # epoch-10-a, k5_b
THERE, ANEW = "of checkpoints that are there", "train anew"
SETTLED = 0.005  # of error: a pair whose barrier may be lower than this is called connected


@dataclass(frozen=True)
class Pair:
    """The line between two copies that branched at epoch k."""

    k: int
    run: Run

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return f"branched at epoch {self.k}"


def page(store: RunStore) -> None:
    """The view as a whole: form, curve, table."""
    st.markdown(
        "Two copies of a network are trained on from **epoch k** with other noise of SGD: another order of the batches, other noise on the inputs. Where the"
        " barrier between them is gone, the training had settled its basin by epoch k (Frankle et al. 2020)."
    )
    found, asked = asked_runs(store)
    pairs = sorted((Pair(k, run) for run in found if (k := epoch_of(run)) is not None), key=lambda p: p.k)
    if len(pairs) < asked:
        st.warning("Some pairs of this address are not in this store. Measure again.", icon=":material/link_off:")
    if wanted := _form(store, pairs):
        st.query_params.from_dict({"view": "stability", "runs": want(wanted)})
        st.rerun()
    if pairs:
        _show(store, pairs)
    else:
        st.info("Press **Measure**: one line for every epoch at which copies branched off.", icon=":material/call_split:")


def epoch_of(run: Run) -> int | None:
    """The epoch at which a run's two models branched; None for models that did not."""
    first = run.field.corners[0]
    match first:
        case Trained(at=k) if k:
            return k
        case Trained(start=Trained(at=k)):
            return k
        case Trained(start=None):
            return 0
        case Loaded() if found := NAMED.search(first.name):
            return int(found[1])
        case _:
            return None


def _form(store: RunStore, shown: list[Pair]) -> list[Pair] | None:
    every = families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    key = f"stability-{shown[0].run.id if shown else 'new'}"
    trained = bool(shown) and isinstance(shown[0].run.field.corners[0], Trained)
    branched = [family for family in every if pairs_of(family)]
    with st.container(border=True):
        kinds = [THERE, ANEW] if branched else [ANEW]
        left, right, go = st.columns([4, 5, 2], vertical_alignment="bottom")
        with left:
            kind = st.segmented_control("Copies", kinds, default=ANEW if trained or not branched else THERE, key=f"{key}-kind", required=True)
        with right:
            offered = branched if kind == THERE else every
            family = st.selectbox("Family" if kind == THERE else "Problem of", offered, format_func=lambda f: f.title, key=f"{key}-family-{kind}")
        branches = pairs_of(family) if kind == THERE else _anew(family, shown if trained else [], key)
        with go:
            pressed = st.button("Measure", type="primary", icon=":material/call_split:", key=f"{key}-go", width="stretch", disabled=not branches)
    return [Pair(b.k, analysis.line(family.problem, b)) for b in branches] if pressed else None


def pairs_of(family: Family) -> list[Branch]:
    """The pairs of a family, told by the names of the files: a number, then a or b."""
    found: dict[int, dict[str, Loaded]] = {}
    for model in family.models.values():
        if isinstance(model, Loaded) and (name := NAMED.search(model.name)):
            found.setdefault(int(name[1]), {})[name[2]] = model
    return [Branch(k, both["a"], both["b"]) for k, both in sorted(found.items()) if len(both) == 2]


def _anew(family: Family, shown: list[Pair], key: str) -> list[Branch]:
    """What is trained: the trunk's options, the epochs to branch at, and what the copies do in another way."""
    before = _trunk(shown)
    st.caption(methods.title("train", "sgd"))
    try:
        with st.expander("How the trunk is trained", icon=":material/tune:"):
            trunk = forms.options(
                "train", "sgd", key=key, start=before or methods.method("train", "sgd", {"noise": 0.25, "batch": 16}), fields=st.container()
            )
        epochs, noise, shift = st.columns([4, 2, 2], vertical_alignment="bottom")
        total = trunk["epochs"]
        assert isinstance(total, int)
        with epochs:
            start = " ".join(str(p.k) for p in shown) or " ".join(str(k) for k in (0, 1, 2, 5, 10, 20) if k <= total)
            text = st.text_input("Branch at epochs", value=start, key=f"{key}-epochs")
        with noise:
            level = st.number_input("Noise of the copies' inputs", value=0.25, min_value=0.0, format="%g", key=f"{key}-noise")
        with shift:
            moved = st.checkbox("Shift the copies' images", key=f"{key}-shift", help="By up to one pixel, a batch at a time.")
        return analysis.branches(family.problem, trunk, [int(k) for k in text.replace(",", " ").split()], noise=level, shift=moved)
    except (Refused, ValueError) as refusal:
        st.error(str(refusal))
        return []


def _trunk(shown: list[Pair]) -> Method | None:
    for pair in shown:
        for model in pair.run.field.corners:
            if isinstance(model, Trained):
                if model.at:
                    return model.method
                if isinstance(model.start, Trained):
                    return model.start.method
    return None


def _show(store: RunStore, pairs: list[Pair]) -> None:
    metric = (
        st.segmented_control("Metric", ["loss", "error"], default="error", key="metric", bind="query-params", label_visibility="collapsed") or "error"
    )
    busy = active(store, pairs)
    st.fragment(_live, run_every=POLL_S if busy else None)(store, pairs, metric, busy)


def _live(store: RunStore, pairs: list[Pair], metric: str, was_busy: bool) -> None:
    busy = active(store, pairs)
    points = {pair: store.points(pair.run.field.id)[0] for pair in pairs}
    progress(store, pairs, key="stability")
    found = [(pair, height) for pair in pairs if (height := _barrier(pair, points[pair], metric)) is not None]
    scale, unit = (100.0, "points of error") if metric == "error" else (1.0, "nat")
    drawn = np.array([[p.k, h.height.value * scale, h.height.low * scale, h.height.high * scale] for p, h in found]).reshape(-1, 4).T
    field = pairs[0].run.field
    curve(
        [_curve(drawn)],
        key=f"stability-{pairs[0].run.id}-{len(pairs)}",
        x_title="epoch k at which the copies branched",
        y_title=f"{field.split} barrier ({unit})",
        x_range=(0.0, float(max(p.k for p in pairs) or 1)),
        pick=None,
        height=360,
        alt=f"Barrier against the epoch of branching, {len(found)} of {len(pairs)} pairs.",
        caption=f"{len(found)} of {len(pairs)} pairs · 95 % bands, of the samples; one pair of copies for each epoch",
    )
    if found:
        st.markdown(words(found) if metric == "error" else "")
        _table(found, scale, unit)
    if was_busy != busy:
        st.rerun()
    if busy:
        shell.tend()


def _curve(drawn: np.ndarray) -> Curve:
    k, value, low, high = drawn
    return Curve("barrier between the copies", k, value, low, high)


def words(found: Sequence[tuple[Pair, Barrier]]) -> str:
    """From which epoch on every pair may be connected, by the rule that is said."""
    settled = [pair.k for pair, height in found if height.split_half.low <= SETTLED]
    unsettled = [pair.k for pair, height in found if height.split_half.low > SETTLED]
    first = min((k for k in settled if all(u < k for u in unsettled)), default=None)
    rule = f"Called connected: the barrier, at a place chosen on other samples, may be as low as {100 * SETTLED:g} points of error (its 95 % interval begins there or lower)."
    if first is None:
        return f"At none of the measured epochs had the training settled its basin. {rule}"
    if not unsettled:
        return f"The copies are connected from the first measured epoch, **{first}**, on. {rule}"
    return f"From epoch **{first}** on the copies are connected; those that branched at epoch {max(unsettled)} or earlier are not all. {rule}"


def _table(found: Sequence[tuple[Pair, Barrier]], scale: float, unit: str) -> None:
    rows = [
        {
            "k": pair.k,
            f"barrier ({unit}), 95 %": _text(h.height.value, h.height.low, h.height.high, scale),
            "at a place chosen on other samples": _text(h.split_half.value, h.split_half.low, h.split_half.high, scale),
            "ends": f"{scale * h.ends[0]:.4g}, {scale * h.ends[1]:.4g}",
            "line": f"/interpolate?run={pair.run.id}",
        }
        for pair, h in found
    ]
    table = pd.DataFrame(rows)
    st.dataframe(table, hide_index=True, column_config={"line": st.column_config.LinkColumn(display_text="look")})
    data, _ = st.columns([1, 4])
    with data:
        download("Data (CSV)", lambda: table.to_csv(index=False), "stability.csv", mime="text/csv", icon=":material/table:", key="stability-csv")


def _text(value: float, low: float, high: float, scale: float) -> str:
    return f"{scale * value:.4g} [{scale * low:.4g}, {scale * high:.4g}]"


def _barrier(pair: Pair, points: Points, metric: str) -> Barrier | None:
    return barrier(points, pair.run.field.metrics.index(metric), name=metric) if len(points) else None
