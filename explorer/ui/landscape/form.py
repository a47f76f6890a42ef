"""The form of the Landscape page: which plane through weight space."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core import registry, splits
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Field, Method, ProblemSpec, Recipe, Run, Shifted
from explorer.stats.metrics import field_for
from explorer.stats.preview_confirmation import exact, mark
from explorer.store.run_store import RunStore
from explorer.ui.charts.triangle import lattice
from explorer.ui.frame import head
from explorer.ui.widgets import cost_caption, form_state, loss_choice, method_form, new_snapshots, precision, split_choice
from explorer.ui.widgets.model_picker import Family, begin_at, choices, choose_family, families, family_of, key_of

COARSE = 17  # points along each side of the first picture; each finer one is nested in the next
FINEST = 65  # nodes along each side of a smooth preview, and of a refinement
BUDGET = 1700  # points of a refinement, those of a 33 × 33 grid that may be there already among them
SAMPLES = (0, 64, 128, 256, 512, 1024, 2048)
PLANE, DIRECTIONS = "plane", "directions"  # the charts that it begins with
THREE, AROUND, TOWARDS, MANY = "through three", "around one", "from one to two", "closest to many"
BOX_AROUND, BOX_OVER = "volume around one", "volume over four"
BOX_SIZE, BOX_LARGEST = 7, 15  # points along each axis of a volume, at first and at most


def through(problem: ProblemSpec, models: tuple[Recipe, ...], *, chart: Method | None = None, size: int = COARSE, samples: int = 0) -> Run:
    """The plane of three models, or the one closest to more of them."""
    return _grid(Field(problem, models, chart or registry.method("chart", PLANE), samples=samples), size)


def around(problem: ProblemSpec, model: Recipe, directions: Method, chart: Method, *, size: int = COARSE, samples: int = 0) -> Run:
    """The plane around a model along two directions."""
    return towards(problem, Shifted.both(problem, model, directions), chart, size=size, samples=samples)


def towards(problem: ProblemSpec, corners: tuple[Recipe, ...], chart: Method, *, size: int = COARSE, samples: int = 0) -> Run:
    """The plane around the first of three models along the directions to the two others."""
    return _grid(Field(problem, corners, chart, samples=samples), size)


def box(problem: ProblemSpec, corners: tuple[Recipe, ...], *, around: bool, extent: float, size: int = BOX_SIZE) -> Run:
    """The volume over four models, or around the first of them along the directions to the others."""
    chart = registry.method("chart", "volume", {"around": "first" if around else "all", "extent": extent})
    return _grid(Field(problem, corners, chart), size)


def wide(extent: float) -> Method:
    """The chart around a model that reaches so many lengths of the first direction."""
    return registry.method("chart", DIRECTIONS, {"extent": extent})


def measured_for(run: Run, metric: str) -> Run:
    """The same plane measured for a metric: the plane itself where its points give it."""
    return replace(run, field=field_for(run.field, metric))


def has_triangle(field: Field) -> bool:
    """Whether the plane's models are three corners of a triangle."""
    return not is_around(field) and len(field.corners) == 3


def triangle(run: Run, steps: int) -> Run:
    """The mixtures of a plane's three models, in equal steps; they are few and quoted each, so that of a preview they are exact."""
    field = replace(exact(run.field), chart=registry.method("chart", "simplex"))
    return Run(field, registry.method("sample", "given", {"at": tuple(lattice(steps)[:, 1:].ravel().tolist())}))


def refined(run: Run) -> Run:
    """More points where the picture needs them, and some that say how wrong it still is."""
    return Run(run.field, registry.method("sample", "surface", {"start": COARSE, "finest": FINEST, "budget": BUDGET}))


def finer(run: Run, size: int) -> Run:
    """The same plane with more points."""
    return _grid(run.field, size)


def is_around(field: Field) -> bool:
    """Whether it is a plane around one model."""
    return registry.is_around(field.chart.name)


def models_of(field: Field) -> tuple[Recipe, ...]:
    """The corners that are models; the others only stand for a direction."""
    return tuple(c for c in field.corners if not isinstance(c, Shifted))


def name_of(run: Run) -> str:
    """What a plane is called."""
    return f"{_name_of(run)}{mark(run.field)}"


def _name_of(run: Run) -> str:
    corners = run.field.corners
    names = [c.name or c.id for c in corners]
    if registry.is_volume(run.field.chart.name):
        last = corners[-1]
        return f"volume around {names[0]}, {last.method.name} directions" if isinstance(last, Shifted) else f"volume over {', '.join(names)}"
    if not is_around(run.field):
        return ", ".join(names) if len(names) <= 3 else f"{names[0]} … {names[-1]} ({len(names)} models)"
    if not isinstance(direction := corners[1], Shifted):
        return f"{names[0]}, towards {names[1]} and {names[2]}"
    seed = direction.method.kwargs().get("seed")
    return f"{names[0]}, {direction.method.name} directions" + (f", seed {seed}" if seed is not None else "")


def summary(shown: list[Run]) -> str:
    """What the form stood at, in one line; empty where nothing is shown."""
    if not shown:
        return ""
    field = shown[0].field
    samples = f"the first {field.samples} samples" if field.samples else ""
    return head.summary(field.problem.title or field.problem.name, "; ".join(map(name_of, shown)), f"{field.measured_on} loss", samples)


def default(store: RunStore) -> Run | None:
    """The picture of a page that was asked for nothing: the first family with three models."""
    found = next((f for f in families(store) if len(f.models) >= 3), None)
    return through(found.problem, tuple(list(found.models.values())[:3])) if found else None


def form(store: RunStore, shown: list[Run]) -> list[Run] | None:
    """Draw the form; the planes when the person presses Draw."""
    first = shown[0] if shown else None
    key = f"landscape-{first.id if first else 'new'}"
    corners = models_of(first.field) if first else ()
    every = families(store, first.field.problem, corners) if first else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    with st.container():
        one, two, go = st.columns([70, 168, 36], vertical_alignment="bottom")
        below = st.container()
        with one:
            start = [key_of(c) for c in corners] or form_state.addressed(store, every, *"abc")
            here = family_of(store, every, start[0])
            family = choose_family(every, here, key)
        models = choices(store, family, every)
        offered = ((THREE, 3), (AROUND, 1), (TOWARDS, 3), (MANY, 4), (BOX_AROUND, 1), (BOX_OVER, 4))
        kinds = [k for k, least in offered if len(models) >= least]
        was = MANY if len(corners) > 3 else THREE
        if first and registry.is_volume(first.field.chart.name):
            was = BOX_AROUND if len(corners) == 1 else BOX_OVER
        elif first and is_around(first.field):
            was = AROUND if len(corners) == 1 else TOWARDS
        with two:
            kind = st.segmented_control(
                "Plane or volume", kinds, default=was if was in kinds else kinds[0], key=f"{key}-kind-{family.key}", required=True
            )
        wanted = _models(store, family, models, kind or kinds[0], [k for k in start if k in models], key)
        asked: list[Run] = []
        if kind == AROUND and wanted:
            asked = _around(family.problem, wanted[0], first, key)
        elif kind in (BOX_AROUND, BOX_OVER) and wanted:
            asked = _boxes(family.problem, tuple(wanted), first, key)
        elif kind == TOWARDS and wanted:
            asked = [towards(family.problem, tuple(wanted), _wide(first, key, st.container()))]
        elif kind and len(wanted) >= 3:
            asked = [through(family.problem, tuple(wanted), chart=_chart(first, key, around=False, place=st.container()))]
        beside = boxes = False
        left, middle, third, right = st.columns([5, 4, 4, 4], vertical_alignment="bottom")
        with left:
            problem = loss_choice.choose(family.problem, first.field.problem if first else None, key=key)
        with middle:
            split = split_choice.choose_test_set(problem, first.field.split if first else None, key=key)
            samples = st.selectbox(
                "Samples",
                SAMPLES,
                index=SAMPLES.index(first.field.samples) if first and first.field.samples in SAMPLES else 0,
                format_func=lambda n: f"the first {n}" if n else f"all of the {splits.called(split)} split",
                key=f"{key}-samples",
                help="Fewer are quicker and less certain: a large network's picture in a minute, the final one overnight.",
            )
        with third:
            exactly = precision.choose(store, problem, first.field if first else None, key=key, below=below)
        asked = [
            replace(
                run,
                field=replace(
                    run.field, problem=problem, split=split, samples=samples, precision=exactly, metrics=(*run.field.metrics, *problem.metrics)
                ),
            )
            for run in asked
        ]
        with right:
            if shown:
                boxes = any(registry.is_volume(run.field.chart.name) for run in (*shown, *asked))
                beside = st.checkbox("Beside this picture", key=f"{key}-beside", disabled=len(shown) > 2 or boxes, help="With the same colours.")
        with go:
            pressed = st.button("Draw", type="primary", icon=":material/landscape:", key=f"{key}-go", width="stretch", disabled=not asked)
        goes_on = kind == MANY and new_snapshots.due(family) and len(shown) == 1 and new_snapshots.more(corners, wanted)
        with below:
            cost_caption.caption(store, asked)
            if shown and not (asked and {run.field.id for run in asked} <= {run.field.id for run in shown}):
                form_state.differs("; ".join(map(name_of, shown)), button="Draw")
    return ([*shown, *asked] if beside and not boxes else asked) if pressed or goes_on else None


def _models(store: RunStore, family: Family, models: dict[str, Recipe], kind: str, start: list[str], key: str) -> list[Recipe]:
    keys = list(models)
    own = f"{key}-{family.key}"
    if kind == MANY:
        begin, widget = new_snapshots.selection(
            store, family, models, key=f"{own}-many", before=start if len(start) > 3 else [], most=max(len(keys), 2)
        )
        chosen = st.multiselect(
            "Models, in order",
            keys,
            default=begin,
            format_func=lambda k: family.label(k, models),
            key=widget,
            help="The plane closest to all of them; for instance a training run, snapshot by snapshot.",
        )
        return [models[k] for k in chosen]
    wanted: list[Recipe] = []
    called = {AROUND: ("Model",), BOX_AROUND: ("Model",), TOWARDS: ("From", "Towards", "And towards"), BOX_OVER: ("A", "B", "C", "D")}
    names = called.get(kind, ("A", "B", "C"))
    begin = begin_at(keys, [*start[: len(names)], *[""] * (len(names) - len(start))])
    for column, label, first in zip(st.columns(len(names)), names, begin, strict=True):
        with column:
            chosen = st.selectbox(label, keys, index=first, format_func=lambda k: family.label(k, models), key=f"{own}-{kind}-{label}")
            wanted.append(models[chosen])
    if len({key_of(m) for m in wanted}) < len(wanted):
        st.caption(":material/info: The same model is chosen twice. A plane or a volume needs different ones.")
        return []
    return wanted


def _around(problem: ProblemSpec, model: Recipe, shown: Run | None, key: str) -> list[Run]:
    before = shown.field.corners[1] if shown and is_around(shown.field) else None
    start = before.method if isinstance(before, Shifted) else registry.method("direct", "random")  # those of the Hessian take minutes to find
    left, right = st.columns([4, 2])
    try:
        with left:
            method = method_form.choose("direct", "Directions", key=key, start=start, fields=st.container())
        chart = _wide(shown, key, right)
        with right:
            seeds = ""
            if "seed" in method.kwargs():
                seeds = st.text_input("Several seeds side by side", placeholder="0 1 2", key=f"{key}-seeds", help="One picture for each, up to four.")
        many = [int(s) for s in seeds.replace(",", " ").split()][:4]
        chosen = [registry.method("direct", method.name, {**method.kwargs(), "seed": s}) for s in many] or [method]
    except (Refused, ValueError) as refusal:
        st.error(plain(str(refusal)))
        return []
    return [around(problem, model, m, chart) for m in chosen]


def _boxes(problem: ProblemSpec, models: tuple[Recipe, ...], shown: Run | None, key: str) -> list[Run]:
    """The volume around a model, or over four; how far and how fine."""
    before = shown if shown is not None and registry.is_volume(shown.field.chart.name) else None
    was = before.field.corners[-1] if before else None
    was_size = before.sampler.kwargs().get("size") if before else None
    around = len(models) == 1
    places = st.columns(3 if around else 2)
    extent = places[0].number_input(
        "How far, in lengths of the first direction" if around else "How far beyond the models, in parts of the longest side",
        value=_given(before, "extent", 1.0 if around else 0.25) if before and isinstance(was, Shifted) == around else 1.0 if around else 0.25,
        min_value=0.001,
        format="%g",
        key=f"{key}-box-extent-{around}",
    )
    size = places[1].number_input(
        "Points along each axis",
        value=was_size if isinstance(was_size, int) else BOX_SIZE,
        min_value=3,
        max_value=BOX_LARGEST,
        step=2,
        key=f"{key}-box-size",
        help="A finer grid whose steps divide a coarser one's keeps what is measured: 3, 5, 9; or 8 and 15.",
    )
    if not around:
        return [box(problem, models, around=False, extent=extent, size=size)]
    seed = places[2].number_input("Seed of the random directions", value=_seed(was), min_value=0, step=1, key=f"{key}-box-seed")
    corners = Shifted.several(problem, models[0], registry.method("direct", "random", {"seed": seed}), 3)
    return [box(problem, corners, around=True, extent=extent, size=size)]


def _seed(corner: Recipe | None) -> int:
    seed = corner.method.kwargs().get("seed", 1) if isinstance(corner, Shifted) else 1
    return int(seed) - 1 if isinstance(seed, int) else 0  # the third direction is the first of the next seed


def _given(run: Run, name: str, default: float) -> float:
    value = run.field.chart.kwargs().get(name)
    return float(value) if isinstance(value, float | int) else default


def _wide(shown: Run | None, key: str, place: DeltaGenerator) -> Method:
    """The chart around a model: how far it reaches, where there is no other one to choose."""
    if len(registry.planes(around=True)) > 1:
        return _chart(shown, key, around=True, place=place)
    given = shown.field.chart.kwargs().get("extent") if shown and is_around(shown.field) else 1.0
    extent = place.number_input(
        "How far, in lengths of the first direction",
        value=float(given) if isinstance(given, float | int) else 1.0,
        min_value=0.001,
        format="%g",
        key=f"{key}-extent",
    )
    return wide(extent)


def _chart(shown: Run | None, key: str, *, around: bool, place: DeltaGenerator) -> Method:
    """The chart of the plane, where there is more than one."""
    start = registry.method("chart", DIRECTIONS if around else PLANE)
    if shown is not None and is_around(shown.field) == around:
        start = shown.field.chart
    if len(known := registry.planes(around=around)) == 1:
        return registry.method("chart", PLANE)
    with place:
        return method_form.choose("chart", "Chart", key=key, start=start, only=tuple(known), fields=st.container())


def _grid(field: Field, size: int) -> Run:
    return Run(field, registry.method("sample", "grid", {"size": size}))
