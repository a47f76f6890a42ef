"""Curvature of the loss around a model: Hessian times vector, largest eigenvalues, trace, spectral density.

The loss is the mean over given samples, a function of all parameters as one flat vector; the network is in evaluation mode, and running statistics
of batch norm are constants. H v is the gradient of gᵀv (Pearlmutter 1994, "Fast Exact Multiplication by the Hessian"), summed over chunks of
samples, so that memory does not grow with their number. It is exact where the loss is twice differentiable. A ReLU's kinks have no second
derivative: H does not see them, and describes a ReLU network as long as no unit switches.

Everything below works on any `matvec`, a function v ↦ H v of flat float64 vectors:
    eigenvalues   Lanczos with restarts (ARPACK; Lehoucq, Sorensen & Yang 1998).
    trace         E zᵀHz for random signs z (Hutchinson 1990).
    density       stochastic Lanczos quadrature (Golub & Meurant 1994; Ghorbani, Krishnan & Xiao 2019, "An Investigation into Neural Net
                  Optimization via Hessian Eigenvalue Density").

Eigenvalues of networks that compute the same function can differ by any factor (Dinh et al. 2017, "Sharp Minima Can Generalize For Deep Nets"):
compare models that were trained alike. Few samples give large errors in the largest eigenvalue, and the largest is too high on average.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from math import ceil, pi, sqrt
from typing import TypeAlias, cast

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.spec import SplitName
from explorer.evaluate.evaluator import CHUNK, network_like
from explorer.evaluate.steady_answers import steady
from explorer.problems.problem import Problem
from explorer.stats.intervals import Estimate, mean

DENSE = 64  # up to so many parameters the matrix itself is cheaper than any iteration
SCALE_STEPS = 10  # Lanczos steps that tell the size of the spectrum
RESTARTS = 300
REACH = 4.0  # of a density's grid beyond the outermost eigenvalues, in widths of the kernel

MatVec: TypeAlias = Callable[[Array], Array]


class Curvature:
    """The mean loss of the first samples of a split as a function of all n parameters, around given weights, which are not written to.

    Vectors are flat float64, in the order of the network's parameters; a tied parameter is there once. `samples`: 0 for all. `parts`: the samples
    are worked off in at least so many parts of about equal size, none larger than a chunk. `double`: compute in float64; otherwise in float32,
    unless the weights are float64.
    """

    def __init__(
        self,
        problem: Problem,
        weights: Mapping[str, Tensor],
        *,
        split: SplitName = "train",
        samples: int = 0,
        parts: int = 1,
        double: bool = False,
        device: str = "cpu",
    ) -> None:
        self.problem = problem
        self.like = {n: w.double() if double and w.is_floating_point() else w for n, w in weights.items()}
        self.network = network_like(problem, self.like, torch.device(device))
        self.network.load_state_dict(self.like)
        self.dtypes = {n: w.dtype for n, w in weights.items()}
        self.parameters = {n: p.detach() for n, p in self.network.named_parameters()}
        self.origin = torch.cat([p.reshape(-1) for p in self.parameters.values()])
        self.size = len(self.origin)
        batch = problem.split(split)
        self.samples = min(samples or len(batch.targets), len(batch.targets))
        inputs = batch.inputs[: self.samples].to(device)
        self.inputs = inputs.to(self.origin.dtype) if inputs.is_floating_point() else inputs
        steady(self.network, self.inputs)
        self.targets = batch.targets[: self.samples].to(device)
        each = problem.worth(self.targets)
        self.scale = None if each is None else self.samples / float(each.sum())
        self.parts = min(self.samples, max(parts, ceil(self.samples / CHUNK)))

    def losses(self, shift: Array | None = None) -> Array:
        """(samples,) loss of each, at the weights or at the weights + shift; where samples have different numbers of items, weighed by these."""
        point = self._point(shift)
        with torch.inference_mode():
            return torch.cat([self._losses(point, rows).cpu().double() for rows in self._rows()]).numpy()

    def gradient(self, shift: Array | None = None) -> tuple[Array, Array]:
        """(samples,) losses and (n,) gradient of their mean, at the weights or at the weights + shift; as they come, finite or not."""
        point = self._point(shift).requires_grad_()
        total = torch.zeros_like(self.origin)
        found: list[Tensor] = []
        for rows in self._rows():
            losses = self._losses(point, rows)
            total += torch.autograd.grad(losses.sum(), point)[0]
            found.append(losses.detach().cpu().double())
        return torch.cat(found).numpy(), (total / self.samples).cpu().double().numpy()

    def __call__(self, vector: Array) -> Array:
        """H v at the weights, (n,). Refused when it is not finite."""
        return self.applied(vector)[0]

    def applied(self, vector: Array, parts: int = 0) -> tuple[Array, Array]:
        """H v, and (parts,) shares vᵀHₚv of each part of the samples, whose plain mean is vᵀHv. Refused when it is not finite. parts: more than usual."""
        parts = min(self.samples, max(parts, self.parts))
        point = self.origin.clone().requires_grad_()
        v = torch.from_numpy(np.ascontiguousarray(vector)).to(self.origin)
        total = torch.zeros_like(self.origin)
        shares = np.zeros(parts)
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels of attention have no second derivative
            for part, rows in enumerate(self._rows(parts)):
                slope = torch.autograd.grad(self._losses(point, rows).sum(), point, create_graph=True)[0] @ v
                if not slope.requires_grad:  # the loss is linear
                    continue
                product = torch.autograd.grad(slope, point)[0]
                total += product
                shares[part] = float(product.double() @ v.double())
        if not torch.isfinite(total).all():
            raise Refused("The loss of this model, or a derivative of it, is not finite, so it has no curvature. Choose another model.")
        return (total / self.samples).cpu().double().numpy(), shares * parts / self.samples

    def tensors(self, vector: Array) -> Weights:
        """A flat vector as tensors by name, of the weights' shapes and dtypes, on the CPU; a tied parameter under each of its names."""
        flat = torch.from_numpy(np.ascontiguousarray(vector))
        by_name = dict(zip(self.parameters, flat.split([p.numel() for p in self.parameters.values()]), strict=True))
        names = {id(p): n for n, p in self.network.named_parameters()}
        every = self.network.state_dict(keep_vars=True).items()
        return {n: by_name[names[id(p)]].reshape(p.shape).to(self.dtypes[n], copy=True) for n, p in every if id(p) in names}

    def _point(self, shift: Array | None) -> Tensor:
        return self.origin.clone() if shift is None else self.origin + torch.from_numpy(np.ascontiguousarray(shift)).to(self.origin)

    def _losses(self, point: Tensor, rows: slice) -> Tensor:
        """(rows,) loss of each sample, weighed so that the plain mean over all samples is the mean over all items."""
        pieces = point.split([p.numel() for p in self.parameters.values()])
        weights = {n: piece.view(p.shape) for (n, p), piece in zip(self.parameters.items(), pieces, strict=True)}
        losses = self.problem.losses(functional_call(self.network, weights, (self.inputs[rows],)), self.targets[rows]).flatten(1)
        return losses.mean(dim=1) if self.scale is None else self.scale * losses.sum(dim=1)

    def _rows(self, parts: int = 0) -> Iterator[slice]:
        parts = parts or self.parts
        edges = [self.samples * i // parts for i in range(parts + 1)]
        return (slice(a, b) for a, b in pairwise(edges))


def top(matvec: MatVec, n: int, k: int, *, seed: int = 0, tolerance: float = 1e-5) -> tuple[Array, Array]:
    """The k largest eigenvalues (signed), falling, and (n, k) unit eigenvectors of a symmetric matrix; the largest entry of each vector is positive.

    tolerance: of the residual ‖Hv − λv‖, as a share of the largest eigenvalue in size; some eigenvalue lies within the residual of λ. Refused
    when k is not in 1 … n, or when the iteration does not converge.

    >>> top(lambda v: v * [3.0, -5.0, 1.0], 3, 2)[0].round(9).tolist()
    [3.0, 1.0]
    """
    if not 1 <= k <= n:
        raise Refused(f"A model of {n} parameters has {n} eigenvalues, and {k} were asked for. Ask for 1 to {n}.")
    if n <= max(DENSE, 2 * k + 1):
        matrix = np.stack([matvec(row) for row in np.eye(n)])
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        return values[::-1][:k].copy(), _pinned(vectors[:, ::-1][:, :k])
    start = np.random.default_rng(seed).standard_normal(n)
    nodes, _ = quadrature(matvec, start, SCALE_STEPS)
    scale = float(np.abs(nodes).max())
    if scale == 0:  # H times a random vector is zero, so H is
        return np.zeros(k), np.eye(n, k)
    # ARPACK's tolerance is relative to each eigenvalue, and one near zero would never be reached in float32. The shift makes it relative to the
    # largest, and changes nothing else: Krylov spaces do not depend on it.

    def shifted(vector: Array) -> Array:
        return matvec(vector) + scale * vector

    operator = LinearOperator((n, n), matvec=shifted, dtype=np.float64)  # pyright: ignore[reportCallIssue]  (the stub knows no constructor)
    try:
        values, vectors = cast("Callable[..., tuple[Array, Array]]", eigsh)(operator, k, which="LA", v0=start, tol=tolerance, maxiter=RESTARTS)
    except ArpackNoConvergence as error:
        raise Refused(
            f"The largest {k} eigenvalues were not found after {RESTARTS} restarts of Lanczos. Ask for fewer, or take more samples."
        ) from error
    order = np.argsort(values)[::-1]
    return values[order] - scale, _pinned(vectors[:, order])


def trace(shares: Callable[[Array], Array], n: int, *, probes: int, seed: int = 0) -> Estimate:
    """The trace with its 95 % interval over probes, and over samples too when `shares`, z ↦ (parts,) zᵀHₚz, has several parts. At least 2 probes."""
    rng = np.random.default_rng(seed)
    return crossed(np.stack([shares(_signs(rng, n)) for _ in range(probes)]))


def density(matvec: MatVec, n: int, *, probes: int, steps: int, seed: int = 0, points: int = 401, width: float = 0.01) -> tuple[Array, Array]:
    """(points,) grid and (points,) density of the eigenvalues there, which integrates to 1: each is smeared to a Gaussian.

    width: the Gaussian's standard deviation, as a share of the span between the smallest and the largest eigenvalue found.
    """
    rng = np.random.default_rng(seed)
    found = [quadrature(matvec, _signs(rng, n), steps) for _ in range(probes)]
    nodes, shares = np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found]) / probes
    span = float(np.ptp(nodes))
    sigma = width * (span if span > 1e-9 * np.abs(nodes).max() else float(np.abs(nodes).max()) or 1.0)  # all in one place: any width does
    grid = np.linspace(nodes.min() - REACH * sigma, nodes.max() + REACH * sigma, points)
    kernel = np.exp(-0.5 * ((grid[:, None] - nodes) / sigma) ** 2) / (sigma * sqrt(2 * pi))
    return grid, kernel @ shares


def quadrature(matvec: MatVec, start: Array, steps: int) -> tuple[Array, Array]:
    """Gauss quadrature of the spectrum as a vector sees it: nodes (Ritz values) and shares that sum to 1, Σ shareᵢ f(nodeᵢ) ≈ vᵀf(H)v / vᵀv.

    Exact for polynomials of degree up to 2·steps − 1. Lanczos with full orthogonalisation: keeps `steps` vectors.
    """
    basis = [start / float(np.linalg.norm(start))]
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(steps, len(start))):
        ahead = matvec(basis[-1])
        size = float(np.linalg.norm(ahead))
        diagonal.append(float(ahead @ basis[-1]))
        for _ in range(2):  # once is not enough in floating point, twice is (Parlett 1998)
            for known in basis:
                ahead = ahead - (known @ ahead) * known
        left = float(np.linalg.norm(ahead))
        if left <= 1e-10 * size:  # the vectors span an invariant space: the quadrature is exact
            break
        beside.append(left)
        basis.append(ahead / left)
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[: len(diagonal) - 1], 1) + np.diag(beside[: len(diagonal) - 1], -1))
    return nodes, vectors[0] ** 2


def crossed(values: Array) -> Estimate:
    """The mean of (a, b) values and its 95 % interval, when both rows and columns are drawn at random: every probe with every sample, say.

    Each side is as long as the hypotenuse of the two that the means of rows and those of columns have by themselves (explorer.stats.intervals), which counts the
    interaction twice and so errs on the wide side. An axis of length 1 is held fixed: the interval says nothing of it.
    """
    along = [mean(values.mean(axis=1 - axis), np.ones(size)) for axis, size in enumerate(values.shape) if size > 1]
    if not along:
        raise ValueError(f"Expected several rows or columns, got {values.shape}.")
    value = float(values.mean())
    below, above = (float(np.hypot.reduce([abs(getattr(e, end) - e.value) for e in along])) for end in ("low", "high"))
    return Estimate(value, value - below, value + above)


def _pinned(vectors: Array) -> Array:
    """Each column times the sign that makes its largest entry positive."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return vectors * np.where(largest < 0, -1.0, 1.0)


def _signs(rng: np.random.Generator, n: int) -> Array:
    return rng.integers(0, 2, n).astype(np.float64) * 2 - 1
