"""Losses without labels: known answers, exactly 0 at the first model, and everything on top of a field just works."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from explorer import api
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.loss import divergence, squared_distance
from explorer.problems.problem import Problem

RANDOM = """
loss = "divergence"
[network]
name = "mlp"
widths = [64, 12, 10]
[data]
name = "random"
samples = 400
"""


def of(tiny, loss):
    """The tiny problem under another loss."""
    return Problem(dataclasses.replace(tiny.problem.spec, loss=loss))


@pytest.fixture
def corners(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def test_the_divergence_of_two_known_distributions():
    """KL((3/4, 1/4) ‖ (1/2, 1/2)) = ¾ log ³⁄₂ + ¼ log ½, item by item; the choice differs where the larger logit does."""
    reference = torch.tensor([[[3.0, 1.0], [1.0, 1.0]]]).log()
    outputs = torch.tensor([[[5.0, 5.0], [0.0, math.log(3)]]])
    found = divergence.losses(outputs, reference)
    assert found.shape == (1, 2)
    assert found[0].tolist() == pytest.approx([0.75 * math.log(1.5) + 0.25 * math.log(0.5), -0.5 * math.log(0.75)], abs=1e-6)
    assert divergence.wrong(outputs, reference).tolist() == [[False, True]]


def test_the_squared_distance_is_the_mean_over_outputs():
    """(3² + 4²)/2, and without a wrong answer."""
    assert squared_distance.losses(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]])).tolist() == [[12.5]]


@pytest.mark.parametrize("loss", ["divergence", "squared_distance"])
def test_it_is_exactly_zero_at_the_first_model_and_not_elsewhere(tiny, corners, loss):
    """Of every sample, in every block; and the order of the corners says which model is the first."""
    evaluate = Evaluate(of(tiny, loss), corners, blocks=7)
    assert not evaluate(np.array([1.0, 0.0])).any()
    assert (evaluate(np.array([0.5, 0.5]))[0] > 0).all() and (evaluate(np.array([0.0, 1.0]))[0] > 0).all()
    assert not Evaluate(of(tiny, loss), corners[::-1], blocks=7)(np.array([1.0, 0.0])).any()


def test_it_equals_the_divergence_of_the_outputs_of_two_plain_networks(tiny, corners):
    """At the other end: computed by hand from the outputs, in float64. Targets are not looked at."""
    outputs = []
    for weights in corners:
        network = tiny.problem.network()
        network.load_state_dict(weights)
        with torch.no_grad():
            outputs.append(network(tiny.problem.split("test").inputs).double())
    p, q = (o.softmax(dim=1) for o in outputs)
    wanted = (p * (p.log() - q.log())).sum(dim=1)
    found = Evaluate(of(tiny, "divergence"), corners)(np.array([0.0, 1.0]))
    assert found[0].sum() == pytest.approx(float(wanted.sum()), rel=1e-5)
    assert found[1].sum() == int((p.argmax(dim=1) != q.argmax(dim=1)).sum()) > 0


def test_a_line_without_labels_has_a_barrier_with_its_interval(tiny, home):
    """From the notebook; from B to A it is another number, and another field than that of the problem's own loss."""
    there, back = api.interpolate(tiny.a, tiny.b, loss="divergence"), api.interpolate(tiny.b, tiny.a, loss="divergence")
    found = there.barrier("loss")
    assert found.ends[0] == 0 < found.ends[1] and found.height.low <= found.height.value <= found.height.high
    assert back.barrier("loss").ends[1] != found.ends[1]
    assert len({there.run.field.id, back.run.field.id, api.interpolate(tiny.a, tiny.b).run.field.id}) == 3
    assert "divergence from a (nat)" in there.figure().layout.yaxis.title.text


def test_random_inputs_need_no_data_and_alignment_works_on_them(tiny, home, tmp_path):
    """weight_matching chooses its restart by the divergence at the midpoint; a shuffled copy has no divergence once it is aligned."""
    (tmp_path / "problem.toml").write_text(RANDOM)
    aligned = api.align(tiny.a, tiny.b, problem=tmp_path, method="weight_matching", method_options={"restarts": 2})
    (pair,) = aligned.pairs
    assert pair.before.barrier("loss").ends[0] == 0 and pair.before.barrier("loss").ends[1] > 0
    assert pair.after.barrier("loss").ends[1] == pytest.approx(pair.before.barrier("loss").ends[1], rel=1e-4), "an alignment moves no function"


def test_random_data_are_the_same_for_a_seed_and_tokens_where_a_vocabulary_is_given():
    """Normal numbers: mean 0, variance 1. Tokens: all of them, from 0."""
    load = registry.find("data", "random")
    numbers, tokens = load(None, shape=(3, 8), seed=1), load(None, shape=(16,), vocab=5)
    assert numbers.inputs.shape == (1024, 3, 8) and torch.equal(numbers.inputs, load(None, shape=(3, 8), seed=1).inputs)
    assert abs(float(numbers.inputs.mean())) < 0.03 and float(numbers.inputs.std()) == pytest.approx(1, abs=0.03)
    assert tokens.inputs.dtype == torch.int64 and tokens.inputs.unique().tolist() == [0, 1, 2, 3, 4]
    assert (numbers.sort, numbers.classes) == ("none", ())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('loss = "divergence"', 'loss = "cross_entropy"'), "these data have no targets. Use divergence"),
        (("samples = 400", "samples = 400\npath = 'problem.toml'"), "have no path"),
        (("samples = 400", "shape = [0]"), "whole numbers of at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, change, sentence):
    """A loss that wants targets, on data that have none; a path that nobody reads; an empty sample."""
    (tmp_path / "problem.toml").write_text(RANDOM.replace(*change))
    with pytest.raises(Refused, match=sentence):
        Problem(problem_toml.read(tmp_path)).split("test")


def test_what_needs_labels_says_so(tiny, home):
    """Nothing is trained towards a reference model; and no loss is taken for another's name."""
    spec = of(tiny, "divergence").spec
    with pytest.raises(Refused, match="This needs targets, and the loss divergence has none"):
        api.connect(tiny.a, tiny.b, problem=spec, method_options={"epochs": 1})
    with pytest.raises(Refused, match="There is no loss 'kl'"):
        api.interpolate(tiny.a, tiny.b, loss="kl")


def test_more_answers_than_can_be_kept_are_refused_with_how_many_can(tiny, corners, monkeypatch):
    """A large vocabulary times many texts; the sentence says how many samples to take."""
    monkeypatch.setattr("explorer.evaluate.evaluator.KEPT_BYTES", 4000)
    with pytest.raises(Refused, match="Use at most 100 samples"):
        Evaluate(of(tiny, "divergence"), corners)
    assert Evaluate(of(tiny, "divergence"), corners, samples=100).shape == (2, 100)


def test_a_confusion_matrix_without_labels_is_refused(tiny, corners):
    """There are no true classes to be taken for others."""
    with pytest.raises(Refused, match="A confusion matrix needs classes"):
        Evaluate(of(tiny, "divergence"), corners, metrics=("confusion",))
