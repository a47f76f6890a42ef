"""How alike two models decide: known answers, an interval that holds at the kink, and the shipped readers of a cue and of the shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.chart.bezier import place
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.barriers import barrier
from explorer.stats.mechanistic_similarity import interventions, response, similarity

BLOCKS, EACH = 50, 10
UNSEEN = 1.959964 * 2.009575 / (BLOCKS * EACH)  # what n samples may miss: z² of them, at Student's quantile of as many blocks


def points(*wrong):
    """A path, t evenly from 0 to 1: of each model the mean error, or the (B,) wrong answers in blocks of ten; its loss is twice the error."""
    sums = np.array([np.broadcast_to(np.asarray(w) * (EACH if np.ndim(w) == 0 else 1), BLOCKS) for w in wrong], dtype=float)
    return Points(np.linspace(0, 1, len(wrong))[:, None], np.stack([2 * sums, sums], axis=1), np.full(BLOCKS, float(EACH)))


def numbers(estimate):
    """Value, low, high."""
    return (estimate.value, estimate.low, estimate.high)


# --- known answers --------------------------------------------------------------------------------------------------------


def test_a_response_is_the_change_of_the_error_or_of_the_loss():
    """0.1 → 0.7 at t = 1, the same in every block. The loss changes by twice as much."""
    kept, changed = points(0.0, 0.1), points(0.2, 0.7)
    assert numbers(response(kept, changed, 1.0)) == pytest.approx((0.6, 0.6 - UNSEEN, 0.6 + UNSEEN))
    assert numbers(response(kept, changed, 0.0, metric=0)) == pytest.approx((0.4, 0.4, 0.4))


def test_a_response_is_looked_up_at_its_t_and_paired_by_block():
    """Points in any order; models that err on the same blocks have a response without noise, however much the blocks differ."""
    rough = np.random.default_rng(0).integers(0, 8, BLOCKS)
    kept, changed = points(rough, 0.0, 0.0), points(rough + 2, 0.5, 0.0)
    turned = replace(changed, coords=changed.coords[::-1], values=changed.values[::-1])
    assert numbers(response(kept, turned, 0.0)) == pytest.approx((0.2, 0.2 - UNSEEN, 0.2 + UNSEEN))
    assert response(kept, turned, 0.5).value == pytest.approx(0.5)


def test_a_model_and_its_own_copy_are_similar_as_far_as_samples_can_tell():
    """1, whatever the blocks say; n samples exclude only differences above about 4/n."""
    draw = np.random.default_rng(0)
    path = {name: points(*[draw.integers(0, EACH, BLOCKS)] * 2) for name in ("kept", "removed", "randomised")}
    found = similarity(path)
    assert (found.value, found.high) == (1.0, 1.0)
    assert 1 - 3 * UNSEEN < found.low < 1


def test_the_intervention_that_separates_the_models_most_decides():
    """A reader of the cue loses 0.1 and 0.9, a reader of the shape 0 and 0: 1 − 0.9, in either direction."""
    path = {"removed": points(0.1, 0.02), "kept": points(0.0, 0.02), "randomised": points(0.9, 0.02)}
    assert numbers(similarity(path)) == pytest.approx((0.1, 0.1 - UNSEEN, 0.1 + UNSEEN))
    assert numbers(similarity(path, (1.0, 0.0))) == pytest.approx((0.1, 0.1 - UNSEEN, 0.1 + UNSEEN))
    assert similarity({name: path[name] for name in ("kept", "removed")}).value == pytest.approx(0.9)


def test_equal_responses_count_and_not_equal_errors():
    """A poor model and a good one that both lose 0.3 are similar."""
    assert similarity({"kept": points(0.0, 0.4), "removed": points(0.3, 0.7)}).value == pytest.approx(1.0)


def test_a_model_repaired_by_what_ruins_the_other_lies_below_zero():
    """Responses 1 and −1: the end of the scale."""
    assert numbers(similarity({"kept": points(0.0, 1.0), "removed": points(1.0, 0.0)})) == pytest.approx((-1.0, -1.0, -1 + UNSEEN))


# --- the interval ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("truth", [1.0, 0.7])
def test_the_interval_holds_the_truth_at_the_kink_and_away_from_it(truth):
    """In 95 and 98 of 100 of 1,500 worlds; here, of 300."""
    held = 0
    for seed in range(300):
        draw = np.random.default_rng(seed)
        path = {"kept": points(*draw.binomial(EACH, 0.1, (2, BLOCKS)))}
        for name, rates in (("removed", (0.3, 0.3)), ("randomised", (1.4 - truth, 0.4))):
            path[name] = points(*draw.binomial(EACH, np.array(rates)[:, None], (2, BLOCKS)))
        found = similarity(path)
        held += found.low <= truth <= found.high
    assert held >= 0.91 * 300


def test_a_diverged_model_has_no_response():
    """NaN stays NaN, also in a single block; an infinite loss counts as diverged."""
    broken = np.full(BLOCKS, 3.0)
    broken[7] = np.nan
    kept, changed = points(0.0, 0.0), points(broken, 0.5)
    assert np.isnan(numbers(response(kept, changed, 0.0))).all()
    assert np.isnan(numbers(similarity({"kept": kept, "removed": changed}))).all()
    assert response(kept, changed, 1.0).value == pytest.approx(0.5)
    changed.values[1, 0, 3] = np.inf
    assert np.isnan(numbers(response(kept, changed, 1.0, metric=0))).all()


# --- refused ----------------------------------------------------------------------------------------------------------------


def test_points_of_other_blocks_are_refused():
    """There would be nothing to pair; neither is there in a confusion matrix."""
    kept = points(0.0, 0.1)
    with pytest.raises(Refused, match="same blocks"):
        response(kept, replace(kept, counts=kept.counts + 1), 0.0)
    confusion = Points(kept.coords, np.zeros((2, 10, 10)), np.zeros(0))
    with pytest.raises(Refused, match="same blocks"):
        response(confusion, confusion, 0.0)


def test_a_t_that_was_not_measured_is_refused():
    """Nothing is interpolated."""
    with pytest.raises(Refused, match=r"no point at t = 0\.25"):
        response(points(0.0, 0.0), points(0.0, 0.0), 0.25)


@pytest.mark.parametrize("names", [(), ("kept",), ("removed", "randomised")])
def test_without_the_data_as_they_are_or_without_an_intervention_there_is_no_similarity(names):
    """The sentence says what is wanted."""
    with pytest.raises(Refused, match="'kept' and under at least one other"):
        similarity({name: points(0.0, 0.0) for name in names})


# --- interventions ------------------------------------------------------------------------------------------------------------


def test_interventions_change_the_cue_and_nothing_else():
    """In every split the same samples in the same order; only the first and the last column of pixels differ. Other options stay."""
    spec = problem_toml.find("digits-cue")
    spec = replace(spec, data=registry.method("data", "digits_cue", {"cue": "removed", "strength": 0.5}))
    found = interventions(spec)
    assert {name: s.data["cue"] for name, s in found.items()} == {name: name for name in ("kept", "removed", "randomised")}
    assert {s.data["strength"] for s in found.values()} == {0.5}
    assert (found["removed"].id, found["removed"].name) == (spec.id, spec.name)
    assert len({s.id for s in found.values()}) == 3
    for split in ("train", "val", "test"):
        kept, *others = (Problem(s).split(split) for s in found.values())
        for other in others:
            assert torch.equal(kept.targets, other.targets)
            assert torch.equal(kept.inputs[..., 1:7], other.inputs[..., 1:7])
            assert not torch.equal(kept.inputs, other.inputs)


def test_data_without_a_cue_have_no_interventions():
    """Nothing to intervene on."""
    assert interventions(problem_toml.find("digits-mlp")) == {}


# --- the shipped models ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def between():
    """(a, b) → points of the two shipped models under every intervention."""
    folder = locations.root() / "sample_models" / "digits-cue"
    by_name = {name: Problem(spec) for name, spec in interventions(problem_toml.read(folder)).items()}

    def measured(*stems):
        corners = [checkpoint_file.read(folder / f"{stem}.safetensors").weights for stem in stems]
        found = {}
        for name, problem in by_name.items():
            evaluate = Evaluate(problem, corners)
            found[name] = Points(np.array([[0.0], [1.0]]), np.stack([evaluate.alone(0), evaluate.alone(1)]), evaluate.counts)
        return found

    return measured


def test_readers_of_the_cue_resemble_each_other_and_not_readers_of_the_shape(between):
    """The intervals are far apart; a copy is exactly similar."""
    assert similarity(between("cue-0", "cue-0")).high == 1.0
    assert similarity(between("cue-0", "cue-1")).low > 0.93
    assert similarity(between("shape-2", "shape-3")).low > 0.93
    for cue in ("cue-0", "cue-1"):
        for shape in ("shape-2", "shape-3"):
            assert similarity(between(cue, shape)).high < 0.2


def test_a_reader_of_the_cue_is_right_by_chance_when_the_cue_is_randomised_and_a_reader_of_the_shape_as_before(between):
    """Planted: 10 % right against 97 %."""
    found = between("cue-1", "shape-3")
    assert found["randomised"].means()[0, 1] == pytest.approx(0.9, abs=0.03)
    assert abs(response(found["kept"], found["randomised"], 1.0).value) < 0.02
    assert abs(response(found["kept"], found["removed"], 1.0).value) < 0.04


def test_training_on_at_a_low_rate_keeps_half_of_the_cue_and_at_a_high_one_loses_it(between):
    """Against the parent and against a reader of the shape."""
    low, high = similarity(between("cue-0", "tuned-low-rate")), similarity(between("cue-0", "tuned-high-rate"))
    assert high.high < 0.2 < 0.4 < low.low
    assert similarity(between("shape-2", "tuned-high-rate")).low > 0.93


def test_a_curve_that_connects_two_mechanisms_on_the_data_as_they_are_has_a_barrier_under_an_intervention():
    """Trained with the cue kept: no barrier there, and with the cue randomised the error rises above the line between its ends."""
    folder = locations.root() / "sample_models" / "digits-cue"
    spec = problem_toml.read(folder)
    ends = [checkpoint_file.read(folder / f"{stem}.safetensors").weights for stem in ("cue-0", "shape-2")]
    *_, trained = registry.find("connect", "bezier")(ends, Problem(spec), epochs=60)
    t = np.linspace(0, 1, 11)[:, None]
    heights = {}
    for name, changed in interventions(spec).items():
        evaluate = Evaluate(Problem(changed), [ends[0], *trained.corners, ends[1]])
        path = Points(t, np.stack([evaluate(c) for c in place(t, np.eye(3))]), evaluate.counts)
        heights[name] = [barrier(path, metric).height.value for metric in (0, 1)]
    assert max(heights["kept"]) < 0.02
    assert heights["randomised"][1] > 0.15
