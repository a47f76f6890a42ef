"""How long does it take to deduce a network's symmetry? On networks of the size of a ResNet-50 and of a GPT-2.

    python benchmarks/symmetry.py [--threads 1]

Prints seconds for the export of the graph, the inference of its axes and the test by permutation. Expected: below 5 s for each network.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.problems.nets import gpt
from explorer.symmetry import discover

BLOCKS = (3, 4, 6, 3)
LIMIT = 5.0  # seconds


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1, and a projection where the shape changes. He et al. 2016."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        after = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, after, 1, bias=False), nn.BatchNorm2d(after)
        self.shortcut = (
            nn.Identity()
            if before == after and stride == 1
            else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        return (self.bn3(self.conv3(y)) + self.shortcut(x)).relu()


class ResNet50(nn.Module):
    """25.6 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        layers: list[nn.Module] = []
        before = 64
        for stage, blocks in enumerate(BLOCKS):
            for i in range(blocks):
                width = 64 * 2**stage
                layers.append(Bottleneck(before, width, 2 if i == 0 and stage else 1))
                before = 4 * width
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(before, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        return self.fc(self.layers(x).mean(dim=(2, 3)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    logging.basicConfig(format="   %(message)s", stream=sys.stdout)
    logging.getLogger("explorer.symmetry").setLevel(logging.DEBUG)
    generator = torch.Generator().manual_seed(0)
    networks = {
        "ResNet-50, 2 images of 64²": (ResNet50(), torch.randn(2, 3, 64, 64, generator=generator)),
        "GPT, 12 layers of width 384": (
            gpt.build(vocab=256, context=32, dim=384, depth=12, heads=6),
            torch.randint(256, (2, 32), generator=generator),
        ),
    }
    for name, (network, example) in networks.items():
        print(f"{name}: {sum(p.numel() for p in network.parameters()):,} parameters")
        begin = time.perf_counter()
        found = discover(network, (example,))
        seconds = time.perf_counter() - begin
        verdict = "in time" if seconds < LIMIT else f"TOO SLOW, above {LIMIT:g} s"
        print(f"   {seconds:.2f} s in total, {verdict}: {len(found.groups)} groups, {100 * found.movable:.1f} % of the parameters movable")


if __name__ == "__main__":
    main()
