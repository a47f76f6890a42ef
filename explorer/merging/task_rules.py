"""Recipes of mergekit's whose methods work on task vectors, the changes from a base: how they are carried out, and where results are meant to differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

from explorer.checkpoints.arithmetic import Elect
from explorer.checkpoints.passes import MergeRule, Passes
from explorer.checkpoints.passes import each as per_tensor
from explorer.checkpoints.per_tensor import sums
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.merging.mergekit.known import Number
from explorer.merging.recipe_case import Case, RuleBook, equal_shares, rounds_each_step, total_of, weights_of
from explorer.methods.fuse import dare, della, ram, sce
from explorer.methods.fuse._task_vectors import Keep, Stays, Thin, between, everything, tasks

NO_CHANGE = 1e-7  # sum of magnitudes below which mergekit scales nothing up
SEED = 0  # of the entries that a recipe drops at random; mergekit's recipes have none

reads = RuleBook()


@reads("task_arithmetic", rounds_each_step)
def _task_arithmetic(case: Case) -> MergeRule:
    weights, scale = weights_of(case), float(case.shared["lambda"])
    total = total_of(case, weights) if case.shared["normalize"] else 1.0
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


@reads("ties", rounds_each_step, elects_no_sign, ranks_by_place)
def _ties(case: Case) -> MergeRule:
    return _merged(case, lambda density, given: between(max(1, int(density * case.numel))), "mass")


@reads("breadcrumbs", rounds_each_step, ranks_by_place)
def _breadcrumbs(case: Case, elect: Elect = "none") -> MergeRule:
    def keep(density: float, given: Mapping[str, Number]) -> Keep:
        low, high = _outliers(case.numel, density, float(given["gamma"]), case.name)
        return between(case.numel - low, high + 1)

    return _merged(case, keep, elect)


@reads("breadcrumbs_ties", rounds_each_step, elects_no_sign, ranks_by_place)
def _breadcrumbs_ties(case: Case) -> MergeRule:
    return _breadcrumbs(case, "mass")


@reads("dare_linear", rounds_each_step, draws_alone, divides_by_density)
def _dare_linear(case: Case, elect: Elect = "none") -> MergeRule:
    rescale = bool(case.shared["rescale"])
    return _merged(case, lambda density, given: dare.dropping(1 - density, SEED, rescale=rescale), elect, rescales=True)


@reads("dare_ties", rounds_each_step, elects_no_sign, draws_alone, divides_by_density)
def _dare_ties(case: Case) -> MergeRule:
    return _dare_linear(case, "mass")


@reads("della_linear", rounds_each_step, draws_alone, divides_by_probability, spaces_probabilities, ranks_whole_rows)
def _della_linear(case: Case, elect: Elect = "none") -> MergeRule:
    rescale = bool(case.shared["rescale"])

    def keep(density: float, given: Mapping[str, Number]) -> Keep:
        epsilon = float(given["epsilon"])
        if not (epsilon >= 0 and density + epsilon < 1 and density - epsilon > 0):
            raise Refused(f"{case.method} keeps with a chance of density ± epsilon, {density:g} ± {epsilon:g} here; it must lie between 0 and 1.")
        return della.dropping(1 - density, 2 * epsilon, SEED, rescale=rescale)

    return _merged(case, keep, elect, rescales=True, rows=True)


@reads("della", rounds_each_step, elects_no_sign, draws_alone, divides_by_probability, spaces_probabilities, ranks_whole_rows)
def _della(case: Case) -> MergeRule:
    return _della_linear(case, "mass")


def weighs_small_changes(case: Case) -> str:
    if len(case.each) < 2:
        return ""
    return "sce weighs changes of any size; mergekit weighs all models equally where the mean squares of their changes add up to less than 0.000001."


def ranks_variances_by_place(case: Case) -> str:
    if float(case.shared["select_topk"]) >= 1:
        return ""
    return "Of variances that are equally large, those that stand earlier count as larger; in mergekit the order of its sorting decides."


@reads("sce", rounds_each_step, elects_no_sign, weighs_small_changes, ranks_variances_by_place)
def _sce(case: Case) -> MergeRule:
    return MergeRule(sce.weighed(float(case.shared["select_topk"])), (0.0, *equal_shares(case)))


def _merged(
    case: Case, keep: Callable[[float, Mapping[str, Number]], Keep], elect: Elect, *, rescales: bool = False, rows: bool = False
) -> MergeRule:
    """Task vectors thinned out by `keep(density, parameters)`, of every model, and merged. `rescales`: what stays is scaled up by `keep` itself, where a recipe
    says `rescale`, and not to the sum of magnitudes. `rows`: keeps by rows."""
    weights, normalise = weights_of(case), bool(case.shared["normalize"])
    keeps = [_kept(case, density, given, keep) for density, given in zip(case.densities, case.each, strict=True)]
    if case.shared["rescale"] and not rescales:
        keeps = [_rescaled(keep) if 0 < density < 1 else keep for keep, density in zip(keeps, case.densities, strict=True)]
    if normalise and not any(weights):
        raise Refused(f"{case.method}: the weights for {short(case.name)} sum to zero. Give at least one model a weight.")
    total = total_of(case, weights) if normalise and elect == "none" else 1.0  # with an election each entry is divided by what agrees there
    found = tasks(keeps, [w / total for w in weights], elect, float(case.shared["lambda"]), normalise=normalise)
    return MergeRule(per_tensor(found), (0.0, *weights), "rows" if rows and case.thinned else "entries")


def _kept(case: Case, density: float, given: Mapping[str, Number], keep: Callable[[float, Mapping[str, Number]], Keep]) -> Keep:
    if not 0 <= density <= 1:
        raise Refused(f"{case.method} needs a density from 0 to 1, the share of changes to keep; got {density:g} for {short(case.name)}.")
    return everything if density == 1 else between(0) if density == 0 else keep(density, given)


def _rescaled(keep: Keep) -> Keep:
    """What stays scaled up to the sum of magnitudes that the whole change has; found in a pass before."""

    def rescaled(passes: Passes, model: int) -> Stays:
        stays = keep(passes, model)
        thin, before, after = stays(passes.name), 0.0, 0.0
        for base, tuned in passes(0, model):
            change = tuned - base
            before += float(change.abs().sum(dtype=torch.float64))
            after += float(thin(change).abs().sum(dtype=torch.float64))
        factor = before / after if min(before, after) >= NO_CHANGE else 1.0

        def scaled(name: str) -> Thin:
            thin = stays(name)
            return lambda vector: thin(vector).mul_(factor)

        return scaled

    return rescaled


def _outliers(numel: int, density: float, gamma: float, name: str) -> tuple[int, int]:
    """How many of the smallest and of the largest entries go, as mergekit counts them."""
    if not 0 <= gamma < 1:
        raise Refused(f"breadcrumbs needs a gamma from 0 to below 1, the share of largest changes to drop; got {gamma:g} for {short(name)}.")
    stay = int(density * numel)
    low = max(0, numel - stay - int(gamma * numel))
    return low, numel - low - stay


@reads("ram", rounds_each_step)
def _ram(case: Case) -> MergeRule:
    kernel = ram.reinforced(float(case.shared["epsilon"]), float(case.shared.get("r", 0.0)), float(case.shared.get("alpha", 0.0)))
    return MergeRule(kernel, (0.0, *equal_shares(case)))


@reads("ramplus_tl", rounds_each_step)
def _ramplus_tl(case: Case) -> MergeRule:
    return _ram(case)
