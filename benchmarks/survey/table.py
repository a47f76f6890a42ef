"""docs/survey.md: the claims and what became of them, written from the rows that were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.survey import published
from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.figure import figure
from benchmarks.survey.over_seeds import over_seeds
from benchmarks.survey.rows import Row
from explorer.stats.intervals import Estimate

APP = "http://localhost:8501"  # where `loss-explorer app` is, unless told otherwise
PAGE = Path(__file__).parents[2] / "docs" / "survey.md"
SIZES = {"quick": "digits", "middle": "1250 images of Fashion-MNIST", "full": "Fashion-MNIST"}
HEAD = """# The survey, replayed

Most methods of this field come with a claim. Each row below is one of them, repeated as an experiment with the explorer's own methods: what the paper says, the
numbers that the claim is about with their 95 % intervals, and the verdict.

- **Effect**: the mean over replicates. Each replicate trains its own networks from its own seeds. The interval covers training seeds (Student's, over replicates) and
  test samples (paired where two models are compared), combined as the sides of a right angle: `benchmarks/survey/over_seeds.py`.
- **Holds**: the interval of every effect lies on the claimed side of its bound, which stands behind the number. **Does not hold here**: the interval of an effect
  lies on the other side, or within what is too small to matter. **Cannot be told**: neither; more replicates or samples would be needed.
- **Here** is small: {sizes}. What does not hold here may hold for large networks, and the other way round. Where a claim does not hold, the note says why,
  as far as we found out.
- Of so many intervals, one in twenty may miss the true value.
- The experiments were set up by looking at the first replicate, and for averages and scales of task vectors at all of them: epochs of paths, widths, small batches, the
  grid of SWALP, and the mean over the last eight epochs were chosen so. These verdicts are therefore not those of experiments fixed in advance.
- **The size `middle` was fixed in advance**, before any of its results was seen: every setting as for digits, eight replicates instead of five, 1250 training images of
  Fashion-MNIST, drawn once and halved to 14 × 14 pixels, and all 10 000 test images, which tell differences a quarter of the size that the 539 of the digits tell. Nothing
  was tuned to these images. Claims that digits leave open come first; one that is missing from the table has not been measured at this size yet. *Mechanisms* has its own
  data and is measured on digits only.

Repeat it with `python -m benchmarks.survey --quick` (or `--middle`) on one core, or larger with `python -m benchmarks.survey --device cuda`. That program also writes this
page, the figures and the notebooks. The links *figure*, *notebook*, *page* and *lesson* lead to each effect's interval against its bound at every size; the claim's own code
with its run and verdict, to be changed; the picture in the app; and the lesson. The last two are addresses of an app on the reader's machine:
`python -m benchmarks.survey --quick --show NAME` (or `--middle`) trains what the first replicate needs, measures it and opens the app with all of it at the same address; a
picture has the same address on every machine, as it follows from what was measured.
"""
BESIDE = """
## Beside the papers' own numbers

Their networks are ten to a hundred thousand times larger, and those of soups and task vectors begin at pre-trained ones; ours are trained from the start on a thousand
images. Where only the sign can be compared, the sign is the result. Numbers that could not be read in a source are left out, the instability curves of Frankle et al. 2020
and the table of soups of CLIP among them.
"""


@dataclass(frozen=True)
class Measured:
    """A claim with what was measured of it at one size."""

    name: str
    claim: Claim
    size: str
    rows: Sequence[Row]

    @property
    def found(self) -> Mapping[str, Estimate]:
        """Each effect over all replicates."""
        return {name: over_seeds([row.effects[name] for row in self.rows]) for name in self.claim.effects}

    @property
    def outcome(self) -> str:
        """The verdict."""
        return self.claim.outcome(self.found)


def page(every: Sequence[Measured]) -> str:
    """All of the page, in the claims' order, those of a size together."""
    ordered = sorted(every, key=lambda one: (list(SIZES).index(one.size), one.claim.order, one.name))
    sizes = " and ".join(f"{SIZES[size]} (`{size}`)" for size in SIZES if any(one.size == size for one in ordered)) or "nothing yet"
    parts = [HEAD.format(sizes=sizes)]
    for size, data in SIZES.items():
        if here := [one for one in ordered if one.size == size]:
            few, many = (f(len(one.rows) for one in here) for f in (min, max))
            replicates = f"{few} replicates" if few == many else f"{few} to {many} replicates"
            parts += [f"\n## {data[0].upper()}{data[1:]}, {replicates}\n\n{_count(here)}\n", table(here)]
    return "\n".join([*parts, BESIDE, beside(ordered)])


def beside(every: Sequence[Measured]) -> str:
    """What papers give, and what was measured here at each size."""
    known = {(one.name, one.size): one for one in every}
    lines = ["| what | theirs | where it stands | ours |", "|---|---|---|---|"]
    for one in published.EVERY:
        ours: list[str] = []
        for name, key in one.ours:
            here = [known[name, size] for size in SIZES if (name, size) in known]
            found = "; ".join(f"{SIZES[it.size]} {it.claim.effects[key].formatted(it.found[key])}" for it in here)
            ours.append(f"{here[0].claim.effects[key].says}: {found}" if here else f"`{name}` is not measured yet")
        lines.append(f"| {one.what} | {one.theirs} | {one.place} | {'<br>'.join(ours)} |")
    return "\n".join(lines) + "\n"


def table(every: Sequence[Measured]) -> str:
    """One row for each claim."""
    lines = ["| claim | effect, with what is claimed of it | verdict | see | note |", "|---|---|---|---|---|"]
    for one in every:
        claim, found = one.claim, one.found
        effects = "<br>".join(_said(effect, found[name]) for name, effect in claim.effects.items())
        see = [f"[figure](survey/{one.name}.svg)", f"[notebook](survey/{one.name}.ipynb)", f"[page]({APP}/{one.rows[0].shown})"]
        see += [f"[lesson]({APP}/learn?lesson={claim.lesson})"] if claim.lesson else []
        lines.append(
            f"| {claim.sentence} ({claim.source}) | {effects} | **{one.outcome}** | `{one.name}`: {', '.join(see)} | {claim.note(one.size)} |"
        )
    return "\n".join(lines) + "\n"


def figures(every: Sequence[Measured]) -> dict[str, str]:
    """The picture of each claim by its name: what was found at every size, against the bounds."""
    names = dict.fromkeys(one.name for one in every)
    found = {name: [one for one in every if one.name == name] for name in names}
    return {
        name: figure(some[0].claim.sentence, [(e, [(SIZES[one.size], one.found[key]) for one in some]) for key, e in some[0].claim.effects.items()])
        for name, some in found.items()
    }


def _said(effect: Effect, found: Estimate) -> str:
    outcome = effect.outcome(found)
    return f"{effect.says}: **{effect.formatted(found)}** ({effect.claimed}{'' if outcome == 'holds' else f': {outcome}'})"


def _count(every: Sequence[Measured]) -> str:
    outcomes = [one.outcome for one in every]
    said = {"holds": "hold", "does not hold here": "do not hold here", "cannot be told": "cannot be told"}
    return ", ".join(f"{outcomes.count(outcome)} {words}" for outcome, words in said.items()) + f", of {len(every)} claims."
