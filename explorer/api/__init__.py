"""The public Python face of the explorer: what notebooks, printed code and plug-ins import, and nothing else."""

from explorer.api.calls import (
    Reporter,
    align,
    connect,
    decide,
    find_problem,
    fuse,
    interpolate,
    landscape,
    landscape_around,
    loaded,
    make,
    paths,
    points,
    read_recipe,
    train,
    under,
)
from explorer.api.results import AlignedModels, Line, Pair, Plane

__all__ = [
    "AlignedModels",
    "Line",
    "Pair",
    "Plane",
    "Reporter",
    "align",
    "connect",
    "decide",
    "find_problem",
    "fuse",
    "interpolate",
    "landscape",
    "landscape_around",
    "loaded",
    "make",
    "paths",
    "points",
    "read_recipe",
    "train",
    "under",
]
