"""What makes the numbers of a page's models doubtful, beside these numbers (explorer.stats.model_doubts)."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from explorer.core.markdown import plain
from explorer.core.spec import Field
from explorer.store.run_store import RunStore


def show(store: RunStore, fields: Iterable[Field]) -> None:
    """A warning for each model of these fields that there is something to say of, once."""
    known = [store.field(id) for id in dict.fromkeys(field.id for field in fields)]
    say(sentence for facts in known if facts is not None for sentence in facts.doubts())


def say(sentences: Iterable[str]) -> None:
    """Each sentence once."""
    for sentence in dict.fromkeys(sentences):
        st.warning(plain(sentence), icon=":material/warning:")
