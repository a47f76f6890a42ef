"""Landscaper's topology of a few arrays, recorded for tests/stats/test_topology_of_landscaper.py.

In an environment with landscaper 1.3.1, which needs Python 3.12 or lower and torch:

    python benchmarks/topology_of_landscaper.py tests/stats/topology_of_landscaper.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def arrays() -> dict[str, np.ndarray]:
    """Surfaces with several minima; the last has three dimensions."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:12, 0:15]
    waves = np.cos(2 * np.pi * x / 7) + np.cos(2 * np.pi * y / 5) + 0.03 * x + 0.05 * y
    wells = ((3, 2, 2.0), (10, 3, 3.0), (5, 9, 1.0), (12, 9, 2.5))
    holes = -sum(depth * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 6) for a, b, depth in wells) + 0.001 * (x + 2 * y)
    grid = np.linspace(-1.5, 1.2, 19), np.linspace(-0.4, 2.0, 17)
    hills = muller_brown(*np.meshgrid(*grid))
    return {"random": rng.random((6, 7)), "waves": waves, "wells": holes, "muller_brown": hills, "cube": rng.random((4, 5, 4))}


def muller_brown(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Müller & Brown 1979, in hundreds: three minima, two passes."""
    terms = ((-200, -1, 0, -10, 1, 0), (-100, -1, 0, -10, 0, 0.5), (-170, -6.5, 11, -6.5, -0.5, 1.5), (15, 0.7, 0.6, 0.7, -1, 1))
    with np.errstate(over="ignore"):
        return sum(A * np.exp(a * (x - p) ** 2 + b * (x - p) * (y - q) + c * (y - q) ** 2) for A, a, b, c, p, q in terms) / 100


def recorded(values: np.ndarray) -> dict[str, object]:
    """What Landscaper's own functions say of it."""
    from landscaper.landscape import LossLandscape
    from landscaper.tda import saddle_minima_pairs

    shape = values.shape
    ranges = [np.arange(float(n)) for n in ((shape[1], shape[0], *shape[2:]))]  # np.meshgrid puts the second axis first
    landscape = LossLandscape(values, ranges)
    tree, contour, cells = landscape.get_sublevel_tree(), landscape.get_contour_tree(), landscape.get_ms_complex()
    pairs = saddle_minima_pairs(contour, landscape.get_topological_indices(contour))
    sequence = cells.get_merge_sequence()
    basins = {int(k): [int(v) for v in members] for k, members in cells.get_unstable_manifolds().items()}
    return {
        "values": values.tolist(),
        "tree_edges": [[int(a), int(b)] for a, b in tree.edges],
        "saddle_minima_pairs": [[int(a), int(b)] for a, b in pairs],
        "merges": {str(int(m)): [float(v[0]), int(v[1]), int(v[2])] for m, v in sequence.items() if int(m) in basins},
        "persistences": [float(v) for v in cells.persistences],
        "basins": {str(k): v for k, v in basins.items()},
        "smad": float(landscape.smad()),
        "smad_normalised": float(landscape.smad(normalize=True)),
        "smad_weighted": float(landscape.smad(weighted=True)),
        "persistence_range": float(landscape.persistence_range()),
    }


def scattered() -> dict[str, object]:
    """The merge tree of values at scattered places, and the bottleneck distance between two lists of persistences."""
    from landscaper.tda import bottleneck_distance, merge_tree

    rng = np.random.default_rng(1)
    coords, values = rng.random((60, 3)), rng.random(60)
    a, b = rng.random(7), rng.random(5)
    edges = [[int(i), int(j)] for i, j in merge_tree(values, coords).edges]
    distance = float(bottleneck_distance(a, b))
    return {
        "coords": coords.tolist(),
        "values": values.tolist(),
        "tree_edges": edges,
        "persistences": [a.tolist(), b.tolist()],
        "bottleneck": distance,
    }


if __name__ == "__main__":
    found = {"landscaper": "1.3.1", "arrays": {name: recorded(values) for name, values in arrays().items()}, "scattered": scattered()}
    Path(sys.argv[1]).write_text(json.dumps(found) + "\n")
