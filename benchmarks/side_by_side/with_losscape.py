"""Two networks to a barrier and a landscape with losscape, as its README shows it; the direction to the other network is ours."""

import matplotlib
from given import SIDE, run

matplotlib.use("agg")


def curve(net_a, net_b, loader, train_loader):
    from losscape.create_landscape import create_2D_losscape

    direction = [[b.data - a.data for a, b in zip(net_a.parameters(), net_b.parameters())]]
    t, losses = create_2D_losscape(net_a, loader, direction=direction, num_batches=len(loader), save_only=True, x_min=0, num_points=SIDE)
    height = max(losses - (1 - t) * losses[0] - t * losses[-1])
    return {"t": t.tolist(), "loss": [float(v) for v in losses], "height": float(height)}


def plane(net_a, net_b, loader, train_loader):
    from losscape.create_landscape import create_3D_losscape

    _, _, losses = create_3D_losscape(net_a, loader, num_batches=len(loader), save_only=True, num_points=SIDE)
    return {"shape": list(losses.shape)}


if __name__ == "__main__":
    run(curve, plane)
