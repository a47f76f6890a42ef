"""Whose code may be run: what the environment variable LOSS_EXPLORER_TRUST named when the program was started, and nothing else.

Names with commas between them: module:callable for the network `factory`, the path of a .pt2 file for the network `program`. Read once, when this
module is imported; nothing in a file, a problem.toml or a browser adds to it.
"""

from __future__ import annotations

import os

TRUST = "LOSS_EXPLORER_TRUST"
GIVEN = frozenset(name.strip() for name in os.environ.get(TRUST, "").split(",")) - {""}
