"""Numbers that papers give, each with the place where it was read, beside the effects that are measured here.

Signs are those of the effects: a gain is positive. A number that was read elsewhere than in the paper says where.
"""

from __future__ import annotations

from dataclasses import dataclass

REPAIR_DATA = "the data of its figures, in KellerJordan/REPAIR"
QUOTED = "ViT-B/32 of CLIP on eight tasks; quoted in the README of AFFkyl/graduation-thesis-code, not read in the paper"


@dataclass(frozen=True)
class Published:
    """what: was measured, in whose setting. theirs: the numbers. place: where they stand. ours: the claims and effects to be set beside them."""

    what: str
    theirs: str
    place: str
    ours: tuple[tuple[str, str], ...]


EVERY = (
    Published(
        "Instability to SGD noise against the epoch of branching (Frankle et al. 2020)",
        "standard vision models become stable early in training; small ones on MNIST at initialisation",
        "abstract",
        (("late_branches", "early"), ("late_branches", "late")),
    ),
    Published(
        "Loss barrier after weight matching against width, MLP (Ainsworth et al. 2023)",
        "none for three hidden layers of 512 on MNIST",
        "section 5.1",
        (("permutations_and_width", "falls"), ("permutations_and_width", "wide")),
    ),
    Published(
        "Loss barrier after matching against width, ResNet20 with batch norm, its statistics re-estimated, on Fashion-MNIST (Jordan et al. 2023)",
        "0.62 nat at × 1, 0.36 at × 2, 0.05 at × 4 and at × 8: loss half-way less the mean of the ends; × 1 less × 4: 0.57 nat",
        f"{REPAIR_DATA}; activation matching, 60 000 images",
        (("resnet_width", "falls"), ("resnet_width", "wide")),
    ),
    Published(
        "What REPAIR takes off the error half-way, MLP with ten hidden layers of 128 on Fashion-MNIST (Jordan et al. 2023)",
        "43.4 points: accuracy 26.7 % matched, 70.1 % with REPAIR, 87.7 % at the ends",
        f"{REPAIR_DATA}; ours has six layers of 64",
        (("repair", "gain"),),
    ),
    Published(
        "Greedy soup against the best fine-tune, ViT-G (Wortsman et al. 2022a)",
        "0.16 points on ImageNet (90.94 against 90.78 %), 0.34 on shifted sets (85.02 against 84.68 %)",
        "table 1, on the first page",
        (("greedy_soup", "test"), ("greedy_soup", "shifted")),
    ),
    Published("TIES against the sum of task vectors (Yadav et al. 2023)", "3.3 points (72.4 against 69.1 %)", QUOTED, (("ties", "gain"),)),
    Published(
        "AdaMerging, layer by layer, against the sum (Yang et al. 2024)", "11.0 points (80.1 against 69.1 %)", QUOTED, (("adamerging", "gain"),)
    ),
    Published("RegMean against the average (Jin et al. 2023)", "6.0 points (71.8 against 65.8 %)", QUOTED, (("regmean", "gain"),)),
    Published("Fisher merging against the average (Matena & Raffel 2022)", "2.5 points (68.3 against 65.8 %)", QUOTED, (("fisher", "gain"),)),
)
