"""Somebody's network in eval mode for a while, and as it was afterwards: nothing is copied, so that what cannot be copied can be lent as well.

Locks, open files, random generators and tensors that a hook has computed stand in the way of `copy.deepcopy`.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn

TENSORS = ("_parameters", "_buffers")  # where a module keeps what it has registered


@contextmanager
def borrowed(network: nn.Module) -> Generator[None, None, None]:
    """Within: the network is in eval mode, without gradients, and may be converted to other types. Its tensors may be replaced, not written into.

    Afterwards every module has the very attributes, parameters, buffers, gradients and modes that it had.
    """
    own = [(m, dict(m.__dict__), {kind: dict(m.__dict__[kind]) for kind in TENSORS}) for m in network.modules()]
    tensors = [(p, p.data, p.grad) for p in network.parameters()]
    for p, _, _ in tensors:
        p.grad = None
    network.eval()
    try:
        yield
    finally:
        for module, attributes, registered in own:
            for kind, before in registered.items():
                attributes[kind].clear()
                attributes[kind].update(before)
            module.__dict__.clear()
            module.__dict__.update(attributes)
        for p, data, grad in tensors:
            p.data, p.grad = data, grad
