"""What IPython writes of a value at the end of a cell: its own words, and not all of its fields. `repr` keeps these."""

from __future__ import annotations

from typing import Protocol


class Printer(Protocol):
    """What IPython hands to an object that it asks."""

    def text(self, obj: str, /) -> None:
        """Write."""


def in_words(value: object, printer: Printer, cycle: bool) -> None:
    """The `_repr_pretty_` of a class whose `str` is what a person wants to read. It stands in the class itself: IPython takes a class's own `repr` before
    what a class above it has."""
    printer.text(str(value))
