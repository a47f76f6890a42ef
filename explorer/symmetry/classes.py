"""The lattice of symmetry classes: which linear maps of an axis leave what a network computes as it is.

    fixed < permutation < signed < monomial < invertible        signed: an odd function is applied place by place (tanh, sin)
            permutation < scaled < monomial                     scaled: a positively homogeneous one (ReLU, LeakyReLU); monomial: products alone
            permutation < centred < orthogonal < invertible     orthogonal: lengths are all that is read (RMSNorm); centred: those that keep the vector of
            signed < orthogonal                                 ones as well (LayerNorm)
    fixed < rotations < rotary < invertible                     rotary: what commutes with rotary embeddings, a scaled rotation in each frequency's plane

All classes but the last two contain every permutation. Two restrictions of one axis leave the class that both contain, `meet`: an axis that is written by a
map and read by the same one, as where embeddings are tied, takes M and its inverse transpose at once, and is orthogonal at most.
"""

from __future__ import annotations

from enum import StrEnum


class SymmetryClass(StrEnum):
    """A group of linear maps of one axis."""

    FIXED = "fixed"
    PERMUTATION = "permutation"
    SIGNED = "signed"
    SCALED = "scaled"
    MONOMIAL = "monomial"
    CENTRED = "centred"
    ORTHOGONAL = "orthogonal"
    ROTATIONS = "rotations"
    ROTARY = "rotary"
    INVERTIBLE = "invertible"

    @property
    def diagonal(self) -> bool:
        """Whether its maps, permutations aside, multiply each place by a number."""
        return self in (SymmetryClass.SIGNED, SymmetryClass.SCALED, SymmetryClass.MONOMIAL)

    @property
    def moves(self) -> bool:
        """Whether it has more than permutations."""
        return self not in (SymmetryClass.FIXED, SymmetryClass.PERMUTATION)

    @property
    def compact(self) -> SymmetryClass:
        """Its largest subgroup of maps that keep lengths."""
        return meet(self, SymmetryClass.ORTHOGONAL)

    def dimension(self, n: int) -> int:
        """Of the group of n places, as a manifold."""
        match self:
            case SymmetryClass.SCALED | SymmetryClass.MONOMIAL | SymmetryClass.ROTARY:
                return n
            case SymmetryClass.CENTRED:
                return (n - 1) * (n - 2) // 2
            case SymmetryClass.ORTHOGONAL:
                return n * (n - 1) // 2
            case SymmetryClass.ROTATIONS:
                return n // 2
            case SymmetryClass.INVERTIBLE:
                return n * n
            case _:
                return 0


_C = SymmetryClass
_WITHIN: dict[SymmetryClass, frozenset[SymmetryClass]] = {
    _C.FIXED: frozenset({_C.FIXED}),
    _C.PERMUTATION: frozenset({_C.FIXED, _C.PERMUTATION}),
    _C.SIGNED: frozenset({_C.FIXED, _C.PERMUTATION, _C.SIGNED}),
    _C.SCALED: frozenset({_C.FIXED, _C.PERMUTATION, _C.SCALED}),
    _C.MONOMIAL: frozenset({_C.FIXED, _C.PERMUTATION, _C.SIGNED, _C.SCALED, _C.MONOMIAL}),
    _C.CENTRED: frozenset({_C.FIXED, _C.PERMUTATION, _C.CENTRED}),
    _C.ORTHOGONAL: frozenset({_C.FIXED, _C.PERMUTATION, _C.SIGNED, _C.CENTRED, _C.ORTHOGONAL, _C.ROTATIONS}),
    _C.ROTATIONS: frozenset({_C.FIXED, _C.ROTATIONS}),
    _C.ROTARY: frozenset({_C.FIXED, _C.ROTATIONS, _C.ROTARY}),
    _C.INVERTIBLE: frozenset(_C),
}


def meet(a: SymmetryClass, b: SymmetryClass) -> SymmetryClass:
    """The largest class within both."""
    both = _WITHIN[a] & _WITHIN[b]
    return max(both, key=lambda c: len(_WITHIN[c]))


def within(a: SymmetryClass, b: SymmetryClass) -> bool:
    """Whether every map of class a is one of class b."""
    return a in _WITHIN[b]
