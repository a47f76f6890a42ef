"""Two networks to a landscape with Landscaper, as its quick start shows it. It knows no line through two models, since it rescales every direction."""

import matplotlib
import torch
from given import SIDE, run

matplotlib.use("agg")


def plane(net_a, net_b, loader, train_loader):
    from landscaper import LossLandscape

    x, y = (torch.cat(part) for part in zip(*loader))
    directions = [[torch.randn_like(p) for p in net_a.parameters()] for _ in range(2)]
    landscape = LossLandscape.compute(
        net_a, (x, y), directions, lambda net, data: torch.nn.functional.cross_entropy(net(data[0]), data[1]).item(), SIDE, dim=2, device="cpu"
    )
    landscape.show(show=False).savefig("plane.png")
    return {"shape": list(landscape.loss.shape)}


if __name__ == "__main__":
    run(plane)
