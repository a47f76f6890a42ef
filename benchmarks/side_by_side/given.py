"""What everybody holds before the first line: two trained networks with batch norm, and a DataLoader of samples. Needs torch and nothing else.

`run` times what a script does with them and writes down what came out: the curve, the plane, whether the networks are still what they were, and which
batch-norm statistics the curve was measured with, found by measuring it again with each kind.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

SIDE = 21  # points of a curve and of each side of a plane
SAMPLES = 1000
torch.set_num_threads(1)


def network() -> nn.Module:
    """Two convolutions with batch norm and a classifier: 1×8×8 → 10."""
    body = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16)]
    return nn.Sequential(*body, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))


def samples(seed: int, patterns: torch.Tensor) -> DataLoader:
    """Noisy copies of ten patterns, in a fixed order."""
    dice = torch.Generator().manual_seed(seed)
    y = torch.randint(10, (SAMPLES,), generator=dice)
    return DataLoader(TensorDataset(patterns[y] + 1.2 * torch.randn(SAMPLES, 1, 8, 8, generator=dice), y), batch_size=100)


def trained(seed: int, loader: DataLoader) -> nn.Module:
    """Ten epochs of Adam from initial weights of the seed, in evaluation mode."""
    torch.manual_seed(seed)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(10):
        for x, y in loader:
            optimizer.zero_grad()
            functional.cross_entropy(net(x), y).backward()
            optimizer.step()
    return net.eval()


def everything() -> tuple[nn.Module, nn.Module, DataLoader, DataLoader]:
    """Both networks, the samples to measure on, and those that they were trained on."""
    patterns = torch.randn(10, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    train, test = samples(1, patterns), samples(2, patterns)
    return trained(0, train), trained(1, train), test, train


def loss_at(a: nn.Module, b: nn.Module, t: float, test: DataLoader, train: DataLoader, statistics: str) -> float:
    """The mean loss of the mixture (1 − t)·a + t·b; `statistics` of batch norm: "the first network's", "mixed", or "measured again" on `train`."""
    net, first, second = copy.deepcopy(a), a.state_dict(), b.state_dict()
    moving = {name for name, _ in a.named_parameters()} | ({n for n in first if "running" in n} if statistics == "mixed" else set())
    net.load_state_dict({n: (1 - t) * first[n] + t * second[n] if n in moving else first[n] for n in first})
    with torch.no_grad():
        if statistics == "measured again":
            for part in net.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.reset_running_stats()
                    part.momentum = None
            net.train()
            for x, _ in train:
                net(x)
        net.eval()
        return sum(functional.cross_entropy(net(x), y, reduction="sum").item() for x, y in test) / SAMPLES


def statistics_of(found: dict, a: nn.Module, b: nn.Module, test: DataLoader, train: DataLoader) -> str:
    """With which statistics a curve was measured: of three kinds the one that gives its values away from the ends to within 2 %."""
    inner = [(t, v) for t, v in zip(found["t"], found["loss"], strict=True) if 0.25 <= t <= 0.75][::4]
    for kind in ("the first network's", "mixed", "measured again"):
        if all(abs(loss_at(a, b, t, test, train, kind) / v - 1) < 0.02 for t, v in inner):
            return kind
    return "unknown"


def run(*tasks: Callable[..., dict]) -> None:
    """Do each task on networks of its own, and write what it took and gave to the file that the command line names."""
    a, b, test, train = everything()
    results: dict[str, dict] = {}
    for task in tasks:
        net_a, net_b = copy.deepcopy(a), copy.deepcopy(b)
        began, cpu = time.perf_counter(), time.process_time()
        try:
            found = task(net_a, net_b, test, train)
        except Exception as error:
            results[task.__name__] = {"error": f"{type(error).__name__}: {error}"[:200]}
            continue
        found |= {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        found["unchanged"] = all(torch.equal(n.state_dict()[k], v) for n, o in ((net_a, a), (net_b, b)) for k, v in o.state_dict().items())
        if "t" in found:
            found["statistics"] = statistics_of(found, a, b, test, train)
        results[task.__name__] = found
    Path(sys.argv[1]).write_text(json.dumps(results), encoding="utf-8")
