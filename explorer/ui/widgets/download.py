"""A button that hands out a file.

Streamlit asks for data given as a function only after the click, by a number that each run of the page gives afresh; a run that comes between makes
the number void, and the click comes to nothing. So a click here reruns nothing itself, and a file that already lies on the disk goes by its content,
whose number stays.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import streamlit as st

AT_ONCE = 32 * 2**20  # bytes; a larger file is read after the click


def download(
    label: str,
    data: Path | Callable[[], str | bytes],
    name: str,
    *,
    key: str,
    icon: str,
    mime: str | None = None,
    width: Literal["stretch", "content"] = "stretch",
) -> None:
    """Offer a file, or what is made when it is asked for; `name` is what the person's file is called ("/" in it becomes "-")."""
    content = data if not isinstance(data, Path) else data.read_bytes if data.stat().st_size > AT_ONCE else data.read_bytes()
    st.download_button(label, content, name.replace("/", "-"), mime, icon=icon, key=key, on_click="ignore", width=width)
