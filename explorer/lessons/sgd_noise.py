"""SGD noise and barriers: two copies of one network, trained on with their batches in a different order."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core.points import Points
from explorer.figures import line
from explorer.lessons import Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, found, path

FAMILY = "digits-mlp-branches"
EPOCHS = (0, 1, 2, 5, 10)


def called(epoch: int) -> str:
    """The pair that branched there."""
    return f"branched after epoch {epoch}"


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The line between the two children of every epoch."""
    problem = shelf.problem(FAMILY)
    runs = {called(e): path(problem, [shelf.model(FAMILY, f"epoch-{e}-{child}") for child in "ab"]) for e in EPOCHS}
    return Experiment(runs, Target("interpolate", {"run": runs[called(1)].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The first epoch from which on the children are connected: the interval of the barrier of the error holds zero."""
    heights = {e: found(measured[called(e)]) for e in EPOCHS}
    errors = {e: found(measured[called(e)], ERROR) for e in EPOCHS}
    apart = [i for i, e in enumerate(EPOCHS) if errors[e].height.low > 0]
    first = max(apart, default=-1) + 1
    listed = "; ".join(f"epoch {e}: {heights[e].height.value:.3g} nat, {100 * errors[e].height.value:.2g} points of error" for e in EPOCHS)
    verdict = (
        f"From **epoch {EPOCHS[first]}** on every barrier of the error is indistinguishable from zero on these samples."
        if first < len(EPOCHS)
        else "All of them have a barrier of the error."
    )
    curves = tuple(line.curve_of(measured[called(e)], "loss", name=called(e)) for e in EPOCHS)
    return Outcome(
        (0, 1, 1, 2, 2, 3)[first],
        f"The barrier by the epoch of branching: {listed}. {verdict}",
        Lines(curves, "t (0 = child a, 1 = child b)", "test loss (nat)"),
    )


LESSON = Lesson(
    order=2,
    title="SGD noise and barriers",
    claim="Train two networks from one, with the same data in a different order of batches. Do they end in one basin?",
    question="Two copies of a network continue training from epoch k, with their batches in a different order. From which k on is the straight line between them flat?",
    choices=("from the start (k = 0)", "very early (k = 1 or 2)", "late (k = 5 or 10)", "never within 10 epochs"),
    experiment=experiment,
    see=see,
    formula=r"B=\max_{t\in[0,1]}\;L\bigl((1-t)\,\theta_a+t\,\theta_b\bigr)-(1-t)\,L(\theta_a)-t\,L(\theta_b)",
    text=(
        "Early in training the noise of [[SGD]] can decide which basin is entered; later it no longer leads out of it. The height of the"
        " [[barrier]] between the two copies shows which it was. They are [[linearly connected|linear mode connectivity]] when it is indistinguishable from zero."
    ),
    paper="Frankle, Dziugaite, Roy & Carbin 2020, “Linear Mode Connectivity and the Lottery Ticket Hypothesis”",
)
