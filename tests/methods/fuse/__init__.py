"""Fusion methods, each with answers that are known."""

import torch

from explorer.checkpoints.weights import Weights

SHAPES = {"a.weight": (5, 7), "a.bias": (5,), "conv": (4, 3, 2, 2), "scale": ()}


def drawn(seed: int, like: Weights | None = None, distance: float = 1.0) -> Weights:
    """A model of a few odd shapes in float32; around another one at a distance."""
    g = torch.Generator().manual_seed(seed)
    fresh = {n: torch.randn(s, generator=g) for n, s in SHAPES.items()}
    return fresh if like is None else {n: like[n] + distance * fresh[n] for n in SHAPES}


def flat(model: Weights) -> torch.Tensor:
    """All values one after another, in float64."""
    return torch.cat([t.double().reshape(-1) for t in model.values()])


def equal(a: Weights, b: Weights) -> bool:
    """Bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) and a[n].dtype == b[n].dtype for n in a)


def near(a: Weights, b: Weights, tolerance: float = 1e-6) -> bool:
    """To rounding."""
    return a.keys() == b.keys() and all(torch.allclose(a[n].double(), b[n].double(), rtol=tolerance, atol=tolerance) for n in a)
