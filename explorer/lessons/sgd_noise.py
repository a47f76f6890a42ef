"""SGD noise and barriers: two copies of one network, trained on with their batches in a different order."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.core.points import Points
from explorer.figures import line
from explorer.lessons import Exercise, Experiment, Lesson, Lines, Outcome, Shelf, Target
from explorer.lessons._read import ERROR, found, nat, path

FAMILY = "digits-mlp-branches"
EPOCHS = (0, 1, 2, 5, 10)
LIMIT = 0.02  # of the error: smaller barriers count as none (Frankle et al.)


def called(epoch: int) -> str:
    """The pair that branched there."""
    return f"branched after epoch {epoch}"


def experiment(shelf: Shelf, variant: int) -> Experiment:
    """The line between the two children of every epoch."""
    problem = shelf.problem(FAMILY)
    runs = {called(e): path(problem, [shelf.model(FAMILY, f"epoch-{e}-{child}") for child in "ab"]) for e in EPOCHS}
    return Experiment(runs, Target("interpolate", {"run": runs[called(1)].id}))


def see(measured: Mapping[str, Points]) -> Outcome:
    """The first epoch from which on the children are connected: the whole interval of the barrier of the error lies below the paper's limit."""
    heights = {e: found(measured[called(e)]) for e in EPOCHS}
    errors = {e: found(measured[called(e)], ERROR) for e in EPOCHS}
    apart = [i for i, e in enumerate(EPOCHS) if errors[e].height.high >= LIMIT]
    first = max(apart, default=-1) + 1
    listed = "; ".join(f"epoch {e}: {errors[e].height.formatted(scale=100, unit='points')}" for e in EPOCHS)
    verdict = (
        f"From **epoch {EPOCHS[first]}** on it is certainly below {100 * LIMIT:.0f} points, which the paper counts as none."
        if first < len(EPOCHS)
        else f"None of them is certainly below {100 * LIMIT:.0f} points, which the paper counts as none."
    )
    rises = [e for e in EPOCHS[first:] if heights[e].height.low > 0]
    if rises:
        verdict += f" The loss is finer: after epoch {rises[-1]} it still rises by {nat(heights[rises[-1]])} on the line."
    curves = tuple(line.curve_of(measured[called(e)], "error", name=called(e)) for e in EPOCHS)
    return Outcome(
        (0, 1, 1, 2, 2, 3)[first],
        f"The barrier of the error by the epoch of branching: {listed}. {verdict}",
        Lines(curves, "t (0 = child a, 1 = child b)", "test error (%)"),
    )


LESSON = Lesson(
    order=3,
    title="SGD noise and barriers",
    claim="Train two networks from one, with the same data in a different order of batches. Do they end in one basin?",
    question="Two copies of a network continue training from epoch k, with their batches in a different order. From which k on is the straight line between them flat?",
    choices=("from the start (k = 0)", "very early (k = 1 or 2)", "late (k = 5 or 10)", "never within 10 epochs"),
    experiment=experiment,
    see=see,
    formula=r"B=\max_{t\in[0,1]}\;E\bigl((1-t)\,\theta_a+t\,\theta_b\bigr)-(1-t)\,E(\theta_a)-t\,E(\theta_b)",
    text=(
        "Early in training the noise of [[SGD]] can decide which basin is entered; later it no longer leads out of it. The height of the"
        " [[barrier]] of the error E between the two copies shows which it was. They are [[linearly connected|linear mode connectivity]] when it is"
        " below two points, about the noise of a test. The loss, which counts how sure a wrong answer is, can still rise where the error does not."
        "\n\n"
        "The paper asks this because of [[lottery tickets|lottery ticket]]: networks with most weights removed that, trained alone from weights that the whole one had"
        " early in its training, become as good as it. They are looked for by training, removing the smallest weights, setting the rest back to what they were at epoch"
        " k, and repeating. In the paper, sparse networks found in this way become as good as the whole one only where two such copies of them end in one basin: in"
        " its larger networks not from the start (k = 0), but from early in training on. Nothing is removed in the experiment of this lesson."
    ),
    paper="Frankle, Dziugaite, Roy & Carbin 2020, “Linear Mode Connectivity and the Lottery Ticket Hypothesis”; Frankle & Carbin 2019, “The Lottery Ticket Hypothesis”",
    hands="walk",
    misconception=(
        "“The initial weights decide where training ends.” Two copies with the same initial weights end with a barrier between them here: the order"
        " of the batches in the first epochs is enough."
    ),
    exercises=(
        Exercise(
            "Why are the children compared by the error and not only by the loss?",
            "Below two points of error counts as connected in the paper. The loss also grows when a network becomes surer of mistakes that it makes"
            " anyway.",
        ),
        Exercise(
            "The parent is trained for 3 epochs before the branches. What would you expect?",
            "A barrier between those of epoch 2 and of epoch 5, so about one point of the error or less. It is an expectation: only an experiment"
            " shows it.",
        ),
    ),
)
