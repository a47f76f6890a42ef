"""A network small enough to permute by hand: one input, six hidden units, one output, trained on a wave. Plain numpy.

A unit is a row (incoming weight, bias, outgoing weight); a network is (6, 3). Putting the rows in another order changes nothing that it computes.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from explorer.core.points import Array

UNITS = 6
INPUTS = np.linspace(-3.0, 3.0, 61)
WANTED = np.sin(2 * INPUTS) + 0.3 * INPUTS
STEPS, RATE, MOMENTUM = 4000, 0.02, 0.9
LINE = np.linspace(0.0, 1.0, 41)


@cache
def trained() -> Array:
    """The network after gradient descent with momentum from a fixed start. (6, 3)."""
    units = np.random.default_rng(0).normal(size=(UNITS, 3))
    speed = np.zeros_like(units)
    for _ in range(STEPS):
        hidden = np.tanh(INPUTS[:, None] * units[:, 0] + units[:, 1])
        off = 2 * (hidden @ units[:, 2] - WANTED) / len(INPUTS)
        through = off[:, None] * units[:, 2] * (1 - hidden**2)
        slope = np.stack([INPUTS @ through, through.sum(axis=0), off @ hidden], axis=1)
        speed = MOMENTUM * speed - RATE * slope
        units = units + speed
    units.setflags(write=False)
    return units


def loss(units: Array) -> Array:
    """Mean squared error of networks (…, 6, 3)."""
    hidden = np.tanh(INPUTS[:, None] * units[..., None, :, 0] + units[..., None, :, 1])
    return (((hidden * units[..., None, :, 2]).sum(axis=-1) - WANTED) ** 2).mean(axis=-1)


def shuffled(seed: int) -> tuple[int, ...]:
    """An order in which no unit stands at its own place."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(UNITS)
        if (order != np.arange(UNITS)).all():
            return tuple(order.tolist())


def distance(order: tuple[int, ...]) -> float:
    """From the network to its copy in another order."""
    return float(np.linalg.norm(trained() - trained()[list(order)]))


def along(order: tuple[int, ...]) -> Array:
    """The loss on the straight line to the copy, at LINE."""
    a, b = trained(), trained()[list(order)]
    return loss((1 - LINE[:, None, None]) * a + LINE[:, None, None] * b)
