"""Two networks to a barrier and a landscape with loss-landscape-3d, as its README shows it, except that it gets copies of state dicts.

A state dict is the network's own tensors. The calculator writes each point into the network, and so into the dict that it starts the next point from.
"""

import matplotlib
from given import SIDE, run
from torch import nn

matplotlib.use("agg")


def curve(net_a, net_b, loader, train_loader):
    from copy import deepcopy

    import numpy as np
    from loss_landscape_3d import LossLandscapeCalculator, LossLandscapeVisualizer

    t = np.linspace(0, 1, SIDE)
    losses = LossLandscapeCalculator(deepcopy(net_a), loader, nn.CrossEntropyLoss()).calculate_1d_path(t, net_a.state_dict(), net_b.state_dict())
    height = (losses - np.interp(t, [0, 1], losses[[0, -1]])).max()
    LossLandscapeVisualizer(t, t, losses).plot_1d_matplotlib(t, losses, save_path="curve.png")
    return {"t": t.tolist(), "loss": losses.tolist(), "height": float(height)}


def plane(net_a, net_b, loader, train_loader):
    from copy import deepcopy

    import numpy as np
    from loss_landscape_3d import LossLandscapeCalculator, LossLandscapeVisualizer, generate_random_directions

    x = np.linspace(-1, 1, SIDE)
    losses = LossLandscapeCalculator(deepcopy(net_a), loader, nn.CrossEntropyLoss()).calculate(
        x, x, *generate_random_directions(net_a), net_a.state_dict()
    )
    LossLandscapeVisualizer(x, x, losses).plot_3d_plotly(save_path="plane.html")
    return {"shape": list(losses.shape)}


if __name__ == "__main__":
    run(curve, plane)
