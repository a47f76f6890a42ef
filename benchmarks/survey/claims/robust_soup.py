"""Robust soups: networks that withstand different attacks, mixed without any training."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, PIXELS, Workshop, best, less, typical
from explorer import api
from explorer.core.points import Points
from explorer.core.spec import ProblemSpec, Recipe
from explorer.stats.intervals import Estimate

LINF, L2 = 0.1, 0.07  # the second for each √pixel: 0.56 for the digits' 64
CLAIM = Claim(
    order=172,
    sentence="Mixing networks that withstand different attacks trades one robustness for the other, and under the worst of the attacks the best mixture is better than each.",
    source="Croce et al. 2023",
    effects={
        "linf": Effect("error under l∞: the two specialists, on average, minus half-way between them", unit="points", above=-0.005),
        "l2": Effect("error under l2: the same", unit="points", above=-0.005),
        "worst": Effect("error under the attack that is worst for it: the best single network minus the robust soup", unit="points", above=0.0),
    },
    page="soup",
    lesson="robust",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """A network, and two that were trained on from it against l∞ and against l2: the middles of robust curves from it to a child of its own."""
    problem = shop.mlp()
    radius = L2 * sqrt(PIXELS[shop.size])
    attacks = (api.Attack("linf", LINF), api.Attack("l2", radius))
    plain = shop.trained(problem, seed)
    child = shop.trained(problem, seed, start=plain, epochs=15 if shop.quick else 4, order_seed=seed + 1)
    special = [shop.path(problem, plain, child, "robust", linf=linf, l2=l2).model(0.5) for linf, l2 in ((LINF, 0.0), (0.0, radius))]
    soup = shop.fused(problem, (plain, *special), "robust_soup", linf=LINF, l2=radius, clean=False, samples=0)
    half = shop.fused(problem, special, "uniform_soup")
    single = (plain, *special)[best([_worst(_under(shop, problem, one, attacks, split="val")) for one in (plain, *special)], ERROR)]
    each = [_under(shop, problem, one, attacks) for one in special]
    between = _under(shop, problem, half, attacks)
    found = {name: less(typical([one[k] for one in each]), between[k], ERROR) for k, name in enumerate(("linf", "l2"))}
    found["worst"] = less(_worst(_under(shop, problem, single, attacks)), _worst(_under(shop, problem, soup, attacks)), ERROR)
    return found, shop.line_shown(problem, *special)


def _under(shop: Workshop, problem: ProblemSpec, model: Recipe, attacks: tuple[api.Attack, ...], split: str = "test") -> list[Points]:
    """A model measured under each attack."""
    calm = api.look(model, problem=problem, split=split, **shop.how).run
    return [api.points(replace(calm, field=replace(calm.field, attack=attack)), **shop.how) for attack in attacks]


def _worst(under: list[Points]) -> Points:
    """Of a model's measurements that with the most errors."""
    return under[int(np.argmax([float(points.means()[0, ERROR]) for points in under]))]
