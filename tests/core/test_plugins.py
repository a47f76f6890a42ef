"""Code of one's own, named on the command line: a plain module with data and a loss, and networks that are trusted."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from explorer.checkpoints import checkpoint_file
from explorer.commands.main import app
from explorer.core import plugins, registry, trust
from explorer.core.errors import Refused
from explorer.problems import problem, problem_toml
from explorer.problems.problem import Problem

MINE = '''"""Points on a line, and the absolute error on them."""

from pathlib import Path

import torch

from explorer.api.plugin import Dataset

TARGETS = "numbers"


def load(path: Path | None, *, count: int = 90) -> Dataset:
    """How many points."""
    x = torch.linspace(-1, 1, count)[:, None]
    return Dataset(x, 2 * x, ())


def losses(outputs, targets):
    """(n, 1) absolute errors."""
    return (outputs - targets).abs()
'''
TOML = """
loss = "mine"
[network]
name = "mlp"
widths = [1, 1]
[data]
name = "mine"
count = 60
"""


@pytest.fixture
def clean(monkeypatch):
    """Nothing is named at the start, and what a test names is gone at its end."""
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setenv(trust.TRUST, "")
    monkeypatch.setattr(trust, "given", frozenset())


@pytest.fixture
def mine(tmp_path, clean):
    """A module, and beside it a problem that uses it and two models y = wx: 0 and 4 times x."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "problem.toml").write_text(TOML)
    for name, w in (("a", 0.0), ("b", 4.0)):
        checkpoint_file.write(tmp_path / f"{name}.safetensors", {"layers.0.weight": torch.full((1, 1), w), "layers.0.bias": torch.zeros(1)})
    yield tmp_path
    sys.modules.pop("explorer_plugin_mine", None)
    for kept in (plugins.digest, registry._text, problem._loss, problem._wrong, problem._dataset, problem._fits):
        kept.cache_clear()


def run(*words, code=0):
    """What a command prints."""
    result = CliRunner().invoke(app, [str(w) for w in words])
    assert result.exit_code == code, result.output
    return result.output


def test_a_module_of_ones_own_is_data_and_a_loss(mine, home):
    """|wx − 2x| is 2|x| at both ends, 0 half-way: from the command line, without anything installed."""
    assert "'mine'" in run("look", mine, code=2)
    words = ("barrier", mine / "a.safetensors", mine / "b.safetensors", "--plugin", mine / "mine.py", "--sampler", "grid", "--points", 5)
    text = run(*words)
    spec = problem_toml.read(mine)
    x = Problem(spec).split("test").inputs.abs().mean()
    assert json.loads(run(*words, "--json"))["barriers"][0]["ends"] == pytest.approx([2 * float(x)] * 2, abs=1e-6)
    assert "error" not in text, "where answers are numbers, nothing is right or wrong"
    assert (registry.targets_of("mine"), [o.name for o in registry.options("data", "mine")]) == ("numbers", ["count"])


def test_a_method_of_ones_own_takes_the_explorers_options(mine):
    """Its dataclass comes from the public place, and its fields are read from the text: the method's own default, and the others as they stand there."""
    (mine / "detour.py").write_text(
        '"""A detour."""\n\nfrom explorer.api.plugin import CurveOptions\n\nCHART = "bezier"\n\n\n'
        "def connect(ends, problem, *, how: CurveOptions = CurveOptions(epochs=3)):\n    return []\n"
    )
    plugins.add([str(mine / "detour.py")])
    known = registry.method("connect", "bezier", {"epochs": 3, "bends": 1}).kwargs()
    assert registry.method("connect", "detour").kwargs() | {"bends": 1} == known


def test_a_changed_module_makes_another_problem(mine):
    """The text of the module is part of what decides the value; a process that runs another text refuses."""
    plugins.add([str(mine / "mine.py")])
    before = problem_toml.read(mine)
    (mine / "mine.py").write_text(MINE.replace("2 * x", "3 * x"))
    plugins.digest.cache_clear()
    after = problem_toml.read(mine)
    assert before.id != after.id
    with pytest.raises(Refused, match="or with another version of it. Start with --plugin"):
        Problem(before)


def test_a_worker_inherits_what_was_named(mine):
    """A fresh process with this one's environment finds the module; one without it does not."""
    plugins.add([str(mine / "mine.py")])
    ask = [sys.executable, "-c", "from explorer.core import registry; print('mine' in registry.names('data'), 'torch' in __import__('sys').modules)"]
    assert subprocess.run(ask, check=True, capture_output=True, text=True).stdout.split() == ["True", "False"]
    without = {k: v for k, v in os.environ.items() if k != plugins.VARIABLE}
    assert subprocess.run(ask, check=True, capture_output=True, text=True, env=without).stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("(outputs - targets).abs()", "(outputs - targets).abs().mean()", "gives a tensor () for one sample; (n, m) is expected"),
        ("(outputs - targets).abs()", "0.0", "gives a float for one sample"),
        ("(outputs - targets).abs()", "nothing", "does not take the outputs 1 of mlp with widths=(1, 1): name 'nothing' is not defined"),
        ("import torch\n", "import torches\n", "cannot be imported: ModuleNotFoundError"),
        ("def load(", "def load)", "is not valid Python"),
    ],
)
def test_mistakes_in_it_are_told_in_a_sentence(mine, home, old, new, sentence):
    """Whatever the code does wrong, the command line shows no traceback."""
    (mine / "mine.py").write_text(MINE.replace(old, new))
    assert sentence in " ".join(run("barrier", mine / "a.safetensors", mine / "b.safetensors", "--plugin", mine / "mine.py", code=2).split())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gone.py", "There is no Python module"),
        ("no.such.module", "cannot be found"),
        ("table.py", "would hide the explorer's own data method 'table'"),
    ],
)
def test_what_cannot_be_offered_is_refused(mine, home, name, sentence):
    """A file that is not there, a module that is not there, a name that is taken."""
    (mine / "table.py").write_text(MINE)
    (mine / "empty.py").write_text("x = 1")
    where = mine / name if name.endswith(".py") else name
    assert sentence in " ".join(run("look", mine, "--plugin", where, code=2).split())


def test_two_files_of_one_name_are_refused(mine, tmp_path_factory):
    """One would stand for the other."""
    other = tmp_path_factory.mktemp("other") / "mine.py"
    other.write_text(MINE)
    with pytest.raises(Refused, match="would both be called 'mine'"):
        plugins.add([str(mine / "mine.py"), str(other)])


def test_trust_on_the_command_line_lets_a_factory_be_called(mine, home):
    """Just the name that was given; and workers inherit it."""
    (mine / "problem.toml").write_text(
        'loss = "mse"\n[network]\nname = "factory"\ncall = "torch.nn:Linear"\narguments = ["in_features=1", "out_features=1"]\n[data]\nname = "mine"\n'
    )
    for name in ("a", "b"):
        checkpoint_file.write(mine / f"{name}.safetensors", {"weight": torch.ones(1, 1), "bias": torch.zeros(1)}, replace=True)
    words = ("--plugin", mine / "mine.py")
    assert "start with --trust torch.nn:Linear" in " ".join(run("barrier", mine / "a.safetensors", mine / "b.safetensors", *words, code=2).split())
    text = run("look", mine, *words, "--trust", "torch.nn:Linear")
    x = Problem(problem_toml.read(mine)).split("test").inputs
    value, *_ = re.findall(r"(\d\.\d+) \[", text)
    assert value == f"{float(x.square().mean()):.{len(value) - 2}f}", "in the digits that its interval leaves"
    assert os.environ[trust.TRUST] == "torch.nn:Linear"


def test_trust_wants_a_callable_or_a_program(home, clean):
    """A path, a comma, a bare module: none of these is what can be trusted."""
    for name in ("torch.nn", "a:b,c:d", ":b"):
        assert "is neither" in " ".join(run("look", "nowhere", "--trust", name, code=2).split())
