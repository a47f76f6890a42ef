"""Singular values and vectors of weight matrices, also of those on which LAPACK's faster way gives up.

torch divides and conquers (gesdd), which now and then does not converge where many singular values are equal, as those of several bases beside each other are.
QR iteration (gesvd), several times slower, does; it is asked then, in float64.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from explorer.core.errors import Refused

_GivesUp = torch.linalg.LinAlgError  # pyright: ignore[reportPrivateImportUsage]  (documented, and not in the stub)


def svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U (…, m, k), σ (…, k) from the largest down and Vᵀ (…, k, n) of matrices (…, m, n), k = min(m, n). Refused where one has NaN or infinite entries."""
    try:
        return torch.linalg.svd(matrix, full_matrices=False)
    except _GivesUp:
        from scipy.linalg import svd as by_iteration  # seldom needed, and takes a while to import

        _finite(matrix)
        flat = matrix.detach().double().cpu().reshape(-1, *matrix.shape[-2:]).numpy()
        parts = [by_iteration(m, full_matrices=False, lapack_driver="gesvd", check_finite=False) for m in flat]
        u, s, v = (torch.from_numpy(np.stack(several)).to(matrix) for several in zip(*parts, strict=True))
        ahead = matrix.shape[:-2]
        return u.reshape(*ahead, *u.shape[1:]), s.reshape(*ahead, *s.shape[1:]), v.reshape(*ahead, *v.shape[1:])


def singular_values(matrix: Tensor) -> Tensor:
    """σ (…, k) from the largest down. Refused where a matrix has NaN or infinite entries."""
    try:
        return torch.linalg.svdvals(matrix)
    except _GivesUp:
        return svd(matrix)[1]


def _finite(matrix: Tensor) -> None:
    if not bool(matrix.isfinite().all()):
        raise Refused(
            "A weight matrix has entries that are NaN or infinite, so that it has no singular values. Use another checkpoint, or a method without them."
        )
