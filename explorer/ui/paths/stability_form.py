"""Pairs of copies that branched off one training: those that are there, or what is trained now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Loaded, Method, Run, Trained, Value
from explorer.stats import instability_analysis as analysis
from explorer.stats.instability_analysis import Branch
from explorer.ui.widgets import form_state, method_form, split_choice
from explorer.ui.widgets.model_picker import Family

NAMED = re.compile(r"(?:^|\D)(\d{1,9})[-_]([ab])$")  # epoch-10-a, k5_b
THERE, ANEW = "of existing checkpoints", "train now"
FIRST = {"batch": 16, "weight_decay": 1e-3, "noise": 0.25}  # what the shipped branches were trained with
EPOCHS = (0, 1, 2, 5, 10, 20)
SEEDS = (101, 202)


@dataclass(frozen=True)
class Pair:
    """The line between two copies that branched at epoch k."""

    k: int
    run: Run

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return f"branched at epoch {self.k}"

    @property
    def same(self) -> bool:
        """Whether both copies are one model, because nothing was left to train."""
        a, b = self.run.field.corners
        return a.id == b.id


def epoch_of(run: Run) -> int | None:
    """The epoch at which a run's two models branched; None for models that did not."""
    if len(run.field.corners) != 2 or run.field.chart.name != "line" or not {"loss", "error"} <= set(run.field.metrics):
        return None
    match run.field.corners[0]:
        case Trained(at=k) if k:
            return k
        case Trained(start=Trained(at=k)):
            return k
        case Trained(start=None):
            return 0
        case Loaded(name=name) if found := NAMED.search(name):
            return int(found[1])
        case _:
            return None


def lines_of(family: Family) -> list[Pair]:
    """The lines between the pairs of a family."""
    return [Pair(b.k, analysis.line(family.problem, b)) for b in pairs_of(family)]


def pairs_of(family: Family) -> list[Branch]:
    """The pairs of a family, told by the names of the files: a number, then a or b."""
    found: dict[int, dict[str, Loaded]] = {}
    for model in family.models.values():
        if isinstance(model, Loaded) and (name := NAMED.search(model.name)):
            found.setdefault(int(name[1]), {})[name[2]] = model
    return [Branch(k, both["a"], both["b"]) for k, both in sorted(found.items()) if len(both) == 2]


def form(every: Sequence[Family], shown: list[Pair]) -> list[Pair] | None:
    """Draw the form, filled in from what is shown; the lines when the person presses Measure."""
    key = f"stability-{shown[0].run.id}-{len(shown)}" if shown else "stability-new"
    trained = bool(shown) and isinstance(shown[0].run.field.corners[0], Trained)
    branched = [family for family in every if pairs_of(family)]
    with st.container():
        kinds = [THERE, ANEW] if branched else [ANEW]
        left, right, go = st.columns([4, 5, 2], vertical_alignment="bottom")
        with left:
            kind = st.segmented_control("Copies", kinds, default=ANEW if trained or not branched else THERE, key=f"{key}-kind", required=True)
        with right:
            offered = branched if kind == THERE else list(every)
            family = st.selectbox(
                "Family" if kind == THERE else "Problem of",
                offered,
                index=_index(offered, shown),
                format_func=lambda f: f.title,
                key=f"{key}-family-{kind}",
            )
        branches = pairs_of(family) if kind == THERE else _trained_now(family, shown if trained else [], key)
        with go:
            pressed = st.button("Measure", type="primary", icon=":material/call_split:", key=f"{key}-go", width="stretch", disabled=not branches)
        split = split_choice.choose_test_set(family.problem, shown[0].run.field.split if shown else None, key=f"{key}-{family.title}")
        lines = [(b.k, analysis.line(family.problem, b)) for b in branches]
        wanted = [Pair(k, replace(run, field=replace(run.field, split=split))) for k, run in lines]
        if shown:
            of = f"copies that branched at epoch {', '.join(str(p.k) for p in shown)}"
            form_state.note([p.run for p in shown], [p.run for p in wanted], of, button="Measure")
    return wanted if pressed and wanted else None


def _index(offered: Sequence[Family], shown: list[Pair]) -> int:
    """The family whose pairs are shown, else one of their problem, else the first."""
    if not shown:
        return 0
    field = shown[0].run.field
    first = field.corners[0]
    own = (i for i, f in enumerate(offered) if isinstance(first, Loaded) and first.digest in f.models)
    alike = (i for i, f in enumerate(offered) if f.problem.id == field.problem.id)
    return next(own, next(alike, 0))


def _trained_now(family: Family, shown: list[Pair], key: str) -> list[Branch]:
    """What is trained: the trunk's options, the epochs to branch at, and what the copies do in another way."""
    copies = _copies(shown)
    st.caption(registry.title("train", "sgd"))
    try:
        with st.expander("How the trunk is trained", icon=":material/tune:"):
            start = _trunk(shown) or registry.method("train", "sgd", FIRST)
            trunk = method_form.options("train", "sgd", key=key, start=start, fields=st.container())
        epochs, seeds, noise, shift = st.columns([4, 2, 2, 2], vertical_alignment="bottom")
        total = trunk["epochs"]
        assert isinstance(total, int)
        with epochs:
            at = [p.k for p in shown] or [k for k in EPOCHS if k <= total]
            asked = st.text_input("Branch at epochs", value=" ".join(map(str, at)), key=f"{key}-epochs", help="From 0, the initial weights, on.")
        with seeds:
            pair = _seeds(shown) or SEEDS
            drawn = st.text_input(
                "Seeds of the copies", value=" ".join(map(str, pair)), key=f"{key}-seeds", help="For the order of batches and the noise; k is added."
            )
        with noise:
            level = st.number_input("Noise of their inputs", value=_noise(copies), min_value=0.0, max_value=1000.0, format="%g", key=f"{key}-noise")
        with shift:
            moved = st.checkbox(
                "Shift their images", value=bool(copies.get("shift")), key=f"{key}-shift", help="By up to one pixel, a batch at a time."
            )
        ks, both = whole(asked, "Branch at epochs"), whole(drawn, "Seeds of the copies")
        if not ks:
            raise Refused("No epoch to branch at is given. Type some, such as 0 1 2 5.")
        if len(both) != 2:
            raise Refused(f"Two seeds are needed, one for each copy, but {len(both)} came. Type two numbers, such as 101 202.")
        branches = analysis.branches(family.problem, trunk, ks, (both[0], both[1]), noise=level, shift=moved)
        trunk_epochs = f"the trunk once, for up to {total} epochs, and " if max(ks) else ""
        st.caption(
            f"Trains {trunk_epochs}the copies, for {2 * sum(total - k for k in set(ks))} epochs together. What exists already is not trained again."
        )
    except (Refused, ValueError) as refusal:
        st.error(plain(str(refusal)))
        return []
    return branches


def whole(text: str, what: str) -> list[int]:
    """The whole numbers that a person typed, apart by spaces or commas; Refused for anything else."""
    parts = text.replace(",", " ").split()
    if wrong := [p for p in parts if not (p.removeprefix("-").isdecimal() and len(p) < 12)]:
        raise Refused(f"“{what}” takes whole numbers, and {wrong[0]!r:.40} is not one. Type them with spaces between, such as 0 1 2 5.")
    return [int(p) for p in parts]


def _trunk(shown: list[Pair]) -> Method | None:
    """The options of the training that the shown copies branched off."""
    models = [m for pair in shown for m in pair.run.field.corners if isinstance(m, Trained)]
    for model in models:
        if model.at:
            return model.method
        if isinstance(model.start, Trained):
            return model.start.method
    # Nothing but k = 0: the copies were trained as the trunk would have been.
    return registry.method("train", "sgd", {**models[0].method.kwargs(), "order_seed": 0}) if models and models[0].method.name == "sgd" else None


def _copies(shown: list[Pair]) -> dict[str, Value]:
    """The options of the shown copies, where any was trained at all."""
    return next((m.method.kwargs() for pair in shown for m in pair.run.field.corners if isinstance(m, Trained) and not m.at), {})


def _seeds(shown: list[Pair]) -> tuple[int, ...]:
    for pair in shown:
        orders = [m.method.kwargs().get("order_seed") for m in pair.run.field.corners if isinstance(m, Trained) and not m.at]
        seeds = tuple(o - pair.k for o in orders if isinstance(o, int))
        if len(seeds) == 2:
            return seeds
    return ()


def _noise(copies: dict[str, Value]) -> float:
    value = copies.get("noise", FIRST["noise"])
    return float(value) if isinstance(value, int | float) else FIRST["noise"]
