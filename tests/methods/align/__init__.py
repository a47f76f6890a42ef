"""Alignment methods, each with answers that are known."""

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import Weights
from explorer.core import locations
from explorer.problems import problem_toml
from explorer.problems.problem import Problem


def sample(name: str, count: int = 2) -> tuple[Problem, list[Weights]]:
    """A shipped problem, and the first of its checkpoints."""
    problem = Problem(problem_toml.find(name))
    files = sorted((locations.root() / "sample_models" / name).glob("*.safetensors"))[:count]
    return problem, [checkpoint_file.read(f).weights for f in files]
