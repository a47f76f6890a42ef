"""Problem: a network, its data, a loss and fixed splits (explorer.problems.problem_toml reads them from a folder).

The splits are cut from one random order of all samples, drawn from `seed` alone, so they are the same in every process and
for every checkpoint. Each keeps that order: its first k samples are a fair draw of k. Where the source brings a test set,
that is the test split, and `val` is a share of the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)

from explorer.core import locations, registry, splits
from explorer.core.allowed_folders import admit
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.core.spec import Method, NamedTestSet, ProblemSpec, SplitName
from explorer.problems.data import ANY, Dataset, Purpose, fingerprint
from explorer.problems.outputs import several
from explorer.problems.parts import Part, taking, unpacked
from explorer.problems.undrawn import placed, undrawn

FEW = 50  # samples
SMALL = 10_000_000  # numbers in a network (Problem.small)


@dataclass(frozen=True)
class Batch:
    """Samples of one split in its fixed order: inputs (n, …), targets (n,), (n, L) or (n, d), as in Dataset; (n, 0) under a loss that takes none."""

    inputs: Tensor
    targets: Tensor


class Problem:
    """A ProblemSpec brought to life. Making one costs nothing: data are opened at first use, once per process."""

    def __init__(self, spec: ProblemSpec) -> None:
        self.spec = spec
        if spec.code and spec.code != registry.named_code(spec.network.name, spec.data.name, spec.loss):
            raise Refused(
                f"The problem {spec.name} runs code that was named on the command line, and this program was started without it, or with another version of it."
                " Start with --plugin, and read the problem again; a running worker keeps what it was started with."
            )

    def network(self, *, seed: int = 0) -> nn.Module:
        """A fresh network in eval mode, float32, on the CPU, its initial weights drawn from the seed alone."""
        build = _builder(self.spec.network, _wiring(self.spec))
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(seed)
            return build().float().eval()

    def blank(self, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, *, hollow: bool = False) -> nn.Module:
        """As `network`, on a device and in a type, for who writes a state dict into it: what is in there at first is arbitrary, and costs nothing.
        `hollow`: nor does it hold memory to write into (explorer.problems.undrawn)."""
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(0)
            build = _builder(self.spec.network, _wiring(self.spec))
            network = (build() if self.small else undrawn(build)).float().eval()
        return placed(network, torch.device(device), dtype, hollow=hollow)

    @property
    def small(self) -> bool:
        """Whether drawing the network's weights, or its answer to one sample, takes less time than torch's compiler takes to be imported: what avoids the one
        or the other imports it."""
        return sum(p.numel() for p in self.skeleton().parameters()) <= SMALL

    def skeleton(self) -> nn.Module:
        """The network in eval mode on the meta device, the same one each time: names, shapes and types, no memory. Not to be changed."""
        return _skeleton(self.spec.network, _wiring(self.spec))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the network's state dict."""
        return {name: tuple(t.shape) for name, t in self.skeleton().state_dict().items()}

    def parameters(self) -> list[str]:
        """Names of the network's parameters; of a tied one the first."""
        return [name for name, _ in self.skeleton().named_parameters()]

    def reals(self) -> frozenset[str]:
        """Names of the network's parameters, as far as they are real numbers: no whole numbers of a file stand for them."""
        return frozenset(n for n, p in self.skeleton().named_parameters(remove_duplicate=False) if p.is_floating_point())

    def check(self) -> None:
        """Refused, in a sentence, unless network, data and loss fit together. Needs no weights; the data are opened."""
        _fits(_essence(self.spec))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or the symbols of a language model; empty for a regression."""
        return _classes(_essence(self.spec))

    def split(self, name: SplitName, most: int | None = None) -> Batch:
        """The samples of a split, or of a test set of the problem's own; the first `most` of them, without the cost of copying the others. Refused when it is empty, or when network, data and loss do not fit together."""
        if (own := splits.test_set(self.spec, name)) is not None:
            return self._tested_on(own, most)
        _fits(_essence(self.spec))
        dataset = _data(_source(self.spec))
        rows = _rows(self.spec.val, self.spec.test, self.spec.seed, len(dataset.targets), dataset.test, dataset.val)[name]
        if not len(rows):
            todo = (
                "Give more samples, or train= and val=." if self.spec.data.name == "live" else "Give it a larger share under [split] in problem.toml."
            )
            raise Refused(f"The {name} split of {self.spec.name or 'this problem'} is empty. {todo}")
        rows = rows[:most]
        targets = torch.empty(len(rows), 0) if self.against_reference else dataset.targets[rows]
        return Batch(dataset.inputs[rows], targets)

    def _tested_on(self, own: NamedTestSet, most: int | None) -> Batch:
        """All of a test set's samples in the fixed order; of a source that brings a test set, those."""
        if own.code != registry.code_of("data", own.data.name):
            raise Refused(
                f"The test set {own.name} needs code that this program was started without, or with another version of. Start with --plugin."
            )
        of = replace(self.spec, data=own.data, path=own.path, digest=own.digest)
        dataset, known = _data(_source(of)), _data(_source(self.spec))
        if dataset.parts != known.parts or not (dataset.open or dataset.classes == known.classes):
            raise Refused(
                f"The test set {own.name} has {_classed(dataset)} and the problem's own data {_classed(known)}; a number stands for the same class in both."
                " Give it data with the same classes in the same order (of texts: the same tokenizer)."
            )
        _fits(_essence(of))
        begin = dataset.test or 0
        rows = begin + torch.from_numpy(np.random.default_rng(self.spec.seed).permutation(len(dataset.targets) - begin))[:most]
        return Batch(dataset.inputs[rows], torch.empty(len(rows), 0) if self.against_reference else dataset.targets[rows])

    @property
    def parts(self) -> tuple[Part, ...]:
        """The several inputs that lie in the one tensor (explorer.problems.parts); () where there is one."""
        return _data(_source(self.spec)).parts

    @cached_property  # asked for at every chunk of samples
    def against_reference(self) -> bool:
        """Whether the loss compares with the outputs of a reference model, and not with targets."""
        return registry.targets_of(self.spec.loss) == "reference"

    @cached_property  # likewise
    def classifies(self) -> bool:
        """Whether the outputs are logits of classes, so that there is a right and a wrong."""
        return registry.classifies(self.spec.loss)

    @cached_property  # a compiler looks it up here; it could not follow the search for its file
    def _compare(self) -> _Compare:
        return _loss(self.spec.loss)

    @cached_property
    def _own_wrong(self) -> _Compare | None:
        return _wrong(self.spec.loss)

    def gives_outputs(self) -> None:
        """Refused where the network gives the losses of samples, by a function of somebody's own, and no outputs that could be averaged or compared."""
        if registry.targets_of(self.spec.loss) == "none":
            raise Refused(
                "This needs the outputs of models, and the network of this problem gives losses, by forward= or by its own loss. Give loss= instead."
            )

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n, m) loss of each item, in float32 at least: m = 1 for classification and regression, L for language models.

        Under a loss that compares with a reference model the targets are its outputs; Refused when those of the data are given.
        """
        if self.against_reference and targets.shape != outputs.shape:
            raise Refused(
                f"This needs targets, and the loss {self.spec.loss} has none: it compares with a reference model. Choose what needs inputs"
                " alone, or another loss."
            )
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        return self._compare(outputs, targets)

    def counted(self, targets: Tensor, items: int) -> Tensor:
        """(n,) how many of the `items` of each sample count: all, but where a loss of somebody's own asks for some of them."""
        if registry.defines("loss", self.spec.loss, "counted"):
            return _of_loss(self.spec.loss, "counted")(targets)
        return torch.full((len(targets),), items, device=targets.device)

    def shares(self, targets: Tensor) -> Tensor | None:
        """(n,) the weights by which the mean of the loss divides, where it weights classes; None where all items count alike."""
        return _of_loss(self.spec.loss, "shares")(targets) if registry.defines("loss", self.spec.loss, "shares") else None

    def worth(self, targets: Tensor) -> Tensor | None:
        """(n,) what each sample counts for in a mean of losses: its items that count, or the sum of their weights; None where samples are worth the same."""
        shares = self.shares(targets)
        return shares if shares is not None or not registry.defines("loss", self.spec.loss, "counted") else self.counted(targets, 0)

    def wrong(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n, m) whether the largest output is not the target's; all False where outputs are numbers, and right and wrong have no meaning."""
        if self._own_wrong is not None:
            return self._own_wrong(outputs, targets)
        if not self.classifies:
            return torch.zeros(len(targets), 1, dtype=torch.bool, device=targets.device)
        return (outputs.argmax(dim=-1) != targets).reshape(len(targets), -1)

    def constant(self, targets: Tensor) -> float | None:
        """The mean loss of the best answer that is the same for every sample; None where the loss does not say, and of so few samples that the best answer
        to them is an answer to nothing else."""
        own = _constant(self.spec.loss)
        return None if own is None or self.against_reference or len(targets) < FEW else own(targets.cpu())


# --- what is kept for the life of the process, under just what decides it ------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """`network`, `loss`: of data that are told what they are for."""

    data: Method
    path: str
    digest: str
    network: Method | None = None
    loss: str = ""


@dataclass(frozen=True)
class _Essence:
    network: Method
    source: _Source
    loss: str

    def problem(self) -> Problem:
        """One with this network and these data."""
        return Problem(ProblemSpec(self.network, self.source.data, self.loss, path=self.source.path, digest=self.source.digest))


def _source(spec: ProblemSpec) -> _Source:
    found = _Source(spec.data, spec.path, spec.digest)
    return replace(found, network=spec.network, loss=spec.loss) if registry.wired(_loading(spec.data.name), purpose=None) else found


def _essence(spec: ProblemSpec) -> _Essence:
    return _Essence(spec.network, _source(spec), spec.loss)


_Compare: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


@lru_cache(maxsize=64)
def _loss(name: str) -> _Compare:
    return cast("_Compare", registry.find("loss", name))


@lru_cache(maxsize=64)
def _wrong(name: str) -> _Compare | None:
    return cast("_Compare", registry.find("loss", name, function="wrong")) if registry.defines("loss", name, "wrong") else None


def _of_loss(name: str, function: str) -> Callable[[Tensor], Tensor]:
    return cast("Callable[[Tensor], Tensor]", registry.find("loss", name, function=function))


@lru_cache(maxsize=64)
def _constant(name: str) -> Callable[[Tensor], float] | None:
    return cast("Callable[[Tensor], float] | None", getattr(sys.modules[_loss(name).__module__], "constant", None))


def _wiring(spec: ProblemSpec) -> _Source | None:
    """The data where they give the network several inputs; None for one."""
    given = spec.data.kwargs()
    several = given.get("inputs") or given.get("across") is False  # the options by which data say so before they are opened
    return _source(spec) if several else None


def _builder(network: Method, several: _Source | None) -> Callable[[], nn.Module]:
    build = cast("Callable[..., nn.Module]", registry.find("nets", network.name))
    if several is None:
        return lambda: build(**network.kwargs())
    parts = _data(several).parts
    return lambda: taking(build(**network.kwargs()), parts) if parts else build(**network.kwargs())


@lru_cache(maxsize=64)
def _skeleton(network: Method, several: _Source | None) -> nn.Module:
    with torch.device("meta"):
        return _builder(network, several)().float().eval()


def _data(source: _Source) -> Dataset:
    if source.path:
        admit(locations.expand(source.path))  # here too: somebody who may read it may have had it opened before
    return _dataset(source)


@lru_cache(maxsize=8)
def _dataset(source: _Source) -> Dataset:
    load = _loading(source.data.name)
    path = locations.expand(source.path) if source.path else None
    if path is not None and source.digest and fingerprint(path) != source.digest:
        raise Refused(f"{path} has changed since this problem was read. Read its problem.toml again: with other data it is another problem.")
    purpose = ANY if source.network is None else Purpose(registry.targets_of(source.loss), partial(_embeds, source.network))
    return load(path, **source.data.kwargs(), **registry.wired(load, purpose=purpose))


def _loading(data: str) -> Callable[..., Dataset]:
    return cast("Callable[..., Dataset]", registry.find("data", data))


@lru_cache(maxsize=64)
def _embeds(network: Method, shape: tuple[int, ...]) -> bool:
    """Whether a network takes a sample of whole numbers, as those with an embedding do, and none of real numbers."""
    model = Problem(ProblemSpec(network, Method("none"))).blank(hollow=True)

    def takes(dtype: torch.dtype) -> bool:
        try:
            with torch.inference_mode():
                model(torch.zeros(1, *shape, dtype=dtype))
        except Exception:  # whatever somebody's network raises at inputs that are not its own
            return False
        return True

    return not takes(torch.float32) and takes(torch.int64)


@lru_cache(maxsize=64)
def _classes(essence: _Essence) -> tuple[str, ...]:
    """The data's; of those that only say which occur, as many as the network gives."""
    dataset = _data(essence.source)
    if not dataset.open:
        return dataset.classes
    return tuple(map(str, range(_fits(essence))))


@lru_cache(maxsize=64)
def _rows(val: float, test: float, seed: int, n: int, fixed: int | None, fixed_val: int | None) -> dict[SplitName, Tensor]:
    rng = np.random.default_rng(seed)
    end = n if fixed is None else fixed
    free = end if fixed_val is None else fixed_val
    order = rng.permutation(free)
    cut_test = round(test * free) if fixed is None else 0
    cut_val = cut_test + (round(val * len(order)) if fixed_val is None else 0)
    held = order[:cut_test] if fixed is None else fixed + rng.permutation(n - fixed)
    chosen = order[cut_test:cut_val] if fixed_val is None else fixed_val + rng.permutation(end - fixed_val)
    rows: dict[SplitName, np.ndarray[tuple[int], np.dtype[np.int64]]] = {"test": held, "val": chosen, "train": order[cut_val:]}
    return {name: torch.from_numpy(r.astype(np.int64)) for name, r in rows.items()}


@lru_cache(maxsize=64)
def _fits(essence: _Essence) -> int:
    """How many numbers the network gives for each item. Refused, in a sentence, unless it takes the data's inputs and gives what the loss compares with
    its targets."""
    dataset, options = _data(essence.source), ", ".join(f"{k}={short(str(v))}" for k, v in essence.network.options)
    name = str(essence.network.kwargs().get("called", "")) or (f"{essence.network.name} with {options}" if options else essence.network.name)
    first = (
        0 if dataset.rows or dataset.parts or dataset.inputs.is_floating_point() else int(dataset.inputs.flatten(1).amax(dim=1).argmax())
    )  # where the largest token is
    inputs, targets = dataset.inputs[first : first + 1], dataset.targets[first : first + 1]
    regression = dataset.sort == "numbers"
    wanted = _wanted(essence.loss, regression)
    if wanted not in (dataset.sort, "reference") and not (wanted == "masked" and dataset.sort == "classes" and targets.dim() == 2):
        fitting = [
            n
            for n in registry.names("loss")
            if registry.targets_of(n) in (dataset.sort, "reference") and (dataset.sort == "none" or registry.classifies(n) != regression)
        ]
        own = f" Or say in {essence.loss}.py what it takes: TARGETS = {dataset.sort!r}." if registry.code_of("loss", essence.loss) else ""
        raise Refused(
            f"The loss {essence.loss} needs {_TARGETS[wanted]}, and these data have {_TARGETS[dataset.sort]}. Use {' or '.join(fitting)}.{own}"
        )
    problem = essence.problem()
    if norms := [n for n, m in problem.skeleton().named_modules() if isinstance(m, _BatchNorm) and m.running_mean is None]:
        raise Refused(
            f"The batch norm {norms[0]} of {name} keeps no running statistics (track_running_stats=False), so the answer to a sample depends on the others"
            " in its batch, and its loss on how samples are put together. Use track_running_stats=True, or a norm that looks at one sample (GroupNorm,"
            " LayerNorm)."
        )
    outputs, known = _without_values(problem, inputs)
    if outputs is not None:
        _agree(essence, name, dataset, outputs)
    told = inputs.is_floating_point() or (bool(dataset.parts) and not problem.small) or (known and not dataset.parts)
    if outputs is None or not told:  # a number beyond a table shows with values
        try:
            with torch.inference_mode():
                network = problem.blank()
                answer: object = network(inputs)
                for row in _largest(dataset):
                    network(dataset.inputs[row : row + 1])
        except Refused:
            raise
        except Exception as error:  # whatever somebody's network raises at inputs that are not its own
            said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
            raise Refused(f"The network {name} does not take inputs {_taken(dataset)} of these data: {said}") from error
        if not isinstance(answer, Tensor):
            raise Refused(several(name, answer, "Let its forward return the one that is meant."))
        outputs = torch.zeros_like(answer)
        _agree(essence, name, dataset, outputs)
    try:
        items = cast("object", _loss(essence.loss)(outputs, outputs if wanted == "reference" else targets))
    except Exception as error:  # whatever somebody's loss raises
        said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
        raise Refused(f"The loss {essence.loss} does not take the outputs {_each(tuple(outputs.shape))} of {name}: {said}") from error
    if not isinstance(items, Tensor) or items.dim() != 2 or len(items) != 1:
        came = f"a tensor {tuple(items.shape)}" if isinstance(items, Tensor) else f"a {type(items).__name__}"
        raise Refused(f"The loss {essence.loss} gives {came} for one sample; (n, m) is expected: the loss of each item of each sample.")
    return outputs.shape[-1]


def _without_values(problem: Problem, inputs: Tensor) -> tuple[Tensor | None, bool]:
    """Zeros of the shape and type in which the network answers, found without the memory of its weights, None where that fails: the network then says why.
    And whether all tables in which it looks the inputs up are large enough for them.

    A small network answers with every weight one zero, expanded: the first tensor without values that a process computes with makes torch import seconds of
    its compiler. A large one, for which that is little, answers without values, and with zeros where it looks at its inputs.
    """
    for way in (_with_zeros, _on_meta) if problem.small else (_on_meta, _on_fakes, _with_zeros):
        with suppress(Exception), torch.inference_mode():
            outputs, tables = way(problem, inputs)
            if isinstance(outputs, Tensor):
                return torch.zeros(outputs.shape, dtype=outputs.dtype), bool(tables) and int(inputs.max()) < min(tables)
    return None, False


def _with_zeros(problem: Problem, inputs: Tensor) -> tuple[object, list[int]]:
    network = problem.blank(hollow=True)
    with _tables(network, inputs) as tables:
        return network(inputs), tables


def _on_meta(problem: Problem, inputs: Tensor) -> tuple[object, list[int]]:
    given, network = inputs.to("meta"), problem.skeleton()
    with _tables(network, given) as tables:
        return network(given), tables


def _on_fakes(problem: Problem, inputs: Tensor) -> tuple[object, list[int]]:
    """As the compiler sees it: what a library leaves out while a network is traced is left out."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    network = problem.blank(hollow=True)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        given = mode.from_tensor(inputs)
        with _tables(network, given) as tables:
            return network(given), tables


@contextmanager
def _tables(network: nn.Module, given: Tensor) -> Generator[list[int]]:
    """The lengths of the tables in which the inputs themselves are looked up, as they come."""
    found: list[int] = []
    place = given.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]

    def asked(table: nn.Module, args: tuple[object, ...]) -> None:
        if args and isinstance(args[0], Tensor) and args[0].untyped_storage()._cdata == place:  # pyright: ignore[reportPrivateUsage]
            found.append(cast("nn.Embedding", table).num_embeddings)

    handles = [m.register_forward_pre_hook(asked) for m in network.modules() if isinstance(m, nn.Embedding)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _agree(essence: _Essence, name: str, dataset: Dataset, outputs: Tensor) -> None:
    """Refused unless outputs of this shape are what the loss compares with the targets. `name`: of the network, with its options."""
    shape, targets, regression = tuple(outputs.shape), dataset.targets[:1], dataset.sort == "numbers"
    wanted = _wanted(essence.loss, regression)
    more = dataset.open and shape[:-1] == tuple(targets.shape) and shape[-1] > len(dataset.classes)
    if wanted in ("classes", "masked") and not more and shape != (wanted_shape := (*targets.shape, len(dataset.classes))):
        raise Refused(
            f"The network {name} gives {_each(shape)} for each sample; the data have {len(dataset.classes)} classes and so need {_each(wanted_shape)}."
            f" {_to_change(essence.network, shape[-1], wanted_shape[-1])}"
        )
    if essence.loss == "mse" and shape != tuple(targets.shape):
        raise Refused(
            f"The network {name} gives {_each(shape)} for each sample; the targets of the data are {_each(tuple(targets.shape))}."
            f" {_to_change(essence.network, shape[-1], targets.shape[-1])}"
        )
    if len(shape) < 2:
        raise Refused(f"The network {name} gives a tensor {shape} for one sample; (n, …) is expected. Change it.")


def _wanted(loss: str, regression: bool) -> str:
    """The kind of targets that a loss compares with."""
    wanted = registry.targets_of(loss)
    return "classes" if wanted == "reference" and regression and registry.classifies(loss) else wanted


_TARGETS = {
    "classes": "numbers of classes",
    "numbers": "real numbers as targets",
    "masked": "masked tokens",
    "none": "no targets",
}


def _to_change(network: Method, came: int, wanted: int) -> str:
    """Which options make a network give as many numbers as are wanted: those that hold the number that came, or whose last one is it, else any."""

    def ends(value: object) -> bool:
        return (value[-1] if isinstance(value, tuple) and value else value) == came and not isinstance(value, bool)

    names = [name for name, value in network.options if ends(value)] or [name for name, _ in network.options]
    end = f" so that it gives {wanted}" if wanted != came else ""
    return f"Change {' or '.join(names) or 'the network'}, under [network] in problem.toml,{end or ' so that both agree'}."


def _classed(dataset: Dataset) -> str:
    """The classes of data, in words."""
    return f"{len(dataset.classes)} classes ({short(', '.join(dataset.classes))})" if dataset.classes else "none"


def _taken(dataset: Dataset) -> str:
    """The inputs of a sample, in words."""
    return ", ".join(map(str, dataset.parts)) or _each(tuple(dataset.inputs.shape))


def _largest(dataset: Dataset) -> list[int]:
    """The rows where the largest number of each part is, as far as these are whole numbers."""
    parts = unpacked(dataset.inputs, dataset.parts, torch.float32) if dataset.parts else {}
    return [int(t.reshape(len(t), -1).amax(dim=1).argmax()) for t in parts.values() if t.dtype == torch.int64]


def _each(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape[1:])) or "a single number"
