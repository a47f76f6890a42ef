"""Why Fisher merging is worse than the average here: its diagonal, told apart from everything else.

    python -m benchmarks.survey.why_fisher [--home FOLDER]

Prints two tables, for digits. The first: RegMean with all, some and none of what it knows about inputs that go together (`shrink`), over five replicates; without it,
RegMean weighs each input by its power alone, much as a diagonal does. The second: networks of one linear layer, of which the whole Fisher matrix is small enough to be
inverted, fine-tuned for 3, 10 and 100 steps on each view: the average, Fisher merging by the diagonal, and by the matrix.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.survey import images
from benchmarks.survey.workshop import ERROR, Workshop
from explorer.core import locations

VIEWS = [name for name in images.VIEWS if name != "plain"]
RIDGE = 1e-4  # added to the matrices' diagonals, some directions of which no sample sees


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=locations.home(None) / "survey", help="where the survey's weights are kept")
    shop = Workshop("quick", parser.parse_args().home.resolve())
    shrinks = (0.0, 0.5, 0.9, 1.0)
    print("error over all views (%): average, RegMean with shrink " + ", ".join(f"{s:g}" for s in shrinks))
    print(" ".join(f"{100 * error:5.1f}" for error in np.mean([regmeans(shop, 100 * k, shrinks) for k in range(5)], axis=0)))
    print("one linear layer, error over the four views (%): before, average, diagonal, matrix")
    for steps in (3, 10, 100):
        print(f"{steps:4} steps:", " ".join(f"{100 * error:5.1f}" for error in one_layer(steps)))


def regmeans(shop: Workshop, seed: int, shrinks: tuple[float, ...]) -> list[float]:
    """Errors of the average and of RegMean."""
    problem, _, tuned = shop.tasks(seed)
    made = [shop.fused(problem, tuned, "uniform_soup"), *(shop.fused(problem, tuned, "regmean", shrink=s) for s in shrinks)]
    return [float(points.means()[0, ERROR]) for points in shop.points(problem, *made)]


def one_layer(steps: int) -> list[float]:
    """Errors of the network that the tasks begin at, of the average, and of the two merges."""
    x, y, x_test, y_test = images.load("quick")
    targets, test_targets = torch.tensor(y), torch.tensor(y_test)
    inputs = {name: _flat(view(x)) for name, view in images.VIEWS.items()}
    tests = [_flat(images.VIEWS[name](x_test)) for name in VIEWS]
    start = 0.01 * torch.randn(10, inputs["plain"].shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    base = fitted(torch.cat(list(inputs.values())), targets.repeat(len(inputs)), start, 60)
    tuned = [fitted(inputs[name], targets, base, steps) for name in VIEWS]
    matrices = [fisher_matrix(inputs[name], w) for name, w in zip(VIEWS, tuned, strict=True)]
    mean = torch.stack(tuned).mean(dim=0)

    def merged(informations: list[Tensor]) -> Tensor:
        pull = sum((f @ (w - mean).flatten() for f, w in zip(informations, tuned, strict=True)), torch.zeros(mean.numel(), dtype=mean.dtype))
        total = torch.stack(informations).sum(dim=0) + RIDGE * torch.eye(mean.numel(), dtype=mean.dtype)
        return mean + torch.linalg.solve(total, pull).reshape(mean.shape)

    found = (base, mean, merged([f.diagonal().diag() for f in matrices]), merged(matrices))
    return [float(np.mean([float(((z @ w.T).argmax(1) != test_targets).double().mean()) for z in tests])) for w in found]


def fitted(x: Tensor, y: Tensor, start: Tensor, steps: int) -> Tensor:
    """(10, d) weights after so many steps of gradient descent on all samples."""
    w = start.clone().requires_grad_()
    optimizer = torch.optim.SGD([w], lr=0.5, momentum=0.9, weight_decay=1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(x @ w.T, y).backward()
        optimizer.step()
    return w.detach()


def fisher_matrix(x: Tensor, w: Tensor) -> Tensor:
    """(10·d, 10·d): the mean over samples of (diag p − p pᵀ) ⊗ x xᵀ, the whole Fisher information of softmax(W x)."""
    p = (x @ w.T).softmax(dim=1)
    curvature = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    return torch.stack([torch.cat([(x * curvature[:, c, e, None]).T @ x / len(x) for e in range(len(w))], dim=1) for c in range(len(w))]).reshape(
        w.numel(), w.numel()
    )


def _flat(x: images.Images) -> Tensor:
    """(n, d) pixels and a one for the bias."""
    return torch.tensor(np.hstack([x.reshape(len(x), -1), np.ones((len(x), 1))]), dtype=torch.float64)


if __name__ == "__main__":
    main()
