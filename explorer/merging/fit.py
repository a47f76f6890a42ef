"""What a person says of tensors that are to be left alone, or do not match. Imports nothing that is large: the command line knows it.

A pattern is one of a shell's (`model.layers.1?.mlp.*`); without * ? [ it is a part of a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

Different: TypeAlias = Literal["refuse", "first", "leave-out"]
Tokens: TypeAlias = Literal["same", "union", "first"]


@dataclass(frozen=True)
class Fit:
    """`only`, `keep`: patterns of names; what fits none of `only`, or one of `keep`, stays as the first model has it.

    `different`: tensors that differ in shape or are not in every model are refused, stay as the first model has them, or are left out. `tokens`: all models
    must number the same ones, or rows are brought together token by token, for all tokens or for the first model's.
    """

    only: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    different: Different = "refuse"
    tokens: Tokens = "same"


def matches(name: str, pattern: str) -> bool:
    """Whether a tensor's name fits."""
    return fnmatchcase(name, pattern) if any(sign in pattern for sign in "*?[") else pattern in name
