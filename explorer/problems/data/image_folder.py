"""Images in folders: one folder for each class, named by it, with PNG, JPEG, BMP, GIF, WebP, TIFF or PPM files.

Where there are just the two folders `train` and `test` (or `train` and `val`), each with the folders of the classes in it, the second is the test set.
Inputs (n, channels, size, size): resized (antialiased, bilinear), scaled to 0 … 1 and then to (x − mean) / std, with one number for all channels or
one for each. The order is that of the names of classes and files, seed-2 before seed-10. Other files are passed over.

An image may come from anyone: its size is read from its header and bounded before it is unpacked. Needs Pillow, which comes with Streamlit.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch

from explorer.core.allowed_folders import opened
from explorer.core.errors import Refused
from explorer.core.files import listed, natural, short
from explorer.core.registry import Range
from explorer.problems.data import LIMIT_BYTES, Dataset, reading

if TYPE_CHECKING:
    from PIL.Image import Image

WANTED = "a folder with one folder of images for each class"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
LIMIT_PIXELS = 2**26  # of one image, as it lies in the file
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # no other reader is tried, such as the one that starts a PostScript interpreter
_MODES = frozenset(
    {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"}
)  # eight bits, which Pillow converts rightly

# What Pillow raises on damaged bytes. Wide, and therefore only around it.
_MALFORMED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
)


def load(
    path: Path | None,
    *,
    size: Annotated[int, Range(1, 4096)] = 32,
    channels: Literal[1, 3] = 3,
    fit: Literal["squeeze", "crop"] = "squeeze",
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
) -> Dataset:
    """Side of the images; 1 for grey, 3 for colours; the whole image squeezed to a square or its middle cut out; what the inputs are normalised with."""
    if path is None:
        raise Refused(f"A path is expected here: {WANTED}. Give one in problem.toml, under [data].")
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels) or (name == "std" and min(values) <= 0):
            raise Refused(f"'{name}' needs one number, or {channels}{' (one for each channel)' if channels > 1 else ''}, got {list(values)}.")
    parts = _parts(path)
    classes = [[c.name for c in part] for part in parts]
    if any(c != classes[0] for c in classes):
        raise Refused(f"The folders of {path.name} have different classes: {listed(sorted({*classes[0]} ^ {*classes[-1]}))} is in one of them only.")
    files = [[(file, k) for k, folder in enumerate(part) for file in _images(folder)] for part in parts]
    count = sum(map(len, files))
    if count * channels * size * size * 4 > LIMIT_BYTES:
        raise Refused(f"{count:,} images of {size}×{size} pixels are more than can be read ({LIMIT_BYTES:,} bytes). Choose a smaller 'size'.")
    pixels = np.empty((count, channels, size, size), dtype=np.float32)
    for row, (file, _) in enumerate(f for part in files for f in part):
        pixels[row] = _pixels(file, size, channels, fit)
    inputs = torch.from_numpy(pixels).div_(255)
    inputs.sub_(torch.tensor(mean).view(1, -1, 1, 1)).div_(torch.tensor(std).view(1, -1, 1, 1))
    targets = torch.tensor([k for part in files for _, k in part], dtype=torch.int64)
    return Dataset(inputs, targets, tuple(classes[0]), test=len(files[0]) if len(files) > 1 else None)


def _parts(path: Path) -> list[list[Path]]:
    """The folders of the classes: of all images, or of those to train on and those to test on."""
    inside = _folders(path)
    named = {p.name: p for p in inside}
    held = next((n for n in ("test", "val") if named.keys() == {"train", n}), None)
    if held is None:
        return [inside]
    return [_folders(named["train"]), _folders(named[held])]


def _folders(path: Path) -> list[Path]:
    with reading(path):
        if not path.is_dir():
            raise Refused(f"{path} is not a folder; expected: {WANTED}." if path.exists() else f"There is no {path}. Correct the path of the data.")
        found = sorted((p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: (natural(p.name), p.name))
    if not found:
        raise Refused(f"{path} holds no folders; expected: {WANTED}.")
    return found


def _images(folder: Path) -> list[Path]:
    with reading(folder):
        found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()]
    if not found:
        raise Refused(f"The class {short(folder.name)} has no images ({', '.join(sorted(SUFFIXES))}) in its folder. Put some there, or remove it.")
    return sorted(found, key=lambda p: (natural(p.name), p.name))


def _pixels(path: Path, size: int, channels: int, fit: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(channels, size, size) in 0 … 255."""
    try:
        from PIL import Image
    except ImportError as error:
        raise Refused("Images are read by Pillow, which is not installed: pip install pillow.") from error
    name = f"{path.parent.name}/{short(path.name)}"
    try:
        with _quietly(Image.DecompressionBombWarning), opened(path) as held, Image.open(held, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > LIMIT_PIXELS or not width * height:
                raise Refused(f"{name} has {width:,}×{height:,} pixels, and at most {LIMIT_PIXELS:,} are read. Save it smaller.")
            if image.mode not in _MODES:
                raise Refused(f"{name} has pixels of the kind {image.mode}, and eight bits for each colour are expected. Convert it.")
            square = _squared(image.convert("L" if channels == 1 else "RGB"), size, fit)
            return np.asarray(square, dtype=np.uint8).reshape(size, size, channels).transpose(2, 0, 1)
    except Refused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused(f"{name} has too many pixels ({short(str(error))}). Save it smaller.") from error
    except _MALFORMED as error:
        raise Refused(f"{name} is damaged or not a supported image ({short(str(error))}). Save it again, or remove it.") from error


@contextmanager
def _quietly(bomb: type[Warning]) -> Generator[None, None, None]:
    """Without Pillow's remarks on damaged notes beside the pixels (EXIF); an absurd size is no remark."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", bomb)
        yield


def _squared(image: Image, size: int, fit: str) -> Image:
    from PIL.Image import Resampling

    width, height = image.size
    side = min(width, height)
    box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2) if fit == "crop" else (0, 0, width, height)
    return image.resize((size, size), Resampling.BILINEAR, box=box)
