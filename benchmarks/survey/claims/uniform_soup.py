"""The uniform soup of eight fine-tunes against the best of them by the validation split, in and out of distribution; the ensemble as the upper reference."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, best, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=150,
    sentence="The average of fine-tunes of one parent is better than the best of them on shifted data.",
    source="Wortsman et al. 2022a",
    effects={
        "test": Effect("error of the best fine-tune minus that of the soup", unit="points", above=-0.005),
        "shifted": Effect("the same on shifted images", unit="points", above=0.0),
    },
    page="soup",
    lesson="soups",
    at={
        "middle": "One of the eight, which saw images moved by up to a pixel, has 25 to 27 % error against 19 to 23 % of the others, and a uniform soup takes it in as any other (four replicates)."
    },
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """The best is chosen on the validation split, by its error; so is the soup."""
    problem = shop.mlp()
    _, tunes = shop.tunes(problem, seed)
    chosen = tunes[best(shop.points(problem, *tunes, split="val"), ERROR)]
    soup = shop.fused(problem, tunes, "uniform_soup")
    found = {split: less(*shop.points(problem, chosen, soup, split=split), ERROR) for split in ("test", "shifted")}
    return found, shop.line_shown(problem, chosen, soup)
