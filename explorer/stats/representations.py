"""How alike two representations of the same n samples are: linear CKA, plain and debiased, and Procrustes. Plain numpy, from inner products of samples alone.

X of shape (n, p) and Y of shape (n, q) are what two layers give for the same samples; K = XXᵀ and L = YYᵀ their (n, n) inner products. All three are 1 where one
is the other turned, mirrored, scaled or shifted, and about 0, debiased, where neither says anything about the other.

    linear CKA    ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of centred X and Y: Kornblith, Norouzi, Lee & Hinton 2019, "Similarity of Neural Network Representations Revisited".
                  Of few samples and many units it is near 1 whatever they are.
    debiased      the same with the unbiased estimate of each product (Song et al. 2012; Székely & Rizzo 2014; Nguyen, Raghu & Kornblith 2021); may be below 0
    Procrustes    ‖YᵀX‖∗ / (‖X‖ ‖Y‖), sum of singular values: how closely the best rotation brings one onto the other (Ding, Denain & Steinhardt 2021).
                  More sensitive than CKA to directions of small variance.

Intervals are 95 %, by the infinitesimal jackknife (Jaeckel 1972; Efron 1982): each sample's influence on the number, of which nothing has to be computed again. All three
are c = a / √(b d), and with double-centred inner products k, l the influence of sample i on a is 2 (meanⱼ kᵢⱼ lᵢⱼ − a), since what centring changes has no weight; of
Procrustes it is xᵢᵀ U Vᵀ yᵢ − a, where YᵀX = V S Uᵀ. They are laid out around atanh c (Fisher), so that none leaves [−1, 1]. Plain CKA and Procrustes are too high of few
samples, and their intervals with them: they hold what so many samples give on average. Debiased CKA and its interval speak of all samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.core.points import Array
from explorer.stats.intervals import Z

SAMPLES = 4  # fewest of the unbiased estimate
EXACT = 1e-9  # from 1, at which two representations are the same on every sample


def centred(inner: Array) -> Array:
    """(n, n) inner products → those of the centred features."""
    mean = inner.mean(axis=0)
    return inner - mean - mean[:, None] + mean.mean()


def unbiased(inner: Array) -> Array:
    """(n, n) inner products → U-centred: no diagonal, and sums of the rest that are 0."""
    n = len(inner)
    if n < SAMPLES:
        raise ValueError(f"Expected {SAMPLES} samples or more for the unbiased estimate, got {n}.")
    bare = inner.copy()
    np.fill_diagonal(bare, 0.0)
    rows = bare.sum(axis=0) / (n - 2)
    found = bare - rows - rows[:, None] + rows.sum() / (n - 1)
    np.fill_diagonal(found, 0.0)
    return found


def cka(centred_inner: Array) -> Array:
    """(m, n, n) inner products of m representations, `centred` or `unbiased` → (m, m) CKA between all of them; NaN for one that does not vary."""
    flat = centred_inner.reshape(len(centred_inner), -1)
    products = flat @ flat.T
    size = np.sqrt(np.maximum(products.diagonal(), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size[:, None] * size > 0, products / (size[:, None] * size), np.nan)


@dataclass(frozen=True, eq=False)
class Alike:
    """(m, m) similarities of m representations with their 95 % intervals; NaN for one that does not vary."""

    value: Array
    low: Array
    high: Array


def cka_intervals(centred_inner: Array) -> Alike:
    """(m, n, n) inner products of m representations, `centred` or `unbiased` → `cka` with intervals over samples."""
    rows = centred_inner.transpose(1, 0, 2)
    products = rows @ rows.transpose(0, 2, 1)  # (n, m, m) of each sample
    n = len(products)
    whole = products.mean(axis=0)
    return _around(whole, whole.diagonal(), 2 * (products - whole), 2 * (np.einsum("imm->im", products) - whole.diagonal()), n)


def procrustes_intervals(centred_inner: Array) -> Alike:
    """(m, n, n) centred inner products → `procrustes` with intervals over samples."""
    roots = [_root(inner) for inner in centred_inner]
    m, n = len(roots), centred_inner.shape[1]
    own = np.stack([np.square(root).sum(axis=1) for root in roots], axis=1)  # (n, m)
    pairs = np.zeros((n, m, m))
    for i in range(m):
        pairs[:, i, i] = own[:, i]
        for j in range(i):
            left, _, right = np.linalg.svd(roots[i].T @ roots[j], full_matrices=False)
            pairs[:, i, j] = pairs[:, j, i] = ((roots[i] @ left) * (roots[j] @ right.T)).sum(axis=1)
    whole = pairs.mean(axis=0)
    return _around(whole, whole.diagonal(), pairs - whole, own - whole.diagonal(), n)


def _around(a: Array, b: Array, pushes: Array, own: Array, n: int) -> Alike:
    """a / √(b bᵀ), (m, m), with its interval by the influences of n samples: pushes (n, m, m) on a, own (n, m) on b."""
    size = np.sqrt(np.maximum(b, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(size[:, None] * size > 0, size[:, None] * size, np.nan)
        value = np.clip(a / scale, -1.0, 1.0)
        relative = own / np.where(b > 0, b, np.nan)
        influence = pushes / scale - value * (relative[:, :, None] + relative[:, None, :]) / 2
        error = np.sqrt(np.square(influence).sum(axis=0) / (n * (n - 1)))
        inside = np.abs(value) < 1 - EXACT
        at = np.arctanh(np.where(inside, value, 0.0))
        half = Z * error / (1 - np.square(np.where(inside, value, 0.0)))
        low, high = (np.where(inside, np.tanh(at + sign * half), value) for sign in (-1, 1))
    return Alike(value, low, high)


def procrustes(centred_inner: Array) -> Array:
    """(m, n, n) centred inner products → (m, m) Procrustes similarity; NaN for one that does not vary."""
    roots = [_root(inner) for inner in centred_inner]
    sizes = np.array([np.sqrt(max(float(np.trace(inner)), 0.0)) for inner in centred_inner])
    found = np.eye(len(roots))
    for i in range(len(roots)):
        for j in range(i):
            size = sizes[i] * sizes[j]
            product = roots[j].T @ roots[i]
            found[i, j] = found[j, i] = float(np.linalg.svd(product, compute_uv=False).sum()) / size if size > 0 else np.nan
    found[np.diag_indices(len(roots))] = np.where(sizes > 0, 1.0, np.nan)
    return found


def _root(inner: Array) -> Array:
    """(n, r) features with these inner products."""
    values, vectors = np.linalg.eigh(inner)
    some = values > 1e-10 * max(float(values[-1]), 0.0)
    return vectors[:, some] * np.sqrt(values[some])
