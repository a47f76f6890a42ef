"""What IPython writes of a value at the end of a cell: the value's own words, and not all of its fields. `repr` keeps these."""

from __future__ import annotations

from typing import Protocol


class Printer(Protocol):
    """What IPython hands to an object that it asks."""

    def text(self, obj: str, /) -> None:
        """Write."""


class Pretty:
    """A value whose `str` is what a person wants to read."""

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:
        printer.text(str(self))
