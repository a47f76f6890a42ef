"""Two ends, and the ways between them that are to be compared: what the forms of the Paths page choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Aligned, Connected, Field, Method, Precision, ProblemSpec, Recipe, Run, SplitName
from explorer.stats.preview_confirmation import mark
from explorer.store.run_store import RunStore
from explorer.ui.frame import head
from explorer.ui.frame.run_set import Named
from explorer.ui.widgets import cost_caption, form_state, method_form, precision, split_choice
from explorer.ui.widgets.model_picker import begin_at, choices, choose_family, families, family_of, key_of

STRAIGHT, ALIGNED = "straight line", "straight line after weight matching"
FIRST = (STRAIGHT, "bezier")


@dataclass(frozen=True)
class NamedPath:
    """One way from A to B: what it is called, and the request to measure it."""

    name: str
    run: Run


Make: TypeAlias = Callable[[ProblemSpec, Recipe, Recipe], NamedPath]


def straight(problem: ProblemSpec, a: Recipe, b: Recipe) -> NamedPath:
    """The segment."""
    return NamedPath(STRAIGHT, _measured(Field(problem, (a, b), registry.method("chart", "line"))))


def matched(problem: ProblemSpec, a: Recipe, b: Recipe) -> NamedPath:
    """The segment to B with its hidden units in A's order."""
    reference, other = Aligned.every(problem, (a, b), registry.method("align", "weight_matching"))
    return NamedPath(ALIGNED, _measured(Field(problem, (reference, other), registry.method("chart", "line"))))


def trained(problem: ProblemSpec, a: Recipe, b: Recipe, method: Method, at: int = 0) -> NamedPath:
    """A path that a connecting method trains, or how it stood after epoch `at`."""
    corners = Connected.every(problem, (a, b), method, registry.corners_of(method), at=at)
    return NamedPath(title(method), _measured(Field(problem, corners, registry.method("chart", registry.chart_of(method.name)))))


def title(method: Method) -> str:
    """A method as people call it."""
    return method.name.replace("_", " ")


def name_of(run: Run) -> str:
    """What a way in an address is called, from its corners alone."""
    inner = [c for c in run.field.corners if isinstance(c, Connected)]
    if inner:
        return title(inner[0].method)
    return ALIGNED if any(isinstance(c, Aligned) for c in run.field.corners) else STRAIGHT


def _measured(field: Field) -> Run:
    return Run(field, registry.method("sample", "adaptive"))


def default(store: RunStore) -> list[NamedPath]:
    """What a first visit shows: the straight line and a curve with one bend, between the first two models of the first family that has two."""
    if (ends := first_ends(store)) is None:
        return []
    return [straight(*ends), trained(*ends, registry.method("connect", "bezier"))]


def first_ends(store: RunStore) -> tuple[ProblemSpec, Recipe, Recipe] | None:
    """The first two models of the first family that has two."""
    found = next((f for f in families(store) if len(f.models) >= 2), None)
    if found is None:
        return None
    a, b = list(found.models.values())[:2]
    return found.problem, a, b


def summary(shown: Sequence[Named], of: Sequence[str] = ()) -> str:
    """What the form stood at, in one line; empty where nothing is shown. of: what is said in place of the names of the ways."""
    if not shown:
        return ""
    field = shown[0].run.field
    problem, corners = field.problem, field.corners
    ends = " → ".join(m.name or m.id for m in (corners[0], corners[-1]))
    return head.summary(
        problem.title or problem.name,
        ends + mark(field),
        ", ".join(of or dict.fromkeys(one.name for one in shown)),
        f"{field.measured_on} {field.metrics[0]}",
    )


def form(store: RunStore, shown: list[NamedPath]) -> list[NamedPath] | None:
    """Draw the form; the ways when the person presses Compare."""
    key = f"paths-{shown[0].run.id if shown else 'new'}"
    with st.container():
        ends = choose_ends(store, [way.run.field for way in shown], key=key)
        if ends is None:
            return None
        below = st.container()
        chosen = choose_ways(shown, FIRST, key=key)
        one, two, _ = st.columns(3)
        with one:
            exactly = precision.choose(store, ends.problem, shown[0].run.field if shown else None, key=key, below=below)
        with two:
            split = split_choice.choose_test_set(ends.problem, shown[0].run.field.split if shown else None, key=key)
        wanted = [_in(exactly, split, make(ends.problem, ends.a, ends.b)) for make in chosen]
        with below:
            cost_caption.caption(store, [way.run for way in wanted])
            if shown:
                note(shown, wanted, "Compare")
        with ends.aside:
            pressed = st.button("Compare", type="primary", icon=":material/route:", key=f"{key}-go", width="stretch", disabled=not chosen)
    return wanted if pressed and wanted else None


def is_way(run: Run) -> bool:
    """Whether a run is the loss along one way between two models."""
    return "loss" in run.field.metrics and len(run.field.corners) >= 2 and len(registry.axes(run.field.chart.name)) == 1


def note(shown: Sequence[Named], wanted: Sequence[Named], button: str) -> None:
    """Say so where the form asks for other ways than those shown below it."""
    corners = shown[0].run.field.corners
    ends = " → ".join(m.name or m.id for m in (corners[0], corners[-1]))
    of = f"{ends} ({', '.join(dict.fromkeys(one.name for one in shown))})"
    form_state.note([one.run for one in shown], [one.run for one in wanted], of, button=button)


def _in(exactly: Precision, split: SplitName, way: NamedPath) -> NamedPath:
    return replace(way, run=replace(way.run, field=replace(way.run.field, precision=exactly, split=split)))


@dataclass(frozen=True)
class Ends:
    """What the person chose to connect; `aside`: the place beside the choice, for a button."""

    problem: ProblemSpec
    a: Recipe
    b: Recipe
    aside: DeltaGenerator


def choose_ends(store: RunStore, shown: list[Field], *, key: str) -> Ends | None:
    """A family and two models of it, at first those of the fields that are shown or of the address; None while nothing is registered."""
    first = shown[0] if shown else None
    ends = (first.corners[0], first.corners[-1]) if first else ()
    every = families(store, first.problem, ends) if first else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    start = [key_of(e) for e in ends] or form_state.addressed(store, every, "a", "b")
    one, two, three, aside = st.columns([5, 3, 3, 2], vertical_alignment="bottom")
    with one:
        here = family_of(store, every, start[0])
        family = choose_family(every, here, key)
    models = choices(store, family, every)
    keys = list(models)
    at_a, at_b = begin_at(keys, start)
    with two:
        a = st.selectbox("A, at t = 0", keys, index=at_a, format_func=lambda k: family.label(k, models), key=f"{key}-a-{family.key}")
    with three:
        b = st.selectbox("B, at t = 1", keys, index=at_b, format_func=lambda k: family.label(k, models), key=f"{key}-b-{family.key}")
    return Ends(family.problem, models[a], models[b], aside)


def choose_ways(shown: list[NamedPath], first: tuple[str, ...], *, key: str) -> list[Make]:
    """How to get from A to B: makers of ways, none while an option is not valid."""
    known = {way.name: way.run for way in shown}
    names = registry.paths()
    ways = st.multiselect(
        "Paths from A to B",
        [STRAIGHT, ALIGNED, *(n.replace("_", " ") for n in names)],
        default=list(known) if known else list(first),
        key=f"{key}-ways",
        help="A trained path has corners between the ends that are moved until the loss is low all along it; the ends stay fixed.",
    )
    found: list[Make] = [make for name, make in ((STRAIGHT, straight), (ALIGNED, matched)) if name in ways]
    trainable = [n for n in names if n.replace("_", " ") in ways]
    with st.expander("How the paths are trained", icon=":material/tune:"):
        for name in trainable:
            st.markdown(f"**{registry.title('connect', name)}**")
            before = next((c.method for r in known.values() for c in r.field.corners if isinstance(c, Connected) and c.method.name == name), None)
            try:
                method = method_form.options("connect", name, key=key, start=before, fields=st.container())
            except (Refused, ValueError) as refusal:
                st.error(plain(str(refusal)))
                return []
            found.append(partial(trained, method=method))
        if not trainable:
            st.caption("Straight lines are not trained.")
    return found
