"""A network that the process holds as an object (explorer.problems.held), for `explorer.api`. Nothing in a file or a browser can name one that is not there.

`key` stands for its structure, its own numbers and the code of its classes. `data`, where its inputs are numbers of rows: the data that they count.
Initial weights are drawn from the seed where all layers with weights are torch's own; otherwise they are those that the network came with.
"""

from __future__ import annotations

from torch import nn

from explorer.problems import held


def build(*, called: str = "", key: str = "", data: str = "") -> nn.Module:
    """The name of its class; its key; the data's, where it looks its inputs up there."""
    found = held.network(key)
    network = found.build()
    return found.joined(network, held.data(data).rows if data else None) if found.joined is not None else network
