"""How a matching went, step by step: its objective as it measured it, to play and scrub."""

from __future__ import annotations

from explorer.core import locations
from explorer.core.spec import Aligned
from explorer.figures import matching
from explorer.symmetry.alignment_report import Matched
from explorer.ui.charts.curve import curve
from explorer.ui.widgets.chart_actions import corner


def recorded(recipe: Aligned) -> Matched | None:
    """What became of the models of an alignment; None where it is not on this machine. Refused when the file cannot be read."""
    path = locations.matched(recipe, locations.home())
    return Matched.read(path) if path.is_file() else None


def descent(found: Matched, *, key: str, height: int = 320, code: str = "", group: str = "") -> None:
    """Draw it, and what one takes from it; of a method without steps, nothing. code: Python that draws it again.
    group: pictures whose axis is the step, too."""
    if not (curves := matching.descent(found)):
        return
    curve(
        curves,
        key=key,
        x_title="step",
        y_title=found.objective,
        pick=None,
        height=height,
        alt=matching.descent_words(found),
        caption=matching.descent_words(found),
        play=True,
        group=group,
    )
    corner(
        key=key,
        stem="convergence",
        title="Progress of the method, step by step",
        figure=lambda: matching.convergence(found),
        explain=matching.descent_words(found),
        code=code,
    )
