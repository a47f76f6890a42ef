"""What becomes of every tensor: a job each, from a recipe or from one of the explorer's own methods. Only headers have been read when a plan stands.

Whole numbers are copied from the base, or from the first model; running statistics are a mean with coefficients that are not negative. Sums are worked
out in float32 at least, whatever dtype a recipe names; it is the dtype of what is written. Where a recipe's result is meant to differ from mergekit's, the
plan says so: methods state it beside their rules (explorer.merging.recipe_rules), and what holds for all methods does so here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from explorer.checkpoints import weights
from explorer.checkpoints.passes import MergeRule
from explorer.checkpoints.per_tensor import sums
from explorer.checkpoints.safetensors_header import BYTES
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.core.spec import Method
from explorer.merging import by_token, fitting, vocabularies, weightless
from explorer.merging import ingredients as ingredient
from explorer.merging.blocks import DTYPES
from explorer.merging.by_token import United
from explorer.merging.deferred import deferred
from explorer.merging.fit import Fit
from explorer.merging.ingredients import Ingredient
from explorer.merging.mergekit import modules, settings, text
from explorer.merging.mergekit.recipe import Recipe, TokenRule
from explorer.merging.mergekit.settings import Effective
from explorer.merging.recipe_case import TYPES, Case, Difference, shown
from explorer.merging.recipe_rules import differences, rule_of

FORMAT = {"float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64"}
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
NAMES = {DTYPES[name]: name for name in FLOATS}
EVERYTHING = Fit()
STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Job:
    """One tensor of the result: of which tensors of which ingredients it is made, and how; without a way the first one's bytes, as they are.

    `said`: the parameters that hold for it, in words. `module`: of a recipe that names modules, the one that it is in.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    sources: tuple[tuple[int, str], ...]
    rule: MergeRule | None
    said: str = ""
    module: str = ""

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * BYTES[self.dtype]


@dataclass(frozen=True)
class MergePlan:
    """All of a merge. `config`, `tokenizer`: whose files are copied. `layers`: how many the result has, where slices say it, by the configuration's keys for it."""

    ingredients: tuple[Ingredient, ...]
    jobs: tuple[Job, ...]
    config: int
    tokenizer: int
    layers: Mapping[tuple[str, ...], int] | None = None
    recipe: str = ""
    notes: tuple[str, ...] = ()
    vocabulary: United | None = None  # where rows were brought together by token
    method: str = ""  # that a recipe names

    @property
    def bytes_read(self) -> int:
        """Of one pass over all that is merged."""
        return sum(self.ingredients[i].tensors[name].nbytes for job in self.jobs for i, name in job.sources)

    @property
    def bytes_written(self) -> int:
        return sum(job.nbytes for job in self.jobs)


def of_recipe(given: str, *, dequantise: bool = False, fit: Fit = EVERYTHING) -> MergePlan:
    """The plan of a recipe's text; the paths in it are seen from the present folder, as mergekit sees them."""
    recipe, notes = text.read(given)
    models = recipe.merged
    opened = {m: ingredient.opened(m, recipe.base, dequantise=dequantise) for m in models}
    architecture = ingredient.architecture_of(opened[recipe.first])
    if recipe.tokenizer in ("union", "base"):
        fit = replace(fit, tokens="union" if recipe.tokenizer == "union" else "first")
    united, kept, told = None, dict[str, str](), list[str]()
    if recipe.whole:
        opened = weightless.fitted(recipe, opened)
        found, united, kept, told = _fitted([opened[m] for m in models], fit, based=bool(recipe.base), rules=recipe.token_rules, pad=recipe.pad)
        opened |= zip(models, found, strict=True)
    elif replace(fit, tokens="same") != EVERYTHING or fit.tokens == "union":
        raise Refused("The recipe stacks layers; only whole models can be fitted to one another. Merge them whole first, and stack the result.")
    else:
        opened = dict(zip(opened, ingredient.layers_alike(list(opened.values())), strict=True))
    if recipe.tokenizer not in ("", "base", "union", *models):
        opened[recipe.tokenizer] = ingredient.opened(recipe.tokenizer, dequantise=dequantise)
    if united is None:
        vocabularies.same_vocabulary(list(opened.values()))
    order = list(opened)
    effective = settings.effective(recipe, {m: list(i.tensors) for m, i in opened.items()}, architecture)
    first = order.index(recipe.first)
    cases: list[Case] = []
    jobs: list[Job] = []
    for e in effective:
        if e.tensor in kept:
            one = _kept(e.tensor, opened[order[first]], first, kept[e.tensor], FORMAT.get(recipe.out_dtype or recipe.dtype, ""))
            jobs.append(replace(one, module=e.module))
            continue
        of = _inputs(e, opened)
        cases.append(_case(recipe, e, of, opened))
        jobs.append(_told(_job(recipe, cases[-1], e, of, order), united))
    layers, unknown = _layers(recipe, architecture)
    tokenizer = first if recipe.tokenizer in ("", "base", "union") else order.index(recipe.tokenizer)
    said = (n for i in opened.values() for n in i.notes)
    return MergePlan(
        tuple(opened.values()),
        tuple(jobs),
        first,
        tokenizer,
        layers,
        given,
        notes=(*notes, *said, *told, *unknown, *differences(cases, _of_all_methods(recipe, united))),
        vocabulary=united,
        method=recipe.method,
    )


def of_method(method: Method, models: Sequence[str], *, dequantise: bool = False, fit: Fit = EVERYTHING) -> MergePlan:
    """The plan of one of the explorer's own methods; where it has a base, that is the first model, and adapters are put on it."""
    least, most = registry.models_of(method.name)
    if not least <= len(models) <= (most or len(models)):
        wanted = f"{least}" if least == most else f"{least} or more"
        raise Refused(f"{method.name} needs {wanted} models{', the first as the base' if registry.has_base(method.name) else ''}, got {len(models)}.")
    found, united, kept, told = _fitted(
        weightless.weighed(method, [ingredient.opened(m, models[0], dequantise=dequantise) for m in models]),
        fit,
        based=registry.has_base(method.name),
    )
    opened = tuple(found)
    if united is None:
        vocabularies.same_vocabulary(opened)
    rule, sources = deferred(method, opened)
    said = " ".join(f"{k}={shown(v)}" for k, v in method.options)
    jobs: list[Job] = []
    for name, stored in opened[sources[0]].tensors.items():
        if name in kept:
            jobs.append(_kept(name, opened[0], 0, kept[name], ""))
            continue
        dtype = promoted([opened[i].tensors[name].dtype for i in sources])
        jobs.append(_told(Job(name, stored.shape, dtype, tuple((i, name) for i in sources), _proper(rule, name, dtype), said), united))
    return MergePlan(opened, tuple(jobs), 0, 0, notes=(*(n for i in opened for n in i.notes), *told), vocabulary=united)


def _fitted(
    models: Sequence[Ingredient], fit: Fit, *, based: bool, rules: Sequence[TokenRule] = (), pad: int = 0
) -> tuple[list[Ingredient], United | None, dict[str, str], list[str]]:
    """The models with the same names and shapes; their tokens, where rows were brought together; what stays as the first has it; and what to tell."""
    found = ingredient.named_alike(models)
    united = None
    if fit.tokens != "same" and (vocabularies.differ(found) or fit.tokens == "union" or rules or pad):
        found, united = by_token.united(found, based=based, only_first=fit.tokens == "first", rules=rules, pad=pad)
    fitted, kept = fitting.fitted(found, fit)
    told = fitting.left_out(found, fitted)
    if united is not None and united.more:
        told.append(
            f"{len(united.more):,} tokens that {short(found[0].name)} does not have are added to its tokenizer, and found as whole words only."
        )
    return fitted, united, dict(kept), told


def _kept(name: str, model: Ingredient, which: int, why: str, dtype: str) -> Job:
    """A tensor as one model has it; `dtype`: what it is written in, "" for as it is."""
    stored = model.tensors[name]
    floats = stored.dtype in FLOATS
    return Job(
        name, stored.shape, dtype if dtype and floats else stored.dtype, ((which, name),), MergeRule(sums((1.0,)), (1.0,)) if floats else None, why
    )


def _told(job: Job, united: United | None) -> Job:
    """The job with what became of its rows."""
    if united is None or job.name not in united.said:
        return job
    return replace(job, said=" · ".join(filter(None, (united.said[job.name], job.said))))


def _inputs(found: Effective, opened: Mapping[str, Ingredient]) -> list[settings.Input]:
    """What the tensor is made of, the base first."""
    inputs = sorted(found.inputs, key=lambda i: i.model != found.base) if found.base else list(found.inputs)
    if found.base and inputs[0].model != found.base:  # the base of a slice that does not list it
        inputs.insert(0, settings.Input(found.base, inputs[0].tensor, {}))
    inputs = weightless.read(found, inputs)
    for i in inputs:
        if i.tensor not in opened[i.model].tensors:
            raise Refused(f"{short(i.model)} has no {short(i.tensor)}, which the recipe makes {short(found.tensor)} from. Choose models saved alike.")
    ingredient.same_shape([(opened[i.model], i.tensor) for i in inputs])
    return inputs


def _case(recipe: Recipe, found: Effective, inputs: Sequence[settings.Input], opened: Mapping[str, Ingredient]) -> Case:
    sources = [(opened[i.model], i.tensor) for i in inputs]
    each = [i.parameters for i in inputs if i.parameters or i.model != found.base]
    stored = promoted(_stored(sources))
    computed = FORMAT.get(recipe.dtype, stored) if stored in FLOATS else stored
    return Case(recipe.method, found.tensor, found.parameters, each, sources, bool(found.base), computed)


def _job(recipe: Recipe, case: Case, found: Effective, inputs: Sequence[settings.Input], order: Sequence[str]) -> Job:
    shared = " ".join(f"{k}={shown(v)}" for k, v in case.shared.items())
    said = [f"{i.model}: " + " ".join(f"{k}={shown(v)}" for k, v in i.parameters.items()) for i in found.inputs if i.parameters]
    sources = tuple((order.index(i.model), i.tensor) for i in inputs)
    rule = _proper(rule_of(case), case.name, case.computed)
    return Job(case.name, case.shape, _target(recipe, case), sources, rule, " · ".join(filter(None, [shared, *said])), found.module)


def _layers(recipe: Recipe, architecture: str) -> tuple[Mapping[tuple[str, ...], int] | None, list[str]]:
    """How many layers the modules have that are made of slices; and of which of them no configuration's key is known."""
    if recipe.whole:
        return None, []
    found: dict[tuple[str, ...], int] = {}
    unknown: list[str] = []
    for module in recipe.modules:
        if module.whole:
            continue
        count = sum(s.layers[1] - s.layers[0] for s in (part.sources[0] for part in module.slices) if s.layers)
        keys = modules.layer_keys(module.name, architecture)
        found[keys] = count
        if not keys:
            unknown.append(
                f"The module {short(module.name)} has {count} layers in the result, and where its configuration says so is not known. Correct config.json where that"
                " is another number."
            )
    return found, unknown


def _stored(sources: Sequence[tuple[Ingredient, str]]) -> list[str]:
    return [model.tensors[tensor].dtype for model, tensor in sources]


def _target(recipe: Recipe, case: Case) -> str:
    """The type of the result: what the recipe says, else the one that holds all values of the models'."""
    return FORMAT.get(recipe.out_dtype, case.computed) if case.computed in FLOATS else case.computed


def promoted(dtypes: Sequence[str]) -> str:
    """As weights.promoted, by the names that files have for types; of whole numbers, which are copied, the first's."""
    return NAMES[weights.promoted(DTYPES[d] for d in dtypes)] if {*dtypes} <= FLOATS else dtypes[0]


def _of_all_methods(recipe: Recipe, united: United | None) -> list[Difference]:
    """What a plan differs in from mergekit's, whatever the method."""

    def reads_as_stored(case: Case) -> str:
        if case.computed not in FLOATS or all(promoted([dtype, case.computed]) == case.computed for dtype in _stored(case.sources)):
            return ""
        return f"Models are merged as they are stored and the result is rounded; mergekit rounds the models to {TYPES[case.computed]} first, the recipe's dtype."

    def rounds_once(case: Case) -> str:
        target = _target(recipe, case)
        if target == case.computed or promoted([target, case.computed]) == case.computed:
            return ""
        return f"The result is rounded once, to {TYPES[target]}; mergekit rounds it to {TYPES[case.computed]} first, the type it computes in."

    def merges_adapters(case: Case) -> str:
        if not any(model.adapter is not None and (name in model.adapter.changes or name in model.adapter.whole) for model, name in case.sources):
            return ""
        return (
            "What an adapter changes is merged unrounded; mergekit first saves the model with its adapter, in the type that transformers loads it in."
        )

    def averages_statistics(case: Case) -> str:
        rule = rule_of(case)
        if not _is_statistic(case.name) or (
            case.method in ("linear", "passthrough") and rule.shares == rule.buffers and case.shared.get("scale", 1) == 1
        ):
            return ""
        return f"Running statistics, such as {short(case.name)}, are a weighted mean of the models'; mergekit merges them as it does weights."

    def copies_whole_numbers(case: Case) -> str:
        if case.computed in FLOATS or all(ingredient.equal_in(case.sources[0], source) for source in case.sources[1:]):
            return ""
        return f"The whole numbers of {short(case.name)} differ between the models, and {short(case.sources[0][0].name)}'s are taken; mergekit refuses them."

    def keeps_rows(case: Case) -> str:
        model = case.sources[0][0]
        if (
            not recipe.tokenizer
            or united is not None
            or not ingredient.is_vocabulary(case.name, case.shape)
            or (tokens := vocabularies.tokens_of(model)) in (0, case.shape[0])
        ):
            return ""
        return (
            f"{short(case.name)} keeps its {case.shape[0]:,} rows; mergekit, asked for a tokenizer, makes one row for each of its {tokens:,} tokens."
        )

    return [reads_as_stored, rounds_once, merges_adapters, averages_statistics, copies_whole_numbers, keeps_rows]


def _is_statistic(name: str) -> bool:
    return name.rpartition(".")[2] in STATISTICS


def _proper(rule: MergeRule, name: str, dtype: str) -> MergeRule | None:
    """The rule, where the tensor is one of parameters; else none, or a mean that cannot leave what it is of."""
    if dtype not in FLOATS:
        return None
    return MergeRule(sums(rule.shares), rule.shares) if _is_statistic(name) else rule
