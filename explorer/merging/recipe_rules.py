"""How the methods of mergekit's recipes are carried out, and beside each where its result is meant to differ from mergekit's (its version 0.1.5).

A difference is a function of one tensor's case: a sentence where it applies, "" where it does not. The plan says each of them once, and only those that
apply to the recipe at hand (explorer.merging.plan).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from torch import Tensor

from explorer.checkpoints.arithmetic import Elect, vectors
from explorer.checkpoints.passes import Kernel, MergeRule, Passes
from explorer.checkpoints.passes import each as per_tensor
from explorer.checkpoints.per_tensor import sums
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.merging.ingredients import Ingredient, equal_in, zero_in
from explorer.merging.mergekit.known import METHODS, Number
from explorer.methods.fuse import dare, della, karcher, model_stock, slerp
from explorer.methods.fuse._task_vectors import Keep, between, everything, tasks

SEED = 0  # of the entries that a recipe drops at random; mergekit's recipes have none
TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


@dataclass(frozen=True)
class Case:
    """One tensor that a recipe makes: its parameters, and of which tensors of which models it is made, the base first.

    `each`: of every model but the base. `computed`: the type in which mergekit computes it, as files call it.
    """

    method: str
    name: str
    shared: Mapping[str, Number]
    each: Sequence[Mapping[str, Number]]
    sources: Sequence[tuple[Ingredient, str]]
    based: bool
    computed: str

    @property
    def shape(self) -> tuple[int, ...]:
        ingredient, name = self.sources[0]
        return ingredient.shape(name)

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def densities(self) -> list[float]:
        return [float(p["density"]) for p in self.each]

    @property
    def thinned(self) -> bool:
        """Whether some of a model's changes go, and some stay."""
        return any(0 < density < 1 for density in self.densities)


Difference: TypeAlias = Callable[[Case], str]
Reader: TypeAlias = Callable[[Case], MergeRule]
AReader = TypeVar("AReader", bound=Reader)

RULES: dict[str, Reader] = {}
DIFFERENCES: dict[str, tuple[Difference, ...]] = {}


def rule_of(case: Case) -> MergeRule:
    """How the recipe's method makes the tensor."""
    for key, wanted in (("filter_wise", False), ("nuslerp_row_wise", False), ("nuslerp_flatten", True)):
        if case.shared.get(key, wanted) != wanted:
            raise Refused(
                f"{case.method} works on whole tensors here, not with {key}={shown(case.shared[key])}. Leave {key} out, or merge with mergekit."
            )
    return RULES[case.method](case)


def differences(cases: Sequence[Case], more: Sequence[Difference]) -> list[str]:
    """What applies to one of the cases at least, each said once: what the recipe's method differs in, and `more`."""
    found = (*more, *DIFFERENCES[cases[0].method]) if cases else ()
    return list(filter(None, (next(filter(None, map(differ, cases)), "") for differ in found)))


def _reads(method: str, *differs: Difference) -> Callable[[AReader], AReader]:
    """The rule of a method, and what it differs in from mergekit's."""

    def kept(reader: AReader) -> AReader:
        RULES[method], DIFFERENCES[method] = reader, differs
        return reader

    return kept


def rounds_each_step(case: Case) -> str:
    if case.computed in ("F64", "F32"):
        return ""
    return f"{case.method} is computed in single precision and rounded once; mergekit rounds every step to {TYPES[case.computed]}."


@_reads("linear")
def _linear(case: Case) -> MergeRule:
    weights = _weights(case)
    total = _total(case, weights) if case.shared["normalize"] else 1.0
    return MergeRule(sums(weights, total), tuple(w / total for w in weights))


def rounds_scaled(case: Case) -> str:
    return rounds_each_step(case) if case.each[0]["scale"] != 1 else ""


@_reads("passthrough", rounds_scaled)
def _passthrough(case: Case) -> MergeRule:
    return MergeRule(sums((float(case.each[0]["scale"]),)), (1.0,))


def follows_the_arc(case: Case) -> str:
    if case.shared["t"] in (0, 1):
        return ""
    return (
        "slerp follows the arc at every angle above 0.0001 radians; mergekit mixes linearly within 1.8° of parallel (at most 1 part in 8,000 apart)"
        " and of opposite directions."
    )


def has_no_direction(case: Case) -> str:
    """Of a tensor that is zero in one model, or has not changed from the base."""
    if case.based and case.method == "nuslerp":
        none = [equal_in(case.sources[0], source) for source in case.sources[1:]]
        what = "as in the base"
    else:
        none, what = [zero_in(source) for source in case.sources], "zero"
    if not any(none) or all(none):
        return ""
    return f"What is {what} in one model, such as {short(case.name)}, is mixed linearly; mergekit takes it to be at right angles to the other."


@_reads("slerp", follows_the_arc, has_no_direction)
def _slerp(case: Case) -> MergeRule:
    t = float(case.shared["t"])
    return MergeRule(per_tensor(slerp.arc(t)), (1 - t, t))


@_reads("nuslerp", rounds_each_step, has_no_direction)
def _nuslerp(case: Case) -> MergeRule:
    weights = _weights(case)
    t = weights[-1] / _total(case, weights)
    kernel = per_tensor(slerp.arc(t))
    return MergeRule(_from_base(kernel), (0.0, 1 - t, t)) if case.based else MergeRule(kernel, (1 - t, t))


def iterates_longer(case: Case) -> str:
    steps, tolerance = int(case.shared["max_iter"]), float(case.shared["tol"])
    own = METHODS["karcher"].shared
    if (steps, tolerance) != (own["max_iter"].default, own["tol"].default):
        return ""
    return f"karcher goes on to {tolerance:g} radians, for {steps} steps at most; mergekit stops at 1e-05 or after 10 steps unless a recipe says otherwise."


def averages_what_has_no_direction(case: Case) -> str:
    if case.numel == 1:
        return f"A single number, such as {short(case.name)}, is averaged; mergekit gives the mean of the magnitudes the sign of most of them."
    none = [zero_in(source) for source in case.sources]
    if not any(none) or all(none):
        return ""
    return f"What is zero in one model, such as {short(case.name)}, is averaged; mergekit takes the direction of the other models' mean."


@_reads("karcher", rounds_each_step, iterates_longer, averages_what_has_no_direction)
def _karcher(case: Case) -> MergeRule:
    equal = _equal(case)
    return MergeRule(per_tensor(karcher.centre(equal, int(case.shared["max_iter"]), float(case.shared["tol"]))), equal)


def stays_at_the_base(case: Case) -> str:
    return "Where changes point away from one another (a mean cosine below 0), model_stock keeps the base; mergekit goes beyond it, away from the models."


def measures_small_changes(case: Case) -> str:
    return "model_stock takes the cosine of changes of any size; mergekit counts it as smaller where two lengths multiply to less than 0.000001."


@_reads("model_stock", rounds_each_step, stays_at_the_base, measures_small_changes)
def _model_stock(case: Case) -> MergeRule:
    return MergeRule(model_stock.stock, (0.0, *_equal(case)))


@_reads("task_arithmetic", rounds_each_step)
def _task_arithmetic(case: Case) -> MergeRule:
    weights, scale = _weights(case), float(case.shared["lambda"])
    total = _total(case, weights) if case.shared["normalize"] else 1.0
    scaled = [scale * w / total for w in weights]
    coefficients = (1 - math.fsum(scaled), *scaled)
    return MergeRule(sums(coefficients), coefficients)


def elects_no_sign(case: Case) -> str:
    return "Where the votes for both signs are equal, the base's value stays; mergekit takes the positive one." if len(case.each) > 1 else ""


def ranks_by_place(case: Case) -> str:
    if not case.thinned:
        return ""
    return "Of changes that are equally large, those that stand earlier count as larger; in mergekit the order of its sorting decides."


def draws_alone(case: Case) -> str:
    return "Random draws are this program's own: which changes are dropped differs from any run of mergekit's." if case.thinned else ""


def divides_by_density(case: Case) -> str:
    if not (case.thinned and case.shared["rescale"]):
        return ""
    return "What dare keeps is divided by the density, as in its paper; mergekit scales it to the same sum of magnitudes."


def divides_by_probability(case: Case) -> str:
    if not (case.thinned and case.shared["rescale"]):
        return ""
    return "What della keeps is divided by its probability, as in its paper; mergekit scales it to the same sum of magnitudes."


def spaces_probabilities(case: Case) -> str:
    if not case.thinned or not any(float(p["epsilon"]) for p in case.each):
        return ""
    return (
        "The probabilities of a row's n changes are evenly spaced within density ± epsilon, half a step from either end; mergekit's begin and end there,"
        " and a row of one change has none."
    )


def ranks_whole_rows(case: Case) -> str:
    if not case.thinned or len(case.shape) < 3:
        return ""
    return f"della ranks all that leads to one unit; mergekit ranks along the second axis alone, where there are more than two, as in {short(case.name)}."


@_reads("ties", rounds_each_step, elects_no_sign, ranks_by_place)
def _ties(case: Case) -> MergeRule:
    return _merged(case, lambda density, given: between(max(1, int(density * case.numel))), "mass")


@_reads("breadcrumbs", rounds_each_step, ranks_by_place)
def _breadcrumbs(case: Case, elect: Elect = "none") -> MergeRule:
    def keep(density: float, given: Mapping[str, Number]) -> Keep:
        low, high = _outliers(case.numel, density, float(given["gamma"]), case.name)
        return between(case.numel - low, high + 1)

    return _merged(case, keep, elect)


@_reads("breadcrumbs_ties", rounds_each_step, elects_no_sign, ranks_by_place)
def _breadcrumbs_ties(case: Case) -> MergeRule:
    return _breadcrumbs(case, "mass")


@_reads("dare_linear", rounds_each_step, draws_alone, divides_by_density)
def _dare_linear(case: Case, elect: Elect = "none") -> MergeRule:
    rescale = bool(case.shared["rescale"])
    return _merged(case, lambda density, given: dare.dropping(1 - density, SEED, rescale=rescale), elect, rescales=True)


@_reads("dare_ties", rounds_each_step, elects_no_sign, draws_alone, divides_by_density)
def _dare_ties(case: Case) -> MergeRule:
    return _dare_linear(case, "mass")


@_reads("della_linear", rounds_each_step, draws_alone, divides_by_probability, spaces_probabilities, ranks_whole_rows)
def _della_linear(case: Case, elect: Elect = "none") -> MergeRule:
    rescale = bool(case.shared["rescale"])

    def keep(density: float, given: Mapping[str, Number]) -> Keep:
        epsilon = float(given["epsilon"])
        if not (epsilon >= 0 and density + epsilon < 1 and density - epsilon > 0):
            raise Refused(f"{case.method} keeps with a chance of density ± epsilon, {density:g} ± {epsilon:g} here; it must lie between 0 and 1.")
        return della.dropping(1 - density, 2 * epsilon, SEED, rescale=rescale)

    return _merged(case, keep, elect, rescales=True, rows=True)


@_reads("della", rounds_each_step, elects_no_sign, draws_alone, divides_by_probability, spaces_probabilities, ranks_whole_rows)
def _della(case: Case) -> MergeRule:
    return _della_linear(case, "mass")


def _merged(
    case: Case, keep: Callable[[float, Mapping[str, Number]], Keep], elect: Elect, *, rescales: bool = False, rows: bool = False
) -> MergeRule:
    """Task vectors thinned out by `keep(density, parameters)`, of every model, and merged. `rescales`: the method heeds `rescale`. `rows`: keeps by rows."""
    weights, normalise = _weights(case), bool(case.shared["normalize"])
    if case.shared["rescale"] and not rescales:
        raise Refused(f"{case.method} with rescale=true is not supported here. Leave rescale out, or merge with mergekit.")
    keeps = [_kept(case, density, given, keep) for density, given in zip(case.densities, case.each, strict=True)]
    if normalise and not any(weights):
        raise Refused(f"{case.method}: the weights for {short(case.name)} sum to zero. Give at least one model a weight.")
    total = _total(case, weights) if normalise and elect == "none" else 1.0  # with an election each entry is divided by what agrees there
    found = tasks(keeps, [w / total for w in weights], elect, float(case.shared["lambda"]), normalise=normalise)
    return MergeRule(per_tensor(found), (0.0, *weights), "rows" if rows and case.thinned else "entries")


def _kept(case: Case, density: float, given: Mapping[str, Number], keep: Callable[[float, Mapping[str, Number]], Keep]) -> Keep:
    if not 0 <= density <= 1:
        raise Refused(f"{case.method} needs a density from 0 to 1, the share of changes to keep; got {density:g} for {short(case.name)}.")
    return everything if density == 1 else between(0) if density == 0 else keep(density, given)


def _outliers(numel: int, density: float, gamma: float, name: str) -> tuple[int, int]:
    """How many of the smallest and of the largest entries go, as mergekit counts them."""
    if not 0 <= gamma < 1:
        raise Refused(f"breadcrumbs needs a gamma from 0 to below 1, the share of largest changes to drop; got {gamma:g} for {short(name)}.")
    stay = int(density * numel)
    low = max(0, numel - stay - int(gamma * numel))
    return low, numel - low - stay


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


def _weights(case: Case) -> tuple[float, ...]:
    return tuple(float(p["weight"]) for p in case.each)


def _equal(case: Case) -> tuple[float, ...]:
    return (1 / len(case.each),) * len(case.each)


def _total(case: Case, weights: Sequence[float]) -> float:
    if abs(total := math.fsum(weights)) < 1e-8:
        raise Refused(f"{case.method}: the weights for {short(case.name)} sum to zero, and the result is divided by that sum. Change a weight.")
    return total


def shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, int | float) else str(value)
