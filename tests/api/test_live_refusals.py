"""What does not go together is said in one sentence, with what to do; what is put right is said, too."""

from __future__ import annotations

import logging
from threading import Lock

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset

from explorer.api import fuse, interpolate, landscape, live_problem, loaded
from explorer.core.errors import Refused
from explorer.core.spec import Loaded
from explorer.problems import held
from explorer.problems.problem import Problem

X = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
GRID = {"sampler": "grid", "options": {"size": 3}}


def mlp(width: int = 8, inside: nn.Module | None = None) -> nn.Module:
    return nn.Sequential(nn.Linear(5, width), inside or nn.ReLU(), nn.Linear(width, 2))


class Stream(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    def __iter__(self):
        while True:
            yield X[0], Y[0]


class Random:
    """Batches in another order each time."""

    def __iter__(self):
        yield X[order := torch.randperm(100)], Y[order]


class Noisy(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Augmented at random."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return X[i] + 0.1 * torch.randn(5), Y[i]


class Tuples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.layer(x), x


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (Stream(), r"data= does not say how long it is.*take=10_000"),
        (((X, Y) for _ in range(1)), r"iterator, which can be read only once.*list of its batches"),
        (Random(), r"another first batch each time.*shuffle=False"),
        ("digits.csv", r"is the text 'digits\.csv'.*problem="),
        (7, r"data= is a int; a DataLoader, a Dataset"),
        ((X, Y[:50]), r"shapes \(100, 5\), \(50,\); each needs one row"),
        ((X[:, :3], Y), r"does not accept these batches \(\(8, 3\)\).*forward="),
        ((X, Y + 1), r"target is number 2, and there are only 2 classes"),
        ((X[:0], Y[:0]), r"no sample in data="),
        ([], r"no sample in data="),
        (X, r"no targets\. Give tuples \(inputs, targets\)"),
        ([(X[:5], Y[:5]), (X[:5, :2], Y[:5])], r"differ in shape.*Pad all to one length"),
        (pd.DataFrame({"a": ["x", "y"], "b": [0, 1]}), r"column 'a' of data= holds no numbers"),
        (pd.DataFrame({"a": [1.0, None], "b": [0, 1]}), r"empty cells"),
        ((torch.full((100, 5), torch.nan), Y), r"NaN"),
        (TensorDataset(X, torch.randn(100, 7)), r"tensor \(8, 2\) for targets \(8, 7\).*Give loss="),
    ],
    ids=[
        *("endless", "iterator", "no order", "text", "number", "uneven", "other inputs", "other classes", "empty", "no batch", "no targets"),
        *("ragged", "words", "gaps", "not numbers", "no loss fits"),
    ],
)
def test_data_that_cannot_be_used_are_refused_with_what_to_do(home, data, says):
    """In one sentence or two, before anything is measured."""
    with pytest.raises(Refused, match=says):
        interpolate(mlp(), mlp(), data=data, home=home)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"problem": "digits-mlp"}, r"Both problem= and data="),
        ({"network": "mlp"}, r"network= is a torch\.nn\.Module; got a str"),
        ({"loss": "crossentropy"}, r"no loss 'crossentropy'.*cross_entropy"),
        ({"loss": "divergence", "metrics": {"f1": len}}, r"Metrics compare outputs with targets, and the loss divergence has none"),
        ({"loss": lambda o, t: 1.0}, r"returns a float; a tensor is expected"),
        ({"loss": lambda o, t: o @ t}, r"does not take outputs and targets \(8, 2\) and \(8,\)"),
        ({"forward": lambda m, b: m(b)}, r"forward failed on a batch of 8 samples: TypeError"),
        ({"forward": lambda m, b: {"other": m(b[0]).sum(1)}}, r"no 'loss'"),
        ({"forward": lambda m, b: m(b[0])[:3].sum(1)}, r"forward gives 3 losses for 8 samples"),
        ({"forward": lambda m, b: m(b[0]).sum(1), "loss": nn.MSELoss()}, r"Both forward= and loss="),
        ({"forward": lambda m, b: m(b[0]).sum(1), "metrics": {"f1": len}}, r"comes from what forward returns"),
        ({"forward": lambda m, b: (m(b[0]) + torch.randn(2)).sum(1)}, r"gives different losses for the same batch each time"),
    ],
)
def test_keywords_that_do_not_go_together_are_refused(home, how, says):
    """Each names itself, and what was expected."""
    with pytest.raises(Refused, match=says):
        interpolate(mlp(), mlp(), data=(X, Y), home=home, **how)


def test_keywords_of_data_want_data(tiny, home):
    """A loss function, metrics or a loader for training say nothing about a problem that has its own."""
    for how in ({"metrics": {"f1": len}}, {"train": (X, Y)}, {"val": X}, {"train": pd.DataFrame({"a": [1]})}, {"forward": len}, {"take": 5}):
        with pytest.raises(Refused, match=rf"{next(iter(how))}= goes with data="):
            interpolate(tiny.a, tiny.b, home=home, **how)
    with pytest.raises(Refused, match="loss function goes with data="):
        interpolate(tiny.a, tiny.b, loss=functional.cross_entropy, home=home)


def test_models_that_are_none_are_refused(home):
    """Weights without a network, state dicts with other things in them, networks of other code or widths, nothing at all."""
    a = mlp()
    with pytest.raises(Refused, match="data= needs the network"):
        interpolate(a.state_dict(), a.state_dict(), data=(X, Y), home=home)
    with pytest.raises(Refused, match="fit no network that ships.*give data="):
        interpolate(a, mlp(), home=home)
    with pytest.raises(Refused, match=r"'epoch' in it is a int.*under 'state_dict'"):
        interpolate({"epoch": 3, "state_dict": a.state_dict()}, a, data=(X, Y), home=home)
    with pytest.raises(Refused, match="compute different things with them"):
        interpolate(a, mlp(inside=nn.Tanh()), data=(X, Y), home=home)
    with pytest.raises(Refused, match="8 in Sequential 1 and 9 in Sequential 2"):
        interpolate(a, mlp(9), data=(X, Y), home=home)
    with pytest.raises(Refused, match="got a int"):
        interpolate(a, 3, data=(X, Y), home=home)
    with pytest.raises(Refused, match="gives a tuple for targets"):
        interpolate(Tuples(), Tuples(), data=(X, Y), home=home)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (lambda: torch.jit.trace(mlp(), X), "TorchScript program"),
        (nn.Flatten, "has no parameters"),
        (lambda: nn.Sequential(nn.LazyLinear(2)), "do not know their sizes yet"),
        (lambda: mlp().to("meta"), "device meta and has no weights"),
        (lambda: Opened(), "cannot be copied.*such as open files"),
    ],
    ids=["script", "no weights", "lazy", "meta", "open file"],
)
def test_what_only_looks_like_a_network_is_refused(home, network, says):
    """With what is wrong with it."""
    with pytest.raises(Refused, match=says):
        interpolate(network(), mlp(), data=(X, Y), home=home)


class Opened(nn.Module):
    """It holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.lock = nn.Linear(5, 2), Lock()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


@pytest.mark.parametrize(("dtype", "half"), [(torch.float16, True), (torch.bfloat16, True), (torch.float64, False)])
def test_other_precisions_are_those_of_the_weights(home, dtype, half):
    """Half precision is known for what it is, so that mixtures are rounded to it."""
    line = interpolate(mlp().to(dtype), mlp().to(dtype), data=(X, Y), home=home, **GRID)
    assert all(corner.half == half for corner in line.run.field.corners)


def test_one_sample_has_no_splits(home):
    """The split that is empty is named, and what to give instead."""
    with pytest.raises(Refused, match=r"test split of Sequential is empty\. Give more samples, or train= and val="):
        interpolate(mlp(), mlp(), data=(X[:1], Y[:1]), home=home)


def test_a_network_that_fits_a_shipped_problem_needs_no_data(tiny, home):
    """Its weights are known by their names and shapes."""
    network = tiny.problem.network()
    assert interpolate(network, network, problem=tiny.folder, home=home, **GRID).barrier().height.value == 0
    found = loaded(network, home=home)
    assert isinstance(found, Loaded) and found.path.startswith(str(home))


def test_what_shuffles_or_is_augmented_is_put_right_and_said(caplog):
    """In the order of the data set; drawn once, the same each time."""
    with caplog.at_level(logging.WARNING):
        live_problem(mlp(), DataLoader(TensorDataset(X, Y), batch_size=10, sampler=RandomSampler(X)))
    assert "shuffles; its samples are taken in the order of its data set" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        problems = [live_problem(mlp(), DataLoader(Noisy(), batch_size=10)) for _ in range(2)]
    assert "at random (augmentation)" in caplog.text and problems[0].id == problems[1].id
    assert "fixed split: 30 % test" in caplog.text and "30 % test" in problems[0].title


def test_what_has_no_source_is_said_to_be_of_this_process(caplog):
    """In a warning, by what it is."""
    with caplog.at_level(logging.WARNING):
        there = Lock()
        found = [live_problem(mlp(), (X, Y), loss=lambda o, t: (there, functional.cross_entropy(o, t))[1]) for _ in range(2)]
    assert "The source code of lock is not available" in caplog.text
    assert found[0].loss != live_problem(mlp(), (X, Y), loss=lambda o, t: (Lock(), functional.cross_entropy(o, t))[1]).loss


def test_hooks_of_one_s_own_are_left_out_and_named(caplog):
    """They may write to what is not ours."""
    network = mlp()
    network.register_forward_hook(lambda *_: None)
    with caplog.at_level(logging.WARNING):
        live_problem(network, (X, Y))
    assert "Hooks of the network are left out" in caplog.text


def test_another_process_says_where_more_can_be_measured(home, monkeypatch):
    """Where the objects are not, the problem is still read; its network, data and loss are named as being elsewhere."""
    line = interpolate(mlp(), mlp(), data=(X, Y), loss=nn.CrossEntropyLoss(label_smoothing=0.1), home=home, **GRID)
    spec = type(line.run).from_json(line.run.to_json()).field.problem
    for table in ("_networks", "_losses", "_data"):
        monkeypatch.setattr(held, table, type(getattr(held, table))())
    with pytest.raises(Refused, match="object in the memory of the Python process that measured it.*call the function there again"):
        Problem(spec).network()
    with pytest.raises(Refused, match="What has been measured is shown"):
        held.data(str(spec.data["key"]))


def test_too_many_data_sets_are_not_held(monkeypatch):
    """The one that was longest not asked for goes."""
    monkeypatch.setattr(held, "KEPT_DATA", 2)
    several = [live_problem(mlp(), (X + i, Y)) for i in range(3)]
    with pytest.raises(Refused, match="no longer holds"):
        held.data(str(several[0].data["key"]))
    assert held.data(str(several[2].data["key"])).dataset.classes == ("0", "1")


def test_nothing_to_merge_or_to_draw_is_still_said(home):
    """As for files."""
    for function in (fuse, landscape):
        with pytest.raises(Refused, match="got none"):
            function(data=(X, Y), home=home)


def test_a_folder_may_be_named_by_a_string_and_a_diverged_network_is_named_by_its_class(home):
    """As a notebook writes it; no file of a digest's name is spoken of."""
    good, bad = nn.Linear(4, 2), nn.Linear(4, 2)
    bad.weight.data[0, 0] = float("nan")
    with pytest.raises(Refused, match=r"^Linear 2 has 1 of 8 values that are NaN"):
        interpolate(good, bad, data=(torch.randn(60, 4), torch.arange(60) % 2), home=str(home))
