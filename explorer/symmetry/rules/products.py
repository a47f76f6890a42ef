"""Rules of linear layers, matrix products and attention."""

from __future__ import annotations

from explorer.symmetry.axes import Atom, Expression, Times, pin, size, unify
from explorer.symmetry.rules.operation import NotUnderstood, Operation, Type, Value, broadcast
from explorer.symmetry.rules.registry import rule


@rule("linear")
def linear(op: Operation, input: Type, weight: Type, bias: Type | None = None) -> Value:
    """x Wᵀ + b: W is (out, in), or (in) for a single output."""
    unify(input[-1], weight[-1])
    if len(weight) == 1:
        return input[:-1]
    op.makes(weight[0])
    op.layer(reads=weight[1], writes=weight[0])
    if bias:
        unify(bias[0], weight[0])
    return [*input[:-1], weight[0]]


@rule("matmul")
def matmul(op: Operation, self: Type, other: Type) -> Value:
    """(…, i, k) × (…, k, j)."""
    op.makes(other[-1], *self[-2:-1])
    rank = len(op.shape)
    if len(other) == 1:
        unify(self[-1], other[0])
        return self[:-1]
    if len(self) == 1:
        unify(self[0], other[-2])
        return [*other[:-2], other[-1]]
    unify(self[-1], other[-2])
    if len(other) == 2:
        op.layer(reads=other[0], writes=other[1])
    return [*broadcast([self[:-2], other[:-2]], rank - 2), self[-2], other[-1]]


@rule("mm", "bmm")
def matrices(op: Operation, self: Type, mat2: Type) -> Value:
    """The same of matrices, or of as many pairs of them."""
    return matmul(op, self, mat2)


@rule("mv")
def matrix_by_vector(op: Operation, self: Type, vec: Type) -> Value:
    """The same of a matrix and a vector."""
    return matmul(op, self, vec)


@rule("dot")
def dot(op: Operation, self: Type, tensor: Type) -> Value:
    """The same of two vectors."""
    return matmul(op, self, tensor)


@rule("addmm")
def addmm(op: Operation, self: Type, mat1: Type, mat2: Type) -> Value:
    """b + x y."""
    return broadcast([matmul(op, mat1, mat2), self], len(op.shape))


@rule("addmv")
def addmv(op: Operation, self: Type, mat: Type, vec: Type) -> Value:
    """The same of a matrix and a vector."""
    return broadcast([matmul(op, mat, vec), self], len(op.shape))


@rule("baddbmm", "addbmm")
def add_matrices(op: Operation, self: Type, batch1: Type, batch2: Type) -> Value:
    """The same of several matrices, or of their sum."""
    if op.name == "addbmm":
        unify(batch1[0], batch2[0])
        batch1, batch2 = batch1[1:], batch2[1:]
    return broadcast([matmul(op, batch1, batch2), self], len(op.shape))


@rule("einsum")
def einsum(op: Operation, equation: str, tensors: tuple[Type, ...]) -> Value:
    """Equal letters are equal axes; what an ellipsis stands for is broadcast."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    if not arrow:
        raise NotUnderstood("einsum without ->")
    letters: dict[str, Expression] = {}
    batches: list[Type] = []
    for term, t in zip(inputs.split(","), tensors, strict=True):
        first, dots, last = term.partition("...")
        batch = t[len(first) : len(t) - len(last)] if dots else []
        batches.append(batch)
        for letter, e in zip(first + last, t[: len(first)] + t[len(first) + len(batch) :], strict=True):
            known = letters.setdefault(letter, e)
            if size(known) == 1:
                letters[letter] = e
            elif size(e) != 1:
                unify(known, e)
    op.makes(*letters.values())
    batch = broadcast(batches, max(map(len, batches)))
    first, dots, last = output.partition("...")
    return [*(letters[x] for x in first), *(batch if dots else ()), *(letters[x] for x in last)]


@rule("scaled_dot_product_attention")
def attention(
    op: Operation,
    query: Type,
    key: Type,
    value: Type,
    attn_mask: Type | None = None,
    is_causal: bool = False,
    enable_gqa: bool = False,
) -> Value:
    """Queries and keys share their inner axis, keys and values their places; with grouped queries the heads are a product."""
    unify(query[-1], key[-1])
    unify(key[-2], value[-2])
    rank = len(op.shape)
    if rank >= 3 and (heads := size(query[-3])) != (kv := size(key[-3])) and enable_gqa:
        unify(key[-3], value[-3])
        unify(query[-3], Times((key[-3], Atom(heads // kv))))
        batch = [*broadcast([query[:-3], key[:-3], value[:-3]], rank - 3), query[-3]]
    else:
        batch = broadcast([query[:-2], key[:-2], value[:-2]], rank - 2)
    if attn_mask is not None:
        broadcast([[*batch, query[-2], key[-2]], attn_mask], rank)
    if is_causal:
        pin(query[-2], key[-2])
    return [*batch, query[-2], value[-1]]
