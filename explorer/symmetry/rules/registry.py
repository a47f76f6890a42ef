"""Typing rules by the name of their operator, and what a rule can be given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from explorer.symmetry.rules.operation import NotUnderstood, OnlyShape, Operation, Stacked, Value, tensors, unstacked

Function = TypeVar("Function", bound=Callable[..., Value])
Arguments: TypeAlias = Mapping[str, Value]
"""An operator's arguments by the names of its schema; by position, as "0", "1", …, where it has none."""


@dataclass(frozen=True)
class Rule:
    """A rule's function, and the arguments that it takes. `cuts`: what it takes away is not computed with."""

    function: Callable[..., Value]
    parameters: Mapping[str, Parameter]
    kinds: Mapping[str, Any]
    cuts: bool

    def __call__(self, operation: Operation, arguments: Arguments) -> Value:
        """The type of what the operator gives. NotUnderstood when these arguments are not those the rule is written for; any other error is its own."""
        return self.function(operation, **self._fitting(arguments))

    def asks_only_the_shape_of(self, argument: str) -> bool:
        """Whether the numbers of an argument do not matter."""
        rest = next((name for name, p in self.parameters.items() if p.kind is Parameter.VAR_KEYWORD), "")
        return _takes(self.kinds.get(argument if argument in self.parameters else rest), OnlyShape)

    def _fitting(self, arguments: Arguments) -> dict[str, Value]:
        known = {name: v for name, v in arguments.items() if name in self.parameters}
        others = {name: v for name, v in arguments.items() if name not in self.parameters}
        rest = next((name for name, p in self.parameters.items() if p.kind is Parameter.VAR_KEYWORD), None)
        if rest is not None:
            known |= others
        elif any(True for _ in tensors(others)):
            raise NotUnderstood(f"tensors {', '.join(others)}")
        if missing := [n for n, p in self.parameters.items() if n != rest and p.default is Parameter.empty and n not in known]:
            raise NotUnderstood(f"no {', '.join(missing)}")
        taken: dict[str, Value] = {}
        for name, value in known.items():
            kind = self.kinds[name if name in self.parameters else cast("str", rest)]
            taken[name] = value if _takes(kind, Stacked) else unstacked(value)  # whatever takes a Segmented tensor is written for one
            if not _is(taken[name], kind):
                raise NotUnderstood(f"{name} is {taken[name]!r}")
        return taken


RULES: dict[str, Rule] = {}


def rule(*names: str, cuts: bool = False) -> Callable[[Function], Function]:
    """Make a function the typing rule of these operators: PyTorch's own by their bare name, others as library::name.

    It is given the Operation, then the operator's arguments by the names in its schema, as many of them as it names: tensors as their Type, a
    tensor that it can take apart as Stacked, anything else as it is. An argument that is not of the annotated kind, or a tensor that is not named,
    is a form that the rule does not know. It says with unify and pin what it knows, and returns the type of the result, a tuple for several.
    One of which only the shape is asked is annotated OnlyShape. `cuts`: it only cuts off a part, and what is left over counts as unused.
    """

    def register(function: Function) -> Function:
        parameters = dict(list(signature(function).parameters.items())[1:])
        made = Rule(function, parameters, get_type_hints(function), cuts)
        RULES.update(dict.fromkeys(names, made))
        return function

    return register


def _takes(kind: Any, wanted: type) -> bool:
    return kind is wanted or (get_origin(kind) in (Union, UnionType) and wanted in get_args(kind))


def _is(value: Value, kind: Any) -> bool:
    """Whether an argument is of an annotated kind."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or kind is OnlyShape:
        return True
    if origin in (Union, UnionType):
        return any(_is(value, k) for k in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is(v, inner[0]) for v in cast("tuple[Any, ...]", value))
    if origin is list:  # a Type
        return isinstance(value, list)
    return value is None if kind is NoneType else isinstance(value, kind)
