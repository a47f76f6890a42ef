"""How the methods of mergekit's recipes are carried out, and beside each where its result is meant to differ from mergekit's (its version 0.1.5).

The plan says each difference once, and only those that apply to the recipe at hand (explorer.merging.plan). Methods on task vectors are in
explorer.merging.task_rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from explorer.checkpoints.arithmetic import vectors
from explorer.checkpoints.passes import Kernel, MergeRule, Passes
from explorer.checkpoints.passes import each as per_tensor
from explorer.checkpoints.per_tensor import sums
from explorer.core.files import short
from explorer.merging import task_rules
from explorer.merging.ingredients import equal_in, zero_in
from explorer.merging.mergekit.known import METHODS
from explorer.merging.recipe_case import TYPES, Case, Difference, RuleBook, equal_shares, rounds_each_step, total_of, weights_of
from explorer.methods.fuse import _row_arcs, arcee_fusion, karcher, model_stock, multislerp, nearswap, slerp

_reads = RuleBook()


def rule_of(case: Case) -> MergeRule:
    """How the recipe's method makes the tensor."""
    return RULES[case.method][0](case)


def differences(cases: Sequence[Case], more: Sequence[Difference]) -> list[str]:
    """What applies to one of the cases at least, each said once: what the recipe's method differs in, and `more`."""
    found = (*more, *RULES[cases[0].method][1]) if cases else ()
    return list(filter(None, (next(filter(None, map(differ, cases)), "") for differ in found)))


@_reads("linear")
def _linear(case: Case) -> MergeRule:
    weights = weights_of(case)
    total = total_of(case, weights) if case.shared["normalize"] else 1.0
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


@_reads("nuslerp", rounds_each_step, lambda case: has_no_direction(case) if case.shared["nuslerp_flatten"] else "")
def _nuslerp(case: Case) -> MergeRule:
    weights = weights_of(case)
    t = weights[-1] / total_of(case, weights)
    if case.shared["nuslerp_flatten"]:
        kernel, cut = per_tensor(slerp.arc(t)), "entries"
    elif case.shared["nuslerp_row_wise"]:  # mergekit's word for the first axis
        kernel, cut = _row_arcs.of_columns(t), "rows"
    else:
        kernel, cut = _row_arcs.of_rows(t, case.width), "rows"
    return MergeRule(_from_base(kernel), (0.0, 1 - t, t), cut) if case.based else MergeRule(kernel, (1 - t, t), cut)


@_reads("multislerp", rounds_each_step)
def _multislerp(case: Case) -> MergeRule:
    weights = weights_of(case)
    total = total_of(case, weights) if case.shared["normalize_weights"] else 1.0
    shares = [w / total for w in weights]
    kernel = per_tensor(multislerp.towards(shares, float(case.shared["eps"])))
    if len(shares) == 1:  # as it is, whatever its weight
        return MergeRule(sums((0.0, 1.0) if case.based else (1.0,)), (0.0, 1.0) if case.based else (1.0,))
    return MergeRule(_from_base(kernel), (0.0, *shares)) if case.based else MergeRule(kernel, tuple(shares))


@_reads("nearswap", rounds_each_step)
def _nearswap(case: Case) -> MergeRule:
    t = float(case.shared["t"])
    return MergeRule(lambda passes: (nearswap.swapped(tensors, t) for tensors in passes()), (1.0, 0.0))


def diverges_in_double(case: Case) -> str:
    if case.computed == "F64":
        return ""
    return (
        f"arcee_fusion compares rows in double precision; mergekit does in {TYPES[case.computed]}, where the divergence of rows that are near each other is"
        " mostly rounding."
    )


def takes_all_entries(case: Case) -> str:
    if case.numel <= 1_000_000:
        return ""
    return f"The quartiles are those of all entries; of more than a million, as in {short(case.name)}, mergekit draws a million at random."


@_reads("arcee_fusion", diverges_in_double, takes_all_entries)
def _arcee_fusion(case: Case) -> MergeRule:
    return MergeRule(arcee_fusion.important({case.name: case.width}), (1.0, 0.0), "rows")


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
    equal = equal_shares(case)
    return MergeRule(per_tensor(karcher.centre(equal, int(case.shared["max_iter"]), float(case.shared["tol"]))), equal)


def stays_at_the_base(case: Case) -> str:
    return "Where changes point away from one another (a mean cosine below 0), model_stock keeps the base; mergekit goes beyond it, away from the models."


def measures_small_changes(case: Case) -> str:
    return "model_stock takes the cosine of changes of any size; mergekit counts it as smaller where two lengths multiply to less than 0.000001."


@_reads("model_stock", rounds_each_step, stays_at_the_base, measures_small_changes)
def _model_stock(case: Case) -> MergeRule:
    if case.shared["filter_wise"]:
        return MergeRule(model_stock.stock_of_rows(case.width), (0.0, *equal_shares(case)), "rows")
    return MergeRule(model_stock.stock, (0.0, *equal_shares(case)))


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


RULES = {**_reads.found, **task_rules.reads.found}
