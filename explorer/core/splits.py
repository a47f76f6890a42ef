"""The samples that can be measured on: the problem's three splits, and the test sets that it names (`[tests.NAME]` in problem.toml).

A field says `train`, `val`, `test`, or the name of a test set with a digest behind an @, as a metric of somebody's own has one: `wiki@3f2a…`. People type
and read the name alone.
"""

from __future__ import annotations

from explorer.core.errors import Refused
from explorer.core.spec import NamedTestSet, ProblemSpec, SplitName

OWN: tuple[SplitName, ...] = ("test", "val", "train")


def every(problem: ProblemSpec) -> tuple[SplitName, ...]:
    """All that a problem can be measured on; what is reported comes first."""
    return (OWN[0], *(one.split for one in problem.tests), *OWN[1:])


def tests(problem: ProblemSpec) -> tuple[SplitName, ...]:
    """The test split, and the test sets with a name."""
    return (OWN[0], *(one.split for one in problem.tests))


def called(split: SplitName) -> str:
    """What a person calls it."""
    return split.partition("@")[0]


def find(problem: ProblemSpec, name: str) -> SplitName:
    """The split or the test set of a name. Refused, with all names, when there is none."""
    known = {called(split): split for split in every(problem)}
    if called(name) not in known or name not in (called(name), known[called(name)]):
        changed = called(name) in known and "@" in name
        why = f"The test set {called(name)} has changed since this was asked for." if changed else f"There is no split {called(name)!r} here."
        raise Refused(
            f"{why} {problem.name or 'This problem'} is measured on: {', '.join(known)}. Others are added under [tests.NAME] in problem.toml."
        )
    return known[called(name)]


def test_set(problem: ProblemSpec, split: SplitName) -> NamedTestSet | None:
    """The test set that a split stands for; None for one of the three. Refused when there is no such set."""
    split = find(problem, split)
    return next((one for one in problem.tests if one.split == split), None)
