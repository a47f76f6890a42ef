"""The form of the Landscape page: which plane through weight space."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from explorer import methods
from explorer.errors import Refused
from explorer.spec import Field, Method, ProblemSpec, Recipe, Run, Shifted
from explorer.store import RunStore
from explorer.ui import forms, losses
from explorer.ui.families import Family, choices, families, family_of, index_of, key_of

COARSE = 17  # points along each side of the first picture; each finer one is nested in the next
PLANES = ("plane", "directions")  # the charts that this page draws
THREE, AROUND, MANY = "through three models", "around one model", "closest to many models"


def through(problem: ProblemSpec, models: tuple[Recipe, ...], *, size: int = COARSE) -> Run:
    """The plane of three models, or the one closest to more of them."""
    return _grid(Field(problem, models, methods.method("chart", "plane")), size)


def around(problem: ProblemSpec, model: Recipe, directions: Method, extent: float, *, size: int = COARSE) -> Run:
    """The plane around a model along two directions."""
    chart = methods.method("chart", "directions", {"extent": extent})
    return _grid(Field(problem, Shifted.both(problem, model, directions), chart), size)


def finer(run: Run, size: int) -> Run:
    """The same plane with more points."""
    return _grid(run.field, size)


def is_around(field: Field) -> bool:
    """Whether it is a plane around one model."""
    return field.chart.name == "directions"


def name_of(run: Run) -> str:
    """What a plane is called."""
    corners = run.field.corners
    if is_around(run.field):
        direction = corners[1]
        assert isinstance(direction, Shifted)
        seed = direction.method.kwargs().get("seed")
        return f"{corners[0].name or corners[0].id}, {direction.method.name} directions" + (f", seed {seed}" if seed is not None else "")
    names = [c.name or c.id for c in corners]
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} … {names[-1]} ({len(names)} models)"


def default(store: RunStore) -> Run | None:
    """The picture of a page that was asked for nothing: the first family with three models."""
    found = next((f for f in families(store) if len(f.models) >= 3), None)
    return through(found.problem, tuple(list(found.models.values())[:3])) if found else None


def form(store: RunStore, shown: list[Run]) -> list[Run] | None:
    """Draw the form; the planes when the person presses Draw."""
    first = shown[0] if shown else None
    key = f"landscape-{first.id if first else 'new'}"
    corners = first.field.corners if first else ()
    if first and is_around(first.field):
        corners = corners[:1]
    every = families(store, first.field.problem, corners) if first else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    with st.container(border=True):
        one, two, go = st.columns([3, 6, 2], vertical_alignment="bottom")
        with one:
            start = [key_of(c) for c in corners] or [st.query_params.get("a", "")]
            here = family_of(store, every, start[0])
            family = st.selectbox("Family", every, index=here, format_func=lambda f: f.title, key=f"{key}-family")
        models = choices(store, family, every)
        kinds = [k for k, least in ((THREE, 3), (AROUND, 1), (MANY, 4)) if len(models) >= least]
        was = AROUND if first and is_around(first.field) else MANY if len(corners) > 3 else THREE
        with two:
            kind = st.segmented_control("Plane", kinds, default=was if was in kinds else kinds[0], key=f"{key}-kind-{family.key}", required=True)
        wanted = _models(family, models, kind or kinds[0], [k for k in start if k in models], key)
        asked: list[Run] = []
        if kind == AROUND and wanted:
            asked = _around(family.problem, wanted[0], first, key)
        elif kind and len(wanted) >= 3:
            asked = [through(family.problem, tuple(wanted))]
        problem = losses.choose(family.problem, first.field.problem if first else None, key=key)
        asked = [replace(run, field=replace(run.field, problem=problem)) for run in asked]
        beside = False
        if shown:
            beside = st.checkbox("Beside the present picture, with the same colours", key=f"{key}-beside", disabled=len(shown) > 2)
        with go:
            pressed = st.button("Draw", type="primary", icon=":material/landscape:", key=f"{key}-go", width="stretch", disabled=not asked)
    return ([*shown, *asked] if beside else asked) if pressed else None


def _models(family: Family, models: dict[str, Recipe], kind: str, start: list[str], key: str) -> list[Recipe]:
    keys = list(models)
    own = f"{key}-{family.key}"
    if kind == MANY:
        chosen = st.multiselect(
            "Models, in order",
            keys,
            default=start if len(start) > 3 else list(family.models),
            format_func=lambda k: family.label(k, models),
            key=f"{own}-many",
            help="The plane that lies closest to all of them; a training run, for instance, snapshot by snapshot.",
        )
        return [models[k] for k in chosen]
    wanted: list[Recipe] = []
    names = ("A", "B", "C") if kind == THREE else ("Model",)
    for i, (column, label) in enumerate(zip(st.columns(len(names)), names, strict=True)):
        with column:
            first = index_of(keys, start[i] if i < len(start) else "", i)
            chosen = st.selectbox(label, keys, index=first, format_func=lambda k: family.label(k, models), key=f"{own}-{kind}-{label}")
            wanted.append(models[chosen])
    return wanted if len({key_of(m) for m in wanted}) == len(wanted) else []


def _around(problem: ProblemSpec, model: Recipe, shown: Run | None, key: str) -> list[Run]:
    before = shown.field.corners[1] if shown and is_around(shown.field) else None
    start = before.method if isinstance(before, Shifted) else None
    left, right = st.columns([4, 2])
    try:
        with left:
            method = forms.choose("direct", "Directions", key=key, start=start, fields=st.container())
        with right:
            given = shown.field.chart.kwargs().get("extent", 1.0) if shown and is_around(shown.field) else 1.0
            extent = st.number_input(
                "How far, in lengths of the first direction",
                value=float(given) if isinstance(given, float | int) else 1.0,
                min_value=0.001,
                format="%g",
                key=f"{key}-extent",
            )
            seeds = ""
            if "seed" in method.kwargs():
                seeds = st.text_input("Several seeds side by side", placeholder="0 1 2", key=f"{key}-seeds", help="One picture for each, up to four.")
        many = [int(s) for s in seeds.replace(",", " ").split()][:4]
        chosen = [methods.method("direct", method.name, {**method.kwargs(), "seed": s}) for s in many] or [method]
    except (Refused, ValueError) as refusal:
        st.error(str(refusal))
        return []
    return [around(problem, model, m, extent) for m in chosen]


def _grid(field: Field, size: int) -> Run:
    return Run(field, methods.method("sample", "grid", {"size": size}))
