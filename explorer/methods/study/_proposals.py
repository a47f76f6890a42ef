"""What a search tries next, as a pure function of what it has seen: started again from the store, it goes on as if it had never stopped.

    random  uniform in the space, the methods in turn
    tpe     Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization", by Optuna (Akiba et al. 2019), multivariate, over all methods at once
    cmaes   Hansen & Ostermeier 2001, "Completely Derandomized Self-Adaptation in Evolution Strategies", by the package cmaes; the numbers of one method

The first candidates are the methods with their defaults. After them come batches, each proposed from the batches before it, so that neither the number of
processes nor the order in which they are done has a say. Values are of what is minimised; one that is not finite counts as the worst.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from explorer.core.errors import Refused
from explorer.core.recipe_space import Space

if TYPE_CHECKING:
    import optuna

Sampler: TypeAlias = Literal["tpe", "cmaes", "random"]
WORST = 1e300  # cmaes ranks values and does not calculate with them
SIGMA = 0.3  # first step in units of a range, as Hansen's tutorial recommends
RANDOM_FIRST = 10  # of Optuna's TPE


@dataclass(frozen=True)
class Proposal:
    """Numbers, one for each axis of the space with this index."""

    space: int
    numbers: tuple[float, ...]


def batch_size(spaces: Sequence[Space], sampler: Sampler, together: int) -> int:
    """How many candidates are proposed at once: as many as were asked for, and of cmaes a population at least."""
    return max(together, 4 + int(3 * math.log(len(spaces[0].axes)))) if sampler == "cmaes" else together


def suits(spaces: Sequence[Space], sampler: Sampler) -> None:
    """Refused when there is nothing to search, or a sampler cannot search these spaces."""
    if not any(space.axes for space in spaces) and len(spaces) == 1:
        raise Refused(f"{spaces[0].method} has no numbers to search. Choose another method, or give a range, such as scale=0:2.")
    if sampler == "cmaes" and (len(spaces) > 1 or len(spaces[0].axes) < 2):
        many = f"{len(spaces)} methods" if len(spaces) > 1 else "one number"
        raise Refused(f"cmaes searches two or more numbers of one method, and here are {many}. Use tpe.")
    needed = {"tpe": "optuna", "cmaes": "cmaes"}.get(sampler, "numpy")
    try:
        __import__(needed)
    except ImportError as missing:
        raise Refused(
            f"The sampler {sampler} needs the package {needed}. Install it with `pip install 'explorer[search]'`, or use random."
        ) from missing


def propose(spaces: Sequence[Space], seen: Sequence[tuple[Proposal, float]], *, sampler: Sampler, seed: int, together: int) -> list[Proposal]:
    """The next batch, after all that was seen: the defaults, then whole batches."""
    if not seen:
        return [Proposal(i, space.start) for i, space in enumerate(spaces)]
    size = batch_size(spaces, sampler, together)
    match sampler:
        case "random":
            return [_uniform(spaces, seed, len(seen) + k) for k in range(size)]
        case "tpe":
            return _tpe(spaces, seen, seed, size)
        case "cmaes":
            return _cmaes(spaces[0], seen, seed, size)


def _uniform(spaces: Sequence[Space], seed: int, number: int) -> Proposal:
    rng = np.random.default_rng([seed, number])
    which = number % len(spaces)
    return Proposal(which, tuple(axis.at(float(rng.random())) for axis in spaces[which].axes))


def _tpe(spaces: Sequence[Space], seen: Sequence[tuple[Proposal, float]], seed: int, size: int) -> list[Proposal]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # multivariate and group have been since 2020
        rng = int(np.random.default_rng([seed, len(seen)]).integers(2**31))
        sampler = optuna.samplers.TPESampler(seed=rng, multivariate=True, group=True, constant_liar=True, n_startup_trials=RANDOM_FIRST)
        study = optuna.create_study(sampler=sampler)
        study.add_trials([_trial(spaces, proposal, value) for proposal, value in seen])
        return [_asked(spaces, study.ask()) for _ in range(size)]


def _asked(spaces: Sequence[Space], trial: optuna.Trial) -> Proposal:
    which = trial.suggest_categorical("method", [s.method for s in spaces]) if len(spaces) > 1 else spaces[0].method
    at = [s.method for s in spaces].index(str(which))
    space = spaces[at]
    shares = [trial.suggest_float(f"{space.method}.{axis.name}", 0.0, 1.0) for axis in space.axes]
    return Proposal(at, tuple(axis.at(share) for axis, share in zip(space.axes, shares, strict=True)))


def _trial(spaces: Sequence[Space], proposal: Proposal, value: float) -> optuna.trial.FrozenTrial:
    import optuna

    space = spaces[proposal.space]
    unit = optuna.distributions.FloatDistribution(0.0, 1.0)
    params: dict[str, object] = {f"{space.method}.{a.name}": a.share(n) for a, n in zip(space.axes, proposal.numbers, strict=True)}
    distributions: dict[str, optuna.distributions.BaseDistribution] = dict.fromkeys(params, unit)
    if len(spaces) > 1:
        params["method"] = space.method
        distributions["method"] = optuna.distributions.CategoricalDistribution([s.method for s in spaces])
    return optuna.trial.create_trial(params=params, distributions=distributions, value=value if math.isfinite(value) else math.inf)


def _cmaes(space: Space, seen: Sequence[tuple[Proposal, float]], seed: int, size: int) -> list[Proposal]:
    """All generations gone through again: what was asked then follows from the seed and from the values."""
    from cmaes import CMA

    bounds = np.tile([0.0, 1.0], (len(space.axes), 1))
    mean = np.array([a.share(a.start) for a in space.axes])
    search = CMA(mean=np.clip(mean, 0.01, 0.99), sigma=SIGMA, bounds=bounds, seed=seed, population_size=size)
    values = [value if math.isfinite(value) else WORST for _, value in seen[1:]]
    for first in range(0, len(values) - len(values) % size, size):
        search.tell([(search.ask(), value) for value in values[first : first + size]])
    return [Proposal(0, tuple(axis.at(float(x)) for axis, x in zip(space.axes, search.ask(), strict=True))) for _ in range(size)]
