"""Two networks to a barrier and a landscape with loss-landscapes, as its README shows it; it draws nothing, matplotlib does."""

import matplotlib
import torch
from given import SIDE, run

matplotlib.use("agg")


def curve(net_a, net_b, loader, train_loader):
    import numpy as np
    from loss_landscapes import linear_interpolation
    from loss_landscapes.metrics import Loss
    from matplotlib import pyplot as plt

    x, y = (torch.cat(part) for part in zip(*loader))
    losses = linear_interpolation(net_a, net_b, Loss(torch.nn.functional.cross_entropy, x, y), steps=SIDE)
    t = np.arange(1, SIDE + 1) / SIDE
    height = (losses - np.interp(t, t[[0, -1]], losses[[0, -1]])).max()
    plt.plot(t, losses)
    plt.savefig("curve.png")
    return {"t": t.tolist(), "loss": losses.tolist(), "height": float(height)}


def plane(net_a, net_b, loader, train_loader):
    from loss_landscapes import random_plane
    from loss_landscapes.metrics import Loss
    from matplotlib import pyplot as plt

    x, y = (torch.cat(part) for part in zip(*loader))
    losses = random_plane(net_a, Loss(torch.nn.functional.cross_entropy, x, y), steps=SIDE, normalization="filter")
    plt.contour(losses)
    plt.savefig("plane.png")
    return {"shape": list(losses.shape)}


if __name__ == "__main__":
    run(curve, plane)
