"""The examples of docs/own-networks.md: read from the page, which is the one text that the form shows, the documentation prints and a test runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import streamlit as st

from explorer.core import locations

PAGE = "docs/own-networks.md"
_BLOCK = re.compile(r"^```(\w+)\n(?:# (\S+\.\w+)\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """files: their texts by name, in the order of the page; commands: what is typed in their folder."""

    files: dict[str, str]
    commands: tuple[str, ...]


@cache
def example(heading: str) -> Example:
    """What stands under a heading of the page."""
    text = (locations.root() / PAGE).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    blocks = [(m[1], m[2], m[3]) for m in _BLOCK.finditer(section)]
    files = {name: body.lstrip("\n") for _, name, body in blocks if name}
    return Example(files, tuple(line for language, _, body in blocks if language == "bash" for line in body.splitlines()))


def show(heading: str = "A complete example") -> None:
    """The example's files and commands, each to be copied; closed at first."""
    found = example(heading)
    with st.expander("A network of your own: a complete example", icon=":material/code:"):
        st.caption("These files in one folder, and the commands in that folder. More, such as several inputs, is in `docs/own-networks.md`.")
        for name, text in found.files.items():
            st.markdown(f"`{name}`")
            st.code(text.rstrip(), language={".py": "python", ".toml": "toml"}[name[name.rindex(".") :]])
        st.markdown("The commands:")
        st.code("\n".join(found.commands), language="bash")
