"""The form of the Paths page's second view: which models, and what is measured between every two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import streamlit as st

from explorer.core import registry
from explorer.core.spec import Aligned, Field, ProblemSpec, Recipe, Run, SplitName
from explorer.store.run_store import RunStore
from explorer.ui.frame import head
from explorer.ui.frame.run_set import Named
from explorer.ui.paths import many_pairs
from explorer.ui.widgets import form_state, split_choice
from explorer.ui.widgets.choose_models import choose_models
from explorer.ui.widgets.model_picker import choices, choose_family, families, family_of, key_of

FIRST = 5  # models chosen at first
ALIGN = "weight_matching"
MOST = 20  # models up to which the line between every two is followed; beyond, its middle (explorer.ui.paths.many_pairs)


@dataclass(frozen=True)
class Pair:
    """The straight line between two of the models, and the request to measure it."""

    a: Recipe
    b: Recipe
    aligned: bool
    run: Run

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return f"{self.a.name or self.a.id} – {self.b.name or self.b.id}{', aligned' if self.aligned else ''}"


def pair_of(run: Run) -> Pair:
    """The pair whose line a run of an address measures."""
    a, b = run.field.corners[0], run.field.corners[-1]
    if isinstance(b, Aligned) and isinstance(a, Aligned):
        return Pair(a.models[a.which], b.models[b.which], True, run)
    return Pair(a, b, False, run)


def summary(middles: Sequence[Run], pairs: Sequence[Pair]) -> str:
    """What the form stood at, in one line; empty where nothing is shown."""
    shown = [*middles, *(pair.run for pair in pairs)]
    if not shown:
        return ""
    problem = shown[0].field.problem
    used = next((c.method.name.replace("_", " ") for p in pairs for c in p.run.field.corners if isinstance(c, Aligned)), "")
    return head.summary(
        problem.title or problem.name, head.names(_models(middles, pairs)), f"as they are and after {used}" if used else "as they are"
    )


def _models(middles: Sequence[Run], pairs: Sequence[Pair]) -> list[Recipe]:
    return list(dict.fromkeys([*(c for run in middles for c in run.field.corners), *(m for pair in pairs for m in (pair.a, pair.b))]))


def form(store: RunStore, middles: Sequence[Run], pairs: Sequence[Pair]) -> Sequence[Named] | None:
    """Draw the form, filled in from what is shown; what to measure when the person presses the button."""
    shown = [*middles, *(pair.run for pair in pairs)]
    key = f"many-{shown[0].id if shown else 'new'}"
    before = _models(middles, pairs)
    every = families(store, shown[0].field.problem, tuple(before)) if shown else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    with st.container():
        one, two, go = st.columns([4, 5, 2], vertical_alignment="bottom")
        with one:
            keys = [key_of(m) for m in before]
            here = family_of(store, every, keys[0] if keys else form_state.addressed(store, every, "a")[0])
            family = choose_family(every, here, key)
        models = choices(store, family, every)
        with two:
            start = [k for k in keys if k in models] or list(family.models)[:FIRST]
            chosen = choose_models("Models", models, start, name=lambda k: family.label(k, models), key=f"{key}-models-{family.key}")
        split = split_choice.choose_test_set(family.problem, shown[0].field.split if shown else None, key=key)
        wanted = (_followed if len(chosen) <= MOST else _middles)(store, family.problem, [models[k] for k in chosen], pairs, split, key)
        with go:
            pressed = st.button("Measure", type="primary", icon=":material/hub:", key=f"{key}-go", width="stretch", disabled=len(chosen) < 2)
        if shown:
            form_state.note(shown, [w.run for w in wanted], head.names(before), button="Measure")
    return wanted if pressed else None


def _followed(store: RunStore, problem: ProblemSpec, models: Sequence[Recipe], shown: Sequence[Pair], split: SplitName, key: str) -> Sequence[Named]:
    """The line between every two, as they are and, where that is chosen, aligned."""
    known = registry.alignments()
    used = next((c.method.name for p in shown for c in p.run.field.corners if isinstance(c, Aligned)), ALIGN)
    align = st.selectbox(
        "And after aligning each pair by",
        ["", *known],
        index=0 if shown and not any(p.aligned for p in shown) else 1 + known.index(used if used in known else ALIGN),
        format_func=lambda m: m.replace("_", " ") or "(not aligned)",
        key=f"{key}-align",
    )
    return _lines(problem, models, align, split)


def _middles(store: RunStore, problem: ProblemSpec, models: Sequence[Recipe], shown: Sequence[Pair], split: SplitName, key: str) -> Sequence[Named]:
    """The middles of the lines between some pairs of many."""
    total = len(models) * (len(models) - 1) // 2
    drawn = st.number_input(
        "Pairs at random, beside those that join the nearest models", 0, total, min(many_pairs.DRAWN, total), key=f"{key}-drawn-{len(models)}"
    )
    first = many_pairs.first(store, problem, models, int(drawn), split)
    st.caption(
        f"{len(models)} models have {total:,} pairs. Measured first is the middle of the lines between {first.name}; all of them when you ask for it"
        f" below the picture. Whole lines, and pairs after aligning, are for up to {MOST} models: each of them is a run of its own."
    )
    many_pairs.cost(store, first.run)
    return [first]


def default(store: RunStore) -> list[Pair]:
    """What a first visit shows: the first family that has three models."""
    found = next((f for f in families(store) if len(f.models) >= 3), None)
    return _lines(found.problem, list(found.models.values())[:FIRST], ALIGN) if found else []


def _lines(problem: ProblemSpec, models: Sequence[Recipe], align: str, split: SplitName = "test") -> list[Pair]:
    """Every pair as it is, then every pair aligned, if `align` names a method."""
    two_of_them = list(combinations(models, 2))
    wanted = [line(problem, a, b, None, split) for a, b in two_of_them]
    return wanted + [line(problem, a, b, align, split) for a, b in two_of_them if align]


def line(problem: ProblemSpec, a: Recipe, b: Recipe, align: str | None, split: SplitName = "test") -> Pair:
    """The line between two models, aligned if `align` names a method."""
    corners = Aligned.every(problem, (a, b), registry.method("align", align)) if align else (a, b)
    return Pair(a, b, bool(align), Run(Field(problem, corners, registry.method("chart", "line"), split=split), registry.method("sample", "adaptive")))
