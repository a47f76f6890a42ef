"""On which samples it is measured: the problem's test split, a test set that it names, or another split."""

from __future__ import annotations

import streamlit as st

from explorer.core import splits
from explorer.core.spec import ProblemSpec, SplitName

OWN: dict[SplitName, str] = {
    "test": "test: what is reported",
    "val": "val: where selections are made",
    "train": "train: what the models were fitted to",
}


def choose(problem: ProblemSpec, shown: SplitName | None, *, key: str) -> SplitName:
    """Pick any of them. `shown`: that of the picture that the form is filled in from."""
    return _pick("Samples", splits.every(problem), shown, key)


def choose_test_set(problem: ProblemSpec, shown: SplitName | None, *, key: str) -> SplitName:
    """Pick the test split or a named test set; nothing is drawn where there is only the one."""
    return _pick("Test set", splits.tests(problem), shown, key) if problem.tests else "test"


def _pick(label: str, known: tuple[SplitName, ...], shown: SplitName | None, key: str) -> SplitName:
    titles = {split: OWN.get(split, f"{splits.called(split)}: a test set of its own") for split in known}

    def titled(split: SplitName) -> str:
        return titles.get(split, split)

    return st.selectbox(
        label,
        known,
        index=known.index(shown) if shown in known else 0,
        format_func=titled,
        key=f"{key}-split-{'-'.join(known)}" if len(known) > len(OWN) else f"{key}-split",
    )
