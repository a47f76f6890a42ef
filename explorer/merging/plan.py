"""What becomes of every tensor: a job each, from a recipe or from one of the explorer's own methods. Only headers have been read when a plan stands.

Whole numbers are copied from the base, or from the first model; running statistics are a mean with coefficients that are not negative. Sums are worked
out in float32 at least, whatever dtype a recipe names; it is the dtype of what is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from explorer.checkpoints.arithmetic import vectors
from explorer.checkpoints.passes import Kernel, MergeRule, Passes
from explorer.checkpoints.passes import each as per_tensor
from explorer.checkpoints.per_tensor import sums
from explorer.checkpoints.safetensors_header import BYTES
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.core.spec import Method
from explorer.merging import ingredients as ingredient
from explorer.merging.deferred import deferred
from explorer.merging.ingredients import Ingredient
from explorer.merging.mergekit import settings, text
from explorer.merging.mergekit.known import METHODS, Number
from explorer.merging.mergekit.settings import Effective
from explorer.methods.fuse import dare, della, karcher, model_stock, slerp
from explorer.methods.fuse._task_vectors import Keep, between, everything, tasks

FORMAT = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"}
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
STATISTICS = ("running_mean", "running_var")
SEED = 0  # of the entries that a recipe drops at random; mergekit's recipes have none


@dataclass(frozen=True)
class Job:
    """One tensor of the result: of which tensors of which ingredients it is made, and how; without a way the first one's bytes, as they are.

    `said`: the parameters that hold for it, in words.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    sources: tuple[tuple[int, str], ...]
    rule: MergeRule | None
    said: str = ""

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * BYTES[self.dtype]


@dataclass(frozen=True)
class MergePlan:
    """All of a merge. `config`, `tokenizer`: whose files are copied. `layers`: how many the result has, where slices say it."""

    ingredients: tuple[Ingredient, ...]
    jobs: tuple[Job, ...]
    config: int
    tokenizer: int
    layers: int | None = None
    recipe: str = ""
    notes: tuple[str, ...] = ()

    @property
    def bytes_read(self) -> int:
        """Of one pass over all that is merged."""
        return sum(self.ingredients[i].tensors[name].nbytes for job in self.jobs for i, name in job.sources)

    @property
    def bytes_written(self) -> int:
        return sum(job.nbytes for job in self.jobs)


def of_recipe(given: str, *, dequantise: bool = False) -> MergePlan:
    """The plan of a recipe's text; the paths in it are seen from the present folder, as mergekit sees them."""
    recipe, notes = text.read(given)
    models = list(dict.fromkeys([recipe.base, *(part.base for part in recipe.slices), *(s.model for part in recipe.slices for s in part.sources)]))
    models = [m for m in models if m]
    opened = {m: ingredient.opened(m, recipe.base, dequantise=dequantise) for m in models}
    whole = all(s.layers is None for part in recipe.slices for s in part.sources)
    if whole:
        used = [s.model for s in recipe.slices[0].sources]
        opened |= zip(used, ingredient.alike([opened[m] for m in used]), strict=True)
    if recipe.tokenizer not in ("", "base", *models):
        opened[recipe.tokenizer] = ingredient.opened(recipe.tokenizer, dequantise=dequantise)
    ingredient.same_vocabulary(list(opened.values()))
    order = list(opened)
    found = settings.effective(recipe, {m: list(i.tensors) for m, i in opened.items()})
    jobs = tuple(_job(recipe, e, opened, order) for e in found)
    first = order.index(recipe.base or recipe.slices[0].sources[0].model)
    layers = None if whole else sum(s.layers[1] - s.layers[0] for s in (part.sources[0] for part in recipe.slices) if s.layers)
    tokenizer = first if recipe.tokenizer in ("", "base") else order.index(recipe.tokenizer)
    return MergePlan(
        tuple(opened.values()),
        jobs,
        first,
        tokenizer,
        layers,
        given,
        notes=(*notes, *(n for i in opened.values() for n in i.notes), *_differences(recipe.method)),
    )


def of_method(method: Method, models: Sequence[str], *, dequantise: bool = False) -> MergePlan:
    """The plan of one of the explorer's own methods; where it has a base, that is the first model, and adapters are put on it."""
    least, most = registry.models_of(method.name)
    if not least <= len(models) <= (most or len(models)):
        wanted = f"{least}" if least == most else f"{least} or more"
        raise Refused(f"{method.name} needs {wanted} models{', the first as the base' if registry.has_base(method.name) else ''}, got {len(models)}.")
    opened = tuple(ingredient.alike([ingredient.opened(m, models[0], dequantise=dequantise) for m in models]))
    ingredient.same_vocabulary(opened)
    rule, sources = deferred(method, opened)
    said = " ".join(f"{k}={_shown(v)}" for k, v in method.options)
    jobs = (
        Job(name, stored.shape, stored.dtype, tuple((i, name) for i in sources), _proper(rule, name, stored.dtype), said)
        for name, stored in opened[sources[0]].tensors.items()
    )
    return MergePlan(opened, tuple(jobs), 0, 0, notes=tuple(n for i in opened for n in i.notes))


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
    rule = _foreign(recipe.method, found.parameters, each, found.tensor, stored.numel, based=bool(found.base))
    shared = " ".join(f"{k}={_shown(v)}" for k, v in found.parameters.items())
    said = [f"{i.model}: " + " ".join(f"{k}={_shown(v)}" for k, v in i.parameters.items()) for i in inputs if i.parameters]
    sources = tuple((order.index(i.model), i.tensor) for i in inputs)
    return Job(found.tensor, stored.shape, target, sources, _proper(rule, found.tensor, stored.dtype), " · ".join(filter(None, [shared, *said])))


def _proper(rule: MergeRule, name: str, dtype: str) -> MergeRule | None:
    """The way, where the tensor is one of parameters; else none, or a mean that cannot leave what it is of."""
    if dtype not in FLOATS:
        return None
    return MergeRule(sums(rule.shares), rule.shares) if name.rpartition(".")[2] in STATISTICS else rule


def _foreign(method: str, shared: Mapping[str, Number], each: Sequence[Mapping[str, Number]], name: str, numel: int, *, based: bool) -> MergeRule:
    """The way of a recipe's method."""
    weights: tuple[float, ...] = tuple(float(p["weight"]) for p in each) if "weight" in METHODS[method].each else ()
    for key, wanted in (("filter_wise", False), ("nuslerp_row_wise", False), ("nuslerp_flatten", True)):
        if shared.get(key, wanted) != wanted:
            raise Refused(f"{method} works on whole tensors here, not with {key}={_shown(shared[key])}. Leave {key} out, or merge with mergekit.")
    equal = (1 / len(each),) * len(each)
    match method:
        case "linear":
            total = _total(method, weights, name) if shared["normalize"] else 1.0
            return MergeRule(sums(weights, total), tuple(w / total for w in weights))
        case "passthrough":
            return MergeRule(sums((float(each[0]["scale"]),)), (1.0,))
        case "slerp":
            return MergeRule(per_tensor(slerp.arc(t := float(shared["t"]))), (1 - t, t))
        case "nuslerp":
            kernel = per_tensor(slerp.arc(t := weights[len(each) - 1] / _total(method, weights, name)))
            return MergeRule(_from_base(kernel), (0.0, 1 - t, t)) if based else MergeRule(kernel, (1 - t, t))
        case "karcher":
            return MergeRule(per_tensor(karcher.centre(equal, int(shared["max_iter"]), float(shared["tol"]))), equal)
        case "model_stock":
            return MergeRule(model_stock.stock, (0.0, *equal))
        case _:
            pass
    normalise, scale, rescale = bool(shared["normalize"]), float(shared["lambda"]), bool(shared["rescale"])
    total = _total(method, weights, name) if normalise else 1.0
    if method == "task_arithmetic":
        scaled = [scale * w / total for w in weights]
        coefficients = (1 - math.fsum(scaled), *scaled)
        return MergeRule(sums(coefficients), coefficients)
    densities = [_density(float(p["density"]), method, name) for p in each]
    if rescale != METHODS[method].shared["rescale"].default and (rescale or method.startswith("della")):
        raise Refused(f"{method} with rescale={_shown(rescale)} is not supported here. Leave rescale out, or merge with mergekit.")
    keeps = [_keep(method, density, given, name, numel, rescale=rescale) for density, given in zip(densities, each, strict=True)]
    elect = "mass" if method.endswith("ties") or method == "della" else "none"
    shares = [w / total for w in weights] if elect == "none" else weights
    rows = method.startswith("della") and min(densities) < 1
    return MergeRule(per_tensor(tasks(keeps, shares, elect, scale, normalise=normalise)), (0.0, *weights), "rows" if rows else "entries")


def _keep(method: str, density: float, given: Mapping[str, Number], name: str, numel: int, *, rescale: bool) -> Keep:
    """What stays of a model's change, in a recipe's method with that density."""
    if density == 1:
        return everything
    if method == "ties":
        return between(max(1, int(density * numel)))
    if method.startswith("breadcrumbs"):
        low, high = _outliers(numel, density, float(given["gamma"]), name)
        return between(numel - low, high + 1)
    if method.startswith("dare"):
        return dare.dropping(1 - density, SEED, rescale=rescale)
    epsilon = float(given["epsilon"])
    if not (epsilon >= 0 and density + epsilon < 1 and density - epsilon > 0):
        raise Refused(f"{method} keeps with a chance of density ± epsilon, {density:g} ± {epsilon:g} here; it must lie between 0 and 1.")
    return della.dropping(1 - density, 2 * epsilon, SEED)


@dataclass(frozen=True)
class _Changes:
    """The passes over the changes Wᵢ − W₀."""

    of: Passes

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def numel(self) -> int:
        return self.of.numel

    def __call__(self, *which: int) -> Iterator[list[Tensor]]:
        return (list(vectors(tensors)) for tensors in self.of(*((0, *(i + 1 for i in which)) if which else ())))


def _from_base(kernel: Kernel) -> Kernel:
    """The kernel on the changes, and what it gives added to the base."""
    return lambda passes: (change.add_(base) for change, (base,) in zip(kernel(_Changes(passes)), passes(0), strict=True))


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
