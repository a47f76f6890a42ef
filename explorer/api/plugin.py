'''What a method, a data source, a network or a loss of your own is written with. Import it from here: every other module of the explorer may move.

    """The median of every weight: an average that one odd model cannot spoil."""

    import torch

    from explorer.api.plugin import by_entry


    def fuse(models, problem):
        return by_entry(models, problem, lambda tensors: torch.stack(tensors).median(dim=0).values)

The file's name is the method's, the first line of its docstring its title, the keyword-only arguments of the function its options: `int`, `float`, `bool`,
`str`, `Literal[…]`, `tuple[…]`, with a `Range` inside of `Annotated` where one makes sense. One of them may be a frozen dataclass of options,
`how: CurveOptions = CurveOptions(epochs=5)`, whose fields are then options like any other. All of that is read from the text, without importing the file.
`device`, `progress`, `resume` and `training` are handed to whoever has such a keyword-only argument, and are no options.

What each kind's module defines:

`align(models, problem, *, …) -> Alignment`: models[0] is the reference. `identity`, `permuted` and `symmetry_of` make one from `Maps`.
`fuse(models, problem, *, …) -> Weights`: `by_entry`, `by_block` and `by_tensor` settle dtypes, buffers and ties, and merge in memory or block by block from file
to file; the first has entries at hand, the second `Passes` over a tensor or (`FromAll`) the whole models, the third whole tensors. `linear` is a weighted sum.
`connect(ends, problem, *, …) -> Iterator[TrainedCorners]`: the corners between the ends after each epoch; `CHART` names the chart they lie on, and `train_along` trains them.
`train(problem, start, *, epochs, …, training) -> Iterator[Weights]`: snapshots; `Learner` goes down the gradient, `ResumableTraining` lets it resume.
`directions(weights, problem, *, …) -> list[Weights]`: two directions. `study(models, problem, *, …) -> Json`: anything that can be found out.
`place(coords (K, d), gram (C, C), *, …) -> (K, C)`: a chart's mixing coefficients; `AXES` names the coordinates.
`ask(points, n, *, …) -> (≤ n, d)`: a sampler's next coordinates, none at the end; `left(points, *, …)`: how many it may still ask for.
`build(*, …) -> nn.Module`: a network. `load(path, *, …) -> Dataset`: data. `losses(outputs, targets) -> (n, m)`: a loss.

Raise `Refused` with one sentence for whatever the user can put right: what was expected, what came, what to do. Models and problems are never written to.
'''

from typing import TYPE_CHECKING

from explorer.api._lazily import lazily
from explorer.training.options import AveragedOptions, CurveOptions, NetworkOptions, PathOptions, ScheduledOptions, TrainingOptions

if TYPE_CHECKING:
    from explorer.checkpoints.arithmetic import combined, wide
    from explorer.checkpoints.passes import FromAll, Kernel, Passes, each
    from explorer.checkpoints.per_tensor import by_block, by_entry, by_tensor, linear, of_number, parameters_of, shares_of
    from explorer.checkpoints.weights import Weights, gram, mix
    from explorer.core.errors import Refused
    from explorer.core.points import Array, Points, missing
    from explorer.core.progress import Progress, quiet
    from explorer.core.registry import Range
    from explorer.core.spec import Json
    from explorer.problems.data import Dataset
    from explorer.problems.nets import Shapes, confirmed
    from explorer.problems.problem import Batch, Problem
    from explorer.stats.plane_frame import Window, around, closest
    from explorer.symmetry import Group, Maps, Site, Symmetry, compose, identity, inverse, permuted, symmetry_of
    from explorer.symmetry.assignment import Alignment, assign, of_equal_widths
    from explorer.training.curve_training import State, TrainedCorners, straight, train_along
    from explorer.training.learner import Learner, falling
    from explorer.training.resumable import ResumableTraining
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = [
    "Alignment",
    "Array",
    "AveragedOptions",
    "Batch",
    "CurveOptions",
    "Dataset",
    "FromAll",
    "Group",
    "Json",
    "Kernel",
    "Learner",
    "Maps",
    "NetworkOptions",
    "Passes",
    "PathOptions",
    "Points",
    "Problem",
    "Progress",
    "Range",
    "Refused",
    "ResumableTraining",
    "ScheduledOptions",
    "Shapes",
    "Site",
    "State",
    "Symmetry",
    "TrainedCorners",
    "TrainingOptions",
    "Weights",
    "Window",
    "around",
    "assign",
    "by_block",
    "by_entry",
    "by_tensor",
    "closest",
    "combined",
    "compose",
    "confirmed",
    "each",
    "falling",
    "gram",
    "identity",
    "inverse",
    "linear",
    "missing",
    "mix",
    "of_equal_widths",
    "of_number",
    "parameters_of",
    "permuted",
    "quiet",
    "shares_of",
    "straight",
    "symmetry_of",
    "train_along",
    "wide",
]
