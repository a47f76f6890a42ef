"""The search for a recipe: finds what is known to be best, and is the same search however often it is stopped and whoever shares it."""

import shutil
import threading

import numpy as np
import pytest

from explorer import api
from explorer.core import locations, registry
from explorer.core.errors import Refused, Stopped
from explorer.core.recipe_space import spaces
from explorer.core.spec import Field, Method, Run, Study
from explorer.engine.run_loop import keep
from explorer.engine.run_study import examine
from explorer.methods.study._proposals import propose
from explorer.store.records import Trials
from explorer.store.run_store import RunStore

FAMILY = locations.root() / "sample_models" / "digits-mlp-finetunes"


def asked(tunes=2, **options) -> Study:
    """A search over the fine-tunes of one parent."""
    models = tuple(api.loaded(FAMILY / f"{name}.safetensors") for name in ("parent", *(f"tune-{i + 1}" for i in range(tunes))))
    given = {"methods": ("task_arithmetic", "ties"), "trials": 10, "sampler": "random", "samples": 200, **options}
    return Study(api.read_problem("digits-mlp-finetunes"), models, registry.method("study", "recipes", given))


@pytest.mark.parametrize(("sampler", "trials", "close"), [("tpe", 80, 0.05), ("cmaes", 160, 0.005)])
def test_the_minimum_of_two_quadratics_is_found(sampler, trials, close):
    """One for each of two coefficients, with known minima; nearer than as many random candidates come."""
    (space,) = spaces(["task_arithmetic"], 3, each=True)
    best = np.array([0.3, 1.1])

    def distance(which: str) -> float:
        seen = []
        while len(seen) < trials:
            seen += [(p, float(((np.array(p.numbers) - best) ** 2).sum())) for p in propose([space], seen, sampler=which, seed=3, together=4)]
        return float(np.sqrt(min(value for _, value in seen)))

    assert distance(sampler) < close
    assert distance(sampler) < distance("random")


def test_tpe_finds_the_better_of_two_methods():
    """Most of its later trials are spent there."""
    both = spaces(["task_arithmetic", "ties"], 3)
    seen = []
    while len(seen) < 60:
        seen += [(p, p.space + (p.numbers[0] - 0.5) ** 2) for p in propose(both, seen, sampler="tpe", seed=0, together=4)]
    assert np.mean([p.space == 0 for p, _ in seen[30:]]) > 0.7


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "random"])
def test_the_next_batch_follows_from_what_was_seen(sampler):
    """Asked twice, the same; within the ranges, and values that diverged do not stop it."""
    (space,) = spaces(["task_arithmetic"], 4, each=True)
    seen = []
    for _ in range(5):
        batch = propose([space], seen, sampler=sampler, seed=1, together=3)
        assert batch == propose([space], seen, sampler=sampler, seed=1, together=3)
        assert all(0 <= x <= 1.5 for p in batch for x in p.numbers)
        seen += [(p, float("nan") if k == 0 else sum(p.numbers)) for k, p in enumerate(batch)]


def test_a_line_is_searched_as_well_as_a_fine_grid_does(home):
    """Between two fine-tunes: the validation loss of the best of 24 candidates is that of the best of 81 points of the line, to a hundredth of a nat."""
    store = RunStore.within(home)
    request = asked(1, methods=("interpolate",), sampler="tpe", trials=24)
    found = examine(request, store, home)
    field = Field(request.problem, request.models, registry.method("chart", "line"), split="val", samples=200)
    assert keep(Run(field, registry.method("sample", "grid", {"size": 81})), store, home, report=lambda *_: True)
    assert found["val"][0] == pytest.approx(float(store.points(field.id)[0].means()[:, 0].min()), abs=0.01)


def test_what_it_reports_is_what_anybody_measures(home):
    """The best on test, the paired difference from the best model alone, and the sizes of the changes."""
    store = RunStore.within(home)
    request = asked(2)
    found = examine(request, store, home)
    best = found["trials"][found["best"]]
    assert best["value"] == min(t["value"] for t in found["trials"]) == found["val"][0]
    method = Method.from_json(best["method"])
    merged = api.fuse(*request.models, method=method.name, method_options=method.kwargs(), home=home, progress=False)
    seen = api.look(merged, request.models[found["against"]], problem=request.problem, home=home, progress=False)
    reported = {row[0]: row[1:] for row in found["test"]}
    assert reported[found["best"]] == pytest.approx([seen.value(0).value, seen.value(0).low, seen.value(0).high], rel=1e-4)
    assert found["difference"][0] == pytest.approx(seen.value(0).value - seen.value(1).value, rel=1e-3, abs=1e-5)
    assert found["optimism"] >= 0
    assert found["corrected"] == pytest.approx(found["val"][0] + found["optimism"])
    assert set(found["front"]) <= set(reported)
    assert best["moved"] == pytest.approx(moved(request.models[0], merged), rel=1e-5)
    assert found["tried"] == len(found["trials"]) == 10
    assert [f.name for f in home.rglob("*.safetensors")] == [merged.name]


def moved(first, merged) -> float:
    """‖θ − θ₀‖ / ‖θ₀‖, by hand."""
    from safetensors.numpy import load_file

    a, b = load_file(locations.expand(first.path)), load_file(merged)
    return float(np.sqrt(sum(((b[k] - a[k]) ** 2).sum() for k in a) / sum((a[k] ** 2).sum() for k in a)))


@pytest.mark.parametrize("sampler", ["tpe", "cmaes"])
def test_a_search_that_is_stopped_and_resumed_gives_the_same_answer(tmp_path, sampler):
    """Stopped twice in the middle of a batch: nothing is measured twice, and all of the result is that of a search that ran through."""
    options = {"sampler": sampler, "trials": 14, "each": True, "methods": ("task_arithmetic",)}
    request = asked(3, **options)
    homes = [tmp_path / name for name in ("through", "stopped")]
    for home in homes:
        home.mkdir()
    whole = examine(request, RunStore.within(homes[0]), homes[0])
    store = RunStore.within(homes[1])
    for until in (3, 9):
        calls = 0

        def leave(done, total, message, until=until):
            nonlocal calls
            calls += 1
            if calls > until:
                raise Stopped

        with pytest.raises(Stopped):
            examine(request, store, homes[1], progress=leave)
    assert examine(request, store, homes[1]) == whole
    assert len(Trials.from_json(store.noted(request.id)).trials) == 14


def test_two_workers_share_a_search(tmp_path):
    """Each candidate is measured by one of them, and both come to the answer of one alone."""
    request = asked(2, trials=16, together=8)
    alone, home = tmp_path / "alone", tmp_path / "both"
    for folder in (alone, home):
        folder.mkdir()
    one = examine(request, RunStore.within(alone), alone)
    found: list[object] = []

    def work(name):
        found.append(examine(request, RunStore.within(home), home, worker=name))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [one, one]
    shutil.rmtree(alone)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"methods": ("model_stock",)}, "no numbers to search"),
        ({"sampler": "cmaes"}, "cmaes searches two or more numbers of one method, and here are 2 methods"),
        ({"metric": "perplexity"}, "exponential"),
        ({"metric": "nonsense"}, "no metric 'nonsense'"),
    ],
)
def test_what_cannot_be_searched_is_refused(home, options, said):
    """Before anything is measured."""
    store = RunStore.within(home)
    with pytest.raises(Refused, match=said):
        examine(asked(2, **options), store, home)
    assert store.noted(asked(2, **options).id) is None
