"""The keywords that functions of the api share: the type, the default and the meaning of each stand here, and nowhere else.

A function takes them as `**how: Unpack[Lines]` and is decorated with `takes(Lines)`. That refuses what it does not know, puts the defaults in, and shows
the keywords in the function's signature and docstring.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeAlias, TypedDict, TypeVar, get_args, get_type_hints

from explorer.core.errors import Refused
from explorer.core.progress import Progress
from explorer.core.spec import Buffers, Precision, ProblemSpec, Recipe, SplitName

if TYPE_CHECKING:
    from torch import Tensor, nn

P = ParamSpec("P")
R = TypeVar("R")

Model: TypeAlias = "str | Path | Recipe | nn.Module | Mapping[str, Tensor]"
"""A model: the path of a checkpoint, a recipe, a network, or the state dict of one that is given as `network=`."""

Reporter: TypeAlias = Callable[[int, int, int, str], bool]
"""`report(done, total, fresh, message) -> bool`: points available, points in all, points newly measured, what is being done; False stops it."""


def silent(done: int, total: int, fresh: int, message: str) -> bool:
    """Goes on, and says nothing."""
    return True


@dataclass(frozen=True)
class Keyword:
    """What is taken where a keyword is not given, and what it means."""

    default: object
    meaning: str


class Kept(TypedDict, total=False):
    """Of whatever is computed."""

    home: Annotated[str | Path | None, Keyword(None, "the folder where results are kept; None: LOSS_EXPLORER_HOME, else the user's own. What is already there is not computed again.")]  # fmt: skip
    progress: Annotated[bool | Progress, Keyword(True, "True: a bar, in a notebook or a terminal; False: none; or `progress(done, total, message)`, called at each step.")]  # fmt: skip
    device: Annotated[str, Keyword("cpu", "where torch computes: `cpu`, `cuda`, `cuda:1` …")]


class Watched(Kept, total=False):
    """Of whatever is measured point by point."""

    report: Annotated[Reporter, Keyword(silent, "`report(done, total, fresh, message) -> bool`, called before each point or batch of points; False stops measuring, and what was measured is kept.")]  # fmt: skip


class Merging(Kept, total=False):
    """Of whatever needs to know what the models were trained for."""

    problem: Annotated[str | Path | ProblemSpec | None, Keyword(None, "the name of a shipped problem, a folder with a problem.toml, or what `read_problem` or `live_problem` gives; None: the one that the first model fits.")]  # fmt: skip
    data: Annotated[object, Keyword(None, "instead of a problem, the samples: a DataLoader, a Dataset, tensors or arrays, a table. Without `train` and `val`, fixed shares of them are taken for these (`live_problem`).")]  # fmt: skip
    train: Annotated[object, Keyword(None, "with `data`: samples for statistics and training, so that all of `data` is measured on.")]
    val: Annotated[object, Keyword(None, "with `data`: samples for choosing.")]
    network: Annotated[
        object, Keyword(None, "with `data`: the network that state dicts and files are the weights of; None: the first model that is a network.")
    ]
    loss: Annotated[Any, Keyword("", "another loss than the problem's own; `divergence` and `squared_distance` compare with the first model and need no labels. With `data`: any function of outputs and targets; by default cross-entropy, mean squared error, or the model's own `outputs.loss`.")]  # fmt: skip
    forward: Annotated[Callable[[Any, Any], Any] | None, Keyword(None, "with `data`, instead of a loss: `forward(model, batch)`, the loss of each sample (n,), for whatever model and batches.")]  # fmt: skip
    output: Annotated[str | int, Keyword("", "with `data`: which of several outputs is meant, a name, or the number of one of a tuple; needed where none is called `logits`.")]  # fmt: skip
    metrics: Annotated[Mapping[str, Any] | Sequence[str] | None, Keyword(None, "metrics measured besides loss and error: names, such as `brier`, or one of a plug-in (`methods(\"metric\")`); with `data` also functions of outputs and targets by name, `('high', f)` where higher is better, `('low', f)` where lower is.")]  # fmt: skip
    take: Annotated[int, Keyword(0, "with `data`: how many samples are read from each source; 0: all. Needed for an endless stream.")]
    buffers: Annotated[Buffers, Keyword("recalibrate", "batch-norm statistics of a mixture: re-estimated on train samples; or `mix`, `first`, `repair`.")]  # fmt: skip


class Measuring(Merging, Watched, total=False):
    """Of whatever is measured on samples."""

    split: Annotated[
        SplitName, Keyword("test", "the samples to measure on: `train`, `val`, `test`, or a test set that the problem names (`on_test_sets`).")
    ]
    samples: Annotated[int, Keyword(0, "how many samples of the split; 0: all.")]
    precision: Annotated[Precision, Keyword("float32", "`bfloat16`, or `tf32` on an NVIDIA GPU, make a quick preview; the quoted values are measured again in float32. `stored`: in the type of the weights, as large models in bfloat16 are run, and once.")]  # fmt: skip


class Lines(Measuring, total=False):
    """Of whatever is measured along a path."""

    sampler: Annotated[str, Keyword("adaptive", "which points are measured: `adaptive`, `grid` …")]
    options: Annotated[Mapping[str, object] | None, Keyword(None, 'the sampler\'s options, such as `{"size": 21}` of `grid`; None: its defaults.')]


class Planes(Measuring, total=False):
    """Of whatever is measured over a plane."""

    size: Annotated[int, Keyword(33, "measured at size × size points; ignored with `refine`.")]
    refine: Annotated[bool, Keyword(False, "measured only where the picture needs it; held-out points estimate the error in between.")]
    scores: Annotated[bool, Keyword(False, "the Brier score and the confidence are measured, too.")]


def takes(keywords: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that takes these keywords beside its own parameters. Refused when it is given another one."""
    shared: list[inspect.Parameter] = []
    lines: list[str] = []
    for name, hint in get_type_hints(keywords, include_extras=True).items():
        kind, keyword = get_args(hint)
        assert isinstance(keyword, Keyword)
        shared.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=keyword.default, annotation=kind))
        shown = keyword.default.__name__ if callable(keyword.default) else repr(keyword.default)
        lines.append(f"- `{name}` ({shown}): {keyword.meaning}")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        known = [p.name for p in (*own, *shared) if p.kind is not inspect.Parameter.VAR_POSITIONAL]
        defaults = {p.name: p.default for p in shared}

        @wraps(function)
        def checked(*args: P.args, **given: P.kwargs) -> R:
            if unknown := sorted(given.keys() - set(known)):
                raise Refused(f"{function.__name__} takes no {unknown[0]!r}. It takes: {', '.join(known)}.")
            given.update({name: default for name, default in defaults.items() if name not in given})
            from explorer.evaluate.read_ahead import read_ahead

            with read_ahead():
                return function(*args, **given)

        checked.__signature__ = signature.replace(parameters=[*own, *shared])  # pyright: ignore[reportAttributeAccessIssue]  (inspect reads it)
        checked.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nShared keywords (default):\n\n" + "\n".join(lines)
        return checked

    return decorate
