"""Problem: a network, its data, a loss and fixed splits, read from a folder's problem.toml.

    title = "…"                    # optional
    loss = "cross_entropy"         # one of explorer/loss/
    [network]                      # name, and the options of its `build`
    [data]                         # name, path (relative to this file's folder), and the options of its `load`
    [split]                        # val, test: shares of the data; seed
    [symmetry]                     # only where it cannot be deduced: tensor = ["group", "-"], one text per axis (explorer.symmetry.groups)

The splits are cut from one random order of all samples, drawn from `seed` alone, so they are the same in every process and
for every checkpoint. Each keeps that order: its first k samples are a fair draw of k. Where the source brings a test set,
that is the test split, and `val` is a share of the rest.
"""

from __future__ import annotations

import logging
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

from explorer import methods, places
from explorer.data import Dataset, fingerprint
from explorer.describe import found as described
from explorer.errors import Refused
from explorer.files import short, system
from explorer.nets import shapes_of
from explorer.roots import admit
from explorer.spec import Method, ProblemSpec, SplitName

log = logging.getLogger(__name__)

_LIMIT_BYTES = 2**20  # of a problem.toml


@dataclass(frozen=True)
class Batch:
    """Samples of one split in its fixed order: inputs (n, …), targets (n,), (n, L) or (n, d), as in Dataset; (n, 0) under a loss that takes none."""

    inputs: Tensor
    targets: Tensor


class Problem:
    """A ProblemSpec brought to life. Making one costs nothing: data are opened at first use, once per process."""

    def __init__(self, spec: ProblemSpec) -> None:
        self.spec = spec
        if spec.code and spec.code != _code(spec.network.name, spec.data.name, spec.loss):
            raise Refused(
                f"The problem {spec.name} runs code that was named on the command line, and this program has not been given it, or another version of it."
                " Start with --plugin, and read the problem again; a worker that runs already goes on with what it was started with."
            )

    def network(self, *, seed: int = 0) -> nn.Module:
        """A fresh network in eval mode, float32, on the CPU, its initial weights drawn from the seed alone."""
        build = _builder(self.spec.network)
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(seed)
            return build().float().eval()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the network's state dict, without building it in memory."""
        return dict(_shapes(self.spec.network))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or the symbols of a language model; empty for a regression."""
        return _data(_source(self.spec)).classes

    def split(self, name: SplitName) -> Batch:
        """The samples of a split. Refused when it is empty, or when network, data and loss do not fit together."""
        _fits(_essence(self.spec))
        dataset = _data(_source(self.spec))
        rows = _rows(self.spec.val, self.spec.test, self.spec.seed, len(dataset.targets), dataset.test)[name]
        if not len(rows):
            raise Refused(f"The {name} split of {self.spec.name or 'this problem'} is empty. Give it a larger share under [split] in problem.toml.")
        targets = torch.empty(len(rows), 0) if self.against_reference else dataset.targets[rows]
        return Batch(dataset.inputs[rows], targets)

    @cached_property  # asked for at every chunk of samples
    def against_reference(self) -> bool:
        """Whether the loss compares with the outputs of a reference model, and not with targets."""
        return methods.targets_of(self.spec.loss) == "reference"

    @cached_property  # likewise
    def classifies(self) -> bool:
        """Whether the outputs are logits of classes, so that there is a right and a wrong."""
        return methods.classifies(self.spec.loss)

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
        return _loss(self.spec.loss)(outputs, targets)

    def wrong(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n, m) whether the largest output is not the target's; all False where outputs are numbers, and right and wrong have no meaning."""
        if (own := _wrong(self.spec.loss)) is not None:
            return own(outputs, targets)
        if not self.classifies:
            return torch.zeros(len(targets), 1, dtype=torch.bool, device=targets.device)
        return (outputs.argmax(dim=-1) != targets).reshape(len(targets), -1)


def read(path: str | Path) -> ProblemSpec:
    """The problem described in a folder's problem.toml, or in that file itself. Refused when something in it is not understood."""
    with system(Path(path), "read"):
        file = Path(path) / "problem.toml" if Path(path).is_dir() else Path(path)
    table = _toml(file)
    where = f"{file.resolve().parent.name}/{file.name}"
    _only(table, ("title", "loss", "network", "data", "split", "symmetry"), where)
    split = _table(table, "split", where, required=False)
    _only(split, ("val", "test", "seed"), f"{where}, [split]")
    val, test = _share(split, "val", 0.2, where), _share(split, "test", 0.3, where)
    if val + test >= 1:
        raise Refused(f"{where}: val {val:g} and test {test:g} leave nothing to train on. Their sum must be below 1.")
    seed = split.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise Refused(f"{where}: 'seed' under [split] wants a whole number from 0, got {seed!r}.")
    if (loss := _text(table, "loss", where, "cross_entropy")) not in methods.names("loss"):
        raise Refused(f"{where}: there is no loss {loss!r}. There are: {', '.join(methods.names('loss'))}.")
    data = _table(table, "data", where)
    source, digest = _source_at(data, file, where)
    network = _network(_method("nets", _table(table, "network", where), f"{where}, [network]"), file, where)
    method = _method("data", {k: v for k, v in data.items() if k != "path"}, f"{where}, [data]")
    return ProblemSpec(
        network=network,
        data=method,
        loss=loss,
        code=_code(network.name, method.name, loss),
        val=val,
        test=test,
        seed=seed,
        digest=digest,
        symmetry=_symmetry(table, where),
        name=file.resolve().parent.name,
        title=_text(table, "title", where, ""),
        path="" if source is None else places.shorten(source),
    )


def shipped() -> list[ProblemSpec]:
    """The problems of the sample models, by name; a folder whose problem.toml is refused is left out and logged."""
    found: list[ProblemSpec] = []
    for file in sorted((places.root() / "sample_models").glob("*/problem.toml")):
        try:
            found.append(read(file))
        except Refused as refusal:
            log.warning("%s is left out: %s", file, refusal)
    return found


def find(name: str | Path) -> ProblemSpec:
    """A shipped problem by name, or the one of a folder or a problem.toml. Refused with the shipped names when there is neither."""
    known = {file.parent.name: file for file in sorted((places.root() / "sample_models").glob("*/problem.toml"))}
    if isinstance(name, str) and name in known:
        return read(known[name])
    with system(Path(name), "read"):
        if name and Path(name).exists():
            return read(name)
    raise Refused(f"There is no problem and no folder {str(name)!r}. Problems: {', '.join(known) or 'none'}; or give a folder with a problem.toml.")


def beside(checkpoint: Path) -> ProblemSpec | None:
    """The problem in a checkpoint's folder, or one folder up where transformers saved the folder as a whole; else the one that was
    written in the app for that folder (explorer.describe). None where there is none."""
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    with system(folder, "read"):
        folders = (folder, folder.parent) if (folder / "config.json").is_file() else (folder,)
    found = next((file for f in folders if (file := described(f)) is not None), None)
    return None if found is None else read(found)


# --- problem.toml ---------------------------------------------------------------------------------------------------------


def _toml(file: Path) -> dict[str, object]:
    with system(file, "read"):
        if not file.is_file():
            raise Refused(f"{file} is missing. A problem is a folder with a problem.toml, or that file.")
        if file.stat().st_size > _LIMIT_BYTES:
            raise Refused(f"{file} is too large for a problem.toml. Check that it is one.")
        data = file.read_bytes()
    try:
        return tomllib.loads(data.decode("utf-8-sig"))  # -sig: some editors begin a file with a byte-order mark
    except (ValueError, RecursionError) as error:  # ValueError: also what is no UTF-8, or has too many digits for an int
        raise Refused(f"{file} is not valid TOML: {error}. Correct it there.") from error


def _only(table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    if unknown := [key for key in table if key not in known]:
        raise Refused(f"{where}: {unknown[0]!r} is not known here. Known: {', '.join(known)}.")


def _code(network: str, data: str, loss: str) -> tuple[tuple[str, str], ...]:
    """(kind, SHA-256 of the text) of what was named on the command line."""
    named = ((kind, methods.code_of(kind, name)) for kind, name in (("nets", network), ("data", data), ("loss", loss)))
    return tuple((kind, digest) for kind, digest in named if digest)


def _table(table: Mapping[str, object], key: str, where: str, *, required: bool = True) -> Mapping[str, object]:
    value = table.get(key, None if required else {})
    if not isinstance(value, dict):
        raise Refused(f"{where}: a table [{key}] is wanted{'' if value is None else f', got {value!r}'}.")
    return cast("dict[str, object]", value)


def _symmetry(table: Mapping[str, object], where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for tensor, axes in sorted(_table(table, "symmetry", where, required=False).items()):
        if not isinstance(axes, list) or not all(isinstance(a, str) for a in cast("list[object]", axes)):
            raise Refused(f"{where}, [symmetry]: {tensor!r} wants a list of one text per axis, such as ['hidden', '-'], got {axes!r}.")
        found.append((tensor, tuple(cast("list[str]", axes))))
    return tuple(found)


def _text(table: Mapping[str, object], key: str, where: str, default: str) -> str:
    if not isinstance(value := table.get(key, default), str):
        raise Refused(f"{where}: {key!r} wants a text, got {value!r}.")
    return value


def _share(split: Mapping[str, object], key: str, default: float, where: str) -> float:
    value = split.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise Refused(f"{where}: {key!r} under [split] wants a share from 0 to below 1, got {value!r}.")
    return float(value)


def _source_at(data: Mapping[str, object], file: Path, where: str) -> tuple[Path | None, str]:
    """Where the data lie, and their fingerprint."""
    if not (text := _text(data, "path", where, "")):
        return None, ""
    if "\0" in text:
        raise Refused(f"{where}, [data]: 'path' cannot contain a zero character.")
    try:
        source = file.resolve().parent / Path(text).expanduser()
        return source, fingerprint(source)
    except RuntimeError as error:  # ~ of a user whom the system does not know
        raise Refused(f"{where}, [data]: 'path' is {text!r}, and that user's folder is not known. Write the path in full.") from error
    except Refused as refusal:
        raise Refused(f"{where}, [data], path: {refusal}") from refusal


def _method(kind: str, table: Mapping[str, object], where: str) -> Method:
    options = dict(table)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise Refused(f"{where}: 'name' is wanted, one of {', '.join(methods.names(kind))}.")
    try:
        return methods.method(kind, name, options)
    except Refused as refusal:
        raise Refused(f"{where}: {refusal}") from refusal


def _network(method: Method, file: Path, where: str) -> Method:
    """The network; where it is described by a file, the content of that file takes the place of its name (the module's `settle`)."""
    module = sys.modules[methods.find("nets", method.name).__module__]
    settle = cast("Callable[[Mapping[str, object], Path], Mapping[str, object]] | None", getattr(module, "settle", None))
    if settle is None:
        return method
    try:
        return methods.method("nets", method.name, settle(method.kwargs(), file.resolve().parent))
    except Refused as refusal:
        raise Refused(f"{where}, [network]: {refusal}") from refusal


# --- what is kept for the life of the process, under just what decides it ------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    data: Method
    path: str
    digest: str


@dataclass(frozen=True)
class _Essence:
    network: Method
    source: _Source
    loss: str


def _source(spec: ProblemSpec) -> _Source:
    return _Source(spec.data, spec.path, spec.digest)


def _essence(spec: ProblemSpec) -> _Essence:
    return _Essence(spec.network, _source(spec), spec.loss)


_Compare: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


@lru_cache(maxsize=64)
def _loss(name: str) -> _Compare:
    return cast("_Compare", methods.find("loss", name))


@lru_cache(maxsize=64)
def _wrong(name: str) -> _Compare | None:
    return cast("_Compare | None", getattr(sys.modules[_loss(name).__module__], "wrong", None))


def _builder(network: Method) -> Callable[[], nn.Module]:
    build = cast("Callable[..., nn.Module]", methods.find("nets", network.name))
    return lambda: build(**network.kwargs())


@lru_cache(maxsize=64)
def _shapes(network: Method) -> Mapping[str, tuple[int, ...]]:
    return shapes_of(_builder(network))


def _data(source: _Source) -> Dataset:
    if source.path:
        admit(places.expand(source.path))  # here too: somebody who may read it may have had it opened before
    return _dataset(source)


@lru_cache(maxsize=8)
def _dataset(source: _Source) -> Dataset:
    load = cast("Callable[..., Dataset]", methods.find("data", source.data.name))
    path = places.expand(source.path) if source.path else None
    if path is not None and source.digest and fingerprint(path) != source.digest:
        raise Refused(f"{path} has changed since this problem was read. Read its problem.toml again: with other data it is another problem.")
    return load(path, **source.data.kwargs())


@lru_cache(maxsize=64)
def _rows(val: float, test: float, seed: int, n: int, fixed: int | None) -> dict[SplitName, Tensor]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(n if fixed is None else fixed)
    cut_test = round(test * n) if fixed is None else 0
    cut_val = cut_test + round(val * len(order))
    held = order[:cut_test] if fixed is None else fixed + rng.permutation(n - fixed)
    rows: dict[SplitName, np.ndarray[tuple[int], np.dtype[np.int64]]] = {"test": held, "val": order[cut_test:cut_val], "train": order[cut_val:]}
    return {name: torch.from_numpy(r.astype(np.int64)) for name, r in rows.items()}


@lru_cache(maxsize=64)
def _fits(essence: _Essence) -> None:
    """Refused, in a sentence, unless the network takes the data's inputs and gives what the loss compares with its targets."""
    dataset, options = _data(essence.source), ", ".join(f"{k}={short(str(v))}" for k, v in essence.network.options)
    name = f"{essence.network.name} with {options}" if options else essence.network.name
    inputs, targets = dataset.inputs[:1], dataset.targets[:1]
    regression = dataset.sort == "numbers"
    wanted = "classes" if essence.loss == "divergence" and regression else methods.targets_of(essence.loss)
    if wanted not in (dataset.sort, "reference"):
        fitting = [n for n in methods.names("loss") if methods.targets_of(n) in (dataset.sort, "reference") and methods.classifies(n) != regression]
        raise Refused(f"The loss {essence.loss} wants {_TARGETS[wanted]}, and these data have {_TARGETS[dataset.sort]}. Use {' or '.join(fitting)}.")
    network = Problem(ProblemSpec(essence.network, essence.source.data)).network()
    try:
        with torch.inference_mode():
            outputs: object = network(inputs)
    except Exception as error:  # whatever somebody's network raises at inputs that are not its own
        said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
        raise Refused(f"The network {name} does not take inputs {_each(tuple(inputs.shape))} of these data: {said}") from error
    if not isinstance(outputs, Tensor):
        raise Refused(f"The network {name} answers with a {type(outputs).__name__}, and one tensor is wanted.")
    shape = tuple(outputs.shape)
    if wanted in ("classes", "masked") and shape != (wanted_shape := (*targets.shape, len(dataset.classes))):
        raise Refused(
            f"The network {name} gives {_each(shape)} for each sample; the data have {len(dataset.classes)} classes and so want {_each(wanted_shape)}."
            " Change the network's options."
        )
    if essence.loss == "mse" and shape != tuple(targets.shape):
        raise Refused(
            f"The network {name} gives {_each(shape)} for each sample; the targets of the data are {_each(tuple(targets.shape))}."
            " Change the network's options."
        )
    if len(shape) < 2:
        raise Refused(f"The network {name} gives a tensor {shape} for one sample, and (n, …) is wanted. Change it.")
    try:
        items = cast("object", _loss(essence.loss)(outputs, outputs if wanted == "reference" else targets))
    except Exception as error:  # whatever somebody's loss raises
        said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
        raise Refused(f"The loss {essence.loss} does not take the outputs {_each(shape)} of {name}: {said}") from error
    if not isinstance(items, Tensor) or items.dim() != 2 or len(items) != 1:
        came = f"a tensor {tuple(items.shape)}" if isinstance(items, Tensor) else f"a {type(items).__name__}"
        raise Refused(f"The loss {essence.loss} gives {came} for one sample, and (n, m) is wanted: the loss of each item of each sample.")


_TARGETS = {
    "classes": "numbers of classes",
    "numbers": "real numbers as targets",
    "masked": "masked tokens",
    "none": "no targets",
}


def _each(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape[1:])) or "a single number"
