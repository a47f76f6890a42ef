"""What becomes of every tensor: a job each, from a recipe or from one of the explorer's own methods. Only headers have been read when a plan stands.

Whole numbers are copied from the base, or from the first model; running statistics are a mean with coefficients that are not negative. Sums are worked
out in float32 at least, whatever dtype a recipe names; it is the dtype of what is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.checkpoints.safetensors_header import BYTES
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.core.spec import Method
from explorer.merging import ingredients as ingredient
from explorer.merging import ways
from explorer.merging.ingredients import Ingredient
from explorer.merging.mergekit import settings, text
from explorer.merging.mergekit.known import METHODS, Number
from explorer.merging.mergekit.settings import Effective
from explorer.merging.ways import Way

FORMAT = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"}
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
STATISTICS = ("running_mean", "running_var")
SEED = 0  # of the entries that a recipe drops at random; mergekit's recipes have none

# The explorer's methods that go tensor by tensor; the others need samples, or all models at once.
HERE = ("average", "uniform_soup", "interpolate", "slerp", "karcher", "task_arithmetic", "ties", "dare", "breadcrumbs", "della", "model_stock")


@dataclass(frozen=True)
class Job:
    """One tensor of the result: of which tensors of which ingredients it is made, and how. `said`: the parameters that hold for it, in words."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    sources: tuple[tuple[int, str], ...]
    way: Way
    said: str = ""

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * BYTES[self.dtype]


@dataclass(frozen=True)
class Plan:
    """All of a merge. `config`, `tokenizer`: whose files are copied. `layers`: how many the result has, where slices say it."""

    ingredients: tuple[Ingredient, ...]
    jobs: tuple[Job, ...]
    config: int
    tokenizer: int
    layers: int | None = None
    recipe: str = ""
    whole: Method | None = None  # asks for an angle or a threshold of the whole model
    notes: tuple[str, ...] = ()

    @property
    def bytes_read(self) -> int:
        """Of one pass over all that is merged."""
        return sum(self.ingredients[i].tensors[name].nbytes for job in self.jobs for i, name in job.sources)

    @property
    def bytes_written(self) -> int:
        return sum(job.nbytes for job in self.jobs)


def of_recipe(given: str) -> Plan:
    """The plan of a recipe's text; the paths in it are seen from the present folder, as mergekit sees them."""
    recipe, notes = text.read(given)
    models = list(dict.fromkeys([recipe.base, *(part.base for part in recipe.slices), *(s.model for part in recipe.slices for s in part.sources)]))
    models = [m for m in models if m]
    opened = {m: ingredient.opened(m, recipe.base) for m in models}
    whole = all(s.layers is None for part in recipe.slices for s in part.sources)
    if whole:
        ingredient.same_names([opened[s.model] for s in recipe.slices[0].sources])
    if recipe.tokenizer not in ("", "base", *models):
        opened[recipe.tokenizer] = ingredient.opened(recipe.tokenizer)
    ingredient.same_vocabulary(list(opened.values()))
    order = list(opened)
    found = settings.effective(recipe, {m: list(i.tensors) for m, i in opened.items()})
    jobs = tuple(_job(recipe, e, opened, order) for e in found)
    first = order.index(recipe.base or recipe.slices[0].sources[0].model)
    layers = None if whole else sum(s.layers[1] - s.layers[0] for s in (part.sources[0] for part in recipe.slices) if s.layers)
    tokenizer = first if recipe.tokenizer in ("", "base") else order.index(recipe.tokenizer)
    return Plan(tuple(opened.values()), jobs, first, tokenizer, layers, given, notes=(*notes, *_differences(recipe.method)))


def of_method(method: Method, models: Sequence[str]) -> Plan:
    """The plan of one of the explorer's own methods; where it has a base, that is the first model, and adapters are put on it."""
    if method.name not in HERE:
        raise Refused(
            f"{method.name} needs more than the checkpoints, or all of them in memory. Add --problem for a model that fits into it; block by block"
            f" there are: {', '.join(HERE)}."
        )
    least, most = registry.models_of(method.name)
    if not least <= len(models) <= (most or len(models)):
        wanted = f"{least}" if least == most else f"{least} or more"
        raise Refused(f"{method.name} needs {wanted} models{', the first as the base' if registry.has_base(method.name) else ''}, got {len(models)}.")
    opened = tuple(ingredient.opened(m, models[0]) for m in models)
    ingredient.same_names(opened)
    ingredient.same_vocabulary(opened)
    said = " ".join(f"{k}={_shown(v)}" for k, v in method.options)
    jobs: list[Job] = []
    for name, stored in opened[0].tensors.items():
        way = _own(method, len(models), name, stored.numel)
        jobs.append(Job(name, stored.shape, stored.dtype, tuple((i, name) for i in range(len(models))), _proper(way, name, stored.dtype), said))
    whole = method if "model" in (method.kwargs().get("scope"), method.kwargs().get("trim")) else None
    return Plan(opened, tuple(jobs), 0, 0, whole=whole)


def _job(recipe: text.Recipe, found: Effective, opened: Mapping[str, Ingredient], order: Sequence[str]) -> Job:
    inputs = sorted(found.inputs, key=lambda i: i.model != found.base) if found.base else list(found.inputs)
    if found.base and inputs[0].model != found.base:  # the base of a slice that does not list it
        inputs.insert(0, settings.Input(found.base, inputs[0].tensor, {}))
    for i in inputs:
        if i.tensor not in opened[i.model].tensors:
            raise Refused(f"{short(i.model)} has no {short(i.tensor)}, which the recipe makes {short(found.tensor)} from. Choose models saved alike.")
    ingredient.same_shape([(opened[i.model], i.tensor) for i in inputs])
    stored = opened[inputs[0].model].tensors[inputs[0].tensor]
    target = FORMAT.get(recipe.out_dtype or recipe.dtype, stored.dtype) if stored.dtype in FLOATS else stored.dtype
    each = [i.parameters for i in inputs if i.parameters or i.model != found.base]
    way = _foreign(recipe.method, found.parameters, each, found.tensor, stored.numel, based=bool(found.base))
    shared = " ".join(f"{k}={_shown(v)}" for k, v in found.parameters.items())
    said = [f"{i.model}: " + " ".join(f"{k}={_shown(v)}" for k, v in i.parameters.items()) for i in inputs if i.parameters]
    sources = tuple((order.index(i.model), i.tensor) for i in inputs)
    return Job(found.tensor, stored.shape, target, sources, _proper(way, found.tensor, stored.dtype), " · ".join(filter(None, [shared, *said])))


def _proper(way: Way, name: str, dtype: str) -> Way:
    """The way, where the tensor is one of parameters; else a copy, or a mean that cannot leave what it is of."""
    if dtype not in FLOATS:
        return ways.Copied()
    return ways.Linear(tuple(_shares(way))) if name.rpartition(".")[2] in STATISTICS else way


def _shares(way: Way) -> list[float]:
    """A coefficient for each model, none negative, that sum to 1: of the base none, where the way has one."""
    match way:
        case ways.Linear():
            given = [max(c / way.over, 0.0) for c in way.coefficients]
        case ways.Sphere():
            given = [0.0] * way.based + list(way.weights or (1 - way.t, way.t))
        case ways.Tasks():
            given = [0.0, *(max(w, 0.0) for w in way.weights)]
        case ways.Stock():
            given = [0.0] + [1.0] * way.models
        case _:
            raise AssertionError(f"no means of {way}")
    total = math.fsum(given)
    return [c / total for c in given] if total > 0 else [1.0] + [0.0] * (len(given) - 1)


def _foreign(method: str, shared: Mapping[str, Number], each: Sequence[Mapping[str, Number]], name: str, numel: int, *, based: bool) -> Way:
    """The way of a recipe's method."""
    weights: tuple[float, ...] = tuple(float(p["weight"]) for p in each) if "weight" in METHODS[method].each else ()
    for key, wanted in (("filter_wise", False), ("nuslerp_row_wise", False), ("nuslerp_flatten", True)):
        if shared.get(key, wanted) != wanted:
            raise Refused(f"{method} works on whole tensors here, not with {key}={_shown(shared[key])}. Leave {key} out, or merge with mergekit.")
    match method:
        case "linear":
            return ways.Linear(weights, _total(method, weights, name) if shared["normalize"] else 1.0)
        case "passthrough":
            return ways.Linear((float(each[0]["scale"]),))
        case "slerp":
            return ways.Sphere(float(shared["t"]), name=name)
        case "nuslerp":
            return ways.Sphere(weights[len(each) - 1] / _total(method, weights, name), based=based, name=name)
        case "karcher":
            equal = (1 / len(each),) * len(each)
            return ways.Sphere(weights=equal, steps=int(shared["max_iter"]), tolerance=float(shared["tol"]), name=name)
        case "model_stock":
            return ways.Stock(len(each))
        case _:
            pass
    normalise, scale, rescale = bool(shared["normalize"]), float(shared["lambda"]), bool(shared["rescale"])
    if normalise:
        _total(method, weights, name)
    if method == "task_arithmetic":
        total = math.fsum(weights) if normalise else 1.0
        scaled = [scale * w / total for w in weights]
        return ways.Linear((1 - math.fsum(scaled), *scaled))
    densities = [_density(float(p["density"]), method, name) for p in each]
    if rescale != METHODS[method].shared["rescale"].default and (rescale or method.startswith("della")):
        raise Refused(f"{method} with rescale={_shown(rescale)} is not supported here. Leave rescale out, or merge with mergekit.")
    keeps: list[ways.Keep] = []
    for density, given in zip(densities, each, strict=True):
        keep: ways.Keep = ways.All()
        if density < 1 and method == "ties":
            keep = ways.Between(max(1, int(density * numel)))
        elif density < 1 and method.startswith("breadcrumbs"):
            low, high = _outliers(numel, density, float(given["gamma"]), name)
            keep = ways.Between(numel - low, high + 1)
        elif density < 1 and method.startswith("dare"):
            keep = ways.Dropped(1 - density, SEED, name, rescale)
        elif density < 1:
            epsilon = float(given["epsilon"])
            if not (epsilon >= 0 and density + epsilon < 1 and density - epsilon > 0):
                raise Refused(f"{method} keeps with a chance of density ± epsilon, {density:g} ± {epsilon:g} here; it must lie between 0 and 1.")
            keep = ways.Ranked(1 - density, 2 * epsilon, SEED, name)
        keeps.append(keep)
    elect = "mass" if method.endswith("ties") or method == "della" else "none"
    return ways.Tasks(weights, tuple(keeps), elect, scale, normalise)


def _own(method: Method, count: int, name: str, numel: int) -> Way:
    """The way of one of the explorer's methods; what is asked of the whole model is settled before the merge (`settled`)."""
    given = method.kwargs()
    weights = tuple(float(w) for w in _numbers(given.get("weights", ()), given.get("coefficients", ())))
    models = count - registry.has_base(method.name)
    if weights and len(weights) != models:
        raise Refused(f"{method.name} needs {models} weights{', the base has none' if models < count else ''}; got {len(weights)}.")
    equal = weights or (1 / models,) * models
    t = _number(given.get("t", 0.5))
    match method.name:
        case "average":
            return ways.Linear(equal, _total("average", equal, name) if given["normalise"] else 1.0)
        case "uniform_soup":
            return ways.Linear((1.0,) * count, float(count))
        case "interpolate":
            return ways.Linear((1 - t, t))
        case "task_arithmetic":
            return ways.Linear((1 - math.fsum(equal), *equal))
        case "model_stock":
            return ways.Stock(models)
        case _:
            pass
    if any(w < 0 for w in equal):
        raise Refused(f"{method.name} needs weights of 0 or more, got {equal}. To subtract a model, use task_arithmetic with a negative coefficient.")
    total = _total(method.name, equal, name)
    shares = tuple(w / total for w in equal)
    match method.name:
        case "slerp":
            return ways.Sphere(t, name=name)
        case "karcher":
            return ways.Sphere(weights=shares, steps=int(_number(given["steps"])), tolerance=_number(given["tolerance"]), name=name)
        case "ties":
            density = _density(_number(given["density"]), "ties", name)
            keep = [ways.Between(max(1, round(numel * density)))] * models
        case "breadcrumbs":
            low, high = _number(given["smallest"]), _number(given["largest"])
            if low + high >= 1:
                raise Refused(f"breadcrumbs needs shares that leave something, got {low} smallest and {high} largest. Their sum must stay below 1.")
            keep = [ways.Between(numel - round(numel * low), round(numel * high) + 1)] * models
        case "dare":
            keep = [ways.Dropped(_number(given["drop"]), int(_number(given["seed"])), name)] * models
        case _:
            drop, spread = _number(given["drop"]), _number(given["spread"])
            if drop - spread / 2 < 0 or drop + spread / 2 >= 1:
                raise Refused(f"della's probabilities would run from {drop - spread / 2:g} to {drop + spread / 2:g}. Use a smaller spread.")
            keep = [ways.Ranked(drop, spread, int(_number(given["seed"])), name)] * models
    elect = given["elect"]
    assert elect in ("none", "mass", "count")
    return ways.Tasks(shares, tuple(keep), elect, _number(given["scale"]))


def _outliers(numel: int, density: float, gamma: float, name: str) -> tuple[int, int]:
    """How many of the smallest and of the largest entries go, as mergekit counts them."""
    if not 0 <= gamma < 1:
        raise Refused(f"breadcrumbs needs a gamma from 0 to below 1, the share of largest changes to drop; got {gamma:g} for {short(name)}.")
    stay = int(density * numel)
    low = max(0, numel - stay - int(gamma * numel))
    return low, numel - low - stay


def _density(density: float, method: str, name: str) -> float:
    if not 0 < density <= 1:
        raise Refused(f"{method} needs a density above 0 and up to 1, the share of changes to keep; got {density:g} for {short(name)}.")
    return density


def _total(method: str, weights: Sequence[float], name: str) -> float:
    if abs(total := math.fsum(weights)) < 1e-8:
        raise Refused(f"{method}: the weights for {short(name)} sum to zero, and the result is divided by that sum. Change a weight.")
    return total


def _numbers(*given: object) -> tuple[float, ...]:
    return next((tuple(_number(v) for v in g) for g in given if isinstance(g, tuple) and g), ())


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _differences(method: str) -> list[str]:
    """Where the result is meant to differ from mergekit's."""
    if method.startswith("dare"):
        return [
            "What dare keeps is divided by the density, as in its paper; mergekit scales it to the same sum of magnitudes. Random draws are this program's own."
        ]
    if method.startswith("della"):
        return [
            "What della keeps is divided by its probability, as in its paper; mergekit scales it to the same sum of magnitudes. Random draws are this program's own."
        ]
    return ["Where the votes for both signs are equal, the base's value stays; mergekit takes the positive one."] if method.endswith("ties") else []


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, int | float) else str(value)
