"""A Recorder in somebody else's trainer: transformers' own, and one with Lightning's hooks, which is not installed here."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn

from explorer.api import Recorder, Refused, lightning_recorder, transformers_recorder
from explorer.training import trainer_callbacks

hf: Any = import_module("transformers")


def steps(folder):
    """Of the snapshots in a folder, in order."""
    return [int(p.stem.removeprefix("step-")) for p in sorted(folder.glob("step-*.safetensors"))]


class Squares(nn.Module):
    """What transformers' Trainer trains: a module that gives a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x, labels):
        return {"loss": (self.layer(x) - labels).square().mean()}


def test_transformers_trainer_records(tmp_path):
    """The real one: a snapshot of each second step, with what it logged, and the last is the network as it is in the end."""
    model = Squares()
    rows = [{"x": torch.randn(2), "labels": torch.randn(1)} for _ in range(24)]
    how = hf.TrainingArguments(
        str(tmp_path / "out"), per_device_train_batch_size=4, num_train_epochs=1, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True
    )  # fmt: skip
    callback = transformers_recorder(Recorder(tmp_path / "run", every=2))
    assert isinstance(callback, hf.TrainerCallback)
    hf.Trainer(model=model, args=how, train_dataset=rows, callbacks=[callback]).train()
    assert steps(tmp_path / "run") == [2, 4, 6]
    with safe_open(tmp_path / "run" / "step-000006.safetensors", framework="pt") as file:
        assert torch.equal(file.get_tensor("layer.weight"), model.layer.weight.detach())
        assert json.loads(file.metadata()["metrics"])["loss"] > 0


class FakeCallback:
    """In the place of lightning.pytorch.Callback, of which only that it is the base matters."""


@pytest.fixture
def lightning(monkeypatch):
    """A stand-in for the package, which is not among those of the tests: its Callback, and the hooks as its 2.x calls them."""
    package, part = ModuleType("lightning"), ModuleType("lightning.pytorch")
    package.__spec__ = SimpleNamespace(name="lightning")  # type: ignore[assignment]
    part.Callback = FakeCallback  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lightning", package)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", part)


def test_lightning_hooks_record(tmp_path, lightning):
    """By a fake trainer: the network inside of the module, at the trainer's steps, two batches to each; only in the first process."""
    module = nn.ModuleDict({"net": nn.Linear(2, 1), "head": nn.Linear(1, 1)})
    for first in (True, False):
        callback = lightning_recorder(Recorder(tmp_path / str(first), every=2), submodule="net")
        assert isinstance(callback, FakeCallback)
        for batch in range(12):
            trainer = SimpleNamespace(global_step=(batch + 1) // 2, is_global_zero=first, callback_metrics={"loss": torch.tensor(0.5)})
            callback.on_train_batch_end(trainer, module, None, None, batch)
        callback.on_train_end(trainer, module)
    assert steps(tmp_path / "True") == [0, 2, 4, 6] and steps(tmp_path / "False") == []
    with safe_open(tmp_path / "True" / "step-000004.safetensors", framework="pt") as file:
        assert set(file.keys()) == {"weight", "bias"}
        assert json.loads(file.metadata()["metrics"]) == {"loss": 0.5}


@pytest.mark.parametrize(("make", "package"), [(lightning_recorder, "lightning"), (transformers_recorder, "transformers")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, make, package):
    """With what to do about it, when the callback is made and not before."""
    monkeypatch.setattr(trainer_callbacks, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=rf"{package}_recorder needs {package}, which is not installed here\. Install it"):
        make(Recorder(tmp_path))
