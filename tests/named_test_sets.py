"""A problem with test sets of its own, for tests of whatever reports on each of them."""

import shutil
from pathlib import Path

import numpy as np

from tests.conftest import TOML, Tiny

SETS = """
[tests.noisy]
name = "npz"
path = "noisy.npz"
classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[tests.few]
name = "npz"
path = "few.npz"
classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
"""


def with_test_sets(tiny: Tiny, folder: Path) -> Tiny:
    """The tiny problem with two test sets: the test split with noise, and 40 samples of it."""
    made = Tiny(folder)
    folder.mkdir()
    for file in (tiny.a, tiny.b):
        shutil.copy(file, folder)
    batch = tiny.problem.split("test")
    x, y = batch.inputs.numpy(), batch.targets.numpy()
    np.savez(folder / "noisy.npz", x=x + np.random.default_rng(0).normal(0, 0.3, x.shape).astype(np.float32), y=y)
    np.savez(folder / "few.npz", x=x[:40], y=y[:40])
    (folder / "problem.toml").write_text(TOML + SETS, encoding="utf-8")
    return made
