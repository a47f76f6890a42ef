"""Two sets of weights in one flat state dict: the usual one is read and the other said, and `#` chooses it; a network with two branches stays whole."""

import pytest
import torch
from safetensors.torch import save_file

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import engine, plan

PLAIN = {"layer.weight": torch.ones(2, 3), "layer.bias": torch.ones(2), "bn.running_mean": torch.ones(2)}


def under(prefix, factor=1.0, *, dots=True, without=()):
    """PLAIN times a factor, with a prefix before its names."""
    return {f"{prefix}{n if dots else n.replace('.', '')}": factor * t for n, t in PLAIN.items() if n not in without}


def values(weights):
    """The value that each tensor is filled with."""
    return {n: float(t.flatten()[0]) for n, t in weights.items()}


FILES = [  # what is in the file, the other set's key, its values
    (PLAIN | under("ema.", 3), "ema", 3),
    (under("model.") | under("ema.", 3), "ema", 3),
    (under("net.") | under("ema_model.", 3) | {"ema_model.n_averaged": torch.tensor(7)}, "ema_model", 3),
    (under("student.") | under("teacher.", 3), "teacher", 3),
    (under("model.") | under("model_ema.", 3, dots=False) | {"model_ema.decay": torch.tensor(0.99)}, "model_ema", 3),
]


@pytest.mark.parametrize("save", [lambda t, p: torch.save(t, p), lambda t, p: torch.save({"state_dict": t, "epoch": 3}, p), save_file])
@pytest.mark.parametrize(("tensors", "key", "value"), FILES)
def test_the_other_set_is_said_and_chosen(tmp_path, save, tensors, key, value):
    """Flat at the top, under a usual key, and in a .safetensors: both sets come under the same names."""
    file = tmp_path / ("a.safetensors" if save is save_file else "a.pt")
    save(tensors, file)
    usual = checkpoint_file.read(file)
    assert set(values(usual.weights).values()) == {1.0} and len(usual.weights) == 3
    assert usual.others == (key,) == checkpoint_file.others(file)
    assert any(f"choose them with {file.name}#{key}" in note for note in usual.notes)
    chosen = checkpoint_file.read(f"{file}#{key}")
    assert values(chosen.weights) == dict.fromkeys(usual.weights, value)
    with pytest.raises(Refused):
        checkpoint_file.read(f"{file}#other")


def test_what_an_average_lacks_is_the_usual_sets(tmp_path):
    """An average of the parameters alone: buffers come from the model."""
    torch.save(under("model.") | under("ema.", 3, without=["bn.running_mean"]), tmp_path / "a.pt")
    found = checkpoint_file.read(f"{tmp_path / 'a.pt'}#ema").weights
    assert values(found) == {"layer.weight": 3, "layer.bias": 3, "bn.running_mean": 1}


def test_the_usual_set_has_a_key_as_well(tmp_path):
    """By the first part of its names; and with two averages each has its own."""
    torch.save(under("model.") | under("ema.", 3) | under("ema2.", 5), tmp_path / "a.pt")
    assert values(checkpoint_file.read(f"{tmp_path / 'a.pt'}#model").weights) == dict.fromkeys(PLAIN, 1)
    assert checkpoint_file.read(f"{tmp_path / 'a.pt'}#ema2").others == ("model", "ema")


def test_two_branches_of_a_network_are_one_set(tmp_path):
    """Equal towers, and a part that is named as an average and is none; asked for, one of two towers is given."""
    towers = under("left.") | under("right.", 3)
    torch.save(towers, tmp_path / "a.pt")
    assert checkpoint_file.read(tmp_path / "a.pt").weights.keys() == towers.keys()
    assert checkpoint_file.others(tmp_path / "a.pt") == ()
    assert set(values(checkpoint_file.read(f"{tmp_path / 'a.pt'}#right").weights).values()) == {3.0}
    torch.save(PLAIN | {"ema.gate.weight": torch.ones(4)}, tmp_path / "b.pt")
    assert len(checkpoint_file.read(tmp_path / "b.pt").weights) == 4


def test_what_was_written_here_comes_back_whole(tmp_path):
    """Its names are meant as they stand."""
    checkpoint_file.write(tmp_path / "a.safetensors", PLAIN | under("ema.", 3))
    assert len(checkpoint_file.read(tmp_path / "a.safetensors").weights) == 6
    assert checkpoint_file.others(tmp_path / "a.safetensors") == ()
    assert values(checkpoint_file.read(f"{tmp_path / 'a.safetensors'}#ema").weights) == dict.fromkeys(PLAIN, 3)


def test_merges_choose_it_too(tmp_path):
    """From header to file, one set with the other; said where nothing is chosen."""
    save_file(PLAIN | under("ema.", 3), tmp_path / "a.safetensors")
    made = plan.of_method(registry.method("fuse", "uniform_soup"), [str(tmp_path / "a.safetensors"), f"{tmp_path / 'a.safetensors'}#ema"])
    assert any("choose them with a.safetensors#ema" in note for note in made.notes)
    engine.merge(made, tmp_path / "out")
    assert values(checkpoint_file.read(tmp_path / "out" / "model.safetensors").weights) == dict.fromkeys(PLAIN, 2)
    with pytest.raises(Refused, match="no part 'other'"):
        plan.of_method(registry.method("fuse", "uniform_soup"), [f"{tmp_path / 'a.safetensors'}#other"] * 2)
