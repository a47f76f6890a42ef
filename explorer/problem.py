"""Problem: a network, its data, a loss and fixed splits, read from a folder's problem.toml."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer import methods, places
from explorer.data import Dataset
from explorer.errors import Refused
from explorer.spec import ProblemSpec, SplitName

LOSSES = ("cross_entropy", "mse")


@dataclass(frozen=True)
class Batch:
    """Samples of one split in its fixed order: inputs (n, …), targets (n, …)."""

    inputs: Tensor
    targets: Tensor


class Problem:
    """A ProblemSpec brought to life. Data are opened once per process."""

    def __init__(self, spec: ProblemSpec) -> None:
        self.spec = spec

    def network(self) -> nn.Module:
        """A fresh network in eval mode, float32, on the CPU; the global random state is left as it was."""
        build = cast("Callable[..., nn.Module]", methods.find("nets", self.spec.network.name))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build(**self.spec.network.kwargs()).eval()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the network's state dict."""
        build = cast("Callable[..., nn.Module]", methods.find("nets", self.spec.network.name))
        with torch.device("meta"):
            return {name: tuple(t.shape) for name, t in build(**self.spec.network.kwargs()).state_dict().items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or of the symbols of a language model."""
        return _dataset(self.spec).classes

    def split(self, name: SplitName) -> Batch:
        """The samples of a split."""
        dataset = _dataset(self.spec)
        rows = _rows(self.spec, len(dataset.targets), dataset.test)[name]
        if not len(rows):
            raise Refused(f"The {name} split of {self.spec.name or 'this problem'} is empty. Give it a larger share in problem.toml.")
        return Batch(dataset.inputs[rows], dataset.targets[rows])

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n, m) loss of each item: m = 1 for classification and regression, L for language models."""
        if self.spec.loss == "mse":
            return (outputs - targets).square().flatten(1).mean(dim=1, keepdim=True)
        return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten(), reduction="none").reshape(len(targets), -1)

    def wrong(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n, m) whether the largest output is not the target; never, for a regression."""
        if self.spec.loss == "mse":
            return torch.zeros(len(targets), 1, dtype=torch.bool)
        return (outputs.argmax(dim=-1) != targets).reshape(len(targets), -1)


def read(path: str | Path) -> ProblemSpec:
    """The problem described in a folder's problem.toml, or in that file itself. Refused when something in it is not understood."""
    file = Path(path) / "problem.toml" if Path(path).is_dir() else Path(path)
    table = cast("Mapping[str, object]", tomllib.loads(file.read_text(encoding="utf-8")))
    network = dict(cast("Mapping[str, object]", table["network"]))
    data = dict(cast("Mapping[str, object]", table["data"]))
    split = cast("Mapping[str, float]", table.get("split", {}))
    source = str(data.pop("path", ""))
    where = (file.parent / source) if source else None
    return ProblemSpec(
        network=methods.method("nets", str(network.pop("name")), network),
        data=methods.method("data", str(data.pop("name")), data),
        loss=str(table.get("loss", "cross_entropy")),
        val=float(split.get("val", 0.2)),
        test=float(split.get("test", 0.3)),
        seed=int(split.get("seed", 0)),
        digest="" if where is None else hashlib.sha256(where.read_bytes()).hexdigest(),
        name=file.resolve().parent.name,
        title=str(table.get("title", "")),
        path="" if where is None else places.shorten(where),
    )


def shipped() -> list[ProblemSpec]:
    """The problems of the sample models."""
    return [read(toml.parent) for toml in sorted((places.root() / "sample_models").glob("*/problem.toml"))]


def find(name: str | Path) -> ProblemSpec:
    """A shipped problem by name, or a folder's."""
    for spec in shipped():
        if spec.name == str(name):
            return spec
    return read(name)


@lru_cache(maxsize=8)
def _dataset(spec: ProblemSpec) -> Dataset:
    load = cast("Callable[..., Dataset]", methods.find("data", spec.data.name))
    return load(places.expand(spec.path) if spec.path else None, **spec.data.kwargs())


@lru_cache(maxsize=8)
def _rows(spec: ProblemSpec, n: int, test: int | None) -> dict[str, Tensor]:
    rng = np.random.default_rng(spec.seed)
    order = rng.permutation(n if test is None else test)
    cut_test = round(spec.test * n) if test is None else 0
    cut_val = round(spec.val * len(order))
    held = order[:cut_test] if test is None else test + rng.permutation(n - test)
    rows = {"test": held, "val": order[cut_test : cut_test + cut_val], "train": order[cut_test + cut_val :]}
    return {name: torch.from_numpy(r.astype(np.int64)) for name, r in rows.items()}
