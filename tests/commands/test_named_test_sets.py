"""Test sets with a name: what a problem is tested on besides its test split, in problem.toml, in Python, and in what commands print."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from explorer import api
from explorer.checkpoints import checkpoint_file
from explorer.core import splits
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec
from explorer.engine import run_loop
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from tests.commands.test_main import run
from tests.conftest import TOML, Tiny
from tests.named_test_sets import with_test_sets


@pytest.fixture
def many(tiny, tmp_path) -> Tiny:
    return with_test_sets(tiny, tmp_path / "many")


def by_hand(problem: Problem, file, npz) -> tuple[float, float]:
    """The mean loss and error of a checkpoint on an .npz file, in a plain loop's three lines."""
    network = problem.network()
    network.load_state_dict(dict(checkpoint_file.read(file).weights))
    arrays = np.load(npz)
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    with torch.no_grad():
        outputs = network(x)
    return float(functional.cross_entropy(outputs, y)), float((outputs.argmax(dim=1) != y).float().mean())


def test_a_model_is_worth_on_each_set_what_a_plain_loop_says(many, home):
    """One call, a value with an interval for each set, the test split first; a row of a table of methods against tasks."""
    found = api.on_test_sets(api.look(many.a, many.b, problem=many.folder))
    assert list(found) == ["test", "noisy", "few"]
    for name in ("noisy", "few"):
        for which, file in enumerate((many.a, many.b)):
            loss, error = by_hand(many.problem, file, many.folder / f"{name}.npz")
            assert found[name].value(which).value == pytest.approx(loss, rel=1e-5)
            assert found[name].value(which, "error").value == pytest.approx(error)
            assert found[name].value(which).low < loss < found[name].value(which).high
    assert int(found["few"].points.counts.sum()) == 40


def test_a_barrier_on_a_set_is_that_of_a_problem_whose_test_split_it_is(many, home):
    """The same points, measured as if the set were all there is to test on."""
    line = api.interpolate(many.a, many.b, problem=many.folder, split="noisy", sampler="grid", options={"size": 5})
    losses = line.points.means()[:, 0]
    weights = [checkpoint_file.read(f).weights for f in (many.a, many.b)]
    middle = many.folder / "middle.safetensors"
    checkpoint_file.write(middle, {k: (v + weights[1][k]) / 2 for k, v in weights[0].items()})
    ends = [by_hand(many.problem, f, many.folder / "noisy.npz")[0] for f in (many.a, middle, many.b)]
    assert losses[[0, 2, 4]] == pytest.approx(ends, rel=1e-5)
    assert line.run.field.measured_on == "noisy"


def test_a_set_changes_no_id_but_its_own(many):
    """Whoever adds a test set keeps what was measured and made; another content is another field; another name is not."""
    spec = many.problem.spec
    bare = replace(spec, tests=())
    assert spec.id == bare.id
    assert many.field(split="test").id == replace(many.field(split="test"), problem=bare).id
    before = many.field(split=splits.find(spec, "few")).id
    arrays = np.load(many.folder / "few.npz")
    np.savez(many.folder / "few.npz", x=arrays["x"][:20], y=arrays["y"][:20])
    after = problem_toml.read(many.folder)
    assert replace(many.field(split=splits.find(after, "few"), problem=after)).id != before
    assert splits.find(after, "noisy") == splits.find(spec, "noisy")
    with pytest.raises(Refused, match=r"The test set few has changed since this was asked for.*test, noisy, few, val, train"):
        Problem(after).split(splits.find(spec, "few"))
    assert ProblemSpec.from_json(spec.to_json()) == spec
    assert "tests" not in bare.to_json()


def test_its_samples_are_all_of_the_source_in_an_order_drawn_by_the_seed(many):
    """So the first k are a fair draw, as of a split."""
    batch = many.problem.split(splits.find(many.problem.spec, "few"))
    x = np.load(many.folder / "few.npz")["x"]
    order = np.random.default_rng(many.problem.spec.seed).permutation(40)
    assert torch.equal(batch.inputs, torch.from_numpy(x[order]))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[tests.few]", "[tests.val]", "a test set is named by letters, digits, spaces and .+-, and not test, val, train"),
        ("[tests.few]", '[tests."a@b"]', "a test set is named by"),
        ('path = "few.npz"', 'path = "gone.npz"', r"\[tests.few\], path: There is no .*gone.npz"),
        ('path = "few.npz"', 'path = "few.npz"\nwide = 1', r"\[tests.few\]: data/npz has no option 'wide'"),
    ],
)
def test_a_set_that_cannot_be_is_refused_by_its_table(many, old, new, said):
    file = many.folder / "problem.toml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(Refused, match=said):
        problem_toml.read(file)


def test_other_classes_are_refused(many):
    """A number has to stand for the same class in both."""
    file = many.folder / "problem.toml"
    file.write_text(file.read_text().replace('"8", "9"]', '"9", "8"]'))
    spec = problem_toml.read(file)
    with pytest.raises(Refused, match=r"noisy has 10 classes \(0, 1, .*; a number stands for the same class in both"):
        Problem(spec).split(splits.find(spec, "noisy"))


def test_an_unknown_set_lists_the_known_ones(many, home):
    assert "There is no split 'wiki' here. many is measured on: test, noisy, few, val, train." in run(
        "barrier", many.a, many.b, "--split", "wiki", code=2
    )


def test_options_of_the_data_hold_for_a_set_of_the_same_kind(many):
    """They are written once, and a set may still say otherwise."""
    text = TOML.replace('name = "digits"', 'name = "npz"\npath = "noisy.npz"\nscale = 2.0\nmean = 1.0')
    (many.folder / "problem.toml").write_text(text + '\n[tests.few]\npath = "few.npz"\nmean = 3.0\n')
    (few,) = problem_toml.read(many.folder).tests
    assert (few.data["scale"], few.data["mean"]) == (2.0, 3.0)


@pytest.mark.parametrize(("command", "more"), [("barrier", ()), ("plane", ("--size", 3)), ("path", ("--option", "epochs=1"))])
def test_a_command_opens_its_models_once_for_all_sets(many, home, monkeypatch, command, more):
    """Not once for each test set: what is read is counted, and nothing is held behind the command."""
    opened = []
    corners_of = run_loop.corners_of
    monkeypatch.setattr(run_loop, "corners_of", lambda field, *given, **how: opened.append(field.split) or corners_of(field, *given, **how))
    models = [many.a, many.b]
    if command == "plane":
        models.append(many.folder / "middle.safetensors")
        weights = [checkpoint_file.read(f).weights for f in models[:2]]
        checkpoint_file.write(models[2], {k: 2 * v - weights[1][k].flip(0) for k, v in weights[0].items()})
    text = run(command, *models, *more)
    assert "on each test set" in text.lower()
    assert opened == ["test"]
    run(command, *models, *more, "--split", "noisy", "--samples", 20)
    assert len(opened) == 2


def test_barrier_prints_each_set_and_as_json(many, home):
    """The numbers of Python, with their intervals; with --split one set alone."""
    found = api.on_test_sets(api.interpolate(many.a, many.b, problem=many.folder))
    text = run("barrier", many.a, many.b)
    assert "On each test set" in text
    for line in found.values():
        value, low, high = line.barrier().height.parts()
        assert f" {value} " in text
        assert f"[{low}, {high}]" in text
    told = json.loads(run("barrier", many.a, many.b, "--json"))["tests"]
    assert {name: each["barriers"][0]["height"]["value"] for name, each in told.items()} == {n: t.barrier().height.value for n, t in found.items()}
    alone = run("barrier", many.a, many.b, "--split", "noisy")
    assert "noisy split" in alone
    assert "On each test set" not in alone


def test_look_fuse_and_plane_print_each_set(many, home, tmp_path):
    """Rows of models, columns of sets, as they are in Python."""
    found = api.on_test_sets(api.look(many.a, problem=many.folder))
    parts = found["few"].value().parts()
    assert re.search(rf"on few [│|\s]+{re.escape(parts[0])}", run("look", many.a))
    text = run("fuse", many.a, many.b, tmp_path / "soup.safetensors", "--problem", many.folder)
    soup = api.on_test_sets(api.look(many.a, tmp_path / "soup.safetensors", problem=many.folder))
    for each in soup.values():
        for which in (0, 1):
            value, low, high = each.value(which).parts()
            assert f"{value} [{low}, {high}]" in text
    plane = run("plane", many.a, "--around", "random", "--size", 3)
    assert "loss on each test set, with 95 % intervals" in plane
    centre = api.values_on_test_sets(api.landscape_around(many.a, problem=many.folder, size=3), [(0.0, 0.0)])
    assert centre["few"].means()[0, 0] == pytest.approx(found["few"].value().value, rel=1e-5)
