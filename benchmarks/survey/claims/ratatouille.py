"""Ratatouille: fine-tunes with different auxiliary tasks behind them are more diverse, and their soup better under shift."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, PLAIN, Workshop, less
from explorer import api
from explorer.core import registry
from explorer.engine.ratatouille_recipes import recipes
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=195,
    sentence="Fine-tunes that come by way of different auxiliary tasks differ more in their answers than fine-tunes of other seeds, and their soup is better under shift.",
    source="Ramé et al. 2023",
    effects={
        "diverse": Effect("share of test images on which two of them disagree, with auxiliary tasks minus without", unit="points", above=0.0),
        "shifted": Effect("error of the soup without auxiliary tasks minus with, on shifted images", unit="points", above=0.0),
    },
    page="train",
    lesson="soups",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Four fine-tunes of one network, with five epochs of auxiliary tasks behind them and with none."""
    problem = shop.mlp()
    base = shop.trained(problem, seed, epochs=20 if shop.quick else 6)
    tuning = registry.method("train", "sgd", {**PLAIN, "lr": 0.05, "epochs": 15 if shop.quick else 4, "order_seed": seed, "seed": seed})
    plain, with_tasks = (recipes(problem, base, tuning, tasks=4, auxiliary_epochs=epochs) for epochs in (0, 5))
    apart = _disagreement(shop, with_tasks.tuned) - _disagreement(shop, plain.tuned)
    soups = shop.points(problem, plain.soup(problem), with_tasks.soup(problem), split="shifted")
    return {"diverse": Estimate(apart, apart, apart), "shifted": less(*soups, ERROR)}, shop.line_shown(problem, *with_tasks.tuned[:2])


def _disagreement(shop: Workshop, models: tuple[api.Trained, ...]) -> float:
    """Mean over pairs; its error over samples is not given, that over seeds is."""
    found = api.study(*models, method="answers", method_options={"split": "test"}, problem=models[0].problem, **shop.how)["disagree"]
    n = len(models)
    return sum(found[i][j] for i in range(n) for j in range(i)) / (n * (n - 1) / 2)
