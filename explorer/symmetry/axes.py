"""Axis expressions and their unification: which axes of which tensors are one and the same, and so are permuted together.

An axis of a tensor is an *atom* (n interchangeable places), a row-major *product* of axes (flattened channels × pixels, heads × dimensions) or a
*concatenation* of axes. Atoms are variables: unifying two expressions binds atoms, everywhere at once. A *pinned* atom keeps its order. Whatever
does not fit together is pinned; that is always sound, it only gives a symmetry away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from typing import TypeAlias


class Atom:
    """n places of which nothing more is known. `bound`: what they have turned out to be. `why`: what first said that they keep their order."""

    __slots__ = ("bound", "pinned", "size", "why")

    def __init__(self, size: int, *, pinned: bool = False, why: str = "") -> None:
        self.size = size
        self.pinned = pinned or size <= 1
        self.why = why
        self.bound: Expression | None = None


@dataclass(frozen=True)
class Times:
    """A row-major product: the last factor runs fastest."""

    factors: tuple[Expression, ...]


@dataclass(frozen=True)
class Plus:
    """A concatenation: one part after the other."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = Atom | Times | Plus


def pinned(size: int, why: str = "") -> Atom:
    """An axis whose order means something: pixels, classes, time."""
    return Atom(size, pinned=True, why=why)


def size(e: Expression) -> int:
    """How many places an axis has."""
    match e:
        case Atom():
            return e.size
        case Times():
            return prod(map(size, e.factors))
        case Plus():
            return sum(map(size, e.parts))


def resolve(e: Expression) -> Expression:
    """What is known of an axis by now: no bound atom, no product in a product, no factor of one place."""
    match e:
        case Atom():
            return e if e.bound is None else resolve(e.bound)
        case Times():
            found = [resolve(f) for f in e.factors]
            flat = [g for f in found for g in (f.factors if isinstance(f, Times) else (f,)) if size(g) != 1]
            return flat[0] if len(flat) == 1 else Times(tuple(flat)) if flat else Atom(1)
        case Plus():
            found = [resolve(p) for p in e.parts]
            flat = [q for p in found for q in (p.parts if isinstance(p, Plus) else (p,)) if size(q)]
            return flat[0] if len(flat) == 1 else Plus(tuple(flat))


def atoms(e: Expression) -> list[Atom]:
    """The atoms of an expression from left to right."""
    match e := resolve(e):
        case Atom():
            return [e]
        case Times():
            return [a for f in e.factors for a in atoms(f)]
        case Plus():
            return [a for p in e.parts for a in atoms(p)]


def pin(*expressions: Expression, why: str = "") -> None:
    """These axes keep their order."""
    for e in expressions:
        for atom in atoms(e):
            atom.pinned = True
            atom.why = atom.why or why


def unify(x: Expression, y: Expression) -> None:
    """The two axes are one and the same. What does not fit together is pinned on both sides."""
    x, y = resolve(x), resolve(y)
    if x is y:
        return
    if size(x) != size(y):
        pin(x, y)
        return
    match x, y:
        case Atom(), _:
            _bind(x, y)
        case _, Atom():
            _bind(y, x)
        case Times(), Times():
            _unify_products(x, y)
        case _:
            _unify_sums(x, y)


def cut(e: Expression, at: int) -> tuple[Expression, Expression] | None:
    """The first `at` places of an axis and the others; None where it cannot be cut there."""
    match e := resolve(e):
        case Atom():
            if not 0 < at < e.size:
                return (Atom(0), e) if at == 0 else (e, Atom(0)) if at == e.size else None
            left, right = (Atom(n, pinned=e.pinned, why=e.why) for n in (at, e.size - at))
            e.bound = Plus((left, right))
            return left, right
        case Plus():
            done: list[Expression] = []
            for i, part in enumerate(e.parts):
                if at < size(part):
                    halves = cut(part, at)
                    return halves and (Plus((*done, halves[0])), Plus((halves[1], *e.parts[i + 1 :])))
                done.append(part)
                at -= size(part)
            return (e, Atom(0)) if at == 0 else None
        case Times():
            first, rest = e.factors[0], Times(e.factors[1:])
            if at % size(rest):
                return None
            halves = cut(first, at // size(rest))
            return halves and (Times((halves[0], rest)), Times((halves[1], rest)))


def pieces(e: Expression, sizes: Sequence[int]) -> list[Expression]:
    """An axis cut into consecutive pieces; pinned as a whole where that is not possible."""
    found: list[Expression] = []
    rest = e
    for n in sizes:
        halves = cut(rest, n)
        if halves is None:
            pin(e)
            return [pinned(n) for n in sizes]
        piece, rest = halves
        found.append(piece)
    return found


def regroup(axes: Iterable[Expression], shape: Sequence[int]) -> list[Expression]:
    """The axes of the same places viewed in another shape: factors are dealt out from the left, atoms split where sizes divide."""
    axes = list(axes)
    if any(size(e) < 1 for e in axes) or any(n < 1 for n in shape):  # nothing there, or not known how much
        pin(*axes)
        return list(map(pinned, shape))
    factors = [f for e in axes for f in _factors(e)]
    found: list[Expression] = []
    for i, n in enumerate(shape):
        taken: list[Expression] = []
        while n > 1 and factors:
            first = resolve(factors.pop(0))
            if isinstance(first, Times):
                factors = [*first.factors, *factors]
            elif (k := size(first)) <= n and n % k == 0:
                taken.append(first)
                n //= k
            elif isinstance(first, Atom) and k % n == 0:
                head, tail = _split(first, n)
                taken.append(head)
                factors.insert(0, tail)
                n = 1
            else:
                pin(first, *taken, *factors)
                return [*found, *(pinned(m) for m in shape[i:])]
        found.append(resolve(Times(tuple(taken))))
    return found


def _factors(e: Expression) -> list[Expression]:
    e = resolve(e)
    return [f for f in (e.factors if isinstance(e, Times) else (e,)) if size(f) != 1]


def _split(atom: Atom, first: int) -> tuple[Atom, Atom]:
    """An atom of n places as a product first × n/first."""
    head, tail = (Atom(n, pinned=atom.pinned, why=atom.why) for n in (first, atom.size // first))
    atom.bound = Times((head, tail))
    return head, tail


def _bind(atom: Atom, e: Expression) -> None:
    if not isinstance(e, Atom) and atom in atoms(e):  # an axis inside itself
        pin(atom, e)
        return
    if atom.pinned:
        pin(e, why=atom.why)
    atom.bound = e


def _unify_products(x: Times, y: Times) -> None:
    left, right = _factors(x), _factors(y)
    while left and right:
        a, b = left.pop(0), right.pop(0)
        if size(a) > size(b):
            (a, left), (b, right) = (b, right), (a, left)
        if size(a) != size(b):
            if not isinstance(b, Atom) or size(b) % size(a):
                pin(a, b, *left, *right)
                return
            head, tail = _split(b, size(a))
            b, right = head, [tail, *right]
        unify(a, b)
        left, right = (_factors(Times(tuple(side))) for side in (left, right))  # binding one factor may have refined a later one


def _unify_sums(x: Expression, y: Expression) -> None:
    """At least one of the two is a concatenation: both are cut wherever one of them ends a part."""
    ends = sorted({*_ends(x), *_ends(y)})
    sizes = [b - a for a, b in pairwise([0, *ends])]
    for a, b in list(zip(pieces(x, sizes), pieces(y, sizes), strict=True)):
        unify(a, b)


def _ends(e: Expression) -> list[int]:
    return list(accumulate(map(size, e.parts))) if isinstance(e, Plus) else [size(e)]
