"""Losses and metrics of one's own: what they say of all samples together is what the line's ends say; averages are weighted as the function weights them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn import functional

from explorer.api import align, interpolate, landscape_around, live_problem
from explorer.core.errors import Refused
from explorer.problems.problem import Problem

GRID = {"sampler": "grid", "options": {"size": 5}}
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(300, 5, generator=GENERATOR)
Y = (X[:, 0] + 0.3 * torch.randn(300, generator=GENERATOR) > 0.4).long()
NUMBERS = torch.stack([X[:, 0] * X[:, 1], X[:, 2]], dim=1)
WEIGHTS = torch.tensor([1.0, 4.0])


def trained(targets: Tensor, seed: int) -> nn.Module:
    """A small network, trained for a moment."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
        optimizer = torch.optim.Adam(network.parameters(), 0.02)
        loss = functional.mse_loss if targets.is_floating_point() else functional.cross_entropy
        for _ in range(60):
            optimizer.zero_grad()
            loss(network(X), targets).backward()
            optimizer.step()
    return network


@pytest.fixture(scope="module")
def classifiers() -> tuple[nn.Module, nn.Module]:
    return trained(Y, 0), trained(Y, 1)


@pytest.fixture(scope="module")
def regressions() -> tuple[nn.Module, nn.Module]:
    return trained(NUMBERS, 0), trained(NUMBERS, 1)


def answers(network: nn.Module, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs and targets of the test split."""
    batch = Problem(live_problem(network, (X, targets))).split("test")
    with torch.no_grad():
        return network(batch.inputs), batch.targets


def focal(outputs: Tensor, targets: Tensor) -> Tensor:
    each = functional.cross_entropy(outputs, targets, reduction="none")
    return ((1 - torch.exp(-each)) ** 2 * each).mean()


def branching(outputs: Tensor, targets: Tensor) -> Tensor:
    """Averages, and branches on values: torch cannot ask about all samples at once."""
    each = (outputs.argmax(dim=1) != targets).float()
    return each.mean() if bool(each.mean() > 2) else focal(outputs, targets)


def within(outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    return functional.huber_loss(outputs, targets, reduction=reduction, delta=0.5)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(reduction="none"),
        nn.CrossEntropyLoss(label_smoothing=0.2),
        nn.CrossEntropyLoss(weight=WEIGHTS),
        nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1),
        nn.NLLLoss(),
        focal,
        branching,
        lambda outputs, targets: functional.cross_entropy(outputs, targets),
    ],
    ids=["plain", "unreduced", "smoothed", "weighted", "weighted and smoothed", "of log probabilities", "averaging", "branching", "lambda"],
)
def test_a_loss_between_classes_is_what_it_says_of_all_samples(classifiers, home, loss):
    """Weights of classes weigh the loss and leave the error alone."""
    line = interpolate(*classifiers, data=(X, Y), loss=loss, home=home, **GRID)
    outputs, targets = answers(classifiers[0], Y)
    assert line.points.means()[0] == pytest.approx(
        [loss(outputs, targets).mean().item(), (outputs.argmax(1) != targets).float().mean().item()], rel=1e-5
    )


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), functional.huber_loss, within, lambda o, t: (o - t).abs().mean()])
def test_a_loss_between_numbers_is_what_it_says_of_all_samples(regressions, home, loss):
    """Modules, functions with a reduction, functions that average."""
    line = interpolate(*regressions, data=(X, NUMBERS), loss=loss, home=home, **GRID)
    assert line.points.means()[0, 0] == pytest.approx(loss(*answers(regressions[0], NUMBERS)).item(), rel=1e-5)


def test_a_sum_is_told_for_each_sample(regressions, home):
    """The mean over samples of what it sums within them."""
    line = interpolate(*regressions, data=(X, NUMBERS), loss=nn.MSELoss(reduction="sum"), home=home, **GRID)
    outputs, targets = answers(regressions[0], NUMBERS)
    assert line.points.means()[0, 0] == pytest.approx((outputs - targets).square().sum(dim=1).mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [lambda o, t: torch.logsumexp(o @ o.T, 1).mean(), lambda o, t: functional.cross_entropy(o, t, weight=WEIGHTS)],
    ids=["contrastive", "weighted by the batch"],
)
def test_a_loss_that_depends_on_the_batch_is_refused_with_what_to_do(classifiers, home, loss):
    """It would be another number for every way in which samples are put together."""
    with pytest.raises(Refused, match=r"neither the mean nor the sum.*reduction='none'"):
        interpolate(*classifiers, data=(X, Y), loss=loss, home=home)


def test_outputs_and_targets_that_would_all_be_compared_are_refused(home):
    """Outputs (n, 1) and targets (n,) broadcast to (n, n), to a number that means nothing; the plain squared error is taken as it is meant."""
    line = [nn.Linear(5, 1) for _ in range(2)]
    with pytest.raises(Refused, match=r"every output with every target: the outputs are \(n, 1\) and the targets \(n\)"):
        interpolate(*line, data=(X, X[:, 0]), loss=nn.HuberLoss(), home=home)
    with pytest.raises(Refused, match="neither the mean nor the sum"):
        interpolate(*line, data=(X, X[:, 0]), loss=lambda o, t: (o - t).abs().mean(), home=home)
    found = interpolate(*line, data=(X, X[:, 0]), loss=nn.MSELoss(), home=home, **GRID).points.means()[0, 0]
    outputs, targets = answers(line[0], X[:, :1])
    assert found == pytest.approx((outputs - targets).square().mean().item(), rel=1e-6)


def test_where_the_network_gives_losses_no_other_can_be_chosen(home):
    """A divergence between losses would be 0 everywhere."""
    problem = live_problem(nn.Linear(5, 2), X, forward=lambda model, x: model(x).square().mean(dim=1))
    with pytest.raises(Refused, match="network gives losses"):
        interpolate(nn.Linear(5, 2), nn.Linear(5, 2), problem=problem, loss="divergence", home=home)


def test_a_loss_of_one_s_own_trains_a_path_and_aligns(classifiers, home):
    """It is the problem's: trained on, matched with, measured."""
    (pair,) = align(*classifiers, data=(X, Y), loss=focal, home=home, **GRID).pairs
    assert pair.before is not None and pair.before.run.field.problem.loss.startswith("live_classes@focal-")
    assert pair.after.barrier().height.value <= pair.before.barrier().height.value


# --- metrics ---


def f1(outputs: Tensor, targets: Tensor) -> float:
    return f1_score(targets.numpy(), outputs.argmax(dim=1).numpy())


def test_a_metric_of_each_sample_is_a_mean_with_its_interval(regressions, home):
    """Beside the loss; one number for all samples that is a mean is the same, block by block."""
    metrics = {"mae": ("low", lambda o, t: (o - t).abs().mean(dim=1)), "mean of all": ("low", lambda o, t: (o - t).abs().mean())}
    line = interpolate(*regressions, data=(X, NUMBERS), metrics=metrics, home=home, **GRID)
    outputs, targets = answers(regressions[0], NUMBERS)
    assert line.points.means()[0, 2] == pytest.approx((outputs - targets).abs().mean().item(), rel=1e-6)
    assert line.points.values[:, 3] == pytest.approx(line.points.values[:, 2], rel=1e-4)
    a, b = line.barrier("mae"), line.barrier("mean of all")
    assert a.metric.startswith("mae@low-") and a.height.value == pytest.approx(b.height.value, rel=1e-4)
    assert a.height.low == pytest.approx(b.height.low, rel=1e-4)


def test_a_metric_of_all_samples_has_the_interval_of_its_bootstrap(classifiers, home):
    """The value is scikit-learn's; its interval agrees with drawing samples again and again, which is slow."""
    line = interpolate(*classifiers, data=(X, Y), metrics={"f1": ("high", f1)}, home=home, **GRID)
    outputs, targets = answers(classifiers[0], Y)
    column = next(i for i, m in enumerate(line.run.field.metrics) if m.startswith("f1@"))
    assert line.points.means()[0, column] == pytest.approx(f1(outputs, targets), abs=1e-12)
    from explorer.stats.barriers import band

    low, high = (float(edge[0]) for edge in band(line.points, column))
    rng = np.random.default_rng(0)
    draws = [f1(outputs[rows], targets[rows]) for rows in (torch.from_numpy(rng.integers(0, len(targets), len(targets))) for _ in range(400))]
    slow_low, slow_high = np.quantile(draws, [0.025, 0.975])
    assert high - low == pytest.approx(slow_high - slow_low, rel=0.25)
    assert low < f1(outputs, targets) < high


def test_where_higher_is_better_the_barrier_is_a_fall(classifiers, home):
    """F1 and its opposite have one barrier; ends and peak are in F1's own values; pictures, words and tables have the metric by its name."""
    line = interpolate(*classifiers, data=(X, Y), metrics={"f1": ("high", f1), "miss": ("low", lambda o, t: 1 - f1(o, t))}, home=home, **GRID)
    up, down = line.barrier("f1"), line.barrier("miss")
    assert up.height.value == pytest.approx(down.height.value, abs=1e-12) and up.height.high == pytest.approx(down.height.high, abs=1e-9)
    assert up.ends == pytest.approx([1 - e for e in down.ends]) and up.peak == pytest.approx(1 - down.peak)
    assert "f1" in line.figure("f1").layout.title.text and "@" not in line.figure("f1").layout.title.text
    plane = landscape_around(classifiers[0], data=(X, Y), metrics={"f1": ("high", f1)}, size=3, home=home)
    assert {"loss", "error", "f1"} <= set(plane.table().columns)
    assert plane.surface("f1").z[1, 1] == pytest.approx(up.ends[0])
    (pair,) = align(*classifiers, data=(X, Y), metrics={"f1": ("high", f1)}, home=home, **GRID).pairs
    assert pair.before is not None
    assert pair.reduction("f1").value == pytest.approx(pair.before.barrier("f1").height.value - pair.after.barrier("f1").height.value)


def test_two_problems_that_differ_in_metrics_alone_keep_their_own(classifiers, home):
    """They are one problem, whose points are shared; each is measured by what it was given, and by none under a loss without targets."""
    one, two, none = (
        live_problem(classifiers[0], (X, Y), metrics=m) for m in ({"f1": ("high", f1)}, {"miss": ("low", lambda o, t: 1 - f1(o, t))}, None)
    )
    assert one.id == two.id == none.id
    lines = [interpolate(*classifiers, problem=p, home=home, **GRID) for p in (one, two, none)]
    assert [[m.partition("@")[0] for m in line.run.field.metrics] for line in lines] == [
        ["loss", "error", "f1"],
        ["loss", "error", "miss"],
        ["loss", "error"],
    ]
    assert interpolate(*classifiers, problem=one, loss="divergence", home=home, **GRID).run.field.metrics == ("loss", "error")


def test_a_metric_without_a_direction_is_drawn_and_has_no_barrier(classifiers, home):
    """In a sentence, with what to give."""
    line = interpolate(*classifiers, data=(X, Y), metrics={"f1": f1}, home=home, **GRID)
    assert len(line.figure("f1").data)
    with pytest.raises(Refused, match=r"are better\. Give it as \('high', function\)"):
        line.barrier("f1")


def test_a_metric_that_says_itself_what_is_better_is_believed(classifiers, home):
    """As those of torchmetrics do, which also add up from call to call."""

    class Hits:
        higher_is_better = True

        def __init__(self) -> None:
            self.hits, self.n = 0, 0

        def reset(self) -> None:
            self.hits, self.n = 0, 0

        def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
            self.hits, self.n = self.hits + int((outputs.argmax(1) == targets).sum()), self.n + len(targets)
            return torch.tensor(self.hits / self.n)

    hits = Hits()
    line = interpolate(*classifiers, data=(X, Y), metrics={"hits": hits}, home=home, **GRID)
    assert hits.n == 0
    assert line.barrier("hits").height.value == pytest.approx(line.barrier("error").height.value, abs=1e-6)


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ({"error": f1}, "cannot be called 'error'"),
        ({"f1": "high"}, "function of outputs and targets"),
        ({"f1": ("best", f1)}, "function of outputs and targets"),
        ({"f1": None}, "'f1' is None"),
        ({"bad": lambda o, t: "much"}, "returns a str"),
        ({"bad": lambda o, t: o @ t}, r"does not take outputs \(64, 2\)"),
        ({"bad": lambda o, t: o[:3, 0]}, r"returns \(3,\) for 64 samples"),
    ],
)
def test_what_is_no_metric_is_refused_in_a_sentence(classifiers, home, metrics, says):
    """With its name, and what is expected."""
    with pytest.raises(Refused, match=says):
        interpolate(*classifiers, data=(X, Y), metrics=metrics, home=home)
