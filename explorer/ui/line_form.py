"""The form of a line: two checkpoints, what to measure on, and how finely."""

from __future__ import annotations

import streamlit as st

from explorer import methods
from explorer.errors import Refused
from explorer.spec import Field, Loaded, ProblemSpec, Run
from explorer.store import RunStore, Status
from explorer.ui import forms, samples

SPLITS = {
    "test": "test: what is reported",
    "val": "val: where selections are made",
    "train": "train: what the models were fitted to",
}
BUFFERS = {
    "recalibrate": "recalibrate at every interior point",
    "mix": "mix like the weights",
    "first": "keep the first model's",
}


def shipped(store: RunStore) -> Status | None:
    """The first shipped story: what the page shows before anything is asked."""
    return next(iter(samples.stories(store).values()), None)


def form(store: RunStore, status: Status | None) -> Run | None:
    """Draw the form, filled in from a run; the new run when the person presses Explore."""
    run = status.wish if status and isinstance(status.wish, Run) and len(status.wish.field.corners) == 2 else None
    key = f"line-{status.id if status else 'new'}"
    families = by_problem(store)
    if run:
        families.setdefault(run.field.problem.id, (run.field.problem, {}))[1].update(
            {c.digest: c for c in run.field.corners if isinstance(c, Loaded)}
        )
    if not families:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    start_a, start_b = _start(store, families, run)
    ids = list(families)
    with st.container(border=True):
        first, second, third, fourth = st.columns([3, 3, 3, 2], vertical_alignment="bottom")
        with first:
            home = next((i for i, (_, f) in enumerate(families.values()) if start_a in f), 0)
            chosen = st.selectbox("Problem", ids, index=home, format_func=lambda i: families[i][0].title or families[i][0].name, key=f"{key}-problem")
        problem, models = families[chosen]
        options = list(models)
        label = _labels(list(models.values()))
        with second:
            a = st.selectbox("A, at t = 0", options, index=_index(options, start_a, 0), format_func=label.__getitem__, key=f"{key}-a-{chosen}")
        with third:
            b = st.selectbox(
                "B, at t = 1",
                options,
                index=_index(options, start_b, min(1, len(options) - 1)),
                format_func=label.__getitem__,
                key=f"{key}-b-{chosen}",
            )
        with fourth:
            go = st.button("Explore", type="primary", icon=":material/play_arrow:", width="stretch", key=f"{key}-go")
        with st.expander("How it is measured", icon=":material/tune:"):
            left, middle, right = st.columns(3, gap="medium")
            with left:
                splits = list(SPLITS)
                split = st.selectbox(
                    "Samples", splits, index=splits.index(run.field.split) if run else 0, format_func=SPLITS.__getitem__, key=f"{key}-split"
                )
                count = st.number_input("How many (0: all)", min_value=0, value=run.field.samples if run else 0, step=256, key=f"{key}-samples")
            with middle:
                policies = list(BUFFERS)
                buffers = st.selectbox(
                    "Batch-norm statistics",
                    policies,
                    index=policies.index(run.field.buffers) if run else 0,
                    format_func=BUFFERS.__getitem__,
                    key=f"{key}-buffers",
                    help="Running statistics of a mixture are not the mixture of running statistics. Networks without batch norm ignore this.",
                )
            with right:
                try:
                    start = run.sampler if run and run.sampler.name != "given" else methods.method("sample", "adaptive")
                    sampler = forms.choose("sample", "Which points", key=key, start=start, only=("adaptive", "grid"))
                except (Refused, ValueError) as refusal:
                    st.error(str(refusal))
                    return None
    if not go:
        return None
    return Run(
        Field(
            problem=problem,
            corners=(models[a], models[b]),
            chart=methods.method("chart", "line"),
            split=split,
            samples=int(count),
            buffers=buffers,
        ),
        sampler,
    )


def by_problem(store: RunStore) -> dict[str, tuple[ProblemSpec, dict[str, Loaded]]]:
    """Registered checkpoints that can be compared with each other: problem id → (problem, digest → checkpoint)."""
    families: dict[str, tuple[ProblemSpec, dict[str, Loaded]]] = {}
    for facts in store.checkpoints():
        if facts.problem is not None:
            family = families.setdefault(facts.problem.id, (facts.problem, {}))[1]
            family.setdefault(facts.digest, Loaded(facts.digest, path=facts.path, name=facts.name))
    return families


def _start(store: RunStore, families: dict[str, tuple[ProblemSpec, dict[str, Loaded]]], run: Run | None) -> tuple[str, str]:
    """Digests to begin with: those of the link (?a=…&b=…), of the run shown, or the first two there are."""
    asked = (st.query_params.get("a"), st.query_params.get("b"))
    known = {d for _, f in families.values() for d in f}
    if asked[0] in known and asked[1] in known:
        return str(asked[0]), str(asked[1])
    if run:
        a, b = (c.digest if isinstance(c, Loaded) else "" for c in run.field.corners)
        return a, b
    digests = list(next(iter(families.values()))[1])
    return digests[0], digests[min(1, len(digests) - 1)]


def _labels(models: list[Loaded]) -> dict[str, str]:
    """Names to choose by, with the folder where a name alone would be ambiguous."""
    names = [m.name for m in models]
    return {m.digest: m.name if names.count(m.name) == 1 else f"{m.name} ({_folder(m.path)})" for m in models}


def _folder(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 2)[-2] if "/" in path else path


def _index(options: list[str], wanted: str, default: int) -> int:
    return options.index(wanted) if wanted in options else default
