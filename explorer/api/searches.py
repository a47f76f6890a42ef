"""Recipes found: the merge of some models that is best on the validation split, reported on the test split."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Unpack

import plotly.graph_objects as go

from explorer.api import _measuring
from explorer.api._keywords import Merging, Model, takes
from explorer.api._progress import progress_of
from explorer.api._shown import Shown, Summary
from explorer.api.problems import under
from explorer.core import registry, significant_digits
from explorer.core.errors import Refused
from explorer.core.spec import Fused, Json, Method, Study
from explorer.engine.run_study import examine
from explorer.figures import search as search_figure
from explorer.stats import metrics, search_words, units
from explorer.stats.intervals import Estimate
from explorer.stats.search_words import Outcome

LISTED = 12  # candidates of the front that are written out


@dataclass(frozen=True, repr=False)
class Found(Shown):
    """A search's candidates, and the one that was chosen. `outcome` has all that was found, `result` the same as plain data; `model(k)` is a candidate as a recipe, `best` the chosen one."""

    request: Study
    result: Mapping[str, Json]

    @cached_property
    def outcome(self) -> Outcome:
        """What was found, by name."""
        return search_words.outcome({**self.result})

    @property
    def best(self) -> Fused:
        """The chosen merge: goes wherever a checkpoint goes; `make(found.best)` writes its file."""
        return self.model(self.outcome.best)

    @property
    def method(self) -> Method:
        """The chosen method with its numbers."""
        return self.outcome.methods[self.outcome.best]

    @property
    def test(self) -> Estimate:
        """The chosen merge's metric on the test split, which did not choose it, with its 95 % interval."""
        return self.outcome.test[self.outcome.best]

    @property
    def difference(self) -> Estimate:
        """The chosen merge's test metric less that of the best model by itself, paired sample by sample."""
        return self.outcome.difference

    def model(self, which: int) -> Fused:
        """A candidate by its number, from 0. Refused when there is none."""
        if not 0 <= which < len(self.outcome.methods):
            raise Refused(f"There is no candidate {which} here. The candidates are 0 … {len(self.outcome.methods) - 1}.")
        method = self.outcome.methods[which]
        return Fused(self.request.problem, self.request.models, method, name=method.name.replace("_", " "))

    def figure(self) -> go.Figure:
        """Every candidate by its validation value and by how far it is from the first model, with the front of the two."""
        found, metric = self.outcome, self.outcome.metric
        tried = [search_figure.Tried(m.name, search_words.numbers(m), v, d) for m, v, d in zip(found.methods, found.values, found.moved, strict=True)]
        title = units.titled(f"val {metric}", units.of_level(self.request.problem, metric))
        return search_figure.candidates(tried, y_title=title, lower=metrics.find(metric).good == "low", scale=units.scale(metric))

    def _summary(self) -> Summary:
        found, problem = self.outcome, self.request.problem
        scale = units.scale(found.metric)
        title = units.titled(found.metric, units.of_level(problem, found.metric))
        head = ("front", f"val {title}", f"test {title}", "95 % interval", "change")
        rows = [
            (
                " ".join(filter(None, (found.methods[k].name, search_words.numbers(found.methods[k])))),
                significant_digits.number(scale * found.values[k]),
                (parts := found.test[k].parts(scale=scale))[0],
                f"[{parts[1]}, {parts[2]}]",
                significant_digits.number(found.moved[k], 3),
            )
            for k in found.front[-LISTED:]
        ]
        names = [m.name or m.id for m in self.request.models]
        return Summary(f"Search over merges of {', '.join(names)}", [head, *rows] if rows else (), search_words.says(found, problem, names))


@takes(Merging)
def search(
    *models: Model,
    methods: Sequence[str] = ("task_arithmetic", "ties", "lines"),
    sampler: Literal["tpe", "cmaes", "random"] = "tpe",
    trials: int = 60,
    metric: str = "loss",
    ranges: Sequence[str] = (),
    each: bool = False,
    layers: int = 1,
    together: int = 4,
    seed: int = 0,
    samples: int = 0,
    **how: Unpack[Merging],
) -> Found:
    """Find the merge of the models that is best on the validation split, and report it on the test split. The first model is the base.

    `methods`: of `methods("fuse")`, whose numbers are searched together. `sampler`: `tpe` and `cmaes` need the extra `search`; `random` needs nothing. `trials`: how
    many candidates. `metric`: what is to be best. `ranges`: `density=0.1:0.9`, `ties.scale=1`. `each`: a number for each model instead of one for all. `layers`: of
    `by_depth`, how many numbers over depth. `together`: how many are proposed before the next are. `samples`: of the validation split; 0: all. Stopped and
    called again, it resumes where it was. Refused when there is nothing to search.

    >>> family = "sample_models/digits-mlp-finetunes"
    >>> files = [f"{family}/{name}.safetensors" for name in ("parent", "tune-1", "tune-2")]
    >>> found = search(*files, methods=["interpolate"], ranges=["t=0:1"], sampler="random", trials=4)
    Traceback (most recent call last):
    explorer.core.errors.Refused: interpolate takes 2 models, and 3 are given. Leave it out of the search, or choose other models.
    >>> found = search(*files, methods=["task_arithmetic"], sampler="random", trials=4)
    >>> found.method.name, len(found.outcome.methods)
    ('task_arithmetic', 4)
    """
    if len(models) < 2:
        raise Refused(f"A search over merges needs at least two models, got {len(models)}. Give the base, and what was fine-tuned from it.")
    spec, recipes = _measuring.brought(models, how, alike=True)
    options = {
        "methods": tuple(methods),
        "sampler": sampler,
        "trials": trials,
        "metric": metric,
        "ranges": tuple(ranges),
        "each": each,
        "layers": layers,
        "together": together,
        "seed": seed,
        "samples": samples,
    }
    request = Study(under(spec, how["loss"]), recipes, registry.method("study", "recipes", options))
    store, home = _measuring.store_of(how)
    with progress_of(how["progress"], "Searching") as progress:
        found = examine(request, store, home, device=how["device"], progress=progress)
    assert isinstance(found, dict)
    return Found(request, found)
