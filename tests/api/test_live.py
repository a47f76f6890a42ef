"""Networks, loaders and functions in memory: the numbers of the file way, and nothing of what is given is changed."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import webbrowser

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from explorer.api import align, interpolate, landscape_around, live_problem, points, train
from explorer.checkpoints import checkpoint_file
from explorer.core import locations
from explorer.engine import live_weights
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.store.run_store import RunStore

GRID = {"sampler": "grid", "options": {"size": 5}}


@pytest.fixture(scope="module")
def samples():
    """The digits, as tensors in the order of their source."""
    from explorer.problems.data.digits import load

    found = load(None)
    return found.inputs, found.targets


@pytest.fixture
def nets(tiny):
    """The tiny problem's two networks as a notebook holds them: in train mode."""
    found = [tiny.problem.network() for _ in range(2)]
    for network, path in zip(found, (tiny.a, tiny.b), strict=True):
        network.load_state_dict(checkpoint_file.read(path).weights)
        network.train()
    return found


@pytest.mark.parametrize("loss", [None, nn.CrossEntropyLoss(), nn.functional.cross_entropy])
def test_objects_give_the_numbers_of_their_files(tiny, nets, samples, home, loss):
    """To the bit, along a line and over a plane, before and after an alignment; and what is measured is found again."""
    loader = DataLoader(TensorDataset(*samples), batch_size=100)
    line, same = interpolate(*nets, data=loader, loss=loss, home=home), interpolate(tiny.a, tiny.b, problem=tiny.folder, home=home)
    assert np.array_equal(line.points.values, same.points.values) and np.array_equal(line.points.coords, same.points.coords)
    assert line.barrier() == same.barrier() and line.barrier("error") == same.barrier("error")
    plane, flat = landscape_around(nets[0], data=loader, loss=loss, size=3, home=home), landscape_around(tiny.a, size=3, home=home)
    assert np.array_equal(plane.points.values, flat.points.values)
    (pair,), (other,) = (align(*models, **how, home=home).pairs for models, how in ((nets, {"data": samples, "loss": loss}), ((tiny.a, tiny.b), {})))
    assert pair.reduction() == other.reduction()
    assert interpolate(*nets, data=loader, loss=loss, home=home).run.id == line.run.id


def test_a_network_with_batch_norm_is_recalibrated_as_its_files_are(tmp_path, home):
    """To the bit: on the same rows of the train split."""
    (tmp_path / "problem.toml").write_text(
        '[network]\nname = "resnet"\nblocks = 1\nwidths = [4, 8]\nclasses = 3\nchannels = 1\n[data]\nname = "npz"\npath = "data.npz"\n',
        encoding="utf-8",
    )
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(240, 1, 8, 8, generator=generator), torch.arange(240) % 3
    np.savez(tmp_path / "data.npz", x=x.numpy(), y=y.numpy())
    problem = Problem(problem_toml.read(tmp_path))
    nets = [problem.network(seed=s) for s in range(2)]
    for i, network in enumerate(nets):
        checkpoint_file.write(tmp_path / f"{i}.safetensors", network.state_dict())
    line = interpolate(*nets, data=(x, y), home=home, **GRID)
    same = interpolate(tmp_path / "0.safetensors", tmp_path / "1.safetensors", problem=tmp_path, home=home, **GRID)
    assert np.array_equal(line.points.values, same.points.values)


def test_nothing_that_is_given_is_changed(nets, samples, home):
    """Mode, weights, gradients, hooks and random generators; a hook of one's own is not called."""
    calls: list[object] = []
    nets[0](samples[0][:4]).sum().backward()
    handle = nets[0].register_forward_hook(lambda *_: calls.append(1))
    weights = {n: p.detach().clone() for n, p in nets[0].named_parameters()}
    gradients = {n: p.grad.clone() for n, p in nets[0].named_parameters()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    align(*nets, data=DataLoader(TensorDataset(*samples), batch_size=64, shuffle=True), home=home, **GRID)
    assert nets[0].training and not calls and handle.id in nets[0]._forward_hooks
    assert all(torch.equal(p, weights[n]) and torch.equal(p.grad, gradients[n]) and p.requires_grad for n, p in nets[0].named_parameters())
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate() and np.array_equal(states[2], np.random.get_state()[1])


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_the_lines_of_the_documents_run(nets, samples, home, monkeypatch, page):
    """As they stand, with the names that they use; the app is not opened."""
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", (locations.root() / page).read_text(encoding="utf-8"), flags=re.DOTALL) if "net_a" in b]
    block, opens, _ = block.partition("line.open()")
    assert opens
    loaders = {f"{name}_loader": DataLoader(TensorDataset(*samples), batch_size=100) for name in ("train", "test")}
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(home))
    given = {"net_a": nets[0], "net_b": nets[1], **loaders, "f1": lambda o, t: (o.argmax(1) == t).double().mean()}
    exec(block, given)
    assert given["line"].points.counts.sum() == len(samples[0])


def test_it_opens_in_the_app_that_answers(nets, samples, home, monkeypatch):
    """At the address of its run, which the app's list then holds as done; whoever answers on the port is taken for the app."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    line = interpolate(*nets, data=samples, home=home, **GRID)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert line.open(port=port) == f"http://127.0.0.1:{port}/interpolate?run={line.run.id}" == opened[0]
    status = RunStore.within(home).status(line.run.id)
    assert status is not None and status.state == "done" and status.done == len(line.points)


def test_a_training_starts_from_objects_and_repeats_itself(nets, samples, home):
    """Of the live problem, from the network's own weights or from new ones; its snapshots are models like any other."""
    problem = live_problem(nets[0], samples)
    snapshots = train(problem, start=nets[0], method_options={"epochs": 2}, home=home)
    line = interpolate(nets[0], snapshots[-1], problem=problem, home=home, **GRID)
    assert line.barrier().ends[1] < line.barrier().ends[0]
    assert points(line.run, home=home).means() == pytest.approx(line.points.means())
    fresh = [train(problem, method_options={"epochs": 1, "seed": s}, home=home)[0] for s in (0, 1)]
    assert interpolate(*fresh, problem=problem, home=home, **GRID).barrier().height.value > 0


def test_weights_are_kept_once_and_the_oldest_go(nets, samples, home, monkeypatch):
    """By their content, whatever they are called; beyond the limit only those that nobody of this process asked for."""
    for _ in range(2):
        interpolate(nets[0], nets[0].state_dict(), data=samples, home=home, **GRID)
    (file,) = (home / locations.LIVE).glob("*.safetensors")
    old = file.with_name("0" * 32 + ".safetensors")
    old.write_bytes(file.read_bytes())
    os.utime(old, (1, 1))
    monkeypatch.setattr(live_weights, "LIMIT_BYTES", 2 * file.stat().st_size)
    interpolate(nets[0], nets[1], data=samples, home=home, **GRID)
    assert not old.exists() and len(list((home / locations.LIVE).glob("*.safetensors"))) == 2


PROGRAM = """
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from explorer.api import interpolate

def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2))

x = torch.randn(90, 5, generator=torch.Generator().manual_seed(0))
y = (x[:, 0] > 0).long()
fresh = []
line = interpolate(
    network(0),
    network(1),
    data=(x, y),
    loss=lambda o, t: functional.cross_entropy(o, t, label_smoothing=0.1),
    metrics={"hits": ("high", lambda o, t: (o.argmax(1) == t).float())},
    report=lambda done, total, new, message: fresh.append(new) or True,
    home=Path(sys.argv[1]),
)
print(line.run.id, max(fresh))
"""


def test_the_same_objects_find_their_points_again_in_another_process(home):
    """Though nothing of them has a name or a file: the second process measures nothing."""
    first, second = (
        subprocess.run([sys.executable, "-c", PROGRAM, str(home)], capture_output=True, text=True, check=True).stdout.split() for _ in range(2)
    )
    assert first[0] == second[0]
    assert int(first[1]) > 0 == int(second[1])
