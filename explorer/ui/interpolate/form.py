"""The form of a line: two checkpoints, what to measure on, and how finely."""

from __future__ import annotations

import streamlit as st

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Buffers, Field, Run
from explorer.stats import line_words, metrics
from explorer.stats.preview_confirmation import mark
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.ui.frame import expertise, head, shipped_stories
from explorer.ui.widgets import cost_caption, form_state, loss_choice, method_form, precision, split_choice
from explorer.ui.widgets.model_picker import Family, begin_at, choices, choose_family, families, family_of, key_of

BUFFERS: dict[Buffers, str] = {
    "recalibrate": "recalibrate at every interior point",
    "mix": "mix like the weights",
    "first": "keep the first model's",
    "repair": "repair: each unit's mean and spread (any network)",
}


def shipped(store: RunStore) -> Status | None:
    """The first shipped story: what the page shows before anything is asked."""
    return next(iter(shipped_stories.stories(store).values()), None)


def summary(status: Status | None) -> str:
    """What the form stood at, in one line; empty where nothing is shown."""
    if status is None or not isinstance(status.request, Run):
        return ""
    return summary_of(status.request.field)


def summary_of(field: Field) -> str:
    """A line in a few words: problem, ends, and what it was measured with where that is not the usual."""
    return head.summary(
        field.problem.title or field.problem.name,
        " → ".join(line_words.names(field)) + mark(field),
        f"{field.measured_on} {field.metrics[0]}{', inputs attacked' if field.attack else ''}",
        measured_with(field.samples, field.buffers),
    )


def measured_with(samples: int, buffers: Buffers) -> str:
    """What is not said of the usual: all samples, statistics recalibrated."""
    parts = [f"{samples:,} samples" if samples else "", "" if buffers == "recalibrate" else f"statistics: {BUFFERS[buffers].split(':')[0]}"]
    return ", ".join(part for part in parts if part)


def form(store: RunStore, status: Status | None) -> Run | None:
    """Draw the form, filled in from a run; the new run when the person presses Explore."""
    run = status.request if status and isinstance(status.request, Run) and len(status.request.field.corners) == 2 else None
    key = f"line-{status.id if status else 'new'}"
    every = families(store, run.field.problem, run.field.corners) if run else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    start_a, start_b = _start(store, every, run)
    with st.container():
        first, second, third, fourth = st.columns([5, 3, 3, 2], vertical_alignment="bottom")
        with first:
            here = family_of(store, every, start_a)
            family = choose_family(every, here, key)
        models = choices(store, family, every)
        options = list(models)
        at_a, at_b = begin_at(options, (start_a, start_b))
        with second:
            a = st.selectbox(
                "A, at t = 0",
                options,
                index=at_a,
                format_func=lambda d: family.label(d, models),
                key=f"{key}-a-{family.key}",
            )
        with third:
            b = st.selectbox(
                "B, at t = 1",
                options,
                index=at_b,
                format_func=lambda d: family.label(d, models),
                key=f"{key}-b-{family.key}",
            )
        with fourth:
            go = st.button("Explore", type="primary", icon=":material/play_arrow:", width="stretch", key=f"{key}-go")
        below = st.container()
        with st.expander("How it is measured", icon=":material/tune:"):
            left, middle, right = st.columns(3, gap="medium")
            with left:
                split = split_choice.choose(family.problem, run.field.split if run else None, key=key)
                problem = loss_choice.choose(family.problem, run.field.problem if run else None, key=key)
                exactly = precision.choose(store, problem, run.field if run else None, key=key, below=below)
                count = st.number_input("How many (0: all)", min_value=0, value=run.field.samples if run else 0, step=256, key=f"{key}-samples")
            buffers: Buffers = run.field.buffers if run else "recalibrate"
            sampler = run.sampler if run and run.sampler.name != "given" else registry.method("sample", "adaptive")
            if expertise.on():
                with middle:
                    buffers = choose_buffers(buffers, key=key)
                with right:
                    try:
                        sampler = method_form.choose("sample", "Which points", key=key, start=sampler, only=tuple(registry.samplers(1)))
                    except (Refused, ValueError) as refusal:
                        st.error(plain(str(refusal)))
                        return None
    wanted = Run(
        Field(
            problem=problem,
            corners=(models[a], models[b]),
            chart=registry.method("chart", "line"),
            split=split,
            samples=int(count),
            buffers=buffers,
            metrics=(*metrics.PLAIN, *problem.metrics),
            precision=exactly,
        ),
        sampler,
    )
    with below:
        cost_caption.caption(store, [wanted])
        if run:
            of = f"{' → '.join(line_words.names(run.field))}, {run.field.measured_on} split{', inputs attacked' if run.field.attack else ''}"
            form_state.note([run], [wanted], of, button="Explore")
    return wanted if go else None


def choose_buffers(now: Buffers, *, key: str) -> Buffers:
    """Pick what becomes of batch-norm statistics between the ends."""
    policies = list(BUFFERS)
    return st.selectbox(
        "Statistics between the ends",
        policies,
        index=policies.index(now),
        format_func=BUFFERS.__getitem__,
        key=f"{key}-buffers",
        help="The running statistics of a mixture are not the mixture of the running statistics. The first three are about batch norm: networks without"
        " it ignore them. REPAIR (Jordan et al. 2023) gives the units of a mixture, with or without batch norm, a mean and a"
        " spread between those of the models.",
    )


def _start(store: RunStore, every: list[Family], run: Run | None) -> tuple[str, str]:
    """Keys to begin with: those of the run shown, or of the link (?a=…&b=…), or none."""
    a, b = map(key_of, run.field.corners) if run else form_state.addressed(store, every, "a", "b")
    return a, b
