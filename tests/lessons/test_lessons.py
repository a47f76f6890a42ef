"""Every lesson of the folder, run on the shipped models: its requests are valid, and its sentence says what the points say."""

import re

import numpy as np
import pytest

from explorer.core import glossary, plugins
from explorer.core.errors import Refused
from explorer.core.spec import Run
from explorer.lessons import Bars, Lines, Relief, _units, curves, every, more_than_order, sgd_noise, subspaces, two_neurons
from explorer.lessons._read import ERROR, found
from tests.lessons.conftest import measured

NAMES = list(every())


def numbers(text):
    """Every number in a text."""
    return [float(n.replace("−", "-")) for n in re.findall(r"[-−+]?\d+(?:\.\d+)?", text)]


def test_there_are_at_least_ten_lessons_in_one_order():
    """No two share a place."""
    assert len(NAMES) >= 10
    assert sorted(lesson.order for lesson in every().values()) == list(range(1, len(NAMES) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_runs_and_answers_its_own_question(shop, name):
    """The answer is one of the choices, the picture holds measured points only, and the words use terms that the glossary knows."""
    lesson = every()[name]
    seen = lesson.see(measured(shop, name))
    assert 0 <= seen.answer < len(lesson.choices)
    assert "nan" not in seen.sentence
    assert glossary.terms(lesson.text)
    said = [lesson.claim, lesson.text, lesson.misconception, *(word for e in lesson.exercises for word in (e.question, e.answer))]
    assert {term for text in said for term in glossary.terms(text)} <= glossary.TERMS.keys()
    assert lesson.misconception
    assert len(lesson.exercises) >= 2
    assert all(e.question.strip() and e.answer.strip() for e in lesson.exercises)
    assert 1 <= lesson.minutes <= 30
    match seen.picture:
        case Lines(curves):
            assert all(len(c.x) and np.isfinite(c.y).all() for c in curves)
        case Bars(rows):
            assert all(np.isfinite(r.value) and r.low <= r.value <= r.high for r in rows)
        case Relief(surface):
            assert np.isfinite(surface.z).all()


@pytest.mark.parametrize("name", [n for n in NAMES if len(every()[n].variants) > 1])
def test_a_lesson_can_be_run_on_other_models(shop, name):
    """Every variant has requests of its own that survive JSON."""
    lesson, (_, _, shelf) = every()[name], shop
    found = [lesson.experiment(shelf, v).requests for v in range(len(lesson.variants))]
    ids = [tuple(r.id for r in runs.values()) for runs in found]
    assert len(set(ids)) == len(ids)
    for runs in found:
        assert all(Run.from_json(r.to_json()) == r for r in runs.values())


def test_the_same_points_twice_give_the_same_words(shop):
    """A sentence is a function of the points."""
    points = measured(shop, "curves")
    lesson = every()["curves"]
    assert lesson.see(points).sentence == lesson.see(points).sentence


def test_an_answer_follows_the_points(shop):
    """With the two curves exchanged the share that is left is another one, and so is the answer: nothing is written down beforehand."""
    points = measured(shop, "curves")
    changed = points | {curves.STRAIGHT: points[curves.CURVED], curves.CURVED: points[curves.STRAIGHT]}
    lesson = every()["curves"]
    assert lesson.see(points).answer != lesson.see(changed).answer


@pytest.mark.parametrize("variant", range(3))
def test_a_curve_leads_round_the_barrier(shop, variant):
    """At most a tenth of it is left on new samples, no barrier of the error is certain, and none at all is left on the samples the curve was trained on."""
    points = measured(shop, "curves", variant)
    straight, curved, learned = (points[name] for name in (curves.STRAIGHT, curves.CURVED, curves.TRAINED_ON))
    assert found(curved).height.value < 0.1 * found(straight).height.value
    assert found(curved, ERROR).height.low == 0
    assert found(learned).height.high < 0.005


@pytest.mark.parametrize("variant", range(3))
def test_the_middle_of_a_learned_line_is_as_good_as_its_ends(shop, variant):
    """And far better than the average of two networks that were trained apart."""
    points = measured(shop, "subspaces", variant)
    assert every()["subspaces"].see(points).answer == 1
    losses = {name: p.sorted().means()[:, 0] for name, p in points.items()}
    assert losses[subspaces.LEARNED].max() < 0.2
    assert losses[subspaces.APART].max() > 0.7


def test_the_later_two_trainings_part_the_lower_is_the_barrier(shop):
    """From the start they end apart; after five epochs the barrier of the error is certainly none."""
    points = measured(shop, "sgd_noise")
    heights = [found(points[sgd_noise.called(e)], ERROR).height for e in sgd_noise.EPOCHS]
    assert [h.value for h in heights] == sorted((h.value for h in heights), reverse=True)
    assert heights[0].low > sgd_noise.LIMIT > heights[3].high
    assert every()["sgd_noise"].see(points).answer == 2


def test_branches_that_are_all_apart_have_the_last_answer(shop):
    """The barrier of epoch 0 at every epoch: never connected."""
    points = measured(shop, "sgd_noise")
    assert every()["sgd_noise"].see(dict.fromkeys(points, points["branched after epoch 0"])).answer == 3


def test_the_shuffled_copy_is_the_same_function(shop):
    """To the last digit that is shown, with a barrier between."""
    seen = every()["permutations"].see(measured(shop, "permutations"))
    own, copy = numbers(seen.sentence)[:2]
    assert own == copy
    assert seen.picture.curves[0].peak is not None


def test_the_landscape_of_two_neurons_is_its_own_mirror_image():
    """L(w₁, w₂) = L(w₂, w₁), zero at the teacher and its mirror image and nowhere else on the grid."""
    z = two_neurons.landscape().z
    assert np.array_equal(z, z.T)
    assert two_neurons.minima() == ((0.5, 2.0), (2.0, 0.5))
    assert two_neurons.loss(np.array(0.5), np.array(2.0)) == 0
    assert (z < 1e-12).sum() == 2


def test_swapping_units_of_the_small_network_changes_nothing_but_its_place():
    """The loss of every order is that of the network; the distance is not."""
    order = _units.shuffled(1)
    line = _units.along(order)
    assert line[0] == pytest.approx(line[-1], rel=1e-9)
    assert line[0] < 0.05  # it has learned the wave
    assert _units.distance(order) > 0.5
    assert line.max() > 2 * line[0]
    assert _units.distance(tuple(range(_units.UNITS))) == 0


def test_a_lesson_of_somebody_else_is_taught_after_ours(tmp_path, monkeypatch):
    """A module with a LESSON, named on the command line; what is no lesson is refused."""
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom explorer.lessons import soups\nLESSON = replace(soups.LESSON, order=99, title='Mine')\n"
    )
    (tmp_path / "empty.py").write_text("LESSON = 3\n")
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins.add([str(tmp_path / "mine.py")])
    assert [*every()] == [*NAMES, "mine"] and every()["mine"].title == "Mine"
    plugins.add([str(tmp_path / "empty.py")])
    with pytest.raises(Refused, match="LESSON of empty"):
        every()


def test_a_whole_curve_computes_one_function():
    """Descent ends on the curve w v = 1 and nowhere else; on it the curvature is that of the loss itself, which finite differences show."""
    low = more_than_order.minima()
    assert len(low) > 10
    assert low.prod(axis=1) == pytest.approx(np.ones(len(low)), abs=1e-4)
    for w, v in ((1.0, 1.0), (0.25, 4.0), (2.0, 0.5)):
        h = 1e-3

        def at(i, j, w=w, v=v, h=h):
            return float(more_than_order.loss(np.array(w + i * h), np.array(v + j * h)))

        mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * h * h)
        hessian = np.array([[(at(1, 0) - 2 * at(0, 0) + at(-1, 0)) / h**2, mixed], [mixed, (at(0, 1) - 2 * at(0, 0) + at(0, -1)) / h**2]])
        assert np.linalg.eigvalsh(hessian)[-1] == pytest.approx(more_than_order.sharpness(w, v), rel=1e-3)
        assert at(0, 0) == pytest.approx(0, abs=1e-12)


def test_the_orbit_is_drawn_and_its_curvature_said():
    """Every mark lies in the picture on the curve; the sharp end is many times as sharp as (1, 1)."""
    seen = every()["more_than_order"].see({})
    assert seen.answer == 2
    assert all(m.x * m.y == pytest.approx(1) and m.x <= more_than_order.HIGH and m.y <= more_than_order.HIGH for m in seen.picture.markers)
    (curve,) = seen.picture.traces
    assert more_than_order.loss(curve.x, curve.y) == pytest.approx(np.zeros(len(curve.s)), abs=1e-12)
    assert more_than_order.sharpness(0.25, 4.0) > 8 * more_than_order.sharpness(1.0, 1.0)
