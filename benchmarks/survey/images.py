"""The images of the survey: digits for the quick size, Fashion-MNIST for the full one and, a few of them at half the resolution, for the middle one; with test
sets and tasks made from them.

A test set `shifted` holds the test images, each under one of four changes that training does not show: turned by 25°, under noise, blurred, with little contrast. Tasks
are views of the same images (as they are, negative, mirrored, a quarter turn, upside down): another input, the same classes, so that one network can do all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from explorer.core import registry

Images = NDArray[np.float32]  # (n, 1, h, w), from 0 to 1
Labels = NDArray[np.int64]
FASHION = Path("/usr/share/datasets/fashion-mnist")  # as Debian's dataset-fashion-mnist puts it
MIDDLE = 1250  # training images of the middle size, as many as the digits have


def turned(x: Images) -> Images:
    """By 25°."""
    return ndimage.rotate(x, 25, axes=(3, 2), reshape=False, order=1).astype(np.float32)


def noisy(x: Images) -> Images:
    """Gaussian noise, the same each time."""
    return x + np.random.default_rng(0).normal(0, 0.3, x.shape).astype(np.float32)


def blurred(x: Images) -> Images:
    """By a 12th of the width."""
    return ndimage.gaussian_filter(x, (0, 0, x.shape[2] / 12, x.shape[3] / 12)).astype(np.float32)


def faint(x: Images) -> Images:
    """A third of the contrast."""
    return x / 3


CHANGES: tuple[Callable[[Images], Images], ...] = (turned, noisy, blurred, faint)
VIEWS: Mapping[str, Callable[[Images], Images]] = {
    "plain": lambda x: x,
    "negative": lambda x: 1 - x,
    "mirrored": lambda x: x[..., ::-1],
    "quarter": lambda x: np.rot90(x, axes=(2, 3)),
    "upside": lambda x: x[..., ::-1, :],
}


def in_turn(x: Images, ways: tuple[Callable[[Images], Images], ...]) -> Images:
    """Image i under way i modulo their number."""
    found = np.array(x)
    for k, way in enumerate(ways):
        found[k :: len(ways)] = way(x)[k :: len(ways)]
    return found


def load(size: str, folder: Path = FASHION) -> tuple[Images, Labels, Images, Labels]:
    """Images and labels to train on, and those to test on: of the digits 30 % drawn once, of Fashion-MNIST its own test set."""
    source = registry.find("data", "digits" if size == "quick" else "idx")(None if size == "quick" else folder)
    x, y = source.inputs.numpy(), source.targets.numpy()
    order = np.random.default_rng(0).permutation(len(x) if source.test is None else source.test)
    if source.test is None:
        x, y = x[order], y[order]
    cut = source.test if source.test is not None else round(0.7 * len(x))
    train, test = (x[:cut], y[:cut]), (x[cut:], y[cut:])
    if size == "middle":
        few = order[:MIDDLE]
        train, test = (halved(x[few]), y[few]), (halved(test[0]), test[1])
    return *train, *test


def halved(x: Images) -> Images:
    """Half the height and width: the mean of every four pixels."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


def write(folder: Path, size: str, fashion: Path = FASHION) -> None:
    """Into a folder: each view of all images, of classes 0 to 4 (`low-`) and 5 to 9 (`high-`) two of them; `shifted`, the test images under one change each, and
    `everything`, all images so; `tasks`, each image under one view."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y, x_test, y_test = load(size, fashion)
    for name, view in VIEWS.items():
        np.savez(folder / f"{name}.npz", x=view(x), y=y, x_test=view(x_test), y_test=y_test)
    np.savez(folder / "shifted.npz", x=in_turn(x_test, CHANGES), y=y_test)
    np.savez(folder / "everything.npz", x=in_turn(x, CHANGES), y=y, x_test=in_turn(x_test, CHANGES), y_test=y_test)
    views = tuple(VIEWS.values())
    for name in ("plain", "negative"):
        for half, some, these in (("low", y < 5, y_test < 5), ("high", y >= 5, y_test >= 5)):
            np.savez(folder / f"{half}-{name}.npz", x=VIEWS[name](x[some]), y=y[some], x_test=VIEWS[name](x_test[these]), y_test=y_test[these])
    np.savez(folder / "tasks.npz", x=in_turn(x, views), y=y, x_test=in_turn(x_test, views), y_test=y_test)
