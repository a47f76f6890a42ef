"""What stays is not looked through for garbage.

Streamlit collects after every script, through all objects of the process. Nearly all are those of modules, which stay, and going through them takes as long
as many a script: 0.1 s of a processor, and several times that on a busy machine. So they are set aside, once more whenever modules were imported.
"""

from __future__ import annotations

import gc
import sys
from functools import cache


def set_aside() -> None:
    """Have what is alive now passed over by collections to come, where modules were imported since."""
    _set_aside(len(sys.modules))


@cache
def _set_aside(modules: int) -> None:
    gc.unfreeze()  # what was set aside and has ended meanwhile, such as a session, is freed
    gc.collect()
    gc.freeze()
