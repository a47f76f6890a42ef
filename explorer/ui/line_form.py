"""The form of a line: two checkpoints, what to measure on, and how finely."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from explorer import methods
from explorer.errors import Refused
from explorer.spec import Buffers, Field, Loaded, ProblemSpec, Run, SplitName
from explorer.status import Status
from explorer.store import RunStore
from explorer.ui import forms, samples

SPLITS: dict[SplitName, str] = {
    "test": "test: what is reported",
    "val": "val: where selections are made",
    "train": "train: what the models were fitted to",
}
BUFFERS: dict[Buffers, str] = {
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
    families = _families(store, run)
    if not families:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    start_a, start_b = _start(families, run)
    with st.container(border=True):
        first, second, third, fourth = st.columns([3, 3, 3, 2], vertical_alignment="bottom")
        with first:
            here = next((i for i, f in enumerate(families) if start_a in f.models), 0)
            family = st.selectbox("Family", families, index=here, format_func=lambda f: f.title, key=f"{key}-family")
        models = _choices(family, families)
        options = list(models)
        with second:
            a = st.selectbox(
                "A, at t = 0",
                options,
                index=_index(options, start_a, 0),
                format_func=lambda d: _label(d, family, models),
                key=f"{key}-a-{family.key}",
            )
        with third:
            b = st.selectbox(
                "B, at t = 1",
                options,
                index=_index(options, start_b, 1),
                format_func=lambda d: _label(d, family, models),
                key=f"{key}-b-{family.key}",
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
            problem=family.problem,
            corners=(models[a], models[b]),
            chart=methods.method("chart", "line"),
            split=split,
            samples=int(count),
            buffers=buffers,
        ),
        sampler,
    )


@dataclass(frozen=True)
class Family:
    """Checkpoints of one problem that lie in one folder, by digest."""

    key: str
    title: str
    problem: ProblemSpec
    models: dict[str, Loaded]


def _families(store: RunStore, run: Run | None) -> list[Family]:
    """The registered checkpoints; those of the run shown, should they not be registered here, are a family of their own."""
    families: dict[str, Family] = {}
    for facts in store.checkpoints():
        if (problem := facts.problem) is None:
            continue
        folder = Path(facts.path).parent
        title = problem.title or problem.name
        title = title if facts.path.startswith("sample_models") else f"{title} ({folder.name})"
        family = families.setdefault(f"{problem.id}-{folder}", Family(f"{problem.id}-{folder}", title, problem, {}))
        family.models.setdefault(facts.digest, Loaded(facts.digest, path=facts.path, name=facts.name))
    known = {d for f in families.values() for d in f.models}
    if run:
        strangers = {c.digest: c for c in run.field.corners if isinstance(c, Loaded) and c.digest not in known}
        if strangers:
            problem = run.field.problem
            families["run"] = Family("run", f"{problem.title or problem.name} (of this run)", problem, strangers)
    return list(families.values())


def _choices(family: Family, families: list[Family]) -> dict[str, Loaded]:
    """What can stand at an end: the family's own models first, then those of other folders that fit the same problem."""
    others = [f for f in families if f.problem.id == family.problem.id and f.key != family.key]
    return {d: m for f in (family, *others) for d, m in f.models.items()}


def _label(digest: str, family: Family, models: dict[str, Loaded]) -> str:
    """A model's name, with its folder when it is not of the family."""
    model = models[digest]
    return model.name if digest in family.models else f"{model.name} ({Path(model.path).parent.name})"


def _start(families: list[Family], run: Run | None) -> tuple[str, str]:
    """Digests to begin with: those of the link (?a=…&b=…), of the run shown, or none."""
    asked = (st.query_params.get("a", ""), st.query_params.get("b", ""))
    known = {d for f in families for d in f.models}
    if asked[0] in known and asked[1] in known:
        return asked
    if run:
        a, b = (c.digest if isinstance(c, Loaded) else "" for c in run.field.corners)
        return a, b
    return "", ""


def _index(options: list[str], wanted: str, default: int) -> int:
    return options.index(wanted) if wanted in options else min(default, len(options) - 1)
