"""Two networks to a barrier, a landscape and an aligned barrier with the explorer. The bodies of these functions are what is counted."""

from given import SIDE, run


def curve(net_a, net_b, loader, train_loader):
    from explorer.api import interpolate

    line = interpolate(net_a, net_b, data=loader, train=train_loader)
    height = line.barrier().height
    line.figure().write_html("curve.html")
    return {
        "t": line.points.sorted().coords[:, 0].tolist(),
        "loss": line.points.sorted().means()[:, 0].tolist(),
        "height": height.value,
        "interval": [height.low, height.high],
    }


def plane(net_a, net_b, loader, train_loader):
    from explorer.api import landscape_around

    landscape_around(net_a, data=loader, train=train_loader, size=SIDE).figure().write_html("plane.html")
    return {"shape": list(landscape_around(net_a, data=loader, train=train_loader, size=SIDE).surface().z.shape)}  # found again, not measured again


def aligned(net_a, net_b, loader, train_loader):
    from explorer.api import align

    (pair,) = align(net_a, net_b, data=loader, train=train_loader).pairs
    reduction = pair.reduction()
    return {"before": pair.before.barrier().height.value, "after": pair.after.barrier().height.value, "reduction": [reduction.low, reduction.high]}


if __name__ == "__main__":
    run(curve, plane, aligned)
