"""What is to happen just before a file is opened, the worst moment there is: Python tells an audit hook of every opening of one below a folder called shown."""

import os
import sys
from collections.abc import Callable

waiting: list[Callable[[], None]] = []  # the first is called at the next opening, the second at the one after


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("open", "sqlite3.connect") and waiting and isinstance(arguments[0], str | bytes) and b"/shown/" in os.fsencode(arguments[0]):
        waiting.pop(0)()


sys.addaudithook(_listen)
