"""The form of the Train page: which snapshots, of a training that is there or that is made now, and which averages along them."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import streamlit as st

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.registry import Range
from explorer.core.spec import Fused, Loaded, Method, ProblemSpec, Recipe, Trained, Value
from explorer.engine import ratatouille_recipes
from explorer.stats import metrics
from explorer.store.run_store import RunStore
from explorer.ui.frame import head
from explorer.ui.train.trajectories import NUMBER, Trajectory, called, kinds
from explorer.ui.widgets import cost_caption, form_state, method_form, new_snapshots
from explorer.ui.widgets.model_picker import Family, choices, choose_family, families, family_of, key_of

THERE, ANEW = "of existing checkpoints", "train now"
STAGED = "ratatouille"
MOST = 60  # snapshots in one picture
DRAWN = 24  # that are taken of a training, unless somebody asks for more
FIRST = {"weight_decay": 1e-3, "noise": 0.25}  # what the shipped samples were trained with
TUNING = {"lr": 0.05, "epochs": 10, **FIRST}


def default(store: RunStore) -> Trajectory | None:
    """What a first visit shows: the first family whose checkpoints are the epochs of one training."""
    for family in families(store):
        models = tuple(family.models[key] for key in new_snapshots.ordered(family, MOST))
        if len(models) >= 4 and all(isinstance(m, Loaded) and NUMBER.search(m.name) and m.name.startswith(("epoch", "step")) for m in models):
            return Trajectory(
                family.problem,
                models,
                tuple(kind.way({"skip": len(models) // 2}) for kind in kinds().values() if kind.name not in registry.added("sample")),
            )
    return None


def summary(shown: Trajectory | None) -> str:
    """What the form stood at, in one line; empty where nothing is shown."""
    if shown is None:
        return ""
    averages = ", ".join(called(way).upper() for way in shown.ways)
    return head.summary(shown.problem.title or shown.problem.name, head.names(shown.models), averages)


def form(store: RunStore, shown: Trajectory | None) -> Trajectory | None:
    """Draw the form, filled in from what is shown; the trajectory when the person presses the button."""
    every = families(store, shown.problem, shown.models) if shown else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    key = f"train-{shown.tasks()[0].run.id if shown else 'new'}"
    trained = shown is not None and isinstance(shown.models[0], Trained)
    with st.container():
        left, right, go = st.columns([3, 4, 2], vertical_alignment="bottom")
        below = st.container()
        with left:
            at = family_of(store, every, key_of(shown.models[0])) if shown and not trained else _of_problem(store, every, shown)
            family = choose_family(every, at, key)
        with right:
            kind = st.segmented_control("Snapshots", [THERE, ANEW], default=ANEW if trained else THERE, key=f"{key}-kind", required=True)
        members, models, first = 1, (), {}
        try:
            if kind == ANEW:
                models, members, first = _trained_now(store, family, every, shown if trained else None, key)
            else:
                models = _there(store, family, every, shown, key)
            chosen = (
                _averages(
                    shown if shown and [m.id for m in shown.models] == [m.id for m in models] else None, len(models) // members, members, first, key
                )
                if models
                else ()
            )
        except (Refused, ValueError) as refusal:
            st.error(plain(str(refusal)))
            chosen = ()
        with go:
            label = "Train" if kind == ANEW else "Average"
            pressed = st.button(label, type="primary", icon=":material/fitness_center:", key=f"{key}-go", width="stretch", disabled=not chosen)
        goes_on = kind == THERE and new_snapshots.due(family) and shown is not None and new_snapshots.more(shown.models, models)
        measured = shown.metrics if shown and shown.problem == family.problem else metrics.PLAIN
        wanted = Trajectory(family.problem, models, chosen, measured) if chosen else None
        with below:
            if wanted is not None:
                cost_caption.caption(store, [task.run for task in wanted.tasks()])
            if shown:
                form_state.note((t.run for t in shown.tasks()), (t.run for t in wanted.tasks()) if wanted else (), _named(shown), button=label)
    return wanted if pressed or goes_on else None


def _named(shown: Trajectory) -> str:
    names = [m.name or m.id for m in shown.models]
    return f"{', '.join(str(way['average']).upper() for way in shown.ways)} along {names[0]} … {names[-1]}"


def _of_problem(store: RunStore, every: list[Family], shown: Trajectory | None) -> int:
    first = default(store)
    if first is not None and (shown is None or shown.problem.id == first.problem.id):
        return family_of(store, every, key_of(first.models[0]))
    return next((i for i, f in enumerate(every) if shown is not None and f.problem.id == shown.problem.id), 0)


def _there(store: RunStore, family: Family, every: list[Family], shown: Trajectory | None, key: str) -> tuple[Recipe, ...]:
    models = choices(store, family, every)
    before = [k for k in map(key_of, shown.models) if k in models] if shown else []
    begin, widget = new_snapshots.selection(store, family, models, key=f"{key}-{family.key}-models", before=before, most=MOST)
    keys = st.multiselect(
        "Snapshots, in the order of the training",
        list(models),
        default=begin,
        format_func=lambda k: family.label(k, models),
        key=widget,
        max_selections=MOST,
    )
    if len(keys) < 2:
        raise Refused("An average needs at least two snapshots. Choose more.")
    return tuple(models[k] for k in keys)


def _trained_now(
    store: RunStore, family: Family, every: list[Family], shown: Trajectory | None, key: str
) -> tuple[tuple[Recipe, ...], int, dict[str, object]]:
    """(snapshots, networks trained together, options of averages that follow from the training)."""
    first = cast("Trained", shown.models[0]) if shown else None
    staged = first is not None and ratatouille_recipes.is_tuned(first)
    models = choices(store, family, every)
    one, two = st.columns(2)
    with one:
        names = [*registry.trainings(), STAGED]
        was = STAGED if staged else first.method.name if first else "swa"
        name = st.selectbox("Training", names, index=names.index(was) if was in names else 0, key=f"{key}-training")
        st.caption(_title(name))
    with two:
        base = _base(first)
        keys = ["", *models]
        begin_at = st.selectbox(
            "Start from",
            keys,
            index=keys.index(key_of(base)) if base is not None and key_of(base) in keys else 0,
            format_func=lambda k: family.label(k, models) if k else "initial weights",
            key=f"{key}-start-{family.key}",
        )
    start = models[begin_at] if begin_at else None
    if name == STAGED:
        return _staged(family.problem, start, shown if staged else None, key)
    with st.expander("How it is trained", icon=":material/tune:"):
        known = {o.name for o in registry.options("train", name)}
        before = (
            first.method if first and first.method.name == name else registry.method("train", name, {k: v for k, v in FIRST.items() if k in known})
        )
        how = method_form.options("train", name, key=key, start=before, fields=st.container())
        total = registry.snapshots_of(how)
        shown_each = first.at if first and first.method == how else 0
        fewest = -(-total * registry.members_of(how) // MOST)
        each = st.number_input(
            "One snapshot in every",
            1,
            max(1, total // 2),
            min(shown_each or max(1, total // DRAWN, fewest), max(1, total // 2)),
            key=f"{key}-each-{name}-{total}",
        )
    members = registry.members_of(how)
    if members * (total // each) > MOST:
        raise Refused(f"A picture holds at most {MOST} models, and these are {members * (total // each)}. Use fewer snapshots.")
    made = tuple(
        Trained(family.problem, how, start, at, member, _called(name, at, member, members))
        for at in range(each, total + 1, each)
        for member in range(members)
    )
    if len(made) < 2 * members:
        raise Refused("An average needs at least two snapshots. Train for longer, or use more of them.")
    return made, members, _first_of(how, each)


def _first_of(how: Method, each: int) -> dict[str, object]:
    """How SWA begins for a training that says so: after the snapshots of its first part, one at the end of each cycle."""
    options = how.kwargs()
    if "begin" not in options:
        return {}
    per_epoch = registry.snapshots_of(how) // cast("int", options["epochs"])
    cycle = cast("int", options["cycle"]) * per_epoch // each if options.get("schedule") == "cyclic" else 1
    return {"skip": cast("int", options["begin"]) * per_epoch // each, "every": max(1, cycle)}


def _called(name: str, at: int, member: int, members: int) -> str:
    return f"{name} {at}" + (f" network {member + 1}" if members > 1 else "")


def _staged(problem: ProblemSpec, start: Recipe | None, first: Trajectory | None, key: str) -> tuple[tuple[Recipe, ...], int, dict[str, object]]:
    with st.expander("Its stages", icon=":material/tune:"):
        columns = st.columns(4)
        tasks, groups, auxiliary, probed = _stages_of(first)
        labels = {"tasks": (tasks, 2, 12), "groups": (groups, 2, 1000), "auxiliary_epochs": (auxiliary, 0, 1000), "probe_epochs": (probed, 1, 1000)}
        given = {
            name: int(column.number_input(name.replace("_", " "), low, high, value, key=f"{key}-{name}"))
            for column, (name, (value, low, high)) in zip(columns, labels.items(), strict=True)
        }
        before = registry.method("train", "sgd", cast("Trained", first.models[0]).method.kwargs() if first else TUNING)
        tuning = method_form.options("train", "sgd", key=f"{key}-tuning", start=before, fields=st.container())
    made = ratatouille_recipes.recipes(problem, start, tuning, **given)
    total, tasks = registry.snapshots_of(tuning), given["tasks"]
    each = max(1, -(-total * tasks // MOST))
    models = [Trained(problem, t.method, t.start, at, 0, f"{t.name} epoch {at}") for at in range(each, total + 1, each) for t in made.tuned]
    st.caption(
        " → ".join(f"**{i}** {words}" for i, (words, _) in enumerate(made.stages(), start=1))
        + " → **5** their soup: *SWA* that skips all epochs but the last"
    )
    return tuple(models), tasks, {"skip": total // each - 1}


def _stages_of(shown: Trajectory | None) -> tuple[int, int, int, int]:
    """Tasks, groups, epochs of the auxiliary tasks and of the probe, of a ratatouille that is shown."""
    start = cast("Trained", shown.models[0]).start if shown else None
    if shown is None or start is None:
        return 3, 2, 5, 5
    if isinstance(start, Fused):
        aux, probe = (cast("Trained", m).method for m in start.models)
        return shown.members, cast("int", aux["groups"]), cast("int", aux["epochs"]), cast("int", probe["epochs"])
    return shown.members, 2, 0, cast("int", cast("Trained", start).method["epochs"])


def _base(model: Trained | None) -> Recipe | None:
    """What a training that is shown was begun at."""
    if model is None or not ratatouille_recipes.is_tuned(model):
        return model.start if model else None
    probe = model.start.models[1] if isinstance(model.start, Fused) else model.start
    return probe.start if isinstance(probe, Trained) else None


def _title(name: str) -> str:
    return "Ratatouille: fine-tunes one model via auxiliary tasks, and averages." if name == STAGED else registry.title("train", name)


def _averages(shown: Trajectory | None, times: int, members: int, first: dict[str, object], key: str) -> tuple[Method, ...]:
    offered = kinds(members)
    before = {called(way): way.kwargs() for way in shown.ways} if shown else {}
    one, two = st.columns([3, 5], vertical_alignment="bottom")
    with one:
        chosen = st.pills(
            "Averages",
            list(offered),
            selection_mode="multi",
            default=[name for name in before if name in offered] or [name for name in offered if name not in registry.added("sample")],
            format_func=str.upper,
            key=f"{key}-averages",
        )
    if not chosen:
        raise Refused("No average is chosen. Choose one or more.")
    usual: dict[str, object] = {"skip": times // 2 if members == 1 else times - 1, **first}
    given: dict[str, dict[str, object]] = {name: {} for name in chosen}
    fields = [(name, o) for name in chosen for o in registry.options("sample", offered[name].sampler) if o.name in offered[name].options]
    with two:
        for column, (name, option) in zip(st.columns(max(len(fields), 1)), fields, strict=False):
            value = cast("Value", before.get(name, usual).get(option.name, option.default))
            own = f"{key}-{name}-{option.name}-{times}-{value}"
            if option.kind == "int" and isinstance(value, int):
                option = replace(option, range=Range(option.range.low if option.range else 0, max(times, value)))
            with column:
                given[name][option.name] = method_form.field(option, value, key=own, label=f"{name.upper()}: {option.name}")
    return tuple(offered[name].way(given[name], members) for name in chosen)
