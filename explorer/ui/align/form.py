"""The form of an alignment: a reference, the models to be aligned with it, how, and what the barrier is measured on."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from explorer.core import registry, splits
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Aligned, Buffers, Field, Make, Method, ProblemSpec, Recipe, Run, SplitName
from explorer.stats.metrics import PLAIN
from explorer.store.run_store import RunStore
from explorer.ui.frame import expertise, head
from explorer.ui.interpolate.form import choose_buffers, measured_with
from explorer.ui.widgets import cost_caption, form_state, method_form, split_choice
from explorer.ui.widgets.model_picker import begin_at, choices, choose_family, families, family_of, key_of, of_problem, related

FIRST = "weight_matching"
SHUFFLED = "a shuffled copy of the reference"


@dataclass(frozen=True)
class Comparison:
    """The lines from the reference to each other model, before and after an alignment."""

    problem: ProblemSpec
    models: tuple[Recipe, ...]
    method: Method
    split: SplitName = "test"
    samples: int = 0
    buffers: Buffers = "recalibrate"
    metrics: tuple[str, ...] = PLAIN

    @classmethod
    def from_run(cls, run: Run) -> Comparison | None:
        """The comparison that a run after an alignment belongs to; None for any other run."""
        match run.field.corners:
            case (Aligned(which=0) as a, Aligned() as b) if (a.problem, a.models, a.method) == (b.problem, b.models, b.method):
                return cls(a.problem, a.models, a.method, run.field.split, run.field.samples, run.field.buffers, run.field.metrics)
            case _:
                return None

    @property
    def aligned(self) -> tuple[Aligned, ...]:
        """The models after the alignment."""
        return Aligned.every(self.problem, self.models, self.method)

    def before(self, i: int) -> Run:
        """The line from the reference to model i as they are."""
        return self._line(self.models[0], self.models[i])

    def after(self, i: int) -> Run:
        """The same line after the alignment."""
        return self._line(self.aligned[0], self.aligned[i])

    def straight(self, store: RunStore, i: int) -> bool:
        """Whether a straight line leads from the reference to model i before the alignment: not to one of other widths."""
        return of_problem(store, self.models[i], self.problem)

    def runs(self, store: RunStore) -> list[Run]:
        """All lines to be measured."""
        numbers = range(1, len(self.models))
        return [run for i in numbers for run in ([self.before(i)] if self.straight(store, i) else []) + [self.after(i)]]

    def make(self) -> Make:
        """The request for the aligned checkpoints alone."""
        return Make(self.aligned[1])

    def _line(self, a: Recipe, b: Recipe) -> Run:
        line = registry.method("chart", "line")
        field = Field(self.problem, (a, b), line, split=self.split, samples=self.samples, buffers=self.buffers, metrics=self.metrics)
        return Run(field, registry.method("sample", "adaptive"))


def default(store: RunStore) -> Comparison | None:
    """What a first visit shows: the first two models of the first family that has two."""
    found = next((f for f in families(store) if len(f.models) >= 2), None)
    return Comparison(found.problem, tuple(found.models.values())[:2], registry.method("align", FIRST)) if found else None


def summary(shown: Comparison | None) -> str:
    """What the form stood at, in one line; empty where nothing is shown."""
    if shown is None:
        return ""
    problem = shown.problem
    return head.summary(
        problem.title or problem.name,
        head.names(shown.models),
        shown.method.name.replace("_", " "),
        f"{splits.called(shown.split)} loss",
        measured_with(shown.samples, shown.buffers),
    )


def form(store: RunStore, shown: Comparison | None) -> Comparison | None:
    """Draw the form, filled in from a comparison; the new one when the person presses Align."""
    key = f"align-{shown.after(1).id if shown else 'new'}"
    every = families(store, shown.problem, shown.models) if shown else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    start = [key_of(m) for m in _unshuffled(shown)] if shown else [k for k in form_state.addressed(store, every, "a", "b") if k]
    with st.container():
        left, middle, right = st.columns([4, 3, 4], vertical_alignment="bottom")
        with left:
            here = family_of(store, every, start[0] if start else "")
            family = choose_family(every, here, key)
        models = choices(store, family, every)
        names = list(models)
        models = {**models, **related(family, every)}
        with middle:
            reference = st.selectbox(
                "Reference (stays as it is)",
                names,
                index=begin_at(names, start[:1] or [""])[0],
                format_func=lambda k: family.label(k, models),
                key=f"{key}-a-{family.key}",
            )
        rest = [SHUFFLED, *(k for k in models if k != reference)]
        with right:
            wanted = [k for k in start[1:] if k in rest] or ([SHUFFLED] if shown and _shuffled(shown) else rest[1:2] or rest[:1])
            others = st.multiselect(
                "Align with it",
                rest,
                default=wanted,
                format_func=lambda k: k if k == SHUFFLED else family.label(k, models),
                key=f"{key}-b-{family.key}-{reference}",
                help="One model or several. The shuffled copy computes exactly the same function with its hidden units in a different"
                " order: a good method restores every unit. Models of different widths need optimal transport.",
            )
        pick, press = st.columns([8, 2], vertical_alignment="top")
        below = st.container()
        with st.expander("Options of the method, and how the barrier is measured", icon=":material/tune:"):
            box = st.container()
            try:
                with pick:
                    method = method_form.choose(
                        "align", "Method", key=key, start=shown.method if shown else registry.method("align", FIRST), fields=box
                    )
            except (Refused, ValueError) as refusal:
                st.error(plain(str(refusal)))
                return None
            one, two, three = st.columns(3, gap="medium")
            with one:
                split = split_choice.choose(family.problem, shown.split if shown else None, key=key)
            with two:
                samples = st.number_input("How many (0: all)", min_value=0, value=shown.samples if shown else 0, step=256, key=f"{key}-samples")
            buffers: Buffers = shown.buffers if shown else "recalibrate"
            if expertise.on():
                with three:
                    buffers = choose_buffers(buffers, key=key)
        with press:
            st.space("small")
            go = st.button("Align", type="primary", icon=":material/join_inner:", key=f"{key}-go", disabled=not others, width="stretch")
        chosen = models[reference]
        ends = [shuffled(family.problem, chosen) if k == SHUFFLED else models[k] for k in others]
        wanted = Comparison(family.problem, (chosen, *ends), method, split=split, samples=int(samples), buffers=buffers)
        with below:
            cost_caption.caption(store, wanted.runs(store))
            if shown:
                of = f"{', '.join(m.name or m.id for m in shown.models)} by {shown.method.name.replace('_', ' ')}, {splits.called(shown.split)} split"
                form_state.note(shown.runs(store), wanted.runs(store), of, button="Align")
    return wanted if go else None


def shuffled(problem: ProblemSpec, model: Recipe) -> Aligned:
    """A copy of a model with its hidden units in a random order."""
    return Aligned(problem, (model, model), 1, registry.method("align", "shuffle"), name=f"{model.name or model.id} (shuffled)")


def _shuffled(shown: Comparison) -> bool:
    return any(m == shuffled(shown.problem, shown.models[0]) for m in shown.models[1:])


def _unshuffled(shown: Comparison) -> list[Recipe]:
    return [m for m in shown.models if m != shuffled(shown.problem, shown.models[0])]
