"""What a form stands at, against what is drawn below it: a result is never read as that of models or options that it was not measured with."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from explorer.core.markdown import plain
from explorer.core.spec import Spec
from explorer.store.run_store import RunStore
from explorer.ui.widgets.model_picker import Family, choices


def note(shown: Iterable[Spec], wanted: Iterable[Spec], of: str, *, button: str) -> None:
    """Where the form asks for something else than what is shown below it, say what that was measured for."""
    if {s.id for s in shown} != {w.id for w in wanted}:
        differs(of, button=button)


def differs(of: str, *, button: str) -> None:
    """Say that what is shown below is not what the form asks for. of: what it was measured for."""
    st.info(
        f"What is shown below was measured for **{plain(of)}**, and not for what this form says now. Press **{button}** to measure that.",
        icon=":material/sync_problem:",
    )


def addressed(store: RunStore, every: list[Family], *names: str) -> list[str]:
    """The models that the address names, by key, "" where it names none. That one is not known here is said."""
    asked = [st.query_params.get(name, "") for name in names]
    if any(key and not any(key in f.models for f in every) and not any(key in choices(store, f, every) for f in every) for key in asked):
        st.warning(
            "A model in this link is not known here: another one is shown in its place. Register it on the Checkpoints page, or choose below.",
            icon=":material/link_off:",
        )
    return asked


def names_a_model() -> bool:
    """Whether the address names models, so that no example is shown in their place."""
    return any(st.query_params.get(name) for name in "abc")
