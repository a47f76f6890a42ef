"""How alike two representations of the same n samples are: linear CKA, plain and debiased, and Procrustes. Plain numpy, from inner products of samples alone.

X of shape (n, p) and Y of shape (n, q) are what two layers give for the same samples; K = XXᵀ and L = YYᵀ their (n, n) inner products. All three are 1 where one
is the other turned, mirrored, scaled or shifted, and about 0, debiased, where neither says anything about the other.

    linear CKA    ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of centred X and Y: Kornblith, Norouzi, Lee & Hinton 2019, "Similarity of Neural Network Representations Revisited".
                  Of few samples and many units it is near 1 whatever they are.
    debiased      the same with the unbiased estimate of each product (Song et al. 2012; Székely & Rizzo 2014; Nguyen, Raghu & Kornblith 2021); may be below 0
    Procrustes    ‖YᵀX‖∗ / (‖X‖ ‖Y‖), sum of singular values: how closely the best rotation brings one onto the other (Ding, Denain & Steinhardt 2021).
                  More sensitive than CKA to directions of small variance.
"""

from __future__ import annotations

import numpy as np

from explorer.core.points import Array

SAMPLES = 4  # fewest of the unbiased estimate


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
