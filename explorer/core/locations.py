"""Where things lie on this machine: what the explorer ships, and what it keeps for its user."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import platformdirs

from explorer.core import model_path
from explorer.core.errors import Refused
from explorer.core.spec import Aligned, Connected, Recipe, Shifted, Trained

MADE = "made"  # the folder beside the samples of what was made of them beforehand
UNFINISHED = ".training.safetensors"  # how the name of a training ends that is not finished
SERVED = Path(__file__).resolve().parents[1] / "ui" / "server" / "app.py"  # what Streamlit is started with
LIVE = "live"  # the folder in `home` of the weights of networks that were given as objects


@cache
def root() -> Path:
    """The folder with app.py, pages/ and sample_models/: the checkout, or their copy inside an installed package."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "shipped"
    return shipped if shipped.is_dir() else package.parent


def home(given: str | Path | None = None) -> Path:
    """The folder for the store and for models made here: the given one, or the user's, which `LOSS_EXPLORER_HOME` overrides. Created when missing."""
    path = Path(given or os.environ.get("LOSS_EXPLORER_HOME") or platformdirs.user_data_dir("loss-explorer", appauthor=False))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"The explorer's folder {path} cannot be made: {error.strerror}. Choose another one with LOSS_EXPLORER_HOME.") from error
    return path


def own(home: Path) -> tuple[Path, ...]:
    """The folders in which the explorer keeps checkpoints and what describes them: those it ships, those that were uploaded, those made here, and the
    weights of networks that were given as objects."""
    return root() / "sample_models", home / "uploads", home / "models", home / "problems", home / LIVE


def shorten(path: Path) -> str:
    """A path as it is written down: relative to the root where it ships with the explorer, so that it holds on any machine."""
    absolute = model_path.resolved(path)
    return str(absolute.relative_to(root())) if absolute.is_relative_to(root() / "sample_models") else str(absolute)


def expand(text: str) -> Path:
    """The inverse of shorten."""
    return root() / text


def made_at(recipe: Recipe, home: Path) -> Path:
    """Where the weights of a recipe are kept once they have been made."""
    return home / "models" / f"{recipe.id}.safetensors"


def made_together(recipe: Recipe) -> Recipe:
    """The one that stands for all that are made at once: of an alignment, a path with its stages, a training with its snapshots, two directions."""
    match recipe:
        case Aligned() | Shifted():
            return replace(recipe, which=0)
        case Connected():
            return replace(recipe, which=0, at=0)
        case Trained():
            return replace(recipe, member=0, at=0)
        case _:
            return recipe


def matched_at(recipe: Aligned, home: Path) -> Path:
    """Where what became of all the models of an alignment is kept (explorer.symmetry.alignment_report)."""
    return home / "models" / f"{made_together(recipe).id}.npz"


def matched(recipe: Aligned, home: Path) -> Path:
    """Where to read it: here, or where it ships with the explorer."""
    path = matched_at(recipe, home)
    shipped = root() / "sample_models" / MADE / path.name
    return shipped if shipped.is_file() and not path.is_file() else path


def unfinished_at(recipe: Connected | Trained, home: Path) -> Path:
    """Where a training, of a path or of networks, is kept while it is not finished, so that it can go on."""
    return home / "models" / f"{made_together(recipe).id}{UNFINISHED}"


def described_at(folder: Path, home: Path) -> Path:
    """Where the problem.toml for checkpoints in a folder lies that cannot be written to."""
    real = str(folder.resolve())
    return (
        home / "problems" / f"{Path(real).name or 'root'}-{hashlib.sha256(real.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}" / "problem.toml"
    )
