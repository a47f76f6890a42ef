"""WiSE-FT: between a network that was trained on every kind of image and its fine-tune on one kind."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import ERROR, Workshop, less
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=190,
    sentence="Half-way between a broadly trained network and its fine-tune, what fine-tuning lost under shift comes back, and what it gained stays.",
    source="Wortsman et al. 2022b",
    effects={
        "gained": Effect("error that fine-tuning takes off on its own data", unit="points", above=0.0),
        "lost": Effect("error that it adds on shifted images", unit="points", above=0.0),
        "back": Effect("error of the fine-tune minus half-way, on shifted images", unit="points", above=0.0),
        "stays": Effect("error half-way minus that of the fine-tune, on its own data", unit="points", below=0.01),
    },
    page="interpolate",
    lesson="soups",
    at={"middle": "Half-way is too early here: the lowest loss on its own data lies at 0.8 of the way to the fine-tune (one replicate)."},
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """A network trained on shifted images alone, fine-tuned on plain ones."""
    problem, broad = shop.mlp(), shop.mlp("everything")
    parent = shop.trained(broad, seed, epochs=30 if shop.quick else 10)
    tuned = shop.trained(problem, seed, start=parent, epochs=30 if shop.quick else 5, noise=0.0, lr=0.1)
    line = shop.line(problem, parent, tuned)
    before, half, after = shop.points(problem, parent, line.model(0.5), tuned)
    shifted_before, shifted_half, shifted_after = shop.points(problem, parent, line.model(0.5), tuned, split="shifted")
    found = {
        "gained": less(before, after, ERROR),
        "lost": less(shifted_after, shifted_before, ERROR),
        "back": less(shifted_after, shifted_half, ERROR),
        "stays": less(half, after, ERROR),
    }
    return found, shop.shown(line.run, line.points, "interpolate")
