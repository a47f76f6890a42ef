"""Weight matching here and in two published packages, side by side in one run: how long, is a shuffled copy restored, how good is the midpoint.

    pip install --target peers/rebasin rebasin                       # optional: without them only our own methods are run
    pip install --target peers/sinkhorn-rebasin sinkhorn-rebasin
    python benchmarks/alignment.py [--data FOLDER] [--peers peers] [--images 12000] [--epochs 2] [--device cpu]

Trains two seeds each of an MLP 784-512-512-512-10 and of a ResNet-20 (widths 16, 32, 64) briefly on Fashion-MNIST, then aligns (1) a network with its
own shuffled copy, running statistics of batch norm shuffled along, and (2) the two seeds. Every method starts from the same files; a peer runs in a
process of its own with its folder first on the path (both call their package `rebasin`). Seconds are those of the alignment alone, what a method
does to understand the network included; peers run on the CPU whatever --device says. Midpoints are on the test split with batch-norm statistics recalibrated, whoever aligned.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from explorer import symmetry
from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry.assignment import Alignment

train = registry.find("train", "sgd")

TOML = """
title = "{name} on Fashion-MNIST"

[network]
{network}

[data]
name = "idx"
path = "{data}"
mean = 0.286
std = 0.353

[split]
val = {val}
test = 0.0
"""
NETWORKS = {
    "MLP 784-512-512-512-10": 'name = "mlp"\nwidths = [784, 512, 512, 512, 10]',
    "ResNet-20": 'name = "resnet"\nchannels = 1\nwidths = [16, 32, 64]\nblocks = 3\nclasses = 10',
}
OURS: dict[str, dict[str, object]] = {
    "identity": {},
    "weight_matching, 1 descent": {"restarts": 1},
    "weight_matching, default": {},
    "weight_matching, 20 restarts": {"restarts": 20},
    "activation_matching": {},
    "straight_through": {},
}
PEERS = ("rebasin", "sinkhorn-rebasin")


def main() -> None:
    """Train, align, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="folder with the IDX files")
    parser.add_argument("--peers", type=Path, default=Path("peers"))
    parser.add_argument("--images", type=int, default=12000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--methods", nargs="*", default=list(OURS), help="of ours; all by default")
    parser.add_argument("--as-peer", nargs=4, metavar=("NAME", "FOLDER", "A", "B"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_peer:
        as_peer(*arguments.as_peer)
        return
    with tempfile.TemporaryDirectory() as scratch:
        for name, network in NETWORKS.items():
            folder = Path(scratch) / name.split()[0]
            folder.mkdir()
            toml = TOML.format(name=name, network=network, data=arguments.data.resolve(), val=1 - arguments.images / 60000)
            (folder / "problem.toml").write_text(toml, encoding="utf-8")
            problem = Problem(problem_toml.read(folder))
            seeds = trained(problem, arguments.epochs, arguments.device)
            found = symmetry.symmetry_of(problem)
            maps = symmetry.random(found, torch.Generator().manual_seed(7))
            for case, (a, b) in {"planted": (seeds[0], symmetry.permuted(seeds[0], found, maps)), "independent": (seeds[0], seeds[1])}.items():
                for file, weights in (("a", a), ("b", b)):
                    checkpoint_file.write(folder / f"{case}-{file}.safetensors", weights)
                compare(name, case, problem, folder, a, b, arguments.peers, arguments.device, arguments.methods)


def trained(problem: Problem, epochs: int, device: str) -> list[Weights]:
    """Two seeds."""
    lr = 0.1 if problem.spec.network.name == "resnet" else 0.05
    return [list(train(problem, epochs=epochs, lr=lr, batch=128, weight_decay=5e-4, seed=s, order_seed=s, device=device))[-1] for s in (0, 1)]


def compare(name: str, case: str, problem: Problem, folder: Path, a: Weights, b: Weights, peers: Path, device: str, chosen: list[str]) -> None:
    """One table."""
    print(f"\n{name}, {case}\n{'method':<32}{'seconds':>9}{'restored':>10}{'midpoint accuracy':>19}{'loss':>9}{'distance':>10}")
    for label, options in OURS.items():
        method = label.split(",")[0]
        if label not in chosen:
            continue
        align = registry.find("align", method)
        symmetry._symmetry_of.cache_clear()  # every method pays for understanding the network, as the peers do
        started = time.perf_counter()
        wiring = registry.wired(align, device=device)
        done = align([a, b], problem, **registry.method("align", method, options).kwargs(), **wiring)
        assert isinstance(done, Alignment)
        line(label, time.perf_counter() - started, case, problem, a, done.weights[1], device)
    for peer in PEERS:
        if not (peers / peer).is_dir():
            print(f"{peer:<32}   (not installed in {peers / peer})")
            continue
        command = [
            sys.executable,
            __file__,
            "--as-peer",
            peer,
            str(folder),
            str(folder / f"{case}-a.safetensors"),
            str(folder / f"{case}-b.safetensors"),
        ]
        path = os.pathsep.join([str((peers / peer).resolve()), os.environ.get("PYTHONPATH", "")])
        hidden = {"CUDA_VISIBLE_DEVICES": ""}  # they trace on a GPU where there is one, whatever device the networks are on
        run = subprocess.run(command, env={**os.environ, **hidden, "PYTHONPATH": path}, capture_output=True, text=True)
        if run.returncode:
            print(f"{peer:<32}   failed: {(run.stderr.strip().splitlines() or ['?'])[-1][:100]}")
            continue
        printed = json.loads(run.stdout.strip().splitlines()[-1])
        line(peer, printed["seconds"], case, problem, a, checkpoint_file.read(Path(printed["file"])).weights, device)


def line(label: str, seconds: float, case: str, problem: Problem, a: Weights, b: Weights, device: str) -> None:
    """One row."""
    parameters = [n for n, _ in problem.network().named_parameters()]
    restored = all(torch.equal(a[n], b[n]) for n in parameters)
    evaluate = Evaluate(problem, [a, b], device=device)
    loss, error = evaluate(np.array([0.5, 0.5])).sum(axis=1) / evaluate.counts.sum()
    distance = float(sum((a[n] - b[n]).double().square().sum() for n in parameters)) ** 0.5
    shown = ("yes" if restored else "no") if case == "planted" else ""
    print(f"{label:<32}{seconds:>9.2f}{shown:>10}{100 * (1 - error):>17.2f} %{loss:>9.3f}{distance:>10.2f}", flush=True)


def as_peer(name: str, folder: str, a: str, b: str) -> None:
    """In a process with the peer on its path: align b to a the way its own documentation does, and write b."""
    problem = Problem(problem_toml.read(Path(folder)))
    networks = [problem.network() for _ in range(2)]
    for network, file in zip(networks, (a, b), strict=True):
        network.load_state_dict(checkpoint_file.read(Path(file)).weights)
    example = problem.split("train").inputs[:4]
    started = time.perf_counter()
    torch.manual_seed(0)
    if name == "rebasin":
        from rebasin import PermutationCoordinateDescent

        PermutationCoordinateDescent(networks[0], networks[1], example).rebasin()
        result = networks[1]
    else:
        from rebasin import RebasinNet
        from rebasin.loss import DistL2Loss

        net = RebasinNet(networks[1], input_shape=tuple(example[:1].shape))
        criterion = DistL2Loss(networks[0])
        optimizer = torch.optim.AdamW(net.p.parameters(), lr=0.1)
        net.identity_init()
        net.train()
        for _ in range(50):
            loss = criterion(net())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        result = net()
    seconds = time.perf_counter() - started
    out = Path(folder) / f"{name}-out.safetensors"
    checkpoint_file.write(out, {k: v.detach().contiguous().clone() for k, v in result.state_dict().items()}, {}, replace=True)
    print(json.dumps({"seconds": seconds, "file": str(out)}))


if __name__ == "__main__":
    main()
