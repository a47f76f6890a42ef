"""The models a form offers: registered checkpoints by family, and what was made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from explorer.checkpoints.sharded import family_folder
from explorer.core.spec import Aligned, Loaded, Make, ProblemSpec, Recipe, Run
from explorer.store.run_store import RunStore


@dataclass(frozen=True)
class Family:
    """Checkpoints of one problem that lie in one folder, and what was made of such, by key."""

    key: str
    title: str
    problem: ProblemSpec
    models: dict[str, Recipe]

    def label(self, key: str, models: dict[str, Recipe]) -> str:
        """A model's name, with its folder when it is not of the family."""
        model = models[key]
        if key in self.models or not isinstance(model, Loaded):
            return model.name or model.id
        return f"{model.name} ({family_folder(model.path).name})"


def key_of(recipe: Recipe) -> str:
    """What a model is called in links and forms: a file by its digest, anything made by its recipe's id."""
    return recipe.digest if isinstance(recipe, Loaded) else recipe.id


def families(store: RunStore, problem: ProblemSpec | None = None, shown: tuple[Recipe, ...] = ()) -> list[Family]:
    """The registered checkpoints; models that are `shown` and not registered here are a family of their own."""
    found: dict[str, Family] = {}
    for facts in store.checkpoints():
        if facts.problem is None:
            continue
        folder = family_folder(facts.path)
        title = facts.problem.title or facts.problem.name
        title = title if facts.path.startswith("sample_models") else f"{title} ({folder.name})"
        key = f"{facts.problem.id}-{folder}"
        family = found.setdefault(key, Family(key, title, facts.problem, {}))
        family.models.setdefault(facts.digest, Loaded(facts.digest, path=facts.path, name=facts.name, half=facts.half))
    known = {k for f in found.values() for k in f.models}
    strangers = {key_of(r): r for r in shown if key_of(r) not in known}
    if problem and strangers and not (found and all(not isinstance(r, Loaded) for r in strangers.values())):
        found["run"] = Family("run", f"{problem.title or problem.name} (of this run)", problem, strangers)
    return list(found.values())


def choices(store: RunStore, family: Family, every: list[Family]) -> dict[str, Recipe]:
    """What a form offers: the family's own models first, then those of other folders on the same problem, then what was made of any of these."""
    others = [f for f in every if f.problem.id == family.problem.id and f.key != family.key]
    found = dict(family.models)
    for other in others:  # the same file may lie in several folders: the family's own name for it stays
        found = {**found, **{k: m for k, m in other.models.items() if k not in found}}
    return {**found, **made(store, family.problem)}


def related(family: Family, every: list[Family]) -> dict[str, Recipe]:
    """Models of the same kind of network on the same data, of other widths: those an optimal transport can bring to the family's."""
    problem = family.problem
    kin = [f for f in every if f.problem.id != problem.id and (f.problem.network.name, f.problem.data) == (problem.network.name, problem.data)]
    return {k: m for f in kin for k, m in f.models.items()}


def of_problem(store: RunStore, model: Recipe, problem: ProblemSpec) -> bool:
    """Whether a model has the problem's own shapes, as far as is known here."""
    if not isinstance(model, Loaded):
        return model.problem.id == problem.id
    known = {f.problem.id for f in store.checkpoints() if f.digest == model.digest and f.problem is not None}
    return not known or problem.id in known


def made(store: RunStore, problem: ProblemSpec) -> dict[str, Recipe]:
    """Models of a problem that were made here (aligned, fused), newest first."""
    found: dict[str, Recipe] = {}
    for status in store.statuses("Make", limit=200):
        if isinstance(status.request, Make) and status.state == "done":
            recipe = status.request.recipe
            if not isinstance(recipe, Loaded) and recipe.problem.id == problem.id:
                found.setdefault(recipe.id, recipe)
    for status in store.statuses("Run", limit=200):
        if isinstance(status.request, Run) and status.state == "done" and status.request.field.problem.id == problem.id:
            for corner in status.request.field.corners:
                if isinstance(corner, Aligned) and corner.which:
                    found.setdefault(corner.id, corner)
    return found


def family_of(store: RunStore, every: list[Family], key: str, default: int = 0) -> int:
    """Where a form's choice of family begins: with the one that a model is of, else one that offers it."""
    own = (i for i, f in enumerate(every) if key in f.models)
    offered = (i for i, f in enumerate(every) if key in choices(store, f, every))
    return next(own, next(offered, default))


def choose_family(every: list[Family], index: int, key: str) -> Family:
    """The choice of a family, as it is now: the widget remembers the one that was chosen as it was then."""
    chosen = st.selectbox("Family", every, index=index, format_func=lambda f: f.title, key=f"{key}-family")
    return next((f for f in every if f.key == chosen.key), chosen)


def begin_at(options: list[str], wanted: Sequence[str]) -> list[int]:
    """Where a form's selections begin: each at what is wanted, or where that is not there at the first option at which none of them stands."""
    found = [options.index(w) if w in options else None for w in wanted]
    free = iter([i for i in range(len(options)) if i not in found])
    return [next(free, len(options) - 1) if i is None else i for i in found]
