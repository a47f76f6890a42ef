"""What is said to who gives something wrong: the whole sentence, once, with the key that puts it right."""

import numpy as np
import pytest
import torch
from torch import nn

from explorer import api
from explorer.checkpoints import checkpoint_file
from explorer.commands import print_results
from explorer.core import plugins
from explorer.core.errors import Refused
from explorer.merging.mergekit import text
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry.discover import _export
from tests.commands.test_main import run

MOE = """
base_model: a
gate_mode: hidden
experts:
  - source_model: b
    positive_prompts: ["chat"]
"""


def folder_with(tmp_path, toml, files=1):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "problem.toml").write_text(toml)
    for number in range(files):
        checkpoint_file.write(folder / f"w{number}.safetensors", {"weight": torch.zeros(3, 3)})
    return folder


def test_a_table_of_problem_toml_is_named_in_the_terminal(tmp_path, home):
    """Brackets are no markup: `[network]` stands where it was written."""
    folder = folder_with(tmp_path, '[network]\nname = "mlp"\nwide = 3\n[data]\nname = "digits"\n')
    said = run("look", folder, code=2)
    assert "models/problem.toml, [network]: nets/mlp has no option 'wide'" in said
    assert "problem.toml, :" not in said


def test_the_same_sentence_is_said_once_of_all_files(tmp_path, home, monkeypatch):
    """Twelve files of one kind: their names, and one reason."""
    folder = folder_with(tmp_path, '[network]\nname = "mlp"\nwidths = [64, 10]\n[data]\nname = "digits"\n', files=12)
    monkeypatch.setattr(print_results.out, "width", 200)  # the table breaks sentences where the terminal is narrow
    said = run("look", folder)
    assert all(f"w{number}" in said for number in range(12))
    assert said.count("layers.0.weight") == 1


@pytest.mark.parametrize("ask", [lambda net: api.interpolate(net, net), lambda net: api.fuse(net, net), lambda net: api.align(net, net)])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (nn.Linear(2, 2), "fit no network that ships with the explorer.*give data="),
        (nn.Linear(2, 2).state_dict(), "fit no network that ships with the explorer.*give data="),
        (None, "A model is the path of a checkpoint, a network .*, or a recipe .* got a NoneType"),
    ],
)
def test_what_is_no_model_or_has_no_data_is_refused_with_what_is_expected(home, ask, given, said):
    """The path of a checkpoint, a recipe, or an object with the data that it is measured on."""
    with pytest.raises(Refused, match=said):
        ask(given)


@pytest.mark.parametrize(("widths", "said"), [("[64, 12, 7]", "Change widths, under .network. in problem.toml, so that it gives 10")])
def test_the_option_that_sets_the_number_of_outputs_is_named(tmp_path, widths, said):
    """Seven outputs for ten classes."""
    folder = folder_with(tmp_path, f'[network]\nname = "mlp"\nwidths = {widths}\n[data]\nname = "digits"\n')
    with pytest.raises(Refused, match=said):
        Problem(problem_toml.read(folder)).split("train")


def test_a_loss_of_ones_own_says_what_it_takes(tmp_path, monkeypatch):
    """A regression with a loss whose module does not say so."""
    monkeypatch.setenv(plugins.VARIABLE, "")
    (tmp_path / "huber_of_mine.py").write_text("def losses(outputs, targets):\n    return (outputs - targets).abs()\n")
    plugins.add([str(tmp_path / "huber_of_mine.py")])
    folder = folder_with(
        tmp_path, 'loss = "huber_of_mine"\n[network]\nname = "mlp"\nwidths = [4, 1]\n[data]\nname = "npz"\npath = "d.npz"\n', files=0
    )
    rng = np.random.default_rng(0)
    np.savez(folder / "d.npz", x=rng.normal(size=(40, 4)).astype("f4"), y=rng.normal(size=40).astype("f4"))
    with pytest.raises(Refused, match="huber_of_mine.py what it takes: TARGETS = 'numbers'"):
        Problem(problem_toml.read(folder)).split("train")


class Branching(nn.Module):
    """A network that decides by a value of its tensor."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        """Twice as much where the sum is positive."""
        y = self.layer(x)
        return 2 * y if y.sum() > 0 else y


def test_what_cannot_be_traced_is_refused_without_its_graph(capfd):
    """One sentence, and nothing of what torch prints on the way."""
    with pytest.raises(Refused, match="torch.export cannot trace this network"):
        _export(Branching(), (torch.zeros(2, 4),), {})
    assert capfd.readouterr() == ("", "")


def test_a_recipe_of_a_mixture_of_experts_is_refused_as_one():
    """It has no merge_method because it merges nothing."""
    with pytest.raises(Refused, match="a recipe of mergekit-moe .*experts, gate_mode"):
        text.read(MOE)
    with pytest.raises(Refused, match="The recipe names no merge_method. There are: "):
        text.read("models: []")
