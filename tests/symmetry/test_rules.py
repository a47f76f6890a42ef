"""How typing rules are found, checked against an operator's arguments and held to: a mistake in one is never taken for an operator not understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from explorer.symmetry import discover
from explorer.symmetry.axes import unify
from explorer.symmetry.rules import RULES, NotUnderstood, Operation, Type, Value, rule


class Hidden(nn.Module):
    """Seven hidden units that a function is applied to."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.hidden, self.out = function, nn.Linear(6, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.function(self.hidden(x)))


EXAMPLE = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def rules_as_before() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(RULES)
    yield
    RULES.clear()
    RULES.update(before)


@pytest.mark.parametrize("error", [AttributeError, IndexError, KeyError, TypeError, ValueError])
def test_a_mistake_in_a_rule_raises_and_says_where(error):
    """Whatever a rule's own code raises comes out, with the rule and the place in the graph; it gives no groups in silence."""

    @rule("linear")
    def linear(_op: Operation, input: Type, weight: Type, bias: Type | None = None) -> Value:
        raise error("a typo")

    with pytest.raises(error, match="a typo") as caught:
        discover(Hidden(torch.relu), (EXAMPLE,))
    assert "typing rule of linear" in caught.value.__notes__[0]


def test_a_missing_name_in_a_rule_raises():
    """A real slip of the pen: an argument that the operator does not have is looked up in the type of another."""

    @rule("relu")
    def relu(_op: Operation, self: Type) -> Value:
        return self["input"]  # pyright: ignore

    with pytest.raises(TypeError, match="list indices"):
        discover(Hidden(torch.relu), (EXAMPLE,))


UNKNOWN_FORMS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "a tensor of repeats": ("repeat_interleave", lambda x: x.repeat_interleave(torch.ones(7, dtype=torch.int64), dim=-1, output_size=7)),
    "no axis to repeat along": ("repeat_interleave", lambda x: x.repeat_interleave(1).reshape(3, 7)),
    "bits seen as numbers of another size": ("view", lambda x: x.view(torch.int16).unflatten(-1, (7, 2))[..., 0].float().tanh()),
}


@pytest.mark.parametrize("form", UNKNOWN_FORMS)
@pytest.mark.filterwarnings("ignore")
def test_a_form_that_a_rule_does_not_know_is_reported_and_keeps_its_order(form):
    """An overload or an argument that a rule was not written for: no error, the operator's name, and what it touches stays."""
    name, function = UNKNOWN_FORMS[form]
    found = discover(Hidden(function), (EXAMPLE,))
    assert found.unknown == (name,)
    assert found.groups == {}
    assert found.warnings == ()


def test_bits_seen_as_numbers_of_the_same_size_stay_where_they_are():
    """The units may be permuted as if nobody had looked at their bits."""
    found = discover(Hidden(lambda x: x.view(torch.int32).view(torch.float32).tanh()), (EXAMPLE,))
    assert found.unknown == () and [g.size for g in found.groups.values()] == [7]


def test_an_argument_of_another_kind_than_the_rule_says_is_not_understood():
    """Annotations are what a rule is written for: here an axis as a number, given a tuple."""

    @rule("sum")
    def total(_op: Operation, self: Type, dim: int, keepdim: bool = False) -> Value:
        return self[:dim]

    found = discover(Hidden(lambda x: x + x.sum((0, 1), keepdim=True)), (EXAMPLE,))
    assert found.unknown == ("sum",)
    assert found.groups == {}


def test_a_rule_can_say_that_it_does_not_understand():
    """NotUnderstood pins what the operator touches, as for one without a rule."""

    @rule("relu")
    def relu(_op: Operation, self: Type) -> Value:
        raise NotUnderstood("not today")

    found = discover(Hidden(torch.relu), (EXAMPLE,))
    assert found.unknown == ("relu",)
    assert found.groups == {}


def test_a_custom_operator_brings_its_own_rule():
    """Registered as library::name where the operator is defined; without it the operator is named and pins."""
    library = torch.library.Library("with_a_rule", "DEF")
    library.define("gated(Tensor x, Tensor gate) -> Tensor")
    for dispatch in ("CPU", "Meta"):
        library.impl("gated", lambda x, gate: x * gate.sigmoid(), dispatch)

    def gate(x: Tensor) -> Tensor:
        return torch.ops.with_a_rule.gated(x, x)

    assert discover(Hidden(gate), (EXAMPLE,)).unknown == ("with_a_rule::gated",)

    @rule("with_a_rule::gated")
    def gated(_op: Operation, x: Type, gate: Type) -> Value:
        for a, b in zip(x, gate, strict=True):
            unify(a, b)
        return x

    found = discover(Hidden(gate), (EXAMPLE,))
    assert found.unknown == ()
    assert {g.name: g.size for g in found.groups.values()} == {"hidden": 7}


def test_every_rule_is_for_an_operator_that_there_is():
    """A name with a typo would never be found."""
    no_operators = {"wrap_with_set_grad_enabled", "wrap_with_autocast"}  # graphs within the graph
    missing = [n for n in RULES if n not in no_operators and not any(hasattr(torch.ops.aten, o) for o in (n, f"__{n}__", f"{n}_"))]
    assert missing == []
