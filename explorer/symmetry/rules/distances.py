"""Rules of similarities and distances between vectors, and of Fourier transforms."""

from __future__ import annotations

from explorer.symmetry.axes import pin, pinned, unify
from explorer.symmetry.rules.operation import Operation, Type, Value, broadcast, place, places
from explorer.symmetry.rules.registry import rule


@rule("cosine_similarity")
def cosine_similarity(op: Operation, x1: Type, x2: Type, dim: int = 1) -> Value:
    """Along `dim`, whatever its order; the other axes are broadcast."""
    rank = max(len(x1), len(x2))
    found = broadcast([x1, x2], rank)
    d = place(dim, rank)
    return found[:d] + found[d + 1 :]


@rule("pairwise_distance")
def pairwise_distance(op: Operation, x1: Type, x2: Type, keepdim: bool = False) -> Value:
    """Along the last axis."""
    found = broadcast([x1, x2], max(len(x1), len(x2)))
    return [*found[:-1], pinned(1)] if keepdim else found[:-1]


@rule("cdist", "_cdist_forward", "_euclidean_dist")
def cdist(op: Operation, x1: Type, x2: Type) -> Value:
    """(…, p, k) and (…, r, k): between each of the one and each of the other, along k."""
    unify(x1[-1], x2[-1])
    return [*broadcast([x1[:-2], x2[:-2]], len(op.shape) - 2), x1[-2], x2[-2]]


@rule("vdot")
def vdot(_op: Operation, self: Type, other: Type) -> Value:
    """A number, of two vectors in one order."""
    unify(self[0], other[0])
    return []


@rule("fft_fft", "fft_ifft", "fft_rfft", "fft_irfft", "fft_hfft", "fft_ihfft")
def fourier(op: Operation, self: Type, dim: int = -1) -> Value:
    """Frequencies and times have an order; the other axes stay."""
    return _transformed(op, self, [place(dim, len(self))])


@rule("fft_fft2", "fft_ifft2", "fft_rfft2", "fft_irfft2")
def fourier_of_images(op: Operation, self: Type, dim: tuple[int, ...] = (-2, -1)) -> Value:
    """The same along two axes."""
    return _transformed(op, self, places(dim, len(self)))


@rule("fft_fftn", "fft_ifftn", "fft_rfftn", "fft_irfftn")
def fourier_of_several(op: Operation, self: Type, s: tuple[int, ...] | None = None, dim: tuple[int, ...] | None = None) -> Value:
    """The same along several axes: those named, else as many of the last ones as there are sizes, else all."""
    along = places(dim, len(self))
    return _transformed(op, self, along[-len(s) :] if dim is None and s else along)


@rule("fft_fftshift", "fft_ifftshift")
def fourier_shifted(op: Operation, self: Type, dim: int | tuple[int, ...] | None = None) -> Value:
    """Frequencies rolled to the middle."""
    return _transformed(op, self, places(dim, len(self)))


def _transformed(op: Operation, x: Type, along: list[int]) -> Type:
    pin(*(x[d] for d in along))
    return [pinned(n) if d in along else x[d] for d, n in enumerate(op.shape)]
