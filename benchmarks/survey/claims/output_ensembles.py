"""The ensemble of outputs as the upper reference: against a soup of the same fine-tunes, and of seeds."""

from __future__ import annotations

from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.workshop import Workshop, less, typical
from explorer.stats.intervals import Estimate

CLAIM = Claim(
    order=180,
    sentence="An ensemble of outputs is better than its members; a soup of fine-tunes comes close to it, a soup of seeds does not.",
    source="Lakshminarayanan et al. 2017; Wortsman et al. 2022a",
    effects={
        "members": Effect("loss of a member minus that of the ensemble of four seeds", above=0.0),
        "soup": Effect("loss of the soup of eight fine-tunes minus that of their ensemble", below=0.02),
        "seeds": Effect("loss of the soup of four seeds minus that of their ensemble", above=0.02),
    },
    page="soup",
    lesson="ensembles",
)


def measure(shop: Workshop, seed: int) -> tuple[dict[str, Estimate], str]:
    """Eight fine-tunes of one parent and four seeds, each as an ensemble and as a soup."""
    problem = shop.mlp()
    _, tunes = shop.tunes(problem, seed)
    seeds = [shop.trained(problem, seed + k) for k in range(4)]
    joint, tuned = shop.ensemble(problem, *seeds), shop.ensemble(problem, *tunes)
    soup, mixed = shop.points(problem, shop.fused(problem, tunes, "uniform_soup"), shop.fused(problem, seeds, "uniform_soup"))
    found = {"members": less(typical(shop.points(problem, *seeds)), joint), "soup": less(soup, tuned), "seeds": less(mixed, joint)}
    return found, shop.line_shown(problem, tunes[0], tunes[1])
