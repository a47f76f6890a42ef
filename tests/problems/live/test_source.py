"""The digest of an object's code and numbers: the same wherever the same object is, another one whenever it would do something else."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from threading import Lock

import pytest
import torch
from torch import nn
from torch.nn import functional

from explorer.problems.live.source import digest_of

PROGRAM = """
import sys
import torch
from torch import nn
from torch.nn import functional
from explorer.problems.live.source import digest_of

FACTOR = {factor}

def helper(x):
    return x * FACTOR

class Net(nn.Module):
    def __init__(self, width=4, scale=1.0):
        super().__init__()
        self.layer, self.scale = nn.Linear(3, width), scale
        self.register_buffer("seen", torch.arange(3.0), persistent=False)

    def forward(self, x):
        return helper(functional.{activation}(self.layer(x))) * self.scale

torch.manual_seed({seed})
network = Net({options})
weights = torch.tensor([1.0, {weight}])
print(*digest_of(network, without=network), *digest_of(lambda o, t: functional.cross_entropy(o, t, weight=weights)))
"""


def printed(**changes: object) -> list[str]:
    """The digests of the network and of the loss in a process of its own."""
    given = {"factor": 2, "activation": "relu", "seed": 0, "options": "", "weight": 3.0, **changes}
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(**given)], capture_output=True, text=True, check=True)
    network, odd, loss, also = done.stdout.replace("()", "none").split()
    assert (odd, also) == ("none", "none")
    return [network, loss]


def test_what_is_typed_at_a_prompt_has_the_same_digest_in_another_process():
    """Whatever its weights: those are the models'. A helper, a global number, a line of forward, a setting, each makes another network."""
    network, loss = printed()
    assert printed(seed=1) == [network, loss]
    for change in ({"factor": 3}, {"activation": "gelu"}, {"options": "scale=2.0"}, {"options": "width=5"}):
        other, same = printed(**change)
        assert other != network and same == loss
    assert printed(weight=4.0) == [network, printed(weight=4.0)[1]] and printed(weight=4.0)[1] != loss


def adding(n: float) -> Callable[[float], float]:
    return lambda x: x + n


class Holder:
    """An object of somebody's own that is called."""

    def __init__(self, n: float) -> None:
        self.n = n

    def __call__(self, x: float) -> float:
        return x * self.n


@pytest.mark.parametrize(
    ("a", "same", "other"),
    [
        (adding(1), adding(1), adding(2)),
        (functools.partial(max, 1), functools.partial(max, 1), functools.partial(max, 2)),
        (Holder(1.0), Holder(1.0), Holder(2.0)),
        (nn.CrossEntropyLoss(weight=torch.ones(2)), nn.CrossEntropyLoss(weight=torch.ones(2)), nn.CrossEntropyLoss(weight=torch.ones(2) / 2)),
        (nn.MSELoss(), nn.MSELoss(), nn.L1Loss()),
        (functional.mse_loss, functional.mse_loss, functional.l1_loss),
        (torch.relu, torch.relu, torch.sigmoid),
        ({"a": [1, torch.ones(2)]}, {"a": [1, torch.ones(2)]}, {"a": [1, torch.zeros(2)]}),
        (Holder(1.0).__call__, Holder(1.0).__call__, Holder(3.0).__call__),
    ],
    ids=["closure", "partial", "object", "buffer", "module", "library function", "function in C", "containers", "method"],
)
def test_equal_things_are_equal_and_others_are_not(a, same, other):
    """By content, never by identity."""
    assert digest_of(a) == digest_of(same) and digest_of(a)[1] == ()
    assert digest_of(a)[0] != digest_of(other)[0]


def test_what_cannot_be_looked_into_is_named_and_of_this_process():
    """A lock, a generator under way: every one is another."""
    for one, other, name in ((Lock(), Lock(), "lock"), ((i for i in "a"), (i for i in "a"), "generator")):
        digest, odd = digest_of(lambda one=one: one)
        assert odd == (name,) and digest == digest_of(lambda one=one: one)[0] != digest_of(lambda one=other: one)[0]


def test_what_is_made_in_c_is_known_by_what_it_would_be_pickled_as():
    """Dates, fractions, torch's own constants: of content, in every process."""
    for one, same, other in (
        (date(2020, 1, 2), date(2020, 1, 2), date(2020, 1, 3)),
        (Decimal("1.5"), Decimal("1.5"), Decimal("2")),
        (torch.strided, torch.strided, torch.sparse_coo),
        (range(3), range(3), range(4)),
    ):
        assert digest_of(one) == digest_of(same) and digest_of(one)[1] == ()
        assert digest_of(one)[0] != digest_of(other)[0]


def test_what_refers_to_itself_has_a_digest():
    """Modules that know their parents, lists that hold themselves."""
    ring: list[object] = [1]
    ring.append(ring)
    assert digest_of(ring) == digest_of(ring) != digest_of([1, [1]])
