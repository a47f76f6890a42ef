"""What a plane can be drawn by: known scores, a naive twin, and sums that stay sums."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import plugins, registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import ProblemSpec
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.proper_scores import scores
from explorer.problems import problem_toml
from explorer.stats import metrics, units
from explorer.stats.barriers import band

COUNTS = np.array([3.0, 2.0, 4.0])


def points(*values):
    """One point with the sums over three blocks of each measured metric."""
    return Points(np.zeros((1, 2)), np.array([values], dtype=np.float64), COUNTS)


def test_of_even_probabilities_and_of_certain_ones_the_scores_are_known():
    """1 − 1/C and 1/C for even ones; for certain ones 0 where they are right and 2 where they are wrong, and a confidence of 1."""
    even, sure, right = torch.zeros(2, 4), torch.tensor([[99.0, 0, 0, 0]] * 2), torch.tensor([0, 3])
    assert scores("brier", even, right).tolist() == [[0.75], [0.75]]
    assert scores("confidence", even, right).tolist() == [[0.25], [0.25]]
    assert scores("brier", sure, right).tolist() == [[0.0], [2.0]]
    assert scores("confidence", sure, right).tolist() == [[1.0], [1.0]]


def test_of_masked_tokens_only_those_that_are_asked_for_count():
    """Two of three: the one at −1 adds nothing, whatever is answered there."""
    outputs = torch.zeros(1, 3, 2)
    outputs[0, 1] = torch.nan
    assert scores("brier", outputs, torch.tensor([[0, -1, 1]]), masked=True).tolist() == [[0.5, 0.0, 0.5]]


def test_a_point_has_the_scores_of_a_naive_loop(tiny):
    """Each sample by itself, its probabilities by hand; loss and error are the same bits as without scores."""
    corners = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    there = np.array([0.6, 0.4])
    found = Evaluate(tiny.problem, corners, blocks=7, metrics=metrics.SCORED)(there)
    assert (found[:2] == Evaluate(tiny.problem, corners, blocks=7)(there)).all()
    network = tiny.problem.network()
    network.load_state_dict({k: sum(c * m[k].double() for c, m in zip(there, corners, strict=True)).float() for k in corners[0]})
    batch = tiny.problem.split("test")
    brier, confidence = [], []
    with torch.no_grad():
        for x, y in zip(batch.inputs, batch.targets, strict=True):
            p = np.exp(network(x[None])[0].double().numpy())
            p /= p.sum()
            brier.append(sum((p[k] - float(k == y)) ** 2 for k in range(len(p))))
            confidence.append(p.max())
    assert found[2:].sum(axis=1) == pytest.approx([sum(brier), sum(confidence)], rel=1e-5)


def test_accuracy_is_what_error_is_not_and_overconfidence_is_a_difference_sample_by_sample():
    """Sums over each block; the interval of the accuracy is that of the error, mirrored; two that cancel out have no interval left."""
    there = points([3.0, 1.0, 2.0], [1.0, 0.0, 2.0], [1.0, 1.0, 1.0], [2.5, 1.5, 3.0])
    assert metrics.means(there, metrics.SCORED, "accuracy") == pytest.approx([6 / 9])
    low, high = band(there, 1)
    assert metrics.interval(there, metrics.SCORED, "accuracy") == (pytest.approx(1 - high), pytest.approx(1 - low))
    assert metrics.column(there, metrics.SCORED, "overconfidence").values[0, 0] == pytest.approx([0.5, -0.5, 1.0])
    bold = points(COUNTS, COUNTS / 4, COUNTS, 0.85 * COUNTS)
    assert [float(end[0]) for end in metrics.interval(bold, metrics.SCORED, "overconfidence")] == pytest.approx([0.1, 0.1])


def test_perplexity_is_the_exponential_of_the_mean_and_of_its_interval():
    """Not the mean of exponentials; beyond a float it is infinite; what diverged stays so."""
    there = points([6.0, 1.0, 2.0], [0.0, 0.0, 0.0])
    assert metrics.means(there, metrics.PLAIN, "perplexity") == pytest.approx(np.e)
    assert metrics.interval(there, metrics.PLAIN, "perplexity") == tuple(pytest.approx(np.exp(end)) for end in band(there, 0))
    assert metrics.means(points(COUNTS * 1e4, COUNTS), metrics.PLAIN, "perplexity") == np.inf
    assert np.isnan(metrics.means(points(COUNTS * np.nan, COUNTS * np.nan), metrics.PLAIN, "accuracy"))


def test_only_what_means_something_is_offered():
    """Perplexity for tokens alone, and nothing that wants the true class without it."""
    images, tokens = problem_toml.find("digits-mlp"), problem_toml.find("char-gpt")
    assert metrics.offered(images) == ("loss", "error", "accuracy", "brier", "confidence", "overconfidence")
    assert metrics.offered(tokens)[2] == "perplexity"
    assert metrics.offered(ProblemSpec(images.network, images.data, loss="divergence")) == ("loss", "error")
    assert metrics.offered(ProblemSpec(images.network, images.data, loss="mse")) == ("loss",)


def test_what_was_not_measured_is_refused_with_what_was():
    """No number is made up of what is not there."""
    with pytest.raises(Refused, match="Brier score.*only loss, error"):
        metrics.column(points(COUNTS, COUNTS), metrics.PLAIN, "brier")
    with pytest.raises(Refused, match="There are: loss, error, perplexity, accuracy"):
        metrics.find("f1")


MARGIN = '''"""Margin: how far the largest probability is above the second."""

TITLE = "margin of probabilities"
TERMS = (("margin", 1.0),)
OF = "labels"
GOOD = "high"
PERCENT = True


def samples(p, classes):
    first, second = p.topk(2, dim=-1).values.T
    return first - second
'''
HALF = '''"""Half the error."""

TERMS = (("error", 0.5),)
OF = "classes"
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Two metrics that were named on the command line: one that measures something new, one that is made of what is there."""
    (tmp_path / "margin.py").write_text(MARGIN)
    (tmp_path / "half.py").write_text(HALF)
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins.add([str(tmp_path / "margin.py"), str(tmp_path / "half.py")])
    return tmp_path


def test_a_metric_is_one_file(mine, tiny):
    """It is offered behind ours, named and given its unit by its constants; what is made of measured sums wants nothing new to be measured."""
    assert metrics.offered(tiny.problem.spec)[-2:] == ("half", "margin")
    assert (metrics.find("margin").called, units.of_level(tiny.problem.spec, "margin"), units.of_gap(tiny.problem.spec, "margin")) == (
        "margin of probabilities",
        "%",
        "points",
    )
    assert metrics.needed("half") == metrics.PLAIN
    assert metrics.means(points(COUNTS, np.array([1.0, 1.0, 1.0])), metrics.PLAIN, "half") == pytest.approx([1 / 6])


def test_a_metric_measures_each_sample_itself(mine, tiny):
    """Its module's function is given probabilities and true classes; the means are those of a naive loop."""
    measured = metrics.needed("margin")
    weights = checkpoint_file.read(tiny.a).weights
    found = Evaluate(tiny.problem, [weights], blocks=7, metrics=measured)(np.ones(1))
    network = tiny.problem.network()
    network.load_state_dict(weights)
    with torch.no_grad():
        p = np.sort(network(tiny.problem.split("test").inputs).double().softmax(dim=-1).numpy(), axis=1)
    assert found[2].sum() == pytest.approx((p[:, -1] - p[:, -2]).sum(), rel=1e-5)


def test_points_of_another_text_of_a_metric_are_not_taken_for_its_own(mine, tiny):
    """What it measures carries the digest of its text; who asks for points of a text that is gone is told so."""
    before = metrics.needed("margin")
    (mine / "margin.py").write_text(MARGIN.replace("first - second", "first"))
    plugins.digest.cache_clear()
    registry._text.cache_clear()
    metrics._every.cache_clear()
    assert metrics.needed("margin") != before
    with pytest.raises(Refused, match="was changed after these points were asked for"):
        scores(before[2], torch.zeros(2, 4), torch.tensor([0, 1]))


@pytest.mark.parametrize("wrong", ['TERMS = ("error", 0.5)', 'OF = "all"', 'PERCENT = "yes"'])
def test_constants_that_describe_no_metric_are_refused(tmp_path, monkeypatch, wrong):
    """The constant is named, and where to see right ones."""
    (tmp_path / "wrong.py").write_text(f"{HALF}{wrong}\n")
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins.add([str(tmp_path / "wrong.py")])
    with pytest.raises(Refused, match=f"has a wrong {wrong.split()[0]}"):
        metrics.every()
