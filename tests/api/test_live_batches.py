"""Whatever a batch is, and whatever the network answers: the numbers are those of the model called by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from explorer.api import align, connect, fuse, interpolate, landscape_around, live_problem
from explorer.problems.problem import Problem

GRID = {"sampler": "grid", "options": {"size": 3}}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X, Z = drawn(200, 5), drawn(200, 3, seed=1)
Y = (X[:, 0] + Z[:, 1] > 0).long()


class Two(nn.Module):
    """Two inputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(5, 8), nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(torch.relu(self.a(x) + self.b(z)))


class Autoencoder(nn.Module):
    """Three outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.code, self.back = nn.Linear(5, 4), nn.Linear(2, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.code(x).chunk(2, dim=1)
        return self.back(mean), mean, log_variance


def mlp(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2))


def measured(*models: object, home: object, **how: object) -> np.ndarray:
    return interpolate(*models, home=home, **GRID, **how).points.means()


def test_two_inputs_in_a_tuple_and_by_name_are_the_same(home):
    """And equal the network called by hand on the test split, at the end of the line."""
    a, b = Two(), Two()
    by_place = measured(a, b, data=(X, Z, Y), home=home)
    by_name = measured(a, b, data={"index": torch.arange(200), "z": Z, "x": X, "label": Y}, home=home)
    assert np.array_equal(by_place, by_name)
    rows = Problem(live_problem(a, (X, Z, Y))).split("test").inputs[:, 0]
    with torch.no_grad():
        assert by_place[0, 0] == pytest.approx(functional.cross_entropy(a(X[rows], Z[rows]), Y[rows]).item(), rel=1e-6)


def test_units_behind_two_inputs_are_matched(home):
    """A shuffled copy comes back exactly: the symmetry is deduced through the samples' rows."""
    a, b = Two(), Two()
    order = torch.randperm(8)
    state = a.state_dict()
    b.load_state_dict({n: t[:, order] if n == "head.weight" else t if n == "head.bias" else t[order] for n, t in state.items()})
    found = align(a, b, data=(X, Z, Y), home=home, **GRID).matched
    assert found.before[0, 1] > 1 and found.after[0, 1] == 0


def test_paths_planes_and_soups_take_them_too(home):
    """A trained path, a plane around a model, and a soup that chooses on the samples of val."""
    a, b = Two(), Two()
    how = {"data": (X, Z, Y), "home": home}
    assert len(connect(a, b, method_options={"epochs": 2}, **how, **GRID).run.field.corners) == 3
    assert landscape_around(a, size=3, **how).surface().measured == 9
    assert fuse(a, b, method="greedy_soup", **how).is_file()


def test_state_dicts_and_wrapped_networks_are_the_network(home, tmp_path):
    """One module and state dicts, a file of its weights, or the module in DataParallel: the same weights, the same numbers."""
    a, b = mlp(0), mlp(1)
    torch.save(b.state_dict(), tmp_path / "b.pt")
    plain = measured(a, b, data=(X, Y), home=home)
    assert np.array_equal(plain, measured(a.state_dict(), b.state_dict(), network=a, data=(X, Y), home=home))
    assert np.array_equal(plain, measured(nn.DataParallel(a), nn.DataParallel(b), data=(X, Y), home=home))
    assert np.array_equal(plain, measured(a, tmp_path / "b.pt", data=(X, Y), home=home))
    problem = live_problem(a, (X, Y))
    assert np.array_equal(plain, measured(a, b, problem=problem, home=home))


class Some(Dataset[tuple[Tensor, int]]):
    """A data set of samples, whose targets are plain numbers."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return X[i], int(Y[i])


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """Samples without an end."""

    def __iter__(self):
        while True:
            yield from zip(X, Y, strict=True)


@pytest.mark.parametrize(
    "data",
    [
        (X.numpy(), Y.numpy()),
        TensorDataset(X, Y),
        Some(),
        DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True),
        DataLoader(Some(), batch_size=32, drop_last=True),
        [(X[:90], Y[:90]), (X[90:], Y[90:])],
        pd.DataFrame({**{f"x{i}": X[:, i].numpy() for i in range(5)}, "y": Y.numpy()}),
        (pd.DataFrame(X.numpy()), pd.Series(Y.numpy())),
    ],
    ids=["arrays", "data set", "plain targets", "shuffling loader", "dropping loader", "batches", "table", "table and column"],
)
def test_every_source_gives_the_samples_in_their_order(data, home):
    """Loaders, data sets, arrays, batches and tables of the same samples are one problem."""
    problem = live_problem(mlp(), data)
    plain = live_problem(mlp(), (X, Y))
    assert all(torch.equal(Problem(problem).split(s).inputs, Problem(plain).split(s).inputs) for s in ("train", "val", "test"))
    assert torch.equal(Problem(problem).split("test").targets, Problem(plain).split("test").targets)


def test_a_stream_is_read_as_far_as_is_said():
    """Its first samples, in order."""
    found = Problem(live_problem(mlp(), Stream(), take=120))
    assert sum(len(found.split(s).targets) for s in ("train", "val", "test")) == 120


def test_own_splits_are_kept():
    """All of data is measured on; train and val are what was given; without val, a share of train."""
    parts = {"data": (X[:60], Y[:60]), "train": (X[60:160], Y[60:160]), "val": (X[160:], Y[160:])}
    network = mlp()
    whole = Problem(live_problem(network, parts["data"], train=parts["train"], val=parts["val"]))
    for split, name in (("test", "data"), ("train", "train"), ("val", "val")):
        assert sorted(whole.split(split).inputs[:, 0].tolist()) == sorted(parts[name][0][:, 0].tolist())
    two = Problem(live_problem(network, parts["data"], train=parts["train"]))
    assert [len(two.split(s).targets) for s in ("test", "train", "val")] == [60, 80, 20]
    three = Problem(live_problem(network, parts["train"], val=parts["val"]))
    assert [len(three.split(s).targets) for s in ("test", "train", "val")] == [30, 70, 40]
    assert sorted(three.split("val").inputs[:, 0].tolist()) == sorted(X[160:, 0].tolist())


def evidence(outputs: tuple[Tensor, Tensor, Tensor], targets: Tensor) -> Tensor:
    back, mean, log_variance = outputs
    return functional.mse_loss(back, targets) + (mean.square() + log_variance.exp() - log_variance - 1).mean()


def test_outputs_in_a_tuple_are_what_the_loss_takes(home):
    """A loss that averages over its batch is asked about every sample; forward= says the same in another way."""
    a, b = Autoencoder(), Autoencoder()
    by_loss = measured(a, b, data=(X, X), loss=evidence, home=home)
    by_mean = measured(a, b, data=X, forward=lambda model, x: evidence(model(x), x), home=home)
    each = measured(
        a,
        b,
        data=TensorDataset(X),
        forward=lambda m, batch: {"loss": (found := own(m, batch[0]))[0], "rate": found[1]},
        metrics={"rate": ("low", None)},
        home=home,
    )
    assert by_loss[:, 0] == pytest.approx(by_mean[:, 0], rel=1e-6)
    assert by_loss[:, 0] == pytest.approx(each[:, 0], rel=1e-6)
    rows = Problem(live_problem(a, (X, X), loss=evidence)).split("test").inputs[:, 0]
    with torch.no_grad():
        assert by_loss[0, 0] == pytest.approx(evidence(a(X[rows]), X[rows]).item(), rel=1e-5)
        assert each[0, 2] == pytest.approx(own(a, X[rows])[1].mean().item(), rel=1e-5)


def own(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and rate of each sample."""
    back, mean, log_variance = model(x)
    rate = (mean.square() + log_variance.exp() - log_variance - 1).mean(dim=1)
    return (back - x).square().mean(dim=1) + rate, rate


class Net(nn.Module):
    """Answers for each pixel, classes on the second axis, behind a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.conv(x))))


def test_classes_of_pixels_are_classes(home):
    """Loss and error over all pixels, of torch's shapes (n, C, H, W) and (n, H, W)."""
    images, classes = drawn(60, 1, 6, 6), torch.randint(0, 3, (60, 6, 6), generator=torch.Generator().manual_seed(2))
    a, b = Net(), Net()
    found = measured(a, b, data=(images, classes), home=home)
    smooth = measured(a, b, data=(images, classes), loss=nn.CrossEntropyLoss(label_smoothing=0.1), home=home)
    test = _rows(60)
    with torch.no_grad():
        answers = a.eval()(images[test])
    assert found[0] == pytest.approx(
        [functional.cross_entropy(answers, classes[test]).item(), (answers.argmax(1) != classes[test]).float().mean().item()], rel=1e-6
    )
    assert smooth[0, 0] == pytest.approx(functional.cross_entropy(answers, classes[test], label_smoothing=0.1).item(), rel=1e-6)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(ignore_index=255), nn.CrossEntropyLoss(ignore_index=255, label_smoothing=0.1), None])
def test_pixels_that_are_not_asked_for_do_not_count(home, loss):
    """By whatever number the loss leaves them out, −100 where it says none: the mean over the others."""
    ignored = 255 if loss is not None else -100
    images, classes = drawn(60, 1, 6, 6), torch.randint(0, 3, (60, 6, 6), generator=torch.Generator().manual_seed(2))
    classes[drawn(60, 6, 6, seed=4) > 0.5] = ignored
    a, b, test = Net(), Net(), _rows(60)
    line = interpolate(a, b, data=(images, classes), loss=loss, home=home, **GRID)
    with torch.no_grad():
        answers = a.eval()(images[test])
    asked = classes[test] != ignored
    said = (loss or functional.cross_entropy)(answers, classes[test]).item()
    assert line.points.means()[0] == pytest.approx([said, (answers.argmax(1) != classes[test])[asked].float().mean().item()], rel=1e-5)
    assert line.points.counts.sum() == asked.sum()


def _rows(n: int) -> Tensor:
    """The test split of n samples."""
    return Problem(live_problem(nn.Linear(1, 1), (torch.arange(n)[:, None].float(), torch.zeros(n, 1)))).split("test").inputs[:, 0].long()


def test_numbers_without_an_axis_are_a_regression(home):
    """Outputs (n,) and targets (n,), by the default loss and by a loss of one's own."""

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).squeeze(-1)

    a, b, rows = Flat(), Flat(), _rows(200)
    with torch.no_grad():
        answers = a(X[rows])
    assert measured(a, b, data=(X, X[:, 0]), home=home)[0, 0] == pytest.approx(functional.mse_loss(answers, X[rows, 0]).item(), rel=1e-6)
    found = measured(a, b, data=(X, X[:, 0]), loss=nn.L1Loss(), home=home)[0, 0]
    assert found == pytest.approx(functional.l1_loss(answers, X[rows, 0]).item(), rel=1e-6)


class Detector(nn.Module):
    """As torchvision's: lists of images of any size and dicts of targets in, losses in train mode, boxes else."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head, self.drop = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 4), nn.Dropout()

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> object:
        boxes = [self.drop(self.head(torch.relu(self.norm(self.conv(i[None]))).mean(dim=(2, 3))))[0] for i in images]
        if not self.training:
            return [{"boxes": b[None]} for b in boxes]
        assert targets is not None
        return {"box": torch.stack([(b - t["boxes"][0]).abs().mean() for b, t in zip(boxes, targets, strict=True)]).mean()}


def losses_of(model: nn.Module, batch: tuple[tuple[Tensor, ...], tuple[dict[str, Tensor], ...]]) -> Tensor:
    """The losses of a batch, with batch norm and dropout as when it is used."""
    model.train()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d | nn.Dropout):
            part.eval()
    return torch.stack([model([i], [t])["box"] for i, t in zip(*batch, strict=True)])


def test_a_detector_is_measured_by_its_losses(home):
    """Images of different sizes, put together by the loader's own function; the mode that forward= leaves it in does no harm."""
    sizes = torch.randint(6, 10, (40, 2), generator=torch.Generator().manual_seed(3)).tolist()
    items = [(drawn(1, *size, seed=i), {"boxes": drawn(1, 4, seed=100 + i)}) for i, size in enumerate(sizes)]
    loader = DataLoader(items, batch_size=8, collate_fn=lambda samples: tuple(zip(*samples, strict=True)))
    a, b = Detector(), Detector()
    found = measured(a, b, data=loader, forward=losses_of, home=home)
    rows = Problem(live_problem(a, loader, forward=losses_of)).split("test").inputs[:, 0].tolist()
    with torch.no_grad():
        assert found[0, 0] == pytest.approx(losses_of(a, tuple(zip(*(items[i] for i in rows), strict=True))).mean().item(), rel=1e-5)
    assert np.isfinite(found).all()


def test_a_split_of_datasets_is_its_columns(home):
    """By their names, texts left out, classes by the names that the column has for them."""
    import datasets  # slow to import

    features = datasets.Features(
        {"x": datasets.List(datasets.Value("float32")), "label": datasets.ClassLabel(names=["no", "yes"]), "text": datasets.Value("string")}
    )
    split = datasets.Dataset.from_dict({"x": X.tolist(), "label": Y.tolist(), "text": ["a"] * len(X)}, features=features)
    a, b = mlp(0), mlp(1)
    plain = measured(a, b, data=(X, Y), home=home)
    assert Problem(live_problem(a, split)).classes == ("no", "yes")
    for data in (split, split.to_iterable_dataset(), DataLoader(split.select_columns(["x", "label"]).with_format("torch"), batch_size=9)):
        assert measured(a, b, data=data, home=home) == pytest.approx(plain, rel=1e-6)
