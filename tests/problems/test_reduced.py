"""One number for a batch whose samples have different numbers of items that count: every token is worth the same, whichever document it is in."""

from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from explorer.core import registry
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.hessian import Curvature
from explorer.methods.align._midpoint_loss import Between
from explorer.methods.fuse._entropy import entropy
from explorer.methods.fuse._fisher_diagonal import fisher
from explorer.problems.reduced import mean_loss, sample_losses
from explorer.training.curve_training import train_path
from explorer.training.learner import Learner, _noisy
from explorer.training.options import CurveOptions, TrainingOptions
from tests.problems.data.test_documents import CONTEXT, PAD, problem, saved, texts

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def documents(tmp_path):
    """Filled up on the right, for a tiny GPT-2."""
    saved(tmp_path, texts())
    return problem(tmp_path, "GPT-2", form="right", pad=PAD)


def one(problem, seed):
    """Weights of the network, as a checkpoint has them, without dropout."""
    return {n: t.detach().clone() for n, t in problem.network(seed=seed).state_dict().items()}


def joined(problem, weights, split="train"):
    """(the mean loss of all tokens that have a target, joined in one row; the losses of each document's), by a plain loop."""
    batch, network = problem.split(split), problem.network().eval()
    own = {n: weights[n] for n, _ in network.named_parameters()}
    each = []
    for row, targets in zip(batch.inputs, batch.targets, strict=True):
        logits = functional_call(network, own, (row[None],))[0]
        each.append(functional.cross_entropy(logits[targets >= 0], targets[targets >= 0], reduction="none"))
    return torch.cat(each).mean(), each


def gradient(problem, weights):
    """{parameter: gradient of the joined tokens' loss}."""
    names = [n for n, _ in problem.network().named_parameters()]
    leaves = {n: weights[n].clone().requires_grad_() for n in names}
    loss, _ = joined(problem, {**weights, **leaves})
    return loss.detach(), dict(zip(names, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def test_documents_differ_in_what_they_are_worth(documents):
    """Otherwise nothing here could fail: a plain mean of the array of losses is another number."""
    batch = documents.split("train")
    worth = documents.worth(batch.targets)
    assert worth.unique().numel() > 2
    outputs = torch.randn(*batch.targets.shape, 23, generator=torch.Generator().manual_seed(0))
    losses = documents.losses(outputs, batch.targets)
    assert float(mean_loss(documents, outputs, batch.targets)) == pytest.approx(float(losses.sum() / worth.sum()))
    assert float(mean_loss(documents, outputs, batch.targets)) > 1.2 * float(losses.mean())
    assert torch.allclose(sample_losses(documents, outputs, batch.targets), losses.sum(dim=1) / worth)


def test_a_batch_of_which_nothing_is_asked_moves_nothing(documents):
    outputs = torch.randn(2, CONTEXT, 23, requires_grad=True)
    loss = mean_loss(documents, outputs, torch.full((2, CONTEXT), -1))
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, outputs)[0].any()


def test_a_training_step_goes_down_the_loss_of_the_joined_tokens(documents):
    """One step of SGD on all documents moves by the rate times the gradient of the concatenated tokens."""
    weights = one(documents, 1)
    _, wanted = gradient(documents, weights)
    n = len(documents.split("train").targets)
    how = TrainingOptions(epochs=1, lr=0.5, momentum=0.0, weight_decay=0.0, batch=n, seed=0)
    learner = Learner(documents, weights, how, lambda step, parts: 1.0, order_seed=0, only=wanted)  # all of them, without dropout
    assert next(learner.steps()) == 1
    after = learner.weights()
    for name, g in wanted.items():
        assert torch.allclose(weights[name] - after[name], 0.5 * g, atol=1e-6), name


def test_a_curve_is_trained_on_the_loss_of_the_joined_tokens(documents):
    """The bend of a chart that stands at its bend alone: the same step; and the loss that is reported, over batches of unlike worth."""
    ends, bend = [one(documents, 1), one(documents, 2)], one(documents, 3)
    loss, wanted = gradient(documents, bend)
    n = len(documents.split("train").targets)

    def at_the_bend(coords, inner):
        return np.tile([0.0, 1.0, 0.0], (len(coords), 1))

    whole = CurveOptions(epochs=1, lr=0.5, momentum=0.0, weight_decay=0.0, batch=n, seed=0)
    (step,) = train_path(ends, documents, at_the_bend, [bend], whole)
    for name, g in wanted.items():
        assert torch.allclose(bend[name] - step.corners[0][name], 0.5 * g, atol=1e-6), name
    still = CurveOptions(epochs=1, lr=0.0, momentum=0.0, weight_decay=0.0, batch=3, seed=0)
    (step,) = train_path(ends, documents, at_the_bend, [bend], still)
    assert step.loss == pytest.approx(float(loss), rel=1e-5)


def test_autoneb_reports_the_loss_of_the_joined_tokens(documents):
    """A chain between two copies of one model that does not move: its pivots' loss, over batches of unlike worth."""
    model = one(documents, 1)
    loss, _ = gradient(documents, model)
    other = {n: t + 1e-6 if t.is_floating_point() else t for n, t in model.items()}
    connect = registry.find("connect", "autoneb")
    *_, last = connect([model, other], documents, bends=1, epochs=1, lr=0.0, batch=3)
    assert last.loss == pytest.approx(float(loss), rel=1e-3)


def test_what_lies_between_two_models_has_the_loss_of_the_joined_tokens(documents):
    model = one(documents, 1)
    between = Between(documents, one(documents, 2))
    rows = torch.arange(len(between.targets))
    found = mean_loss(documents, functional_call(between.network, model, (between.inputs,)), between.targets)
    assert float(between.loss(model, rows, t=1.0)) == pytest.approx(float(found), rel=1e-6)
    assert (between.targets >= 0).sum(dim=1).unique().numel() > 1


def test_curvature_is_that_of_the_joined_tokens(documents):
    """Mean loss, gradient, and a second derivative by differences of gradients."""
    weights = one(documents, 1)
    loss, wanted = gradient(documents, weights)
    curvature = Curvature(documents, weights, parts=3, double=True)
    losses, found = curvature.gradient()
    flat = torch.cat([wanted[n].flatten() for n in curvature.parameters]).numpy()
    assert losses.mean() == pytest.approx(float(loss), rel=1e-6)
    assert found == pytest.approx(flat, abs=1e-6)
    v = np.random.default_rng(0).standard_normal(curvature.size)
    ahead, behind = (curvature.gradient(s * 1e-5 * v)[1] for s in (1, -1))
    assert curvature(v) == pytest.approx((ahead - behind) / 2e-5, abs=1e-3)


@pytest.mark.parametrize("method", ["learned_soup", "twa", "robust_soup"])
def test_coefficients_are_learned_from_the_joined_tokens(documents, method, monkeypatch):
    """The first objective that is seen, of one batch, is the loss of the start that a point of a picture is measured with."""
    seen = []
    module = import_module(f"explorer.methods.fuse.{method}")

    def watched(problem, outputs, targets, of=mean_loss):
        seen.append(of(problem, outputs, targets))
        return seen[-1]

    monkeypatch.setattr(module, "mean_loss", watched)
    models, split = [one(documents, 1), one(documents, 2)], "test" if method == "twa" else "val"
    batch = documents.split("test")
    monkeypatch.setattr(documents, "split", lambda name, most=None: batch)
    options = {"robust_soup": {"linf": 0.0, "l2": 0.0, "search": "gradient"}, "learned_soup": {"scale": False}, "twa": {"split": "val"}}[method]
    module.fuse(models, documents, epochs=1, batch=1000, **options)
    evaluate = Evaluate(documents, models, split=split, prepare=False)
    assert float(seen[0].detach()) == pytest.approx(float(evaluate(np.array([0.5, 0.5]))[0].sum() / evaluate.counts.sum()), rel=1e-5)


def test_entropy_and_fisher_information_leave_out_what_fills_up(documents):
    """Other tokens there, other answers there: the same numbers."""
    weights, batch = one(documents, 1), documents.split("train")
    answers = torch.randn(*batch.targets.shape, 23, generator=torch.Generator().manual_seed(0))
    other = torch.where((batch.targets >= 0)[..., None], answers, 5 * answers)
    sure = partial(entropy, documents)
    assert float(sure(lambda x: answers, batch.inputs, batch.targets)) == float(sure(lambda x: other, batch.inputs, batch.targets))
    for labels in ("sampled", "exact"):
        found = fisher(documents, weights, labels=labels, samples=3)
        by_hand = {n: torch.zeros_like(t) for n, t in found.items()}
        if labels == "exact":
            network = documents.network().eval()
            leaves = {n: weights[n].clone().requires_grad_() for n, _ in network.named_parameters()}
            for row, targets in zip(batch.inputs[:3], batch.targets[:3], strict=True):
                said = functional_call(network, leaves, (row[None],))[0][targets >= 0].log_softmax(dim=-1)
                for item in said:
                    for c in range(len(item)):
                        for n, g in zip(leaves, torch.autograd.grad(item[c], list(leaves.values()), retain_graph=True), strict=True):
                            by_hand[n] += item[c].exp().detach() * g.square() / 3
            for n in leaves:
                assert torch.allclose(found[n].float(), by_hand[n].float(), rtol=1e-3, atol=1e-7), n
        else:
            assert all(t.isfinite().all() for t in found.values())


@pytest.mark.parametrize("study", ["ensemble", "swag"])
def test_models_beside_what_they_say_together_have_the_loss_that_a_point_has(documents, study):
    models = [one(documents, 1), one(documents, 2)]
    found = registry.find("study", study)(models, documents, **({"draws": 1} if study == "swag" else {}))
    evaluate = Evaluate(documents, models, prepare=False)
    assert found["counts"] == evaluate.counts.tolist()
    row = found["values"][2][0] if study == "swag" else found["models"][1][0]
    assert sum(row) / sum(found["counts"]) == pytest.approx(float(evaluate.alone(1)[0].sum() / evaluate.counts.sum()), rel=1e-5)


def test_along_a_path_a_document_has_the_mean_loss_of_its_own_tokens(documents):
    model = one(documents, 1)
    _, each = joined(documents, model, "test")
    found = registry.find("study", "along")([model], documents, count=3)
    for sample in found["samples"]:
        assert sample["loss"][0] == pytest.approx(float(each[sample["index"]].mean()), rel=1e-3)


def test_label_noise_asks_for_nothing_that_was_not_asked(documents):
    targets = documents.split("train").targets
    noisy = _noisy(targets, 0.9, 23, torch.Generator().manual_seed(0))
    assert torch.equal(noisy >= 0, targets >= 0)
    assert (noisy != targets).any()


def test_weights_of_classes_divide_a_batch_as_torch_divides_it():
    """Targets of unlike weights: what torch's own weighted cross-entropy says of the batch."""
    weight = torch.tensor([5.0, 1.0, 0.1])

    class Weighted:
        def losses(self, outputs, targets):
            return functional.cross_entropy(outputs, targets, weight=weight, reduction="none")[:, None]

        def worth(self, targets):
            return weight[targets]

    outputs, targets = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 2, 1, 0])
    assert float(mean_loss(Weighted(), outputs, targets)) == pytest.approx(float(nn.CrossEntropyLoss(weight)(outputs, targets)), rel=1e-6)
