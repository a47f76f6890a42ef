"""Large libraries are imported without a search for garbage.

What modules make stays. Python looks through all of it again and again while there comes more, which is a sixth of the time that torch and transformers take.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Generator[None, None, None]:
    """Within: no garbage is collected; afterwards it is, if it was before."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def imported() -> Generator[None, None, None]:
    """Within, a program that has made nothing yet imports what it needs: nothing is collected, and what is there at the end is never looked through."""
    with uncollected():
        yield
        gc.freeze()
