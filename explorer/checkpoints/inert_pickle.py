"""A pickle as plain data, read without building or calling anything that it names.

A pickle is a program for a stack machine. Here the machine runs and every class or function stays a name: a call, an object, or an object's state becomes a
Record that says what it would have been made of. What torch.save writes has protocol 2; opcodes that it never writes are refused. Bounded: the number of
opcodes, and so of values, and what calls copy of them; keys of dicts are plain values, whatever else is a key is left out with its value, so that nothing deep is hashed. Nothing here recurses.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

_PUSHED = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
        *("BINUNICODE", "UNICODE", "BINSTRING", "SHORT_BINSTRING"),
    }
)
_PUT = frozenset({"BINPUT", "LONG_BINPUT", "PUT"})
_GET = frozenset({"BINGET", "LONG_BINGET", "GET"})


@dataclass(eq=False)
class Named:
    """A class or a function by module and name; never looked up."""

    name: str


@dataclass(eq=False)
class Record:
    """What an object would have been made of: the name of what was called for it, the arguments, then its state, entries and items."""

    name: str
    arguments: tuple[object, ...]
    state: object = None
    entries: dict[object, object] = field(default_factory=dict[object, object])
    items: list[object] = field(default_factory=list[object])


@dataclass(eq=False)
class Persistent:
    """What is kept outside of the pickle, by its description: a storage."""

    key: tuple[object, ...]


class TooLong(ValueError):
    """There are more opcodes than were allowed."""


class _Mark:
    """Where a group of values begins on the stack."""


def read(data: bytes, limit: int) -> tuple[object, list[str]]:
    """The value, and every name in it in order. ValueError or LookupError for what is no such pickle, TooLong where it has more than `limit` opcodes."""
    return _Machine().run(data, limit)


def inside(value: object) -> dict[object, object] | None:
    """The entries of what is a dict, or would have been one of its kind."""
    if isinstance(value, Record):
        return value.entries or None
    return cast("dict[object, object]", value) if isinstance(value, dict) else None


class _Machine:
    def __init__(self) -> None:
        self.stack: list[object] = []
        self.memo: dict[object, object] = {}
        self.names: dict[str, None] = {}
        self.room = 0  # pairs that calls may still copy

    def run(self, data: bytes, limit: int) -> tuple[object, list[str]]:
        stack, self.room = self.stack, limit
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count >= limit:
                raise TooLong
            name = opcode.name
            if name in _PUSHED:
                stack.append(argument)
            elif name in _PUT:
                self.memo[argument] = stack[-1]
            elif name in _GET:
                stack.append(self.memo[argument])
            elif name == "MARK":
                stack.append(_Mark)
            elif name == "GLOBAL":
                called = str(argument).replace(" ", ".", 1)
                self.names[called] = None
                stack.append(Named(called))
            elif name == "STOP":
                (value,) = stack
                return value, list(self.names)
            elif name != "PROTO":
                self.make(name)
        raise ValueError("no end")

    def make(self, opcode: str) -> None:
        """What puts values together."""
        stack = self.stack
        match opcode:
            case "TUPLE":
                stack.append(tuple(self.group()))
            case "REDUCE" | "NEWOBJ":
                arguments, made_by = stack.pop(), stack.pop()
                if not isinstance(arguments, tuple):
                    raise ValueError("arguments that are no tuple")
                given = cast("tuple[object, ...]", arguments)
                self.room -= len(cast("list[object]", given[0])) if given and isinstance(given[0], list) else 0
                if self.room < 0:  # one list of pairs, given to many calls
                    raise TooLong
                stack.append(_made(made_by, given))
            case "BINPERSID":
                key = stack.pop()
                stack.append(Persistent(cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode])
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                stack.append(() if opcode == "EMPTY_TUPLE" else list[object]() if opcode == "EMPTY_LIST" else dict[object, object]())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                n = int(opcode[-1])
                if len(stack) < n:
                    raise ValueError("too few values")
                stack[-n:] = [tuple(stack[-n:])]
            case "LIST":
                stack.append(self.group())
            case "DICT":
                group, made = self.group(), dict[object, object]()
                stack.append(made)
                self.put(made, group)
            case "APPEND":
                value = stack.pop()
                self.add(stack[-1], [value])
            case "APPENDS":
                group = self.group()
                self.add(stack[-1], group)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.put(stack[-1], [key, value])
            case "SETITEMS":
                group = self.group()
                self.put(stack[-1], group)
            case "BUILD":
                state = stack.pop()
                if isinstance(target := stack[-1], Record):
                    target.state = state
            case "POP":
                stack.pop()
            case "POP_MARK":
                self.group()
            case "DUP":
                stack.append(stack[-1])
            case _:
                raise ValueError(f"the opcode {opcode}")

    def group(self) -> list[object]:
        """The values since the last mark, taken off the stack with it."""
        stack = self.stack
        start = len(stack) - 1
        while stack[start] is not _Mark:
            start -= 1
            if start < 0:
                raise ValueError("no mark")
        found = stack[start + 1 :]
        del stack[start:]
        return found

    def add(self, to: object, values: list[object]) -> None:
        if isinstance(to, Record):
            to.items += values
        elif isinstance(to, list):
            cast("list[object]", to).extend(values)
        else:
            raise ValueError("items for what has none")

    def put(self, to: object, group: list[object]) -> None:
        entries = to.entries if isinstance(to, Record) else cast("dict[object, object]", to) if isinstance(to, dict) else None
        if entries is None or len(group) % 2:
            raise ValueError("entries for what has none")
        pairs = iter(group)
        entries.update((k, v) for k, v in zip(pairs, pairs, strict=True) if _is_plain(k))


def _is_plain(key: object) -> bool:
    """Whether hashing takes no time: a number of a million digits is no key."""
    return key is None or isinstance(key, str | float) or (isinstance(key, int) and abs(key) < 2**64)


def _made(made_by: object, arguments: tuple[object, ...]) -> Record:
    name = made_by.name if isinstance(made_by, Named | Record) else type(made_by).__name__
    if name in ("copy_reg._reconstructor", "copyreg._reconstructor") and arguments and isinstance(arguments[0], Named):
        name = arguments[0].name  # an object of this class
    made = Record(name, arguments)
    if name == "collections.OrderedDict" and arguments:  # its pairs, as Python 2 wrote them
        made.entries.update(_pairs(arguments[0]))
    return made


def _pairs(value: object) -> Iterator[tuple[object, object]]:
    for pair in cast("list[object]", value) if isinstance(value, list) else []:
        if isinstance(pair, list | tuple) and len(two := cast("list[object]", pair)) == 2 and _is_plain(two[0]):
            yield two[0], two[1]
