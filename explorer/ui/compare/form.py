"""What is compared: some models, and what methods make of them. The Compare page's form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from explorer.core import needs, registry, splits
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Aligned, Field, Fused, Method, ProblemSpec, Recipe, Run, SplitName, Study
from explorer.store.run_store import RunStore
from explorer.ui.compare import base
from explorer.ui.frame import head
from explorer.ui.widgets import cost_caption, form_state, method_form
from explorer.ui.widgets.choose_models import BY_HAND, choose_models
from explorer.ui.widgets.model_picker import Family, choices, choose_family, families, family_of, key_of

FIRST_MODELS = 3
TUNED = "finetunes"  # the sample family that is merged at first
FIRST = ("uniform_soup", "fisher", "regmean", "karcher", "task_arithmetic", "ties", "model_stock")
OF = ("probabilities", "logits")
SPLITS: tuple[SplitName, ...] = ("val", "test")  # those that models are chosen and reported on


@dataclass(frozen=True)
class Entry:
    """One model in the comparison: an ingredient, or what a method made of all of them."""

    model: Recipe
    problem: ProblemSpec

    @property
    def method(self) -> Method | None:
        """How it was made; None for an ingredient."""
        return self.model.method if isinstance(self.model, Fused) else None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.method.name.replace("_", " ") if self.method else (self.model.name or self.model.id)

    def field(self, split: SplitName) -> Field:
        """The model alone, on a split."""
        return Field(self.problem, (self.model,), registry.method("chart", "mixture"), split=split)

    def on(self, split: SplitName) -> Run:
        """The request to measure it."""
        return Run(self.field(split), registry.method("sample", "given", {"at": (1.0,)}))

    @property
    def run(self) -> Run:
        """On the test split, where it is reported; what stands in an address."""
        return self.on("test")


@dataclass(frozen=True)
class Task:
    """An entry on a split, for the progress."""

    name: str
    run: Run


@dataclass(frozen=True)
class Comparison:
    """Ingredients first, then what was made of them; `of`: what the ensemble averages."""

    entries: tuple[Entry, ...]
    of: str = OF[0]

    @property
    def problem(self) -> ProblemSpec:
        """The one all are of."""
        return self.entries[0].problem

    @property
    def ingredients(self) -> tuple[Recipe, ...]:
        """The models that were there before."""
        return tuple(e.model for e in self.entries if e.method is None)

    @property
    def models(self) -> tuple[Recipe, ...]:
        """All of them."""
        return tuple(e.model for e in self.entries)

    @property
    def based(self) -> bool:
        """Whether some method takes the first model for a base."""
        return any(e.method is not None and registry.has_base(e.method.name) for e in self.entries)

    def ensemble(self, split: SplitName) -> Study:
        """The request to know what the ingredients say together."""
        return Study(self.problem, self.ingredients, registry.method("study", "ensemble", {"split": split, "of": self.of}))

    @property
    def calibration(self) -> Study:
        """The request to know whether all models are right as often as they are sure, their ensemble with them."""
        count = len(self.ingredients)
        return Study(self.problem, self.models, registry.method("study", "calibration", {"ensemble": count if count > 1 else 0}))

    def studies(self) -> list[Study]:
        """What is asked for beside the points, before any of them is there."""
        return [*([self.calibration] if registry.labelled(self.problem.loss) else []), *map(self.ensemble, SPLITS)]

    def tasks(self) -> list[Task]:
        """Every model on both splits, and on each test set that the problem names."""
        return tasks_of(self.entries)

    @classmethod
    def between(cls, problem: ProblemSpec, models: tuple[Recipe, ...], given: Sequence[Method], of: str = OF[0]) -> Comparison:
        """These models, and what each method makes of all of them."""
        merged = (Fused(problem, models, m, name=m.name.replace("_", " ")) for m in given)
        return cls(tuple(Entry(model, problem) for model in (*models, *merged)), of)


def default(store: RunStore) -> Comparison | None:
    """What a first visit shows: ways of merging some of the shipped fine-tunes."""
    family = next((f for f in families(store) if TUNED in f.key and len(f.models) >= FIRST_MODELS), None)
    if family is None:
        return None
    models = tuple(family.models[k] for k in base.nearest(store, family.models, base.proposed(store, family.models), FIRST_MODELS))
    return Comparison.between(family.problem, models, [registry.method("fuse", name) for name in FIRST])


def summary(shown: Sequence[Entry], of: str) -> str:
    """What the form stood at, in one line; empty where nothing is shown. of: what the ensemble averages."""
    own = [e.model for e in shown if e.method is None]
    if not own:
        return ""
    problem, merged = shown[0].problem, [e for e in shown if e.method is not None]
    methods = merged[0].name if len(merged) == 1 else f"{len(merged)} methods"
    return head.summary(problem.title or problem.name, head.names(own), methods, "" if of == OF[0] else f"ensemble of {of}")


def form(store: RunStore, shown: Sequence[Entry]) -> Comparison | None:
    """The form; what is asked for once the button is pressed."""
    fused = [e.model for e in shown if isinstance(e.model, Fused)]
    before: tuple[Recipe, ...] = tuple(fused[0].models) if fused else tuple(e.model for e in shown)
    aligned = bool(before) and all(isinstance(m, Aligned) for m in before)
    alone = tuple(m.models[m.which] for m in before if isinstance(m, Aligned)) if aligned else before
    every = families(store, shown[0].problem, alone) if shown else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    key = f"compare-{shown[0].run.id if shown else 'new'}"
    with st.container():
        one, two, go = st.columns([4, 5, 2], vertical_alignment="bottom")
        below = st.container()
        with one:
            asked = key_of(alone[0]) if alone else form_state.addressed(store, every, "a")[0]
            tuned = next((i for i, f in enumerate(every) if TUNED in f.key), 0)
            here = family_of(store, every, asked, tuned)
            family = choose_family(every, here, key)
        models = choices(store, family, every)
        with two:
            start = [key_of(m) for m in alone if key_of(m) in models]
            chosen = choose_models(
                "Models",
                models,
                start or base.nearest(store, family.models, base.proposed(store, family.models), FIRST_MODELS),
                name=lambda k: family.label(k, models),
                key=f"{key}-models-{family.key}",
            )
        names = [m for m in registry.names("fuse") if fits(m, len(chosen))]
        was = [m.method.name for m in fused]
        picked = _methods(names, was if shown else FIRST if len(chosen) <= BY_HAND else (), key)
        middle, left, right = st.columns(3)
        with middle:
            first = _base(store, family, models, chosen, start, key)
        used = before[0].method.name if before and isinstance(before[0], Aligned) else ""
        ways = ["", *registry.alignments()]
        with left:
            align_first = st.selectbox(
                "Align the models first",
                ways,
                index=ways.index(used) if aligned and used in ways else 0,
                format_func=lambda m: m.replace("_", " ") or "(no)",
                key=f"{key}-align",
                help="Puts hidden units in the order of the base. Models trained from different initialisations need this; fine-tunes of one model do not.",
            )
        with right:
            said = st.selectbox(
                "The reference is the ensemble's mean of",
                OF,
                index=OF.index(st.query_params.get("of", OF[0])) if st.query_params.get("of") in OF else 0,
                key=f"{key}-of",
            )
        given: list[Method] = []
        with st.expander("What the methods are, and their options", icon=":material/tune:"):
            for name in picked:
                st.markdown(
                    f"**{name.replace('_', ' ')}**: {registry.title('fuse', name)}"
                    + (f" *Base: {family.label(first, models)}.*" if registry.has_base(name) else "")
                    + f" *Needs: {data_needed(name)}.*"
                )
                known = next((m.method for m in fused if m.method.name == name), None)
                try:
                    given.append(method_form.options("fuse", name, key=key, start=known, fields=st.container()))
                except (Refused, ValueError) as refusal:
                    st.error(plain(str(refusal)))
                    _note(shown, (), True)
                    return None
        with go:
            pressed = st.button("Compare", type="primary", icon=":material/balance:", key=f"{key}-go", width="stretch", disabled=len(chosen) < 2)
        if len(chosen) < 2:
            _note(shown, (), True)
            return None
        own: tuple[Recipe, ...] = tuple(models[k] for k in (first, *(k for k in chosen if k != first)))
        doubt = base.doubt(store, own) if any(registry.has_base(m.name) for m in given) else ""
        if align_first:
            own = Aligned.every(family.problem, own, registry.method("align", align_first))
        wanted = Comparison.between(family.problem, own, given, said)
        with below:
            if doubt:
                st.warning(doubt, icon=":material/warning:")
            cost_caption.caption(store, [task.run for task in wanted.tasks()], wanted.studies())
            _note(shown, wanted.entries, said != st.query_params.get("of", OF[0]))
    return wanted if pressed else None


def _methods(names: Sequence[str], start: Sequence[str], key: str) -> list[str]:
    """The methods that are chosen, in fields by what they need."""
    st.markdown("Methods, by what they need besides the models")
    groups = needs.grouped(names)
    picked: list[str] = []
    columns = [*st.columns(2), *st.columns(2)]  # two beside each other: what is chosen stays legible
    for (which, of), column in zip(groups.items(), columns, strict=False):
        with column:
            picked += st.multiselect(
                needs.TITLES[which],
                of,
                default=[n for n in start if n in of],
                format_func=lambda n: n.replace("_", " "),
                placeholder="None",
                help=needs.MEANINGS[which],
                key=f"{key}-methods-{'-'.join(of)}",
            )
    return picked


def _note(shown: Sequence[Entry], wanted: Sequence[Entry], otherwise: bool) -> None:
    """Say so where the form asks for another comparison than the one below it; otherwise: of another ensemble."""
    if shown and (otherwise or {e.run.id for e in shown} != {e.run.id for e in wanted}):
        form_state.differs(head.names(e.model for e in shown), button="Compare")


def _base(store: RunStore, family: Family, models: dict[str, Recipe], chosen: list[str], shown: list[str], key: str) -> str:
    """The key of the base; at first that of what is shown, else the one that is proposed."""
    proposal = shown[0] if shown and shown[0] in chosen else base.proposed(store, {k: models[k] for k in chosen}) if chosen else ""
    return (
        st.selectbox(
            "Base of methods that work on differences",
            chosen,
            index=chosen.index(proposal) if chosen else None,
            format_func=lambda k: family.label(k, models),
            key=f"{key}-base-{'-'.join(k[:8] for k in chosen)}",
            help="The model from which the others were fine-tuned. Proposed is the one called parent or base, else the one nearest to all others.",
        )
        or ""
    )


def fits(method: str, models: int) -> bool:
    """Whether a method takes so many models."""
    least, most = registry.models_of(method)
    return least <= models and (most is None or models <= most)


def data_needed(method: str) -> str:
    """Of which samples a method sees what, in words."""
    split, _, what = registry.data_of(method).partition(" ")
    names = {"train": "train", "val": "validation"}
    return (
        f"checkpoints and {'inputs' if what == 'inputs' else 'labelled samples'} of the {names.get(split, split)} split"
        if split
        else "checkpoints only"
    )


def tasks_of(entries: Sequence[Entry]) -> list[Task]:
    return [Task(f"{e.name}, {splits.called(split)} split", e.on(split)) for e in entries for split in ("val", *splits.tests(e.problem))]
