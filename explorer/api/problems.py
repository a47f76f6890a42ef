"""Problems: a network, its data, a loss and fixed splits; by name, by folder, or by the checkpoint that fits them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec
from explorer.engine.inspect_checkpoints import named, recognise
from explorer.problems import problem_toml


def read_problem(where: str | Path) -> ProblemSpec:
    """The shipped problem of a name, or the one that a folder's problem.toml describes. Refused when there is none, or it is not understood.

    >>> problem = read_problem("digits-mlp")
    >>> problem.network.name, problem.loss
    ('mlp', 'cross_entropy')
    """
    return problem_toml.find(where)


def find_problem(checkpoint_path: str | Path, name: str | Path | None = None) -> ProblemSpec:
    """The problem by name or folder; without one, that of the checkpoint's folder or the shipped one it fits. Refused when it fits none.

    >>> find_problem("sample_models/digits-mlp/seed-0.safetensors").name
    'digits-mlp'
    """
    if name is not None:
        return read_problem(name)
    path = Path(checkpoint_path)
    if (own := problem_toml.beside(path)) is not None:
        return own
    outline = checkpoint_file.outline(path)
    weights, _ = named(outline.weights, path, problem_toml.shipped())
    spec, why = recognise(weights, outline.metadata, problem_toml.shipped())
    if spec is None:
        raise Refused(f"{path.name}: {why} Name the problem, or put a problem.toml beside the file.")
    return spec


def under(problem: ProblemSpec, loss: str) -> ProblemSpec:
    """The problem measured by another loss; "" for its own. Refused when there is no such loss.

    >>> under(read_problem("digits-mlp"), "divergence").loss
    'divergence'
    """
    if loss and loss not in registry.names("loss"):
        raise Refused(f"There is no loss {loss!r}. There are: {', '.join(registry.names('loss'))}.")
    if loss and registry.is_live("loss", problem.loss) and registry.targets_of(problem.loss) == "none":
        raise Refused(
            "This problem's network gives losses, by forward= or by the model's own loss, and no outputs that could be compared in another way."
        )
    return replace(problem, loss=loss) if loss else problem
