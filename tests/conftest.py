"""A small problem of our own, with two checkpoints trained in a second: what most tests need and nothing that ships."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.spec import Field, Run
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.store.run_store import RunStore

torch.set_num_threads(1)  # the suite has a process on every core already


@pytest.fixture(autouse=True, scope="module")
def set_aside():
    """What is alive before a module's tests, a million objects of all modules and tests, is not looked through for garbage each time that one collects."""
    gc.collect()
    gc.freeze()


TOML = """
title = "Tiny digits"

[network]
name = "mlp"
widths = [64, 12, 10]

[data]
name = "digits"
"""


@dataclass(frozen=True)
class Tiny:
    """A folder with a problem.toml and two checkpoints, a and b."""

    folder: Path

    @property
    def a(self) -> Path:
        return self.folder / "a.safetensors"

    @property
    def b(self) -> Path:
        return self.folder / "b.safetensors"

    @property
    def problem(self) -> Problem:
        return Problem(problem_toml.read(self.folder))

    def field(self, **changes) -> Field:
        """The line between a and b."""
        return Field(
            **{"problem": self.problem.spec, "corners": (loaded(self.a), loaded(self.b)), "chart": registry.method("chart", "line"), **changes}
        )

    def run(self, size: int = 5, **changes) -> Run:
        """A grid on that line."""
        return Run(self.field(**changes), registry.method("sample", "grid", {"size": size}))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Tiny:
    """Two briefly trained networks with a clear barrier between them."""
    made = Tiny(tmp_path_factory.mktemp("tiny"))
    (made.folder / "problem.toml").write_text(TOML, encoding="utf-8")
    train = made.problem.split("train")
    for seed, path in enumerate((made.a, made.b)):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = made.problem.network()
            for layer in network.modules():
                if isinstance(layer, torch.nn.Linear):
                    layer.reset_parameters()
            optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9)
            for _ in range(12):
                for rows in torch.randperm(len(train.targets)).split(64):
                    loss = made.problem.losses(network(train.inputs[rows]), train.targets[rows]).mean()
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
        checkpoint_file.write(path, network.state_dict(), {"problem": "tiny"})
    return made


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A user's folder of this test alone."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(folder))
    return folder


@pytest.fixture
def store(home) -> RunStore:
    """The store in that folder."""
    return RunStore(home / "store.sqlite")
