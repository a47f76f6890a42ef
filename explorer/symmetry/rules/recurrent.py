"""Rules of recurrent layers: every gate has one row for each unit, all in one order, which is also that of the state."""

from __future__ import annotations

from collections.abc import Sequence

from torch.fx import Node

from explorer.symmetry.axes import Atom, Expression, Plus, Times, pin, pinned, resolve, size, unify
from explorer.symmetry.rules.operation import NotUnderstood, Operation, Stacked, Type, Value, arguments_of, operator_name
from explorer.symmetry.rules.registry import rule

GATES = {"lstm": 4, "gru": 3}  # rows for each unit; one otherwise
FILLS = ("zeros", "ones", "full", "zeros_like", "new_zeros")


@rule("lstm")
def lstm(
    op: Operation,
    input: Type,
    hx: tuple[Type, ...],
    params: tuple[Type, ...],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> Value:
    """Layers one on another, each perhaps in both directions; their last states are stacked."""
    return _layers(op, input, hx, params, has_biases, num_layers, bidirectional, batch_first)


@rule("gru", "rnn_tanh", "rnn_relu")
def recurrent(
    op: Operation,
    input: Type,
    hx: Type,
    params: tuple[Type, ...],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> Value:
    """The same without a cell."""
    return _layers(op, input, (hx,), params, has_biases, num_layers, bidirectional, batch_first)


def _layers(
    op: Operation,
    x: Type,
    first: Sequence[Type],
    params: Sequence[Type],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> Value:
    directions = 1 + bidirectional
    each, left = divmod(len(params), num_layers * directions)
    projects = each - 2 - 2 * has_biases  # from the cell's units to the state's
    if left or projects not in (0, 1):
        raise NotUnderstood("weights that are not those of its layers")
    pin(x[1 if batch_first and len(x) == 3 else 0], *(t[0] for t in first))
    batch = [] if len(x) == 2 else [x[0 if batch_first else 1]]
    states: list[Expression] = []
    cells: list[Expression] = []
    features = x[-1]
    for layer in range(num_layers):
        for w in range(layer * directions, (layer + 1) * directions):
            w_ih, w_hh, *others = params[w * each : (w + 1) * each]
            biases, projection = (others[:-1], others[-1]) if projects else (others, None)
            cell = _gates(op, w_ih, w_hh, biases)
            unify(features, w_ih[1])
            if projection is not None:
                unify(projection[1], cell)
                op.makes(projection[0])
            state = cell if projection is None else projection[0]
            unify(w_hh[1], state)
            states.append(state)
            cells.append(cell)
        features = Plus(tuple(states[-directions:]))
    for given, t, axes in zip(_nodes(op, "hx"), first, (states, cells), strict=False):
        if operator_name(given) not in FILLS:  # a constant fill is the same in any order
            for axis in axes:
                unify(t[-1], axis)
    last = [Stacked(0, [[*batch, resolve(axis)] for axis in axes]) for axes in (states, cells)[: len(first)]]
    return ([*x[:-1], resolve(features)], *last)


def _gates(op: Operation, w_ih: Type, w_hh: Type, biases: Sequence[Type | None]) -> Expression:
    """The axis of the units of one layer, after its weights were told of it."""
    gates = GATES.get(op.name.removesuffix("_cell"), 1)
    units = Atom(size(w_ih[0]) // gates)
    for t in (w_ih, w_hh, *biases):
        if t is not None:
            unify(t[0], Times((pinned(gates), units)))
    op.makes(w_ih[0])
    op.layer(reads=w_ih[1], writes=units)
    op.layer(reads=w_hh[1], writes=units)
    return units


def _nodes(op: Operation, argument: str) -> list[Node]:
    given = arguments_of(op.node)[argument]
    return [given] if isinstance(given, Node) else list(given)


@rule("lstm_cell")
def lstm_cell(op: Operation, input: Type, hx: tuple[Type, ...], w_ih: Type, w_hh: Type, b_ih: Type | None = None, b_hh: Type | None = None) -> Value:
    """One step: the state is read in its own order, the cell goes on in that of the units."""
    units = _gates(op, w_ih, w_hh, (b_ih, b_hh))
    unify(input[-1], w_ih[1])
    unify(hx[0][-1], w_hh[1])
    unify(hx[1][-1], units)
    after = [*input[:-1], resolve(units)]
    return after, list(after)


@rule("gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def cell(op: Operation, input: Type, hx: Type, w_ih: Type, w_hh: Type, b_ih: Type | None = None, b_hh: Type | None = None) -> Value:
    """One step. A gated unit keeps a part of its state, which therefore has the order of the units."""
    units = _gates(op, w_ih, w_hh, (b_ih, b_hh))
    unify(input[-1], w_ih[1])
    unify(hx[-1], w_hh[1])
    if op.name == "gru_cell":
        unify(hx[-1], units)
    return [*input[:-1], resolve(units)]
