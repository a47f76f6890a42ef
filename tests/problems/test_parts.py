"""Several inputs in one tensor, several outputs of which one is meant: the network is asked as its author asks it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from explorer.api import align, interpolate, landscape_around
from explorer.checkpoints import checkpoint_file
from explorer.core import trust
from explorer.core.errors import Refused
from explorer.problems import problem_toml
from explorer.problems.data import npz, table
from explorer.problems.nets import factory
from explorer.problems.parts import asked, packed, unpacked
from explorer.problems.problem import Problem

GRID = {"sampler": "grid", "options": {"size": 5}}
N, SITES = 240, 4


class Sites(nn.Module):
    """Images and the number of the site where they were taken, with a mask → a dict of two tensors."""

    def __init__(self, width: int = 6):
        super().__init__()
        self.images = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten())
        self.sites = nn.Embedding(SITES, 3)
        self.hidden = nn.Linear(width * 16 + 3, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, image, site, known):
        features = torch.relu(self.hidden(torch.cat([self.images(image), self.sites(site) * known[:, None]], dim=1)))
        return {"features": features, "scores": self.head(features)}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Two networks as files, with a problem.toml; and the same samples as tensors."""
    folder = tmp_path_factory.mktemp("sites")
    rng = np.random.default_rng(0)
    image, site = rng.normal(size=(N, 1, 4, 4)).astype(np.float32), rng.integers(SITES, size=N)
    known, y = rng.random(N) > 0.2, rng.integers(3, size=N)
    np.savez(folder / "data.npz", pictures=image, site=site, known=known, y=y)
    (folder / "problem.toml").write_text(
        '[network]\nname = "factory"\ncall = "tests.problems.test_parts:Sites"\noutput = "scores"\n'
        '[data]\nname = "npz"\npath = "data.npz"\ninputs = ["image=pictures", "site", "known"]\n',
        encoding="utf-8",
    )
    networks = []
    for seed in range(2):
        torch.manual_seed(seed)
        networks.append(Sites())
        checkpoint_file.write(folder / f"{seed}.safetensors", networks[-1].state_dict())
    tensors = {"image": torch.from_numpy(image), "site": torch.from_numpy(site), "known": torch.from_numpy(known), "y": torch.from_numpy(y)}
    return SimpleNamespace(folder=folder, files=[folder / f"{seed}.safetensors" for seed in range(2)], networks=networks, tensors=tensors)


@pytest.fixture(autouse=True)
def leave(monkeypatch):
    """Its code may be run."""
    monkeypatch.setattr(trust, "given", frozenset({"tests.problems.test_parts:Sites"}))


def test_parts_come_back_as_they_were():
    """Numbers, whole numbers below zero and above what float32 holds, truth values; shapes and types."""
    given = {
        "real": torch.randn(5, 2, 3),
        "whole": torch.tensor([-1, 2**24 + 1, 0, 7, 2**31 - 1]),
        "truth": torch.tensor([[True, False]] * 5),
        "one": torch.randn(5),
    }
    inputs, parts = packed(given)
    found = unpacked(inputs, parts, torch.float32)
    assert inputs.dtype == torch.int32 and inputs.shape == (5, 10)  # nobody takes whole numbers for numbers that may be moved a little
    assert found.keys() == given.keys()
    assert all(torch.equal(found[n], t) and found[n].dtype == t.dtype for n, t in given.items())
    real, parts = packed({"a": given["real"], "b": given["one"]})
    assert real.dtype == torch.float32 and torch.equal(unpacked(real, parts, torch.float32)["a"], given["real"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": torch.tensor([[1.0], [torch.nan]])}, "1 of 2 samples have numbers in a that are NaN"),
        ({"a": torch.tensor([2**40]), "b": torch.ones(1)}, "must fit into 32 bits"),
    ],
)
def test_numbers_that_cannot_be_held_are_refused(given, message):
    """With the name of the part."""
    with pytest.raises(Refused, match=message):
        packed(given)


def test_an_argument_is_named_once_and_is_a_name():
    """`argument=source`, or one name for both."""
    assert asked(("image", "meta = age+income")) == {"image": "image", "meta": "age+income"}
    for wrong in (("a", "a=b"), ("1st",), ("",)):
        with pytest.raises(Refused, match="different names of the network's arguments"):
            asked(wrong)


@pytest.mark.parametrize("method", ["weight_matching", "activation_matching"])
def test_files_and_objects_give_the_same_numbers(case, home, method):
    """To the bit: a line, an alignment, a plane around a model; and nothing is held in place for the way the inputs lie in."""
    live = {"data": case.tensors, "output": "scores", "home": home}
    line, same = interpolate(*case.files, **GRID, home=home), interpolate(*case.networks, **GRID, **live)
    assert np.array_equal(line.points.values, same.points.values)
    (pair,), (other,) = (align(*m, method=method, **GRID, **how).pairs for m, how in ((case.files, {"home": home}), (case.networks, live)))
    assert np.array_equal(pair.after.points.values, other.after.points.values)
    plane, flat = landscape_around(case.files[0], size=3, home=home), landscape_around(case.networks[0], size=3, **live)
    assert np.array_equal(plane.points.values, flat.points.values)


def test_what_is_measured_is_what_the_network_says(case):
    """Against a plain loop over the author's own network."""
    problem = Problem(problem_toml.read(case.folder))
    network, test = problem.network(), problem.split("test")
    network.load_state_dict(case.networks[0].state_dict())
    order = [int((case.tensors["image"].reshape(N, -1) == row).all(dim=1).nonzero()) for row in test.inputs[:, :16].contiguous().view(torch.float32)]
    with torch.inference_mode():
        found = case.networks[0].eval()(*(case.tensors[n][order] for n in ("image", "site", "known")))["scores"]
        assert torch.equal(network(test.inputs), found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('output = "scores"\n', "", r'returns a dict, and one tensor is expected; its outputs are features, scores. Name one as output = "…"'),
        ('"scores"', '"logits"', "There is no output 'logits'. The network Sites returns a dict"),
        ('"site", ', "", r"does not take inputs image 1×4×4, known a single number of these data: .*missing 1 required positional argument: 'site'"),
        ('"site"', '"sites=site"', "unexpected keyword argument 'sites'"),
        ('"site"', '"site=gone"', "data.npz has no array 'gone', which is one of the inputs"),
        ('path = "data.npz"', 'path = "data.npz"\nscale = 0.5', "scale, mean and std are for one input"),
    ],
)
def test_what_does_not_fit_is_one_sentence(case, old, new, message, tmp_path):
    """What the outputs are called, which argument is missing, which array is not there."""
    (tmp_path / "problem.toml").write_text((case.folder / "problem.toml").read_text().replace(old, new), encoding="utf-8")
    (tmp_path / "data.npz").write_bytes((case.folder / "data.npz").read_bytes())
    with pytest.raises(Refused, match=message):
        Problem(problem_toml.read(tmp_path)).check()


def test_a_number_beyond_the_table_is_found_wherever_it_is(case, tmp_path):
    """One sample of all has a site that the embedding does not have: said before anything is measured."""
    arrays = {n: t.numpy() for n, t in case.tensors.items()}
    arrays["site"] = np.where(np.arange(N) == 117, SITES, arrays["site"])
    np.savez(tmp_path / "data.npz", **arrays)
    (tmp_path / "problem.toml").write_text((case.folder / "problem.toml").read_text().replace("image=pictures", "image"), encoding="utf-8")
    with pytest.raises(
        Refused, match="does not take inputs image 1×4×4, site a single number, known a single number of these data: index out of range"
    ):
        Problem(problem_toml.read(tmp_path)).check()


def test_one_of_several_outputs(monkeypatch):
    """Of a tuple by number; the only tensor and `logits` without being named; a network of one output has no other."""
    monkeypatch.setattr(trust, "given", frozenset({"torch.nn:GRU", "torch.nn:Linear"}))
    recurrent = factory.build(call="torch.nn:GRU", arguments=("input_size=2", "hidden_size=3", "batch_first=true"), output="1")
    assert recurrent(torch.zeros(5, 4, 2)).shape == (1, 5, 3)
    with pytest.raises(Refused, match="returns one tensor and has no output 'logits'"):
        factory.build(call="torch.nn:Linear", arguments=("in_features=2", "out_features=3"), output="logits")(torch.zeros(1, 2))


def test_arrays_of_several_inputs_fix_the_test_set(tmp_path):
    """All or none of them have a _test; whole numbers stay whole, bytes become real."""
    rng = np.random.default_rng(1)
    arrays = {"a": rng.integers(255, size=(6, 2, 2), dtype=np.uint8), "b": rng.integers(9, size=6), "y": rng.normal(size=6)}
    np.savez(tmp_path / "d.npz", **arrays, **{f"{n}_test": a[:2] for n, a in arrays.items()})
    found = npz.load(tmp_path / "d.npz", inputs=("a", "b"))
    assert (found.test, len(found.inputs), found.sort) == (6, 8, "numbers")
    assert [(p.name, p.shape, p.dtype) for p in found.parts] == [("a", (2, 2), torch.float32), ("b", (), torch.int64)]
    np.savez(tmp_path / "e.npz", **arrays, a_test=arrays["a"])
    with pytest.raises(Refused, match="all or none of them a _test"):
        npz.load(tmp_path / "e.npz", inputs=("a", "b"))


def test_columns_of_a_table_go_to_arguments(tmp_path):
    """Numbers in a group, standardised; a category numbered in sorted order, texts too."""
    (tmp_path / "t.csv").write_text("age,city,income,y\n20,Rome,1,a\n40,Oslo,3,b\n60,Rome,5,a\n", encoding="utf-8")
    found = table.load(tmp_path / "t.csv", inputs=("numbers=age+income", "city"), categories=("city",))
    parts = unpacked(found.inputs, found.parts, torch.float32)
    assert parts["city"].tolist() == [1, 0, 1] and parts["numbers"].shape == (3, 2) and torch.allclose(parts["numbers"].mean(dim=0), torch.zeros(2))
    assert found.classes == ("a", "b")
    with pytest.raises(Refused, match="the column 'city' holds no numbers"):
        table.load(tmp_path / "t.csv", inputs=("numbers=age+city",))
    with pytest.raises(Refused, match="with 'inputs' the columns are named there"):
        table.load(tmp_path / "t.csv", inputs=("numbers=age",), categories=("city",))
