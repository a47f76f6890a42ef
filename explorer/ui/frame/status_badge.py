"""Words and colours for how a request stands, the same on every page."""

from __future__ import annotations

import streamlit as st

from explorer.store.job_status import Status, duration

BADGES = {
    "waiting": ("waiting", ":material/hourglass_empty:", "gray"),
    "running": ("running", ":material/play_arrow:", "blue"),
    "done": ("done", ":material/check:", "green"),
    "failed": ("failed", ":material/error:", "red"),
    "stopped": ("stopped", ":material/stop:", "orange"),
}


def badge(status: Status) -> None:
    """The state as a coloured word with an icon."""
    label, icon, colour = BADGES[status.state]
    st.badge(label, icon=icon, color=colour)  # pyright: ignore[reportArgumentType]


def sentence(status: Status) -> str:
    """The state in words: how far, how long still."""
    match status.state:
        case "waiting":
            return "Waiting for a worker…"
        case "running":
            left = "" if status.left_s is None else f" · about {duration(status.left_s)} left"
            count = f" · {status.done} of {status.total}" if status.total else ""
            return f"{status.message or 'Measuring'}{count}{left}"
        case "done":
            rest = ", the others were already there" if status.total > status.fresh else ""
            return f"Done: {status.fresh} points measured in {duration(status.seconds)}{rest}." if status.fresh else "Done."
        case "stopped":
            return f"Stopped at {status.done} of {status.total}. What was measured is kept."
        case "failed":
            return status.error
