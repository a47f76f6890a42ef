"""What is chosen of a checkpoint, behind its path."""

from pathlib import Path

from explorer.api import loaded
from explorer.checkpoints import sharded
from explorer.core import model_path
from explorer.core.model_path import Chosen


def test_the_ending_is_read_and_written(tmp_path):
    """In one order, whatever was typed; a name that has a # itself is meant as it stands, and so is a file that is not there."""
    file = tmp_path / "a.pth"
    file.touch()
    assert model_path.parse(f"{file}#dequantised,ema") == Chosen(file, "ema", True)
    assert Chosen(file, "ema", True).at(file) == Path(f"{file}#ema,dequantised")
    assert model_path.parse(file) == Chosen(file)
    assert model_path.dequantised(Path(f"{file}#ema")) == Path(f"{file}#ema,dequantised")
    own = tmp_path / "a.pth#1"
    own.touch()
    assert model_path.parse(own) == Chosen(own)
    assert model_path.parse(tmp_path / "gone.pth#ema") == Chosen(tmp_path / "gone.pth#ema")
    assert model_path.parse("#x") == Chosen(Path("#x"))


def test_another_choice_is_another_model(tiny):
    """Its digest differs, so that its points are stored apart; without a choice, id and text of a recipe are those of the file."""
    plain, chosen = loaded(tiny.a), loaded(f"{tiny.a}#dequantised")
    assert plain.digest == sharded.digest(tiny.a)
    assert plain.id != chosen.id
    assert set(plain.to_json()) == {"kind", "digest", "path", "name"}
    assert (chosen.name, chosen.path) == ("a#dequantised", f"{plain.path}#dequantised")
