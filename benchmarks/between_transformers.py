"""How much of the barrier between independently trained transformers is symmetry: none of it undone, permutations, all classes by weights, all classes learned.

    python benchmarks/between_transformers.py
    python benchmarks/between_transformers.py --only vit --width 192 --device cuda
    python benchmarks/between_transformers.py --only gpt --steps 1000 --rate 0.03
    python benchmarks/between_transformers.py --only fashion --width 256 --device cuda

A vision transformer on digits, one on Fashion-MNIST (--data, trained anew: 20 minutes of a CPU; not measured unless asked for), and a character-level
GPT on the shipped text, of the shipped sizes and recipes unless --width says otherwise. The shipped seeds
are used where they fit, others trained anew by the product's own method. In the shipped GPT the output uses the embedding, with the gain of a norm between: that holds its
stream to permutations, so there is `untied` as well, which has a matrix of its own. Every pair of `--models` models is aligned, the first being the reference, and measured on the
test split at 11 points of the line: the barrier of the loss with its 95 % interval over samples, and over all pairs the mean and the share of the naive barrier that is left.

On one core, over three pairs of seeds (naive, permutations, all classes, learned; the share of the naive barrier that learned leaves): vit 2.77, 1.84, 0.82, 0.07 (2.6 %); gpt
1.76, 1.68, 1.31, 0.61 (35 %), whose stream is held; untied after 8 epochs 0.89, 0.68, 0.19, 0.05 (5.8 %); fashion 2.22, 1.86, 0.61, 0.045 (2.0 %). For the tied one a rate of 0.03 went further than 0.01 in as many steps.
Theus et al. 2025 ("Generalized Linear Mode Connectivity for Transformers") report, for wider ones, 1.69, 0.36 and 0.00 (ViT on CIFAR-10: naive, by weights, learned) and 2.02,
0.34 and 0.02 (GPT on Tiny Shakespeare).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import Weights
from explorer.core import locations, registry
from explorer.core.points import Points
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.barriers import Barrier, barrier
from explorer.symmetry.assignment import Alignment

AT = np.linspace(0, 1, 11)
FASHION = """
[network]
name = "vit"
channels = 1
image = 28
patch = 7
dim = 64
depth = 3
heads = 4
classes = 10
[data]
name = "idx"
path = "{data}"
mean = 0.286
std = 0.353
[split]
val = 0.1
"""


@dataclass(frozen=True)
class Family:
    """A shipped problem, or none for Fashion-MNIST, how its checkpoints were trained, and how a map between two of them is learned."""

    folder: str | None
    training: Mapping[str, object]
    learning: Mapping[str, object]
    network: Mapping[str, object] = field(default_factory=dict[str, object])


FAMILIES = {
    "vit": Family(
        "digits-vit",
        {"epochs": 50, "lr": 3e-3, "warmup": 50, "weight_decay": 0.1, "noise": 0.15},
        {"steps": 300, "rate": 0.01},
    ),
    "fashion": Family(
        None,
        {"epochs": 15, "lr": 1e-3, "warmup": 200, "weight_decay": 0.1},
        {"steps": 600, "rate": 0.01},
    ),
    "gpt": Family(
        "char-gpt",
        {"epochs": 18, "lr": 4e-3, "warmup": 50, "weight_decay": 0.1, "batch": 32},
        {"steps": 300, "rate": 0.03, "batch": 32},
    ),
    "untied": Family(
        "char-gpt",
        {"epochs": 18, "lr": 4e-3, "warmup": 50, "weight_decay": 0.1, "batch": 32},
        {"steps": 300, "rate": 0.02, "batch": 32},
        {"tied": False},
    ),
}
WAYS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "naive": ("identity", {}),
    "permutations": ("weight_matching", {}),
    "all classes": ("weight_matching", {"symmetry": "all"}),
    "learned": ("learned", {}),
}


def main() -> None:
    """Train what is missing, align every pair in every way, print each barrier and then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(FAMILIES), nargs="+", default=[name for name, family in FAMILIES.items() if family.folder])
    parser.add_argument("--models", type=int, default=3, help="models of each family; every pair of them is aligned")
    parser.add_argument("--width", type=int, help="of the residual stream; the shipped networks' own unless given")
    parser.add_argument("--epochs", type=int, help="of the trainings; the shipped recipe's unless given")
    parser.add_argument("--ways", choices=tuple(WAYS), nargs="+", default=list(WAYS))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--spread", type=float)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="folder with Fashion-MNIST's IDX files")
    arguments = parser.parse_args()
    chosen = {name: value for name in ("steps", "rate", "batch", "spread") if (value := getattr(arguments, name)) is not None}
    for name in arguments.only:
        family = FAMILIES[name]
        problem = _problem(family, arguments.width, arguments.data)
        training = {**family.training, **({"epochs": arguments.epochs} if arguments.epochs else {})}
        own = arguments.width is None and arguments.epochs is None and not family.network
        models = [_model(family, problem, training, seed, arguments.device, shipped=own) for seed in range(arguments.models)]
        learning = {**family.learning, **chosen}
        print(f"\n{name}: {sum(t.numel() for t in models[0].values()):,} parameters, learned with {learning}", flush=True)
        found = {way: _barriers(models, problem, way, learning, arguments.device) for way in arguments.ways}
        _table(found)


def _problem(family: Family, width: int | None, data: Path) -> Problem:
    if family.folder:
        spec = problem_toml.find(family.folder)
    else:
        with TemporaryDirectory() as scratch:
            (Path(scratch) / "problem.toml").write_text(FASHION.format(data=data.resolve()), encoding="utf-8")
            spec = problem_toml.read(Path(scratch))
    options = {**spec.network.kwargs(), **family.network, **({} if width is None else {"dim": width})}
    return Problem(replace(spec, network=registry.method("nets", spec.network.name, options)))


def _model(family: Family, problem: Problem, training: Mapping[str, object], seed: int, device: str, *, shipped: bool) -> Weights:
    """A shipped checkpoint where there is one of this recipe, else one trained by it."""
    if shipped and family.folder and (path := locations.root() / "sample_models" / family.folder / f"seed-{seed}.safetensors").exists():
        return checkpoint_file.read(path).weights
    start = time.perf_counter()
    method = registry.method("train", "sgd", {"optimizer": "adamw", "seed": seed, "order_seed": seed, **training})
    train = cast("Callable[..., Iterator[Weights]]", registry.find("train", "sgd"))
    *_, last = train(problem, **{**method.kwargs(), "device": device})
    print(f"seed {seed} trained in {time.perf_counter() - start:.0f} s", flush=True)
    return last


def _barriers(models: Sequence[Weights], problem: Problem, way: str, learning: Mapping[str, object], device: str) -> list[Barrier]:
    """One for each pair."""
    name, options = WAYS[way]
    method = registry.method("align", name, {**options, **(learning if way == "learned" else {})})
    align = cast("Callable[..., Alignment]", registry.find("align", name))
    found: list[Barrier] = []
    for (i, a), (j, b) in combinations(enumerate(models), 2):
        start = time.perf_counter()
        kwargs = method.kwargs() if name == "identity" else {**method.kwargs(), "device": device}
        done = align([a, b], problem, **kwargs)
        spent = time.perf_counter() - start
        evaluate = Evaluate(problem, done.weights, split="test", metrics=("loss",), device=device)
        values = np.stack([evaluate(np.array([1 - t, t])) for t in AT])
        here = barrier(Points(AT[:, None], values, evaluate.counts))
        assert here is not None, "both ends were measured"
        found.append(here)
        h = here.height
        print(f"  {way:14} seeds {i}, {j}: {h.value:7.4f} [{h.low:.4f}, {h.high:.4f}] at t = {here.at:.1f}, {spent:.0f} s", flush=True)
    return found


def _table(found: Mapping[str, Sequence[Barrier]]) -> None:
    """The mean of each way over all pairs, what is left of the naive barrier, and whether each way lies below the one before for every pair."""
    print(f"  {'':14} {'mean':>8} {'lowest':>8} {'highest':>8} {'left of naive':>14}")
    heights = {way: np.array([b.height.value for b in several]) for way, several in found.items()}
    for way, h in heights.items():
        left = f"{h.mean() / heights['naive'].mean():14.1%}" if "naive" in heights else ""
        print(f"  {way:14} {h.mean():8.4f} {h.min():8.4f} {h.max():8.4f} {left}")
    for (one, a), (other, b) in pairwise(heights.items()):
        print(f"  {other} below {one}: {int((b < a).sum())} of {len(a)} pairs")


if __name__ == "__main__":
    main()
