"""What each lesson says is what its numbers show: the claims and choices of lessons, held to measured points with their intervals."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.core import splits
from explorer.lessons import _around, averaging, ensembles, every, flatness, language_models, local_trainings, many_tasks, robust, soups, transport
from explorer.lessons._read import ERROR, LOSS, TASK_FAMILY, TASKS, TRUNK, at, found, mixtures
from explorer.stats.barriers import band, difference
from tests.lessons.conftest import measured


def alone(points, count):
    """Each of several corners by itself."""
    return [at(points, *one) for one in np.eye(count).tolist()]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("barrier", 1),
        ("two_neurons", 1),
        ("sgd_noise", 2),
        ("permutations", 1),
        ("matching", 2),
        ("transport", 0),
        ("curves", 2),
        ("subspaces", 1),
        ("robust", 2),
        ("averaging", 0),
        ("soups", 2),
        ("ensembles", 0),
        ("fisher_regmean", 2),
        ("interference", 2),
        ("arithmetic", 2),
        ("many_tasks", 2),
        ("local_trainings", 2),
        ("language_models", 2),
        ("more_than_order", 2),
        ("flatness", 2),
        ("sam", 0),
    ],
)
def test_the_shipped_models_give_the_answer_that_the_text_explains(shop, name, answer):
    """Texts, misconceptions and exercises speak of this outcome: where it changes, so must they."""
    assert every()[name].see(measured(shop, name)).answer == answer


@pytest.mark.parametrize("variant", range(3))
def test_the_network_half_way_is_certainly_worse_and_better_than_guessing(shop, variant):
    """Both ends below 4 % of error, the middle above it and below 50 %, with its whole interval."""
    points = measured(shop, "barrier", variant)["straight line"]
    low, high = band(at(points, 0.5), ERROR)
    assert max(found(points, ERROR).ends) < 0.04 < low[0] < high[0] < 0.5


def test_weight_matching_leaves_certainly_less_than_a_tenth_and_more_than_nothing(shop):
    """And it changes neither end."""
    points = measured(shop, "matching")
    before, after = found(points["as they are"]), found(points["weights matched"])
    assert 0 < after.height.low < after.height.high < 0.1 * before.height.low
    assert before.ends == pytest.approx(after.ends, abs=1e-5)


def test_the_rise_to_the_transported_network_is_certainly_small(shop):
    """There is one, and all of its interval lies in the first choice."""
    height = found(measured(shop, "transport")["transported"]).height
    assert 0 < height.low < height.high < transport.EDGES[0]


def test_an_adversary_makes_certainly_more_than_five_times_as_many_errors(shop):
    """And the curve that was trained under attack certainly makes fewer than the plain one."""
    points = measured(shop, "robust")
    plain, attacked, trained = (at(points[name], 0.5) for name in robust.TITLES)
    assert band(attacked, ERROR)[0][0] > 5 * band(plain, ERROR)[1][0]
    assert difference(attacked, trained, ERROR).low > 0


@pytest.mark.parametrize("variant", range(2))
def test_a_training_at_a_high_rate_wanders_and_the_mean_lies_below_it(shop, variant):
    """The best of the ten epochs is far below the worst one, and the mean of their weights is about as good as the best of them or better."""
    points = measured(shop, "averaging", variant)["snapshots"]
    losses = [float(p.means()[0, LOSS]) for p in alone(points, averaging.LAST)]
    mean = float(at(points, *[1.0] * averaging.LAST).means()[0, LOSS])
    assert max(losses) > 1.3 * min(losses)
    assert mean < 1.1 * min(losses)
    assert every()["averaging"].see({"snapshots": points}).answer == 0


def test_one_ingredient_spoils_the_soup(shop):
    """The one that validation names: without it the soup of seven is certainly better than that of eight on the test split."""
    points = measured(shop, "soups")
    test, val = points["soups, test"], points["one left out, validation"]
    seven = (1.0 - np.eye(len(soups.TUNES))).tolist()
    worst = min(seven, key=lambda one: float(at(val, *one).means()[0, LOSS]))
    assert difference(at(test, *[1.0] * 8), at(test, *worst), LOSS).low > 0


def test_a_soup_needs_a_common_basin_and_an_ensemble_does_not(shop):
    """Fine-tunes: the soup is certainly better than their mean loss; seeds: certainly worse. The ensemble is better than the mean in both (Jensen)."""
    points = measured(shop, "ensembles")
    for group, (_, names) in ensembles.GROUPS.items():
        joint, mean = at(points[f"ensemble of {group}"], 0.0), at(points[f"ensemble of {group}"], 1.0)
        soup = at(points[f"soup of {group}"], *[1.0] * len(names))
        assert difference(mean, joint, LOSS).low > 0
        apart = difference(soup, mean, LOSS)
        assert apart.high < 0 if group == "fine-tunes" else apart.low > 0


def test_the_fine_tunes_of_the_ensemble_are_those_of_the_greedy_soup(shop):
    """So that the two lessons speak of one soup, chosen on the validation split."""
    sentence = every()["soups"].see(measured(shop, "soups")).sentence
    assert f"took {', '.join(ensembles.GROUPS['fine-tunes'][1])}:" in sentence


def test_regmean_is_certainly_best_and_certainly_worse_than_either_network(shop):
    """Of the three on the test split; the two networks alone are better than it."""
    points = measured(shop, "fisher_regmean")
    for other in ("average", "Fisher"):
        assert difference(points[f"{other}, test"], points["RegMean, test"], LOSS).low > 0
    assert all(difference(points["RegMean, test"], points[f"network {which}, test"], LOSS).low > 0 for which in "AB")


def test_statistics_alone_take_away_certainly_more_than_half(shop):
    """The highest that may be left is below half of the lowest that was there."""
    before, after = (found(points).height for points in measured(shop, "interference").values())
    assert 0 < after.low < after.high < 0.5 * before.low


def test_half_a_task_vector_brings_certainly_more_than_three_fifths(shop):
    """With a random cue; where the cue tells the truth the error certainly rises between the two networks."""
    points = measured(shop, "arithmetic")
    none, half, whole = (at(points["randomised"], t) for t in (0.0, 0.5, 1.0))
    assert difference(none, half, ERROR).low > 0.6 * difference(none, whole, ERROR).high
    kept = [at(points["kept"], t) for t in (0.0, 0.5, 1.0)]
    assert all(difference(kept[1], end, ERROR).low > 0 for end in (kept[0], kept[2]))


@pytest.mark.parametrize("variant", range(2))
def test_the_loss_rises_faster_around_the_network_of_all_samples(shop, variant):
    """By more than twice, in each of the six directions; what is said of the test losses is what their difference shows."""
    points = measured(shop, "flatness", variant)
    small, large = flatness.TRAININGS

    def rise(name, k):
        line = points[f"{name}, direction {k + 1}"]
        return float(at(line, _around.FAR).means()[0, LOSS] - at(line, 0.0).means()[0, LOSS])

    assert all(rise(large, k) > rise(small, k) for k in range(2 * _around.DRAWS))
    seen = every()["flatness"].see(points)
    assert seen.answer == 2
    extra = points[f"{small}, direction 1"]
    more = {**points, f"{small}, direction 1": extra.extended(np.array([[1.0]]), extra.values[:1])}
    assert every()["flatness"].see(more).sentence == seen.sentence  # what somebody measured beside it is not mixed in
    apart = difference(points[f"{large}, test"], points[f"{small}, test"], LOSS)
    assert ("no detectable difference" in seen.sentence) == (apart.low <= 0 <= apart.high)


def test_what_is_poured_between_measured_soups_is_about_right(shop):
    """The interpolation of `frontend/pour.js` in numpy, held to 24 random mixtures that are measured: as close as the page says."""
    store, worker, shelf = shop
    points = measured(shop, "soups")["soups, test"]
    field = every()["soups"].experiment(shelf, 0).runs["soups, test"].field
    weights = np.round(np.random.default_rng(0).uniform(size=(24, 8)), 2)
    run = mixtures(field.problem, field.corners, weights.tolist())
    store.submit(run)
    worker.work_off()
    exact = store.points(run.field.id)[0]

    def poured(w):
        order = np.argsort(-w, kind="stable")
        falls = w[order] - np.append(w[order][1:], 0.0)
        nested = np.tril(np.ones((8, 8)))[:, np.argsort(order)]
        losses = [float(at(points, *one).means()[0, LOSS]) for one in nested.tolist()]
        return float((np.arange(1, 9) * falls * losses).sum() / w.sum())

    off = np.abs([poured(w) - float(at(exact, *w).means()[0, LOSS]) for w in weights])
    assert 0 < off.mean() < 0.025
    assert off.max() < 0.08


@pytest.mark.parametrize("variant", range(2))
def test_sam_is_certainly_flatter_and_not_always_certainly_better(shop, variant):
    """The rise around it is less than three fifths of that around SGD, certainly lower, and lower in each of the six directions; its test loss is certainly
    lower for one seed, and indistinguishable for the other."""
    points = measured(shop, "sam", variant)
    sgd, sam = (_around.rise(_around.mean_around(points, name)) for name in ("SGD", "SAM"))
    assert difference(sgd, sam, LOSS).low > 0
    assert float(sam.means()[0, LOSS]) < 0.6 * float(sgd.means()[0, LOSS])

    def rise(name, k):
        line = points[f"{name}, direction {k + 1}"]
        return float(at(line, _around.FAR).means()[0, LOSS] - at(line, 0.0).means()[0, LOSS])

    assert all(rise("SAM", k) < rise("SGD", k) for k in range(2 * _around.DRAWS))
    better = difference(points["SGD, test"], points["SAM, test"], LOSS)
    assert (better.low > 0) == (variant == 0)
    assert every()["sam"].see(points).answer == 0


def test_between_nothing_and_all_of_three_task_vectors_lies_what_is_certainly_best(shop):
    """λ = 0.4, which the validation split chooses, is certainly better than 0, 0.2, 0.6 and 1, and the sum in full certainly worse than the trunk. TIES in full
    does certainly less damage than half of that; each at its own λ, no difference between the two is detectable."""
    points = measured(shop, "many_tasks")
    plain, ties = (points[f"{name}, test"] for name in many_tasks.METHODS)
    amounts = [many_tasks.chosen(points, name) for name in many_tasks.METHODS]
    assert amounts == [0.4, 0.6]
    best = at(plain, 0.4)
    assert all(difference(at(plain, other), best, LOSS).low > 0 for other in (0.0, 0.2, 0.6, 1.0))
    trunk = at(plain, 0.0)
    damage = difference(at(plain, 1.0), trunk, LOSS)
    assert damage.low > 0
    assert difference(at(ties, 1.0), trunk, LOSS).high < 0.5 * damage.low
    assert difference(at(ties, 1.0), at(plain, 1.0), LOSS).high < 0
    apart = difference(at(ties, 0.6), best, LOSS)
    assert apart.low < 0 < apart.high
    assert "no detectable difference" in every()["many_tasks"].see(points).sentence


def test_a_fine_tune_forgets_and_the_merged_model_knows_certainly_less_than_each_on_its_own_task(shop):
    """A third of what the fine-tunes gained is there, in round numbers. Each alone is certainly worse than the trunk over the three tasks."""
    store, worker, shelf = shop
    points = measured(shop, "many_tasks")
    line = every()["many_tasks"].experiment(shelf, 0).runs["task arithmetic, test"]
    trunk, best = (at(points["task arithmetic, test"], amount) for amount in (0.0, 0.4))
    own = []
    for task in TASKS:
        run = replace(line, field=replace(line.field, split=splits.find(line.field.problem, task)))
        store.submit(run)
        worker.work_off()
        there = at(store.points(run.field.id)[0], 0.4)
        assert difference(there, points[f"{task}, own task"], LOSS).low > 0
        assert difference(points[f"{task}, all tasks"], trunk, LOSS).low > 0
        own.append(float(points[f"{task}, own task"].means()[0, LOSS]))
    was, merged = (float(point.means()[0, LOSS]) for point in (trunk, best))
    assert 0.3 < (was - merged) / (was - np.mean(own)) < 0.4


def test_the_answer_on_many_tasks_follows_the_points(shop):
    """With the vectors in full measured as at their best amount it is the first choice, and as the trunk itself the one between."""
    lesson, points = every()["many_tasks"], measured(shop, "many_tasks")
    line = points["task arithmetic, test"]

    def answer(amount):
        values = line.values.copy()
        values[line.coords[:, 0] == 1.0] = at(line, amount).values
        return lesson.see({**points, "task arithmetic, test": replace(line, values=values)}).answer

    assert [answer(0.4), answer(0.0), answer(1.0)] == [0, 1, 2]


def test_averaging_along_the_way_is_certainly_better_than_once_and_worse_than_all_samples_together(shop):
    """And both are certainly better than the trunk and than every site alone."""
    points = measured(shop, "local_trainings")
    once, often = (points[name] for name in local_trainings.ROUNDS)
    assert difference(once, often, LOSS).low > 0
    for average in (once, often):
        assert difference(average, points[local_trainings.TOGETHER], LOSS).low > 0
        assert all(difference(points[other], average, LOSS).low > 0 for other in (TRUNK, *(f"{task} alone" for task in TASKS)))


def test_the_sites_of_a_round_set_out_from_the_average_of_the_last_one(shop):
    """Three rounds of five epochs, each with its own order of batches, and no site sees what is not its own."""
    _, _, shelf = shop
    (average,) = every()["local_trainings"].experiment(shelf, 0).runs["averaged three times"].field.corners
    for order in (2, 1, 0):
        starts = {site.start for site in average.models}
        assert len(starts) == 1
        assert [site.problem.data.kwargs() for site in average.models] == [{"task": task} for task in TASKS]
        assert {(site.method.kwargs()["epochs"], site.method.kwargs()["order_seed"]) for site in average.models} == {(5, order)}
        (average,) = starts
    assert average == shelf.model(TASK_FAMILY, TRUNK)


def test_more_than_half_of_the_barrier_between_two_gpts_certainly_stays(shop):
    """By permutations and by all symmetries, which certainly take away more; half-way every line is worse than either GPT by more than a nat."""
    points = measured(shop, "language_models")
    before, after, least = language_models.barriers(points).values()
    assert before.height.low > after.height.high
    assert after.height.low > least.height.high
    assert least.height.low > 0.5 * before.height.high
    assert all(one.peak - max(one.ends) > 1 for one in (before, after, least))
    assert before.ends == pytest.approx(least.ends, abs=1e-4)
    assert before.peak < np.log(70)


def test_what_else_was_measured_on_the_line_of_gpts_changes_no_word(shop):
    """The story of Home measures more points on it."""
    points = measured(shop, "language_models")
    plain = points[language_models.PLAIN]
    more = {**points, language_models.PLAIN: plain.extended(np.array([[0.49]]), plain.values[:1] + 9)}
    assert every()["language_models"].see(more).sentence == every()["language_models"].see(points).sentence
