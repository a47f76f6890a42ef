"""Runs and workers: resume, share, survive."""

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.files import digest
from explorer.core.locations import made_at
from explorer.core.spec import Fused, Loaded, Look, Make, Run
from explorer.engine import run_loop as runs
from explorer.engine.execute import MeasuredBatch, local
from explorer.engine.realise_recipe import realise
from explorer.engine.run_loop import keep
from explorer.engine.work_clock import clocked
from explorer.engine.worker import Worker
from explorer.evaluate.evaluator import Evaluate
from explorer.store.records import Seen
from explorer.store.run_store import RunStore


def go_on(done, total, fresh, message):
    return True


def test_a_run_keeps_every_point_its_sampler_asks_for(tiny, store, home):
    """Values are those of the evaluator, the field knows its corners' distances."""
    run = tiny.run(size=5)
    assert keep(run, store, home, report=go_on)
    points, _ = store.points(run.field.id)
    assert sorted(points.coords[:, 0]) == [0, 0.25, 0.5, 0.75, 1]
    corners = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    evaluate = Evaluate(tiny.problem, corners)
    for t, values in zip(points.coords[:, 0], points.values, strict=True):
        assert np.array_equal(values, evaluate(np.array([1 - t, t])))
    flat = [torch.cat([w.flatten() for w in c.values()]) for c in corners]
    assert store.field(run.field.id).distances()[0, 1] == pytest.approx(float((flat[0] - flat[1]).norm()), rel=1e-5)


def test_a_finer_run_computes_only_what_is_missing(tiny, store, home):
    """5 points are there; 9 ask for 4 more."""
    keep(tiny.run(size=5), store, home, report=go_on)
    fresh = []
    keep(tiny.run(size=9), store, home, report=lambda done, total, new, message: fresh.append(new) or True)
    assert fresh[-1] == 4


def test_stopping_keeps_what_is_there_and_resuming_finishes(tiny, store, home):
    """No point is measured twice."""
    run = tiny.run(size=9)
    assert keep(run, store, home, report=lambda done, total, fresh, message: fresh < 3) is False
    assert len(store.points(run.field.id)[0]) == 3
    seen = []
    assert keep(run, store, home, report=lambda done, total, fresh, message: seen.append((done, total, fresh)) or True)
    assert seen[0] == (3, 9, 0)
    assert seen[-1] == (9, 9, 6)


def test_memory_does_not_grow_with_the_grid(tiny, store, home):
    """The values of 1001 points take 4 MB in the store, and a run of many of them, fresh or resumed, has the peak of one of few."""

    def peak(run):
        tracemalloc.start()
        try:
            assert keep(run, store, home, report=go_on)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    keep(tiny.run(size=3, split="val"), store, home, report=go_on)  # whatever is loaded once
    small = peak(tiny.run(size=51))
    for size in (501, 1001):  # on two fields each: Python's table of names may grow once, by megabytes, in the middle of either
        assert abs(min(peak(tiny.run(size=size, split="val", blocks=b)) for b in (256, 255)) - small) < 0.4e6
    assert store.points(tiny.run(split="val").field.id)[0].values.nbytes > 4e6


def test_a_click_that_measures_a_point_of_the_grid_is_not_measured_again(tiny, store, home):
    """Points are asked for many at once; one that somebody else has brought in the meantime is left out."""
    run = tiny.run(size=33)
    click = Run(run.field, registry.method("sample", "given", {"at": (0.03125,)}))

    def report(done, total, fresh, message):
        if fresh == 2:
            keep(click, store, home, report=go_on)
        last.append((done, total, fresh))
        return True

    last, kept, plain = [], [], store.append
    store.append = lambda field, coords, *rest, **how: kept.extend(coords) or plain(field, coords, *rest, **how)
    assert keep(run, store, home, report=report)
    assert last[-1] == (33, 33, 33)
    assert len(kept) == 33
    assert len(store.points(run.field.id)[0]) == 33


def test_a_finished_run_needs_no_checkpoint_any_more(tiny, store, home, tmp_path):
    """What was measured outlives the files."""
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(tiny.a.read_bytes())
    run = tiny.run(corners=(Loaded(digest(moved), path=str(moved)), Loaded(digest(tiny.b), path=str(tiny.b))))
    keep(run, store, home, report=go_on)
    moved.unlink()
    assert keep(run, store, home, report=go_on)
    with pytest.raises(Refused, match="not where it was"):
        keep(replace(run, sampler=registry.method("sample", "grid", {"size": 7})), store, home, report=go_on)


def test_a_changed_file_is_not_taken_for_the_old_one(tiny, store, home, tmp_path):
    """Digest first: a permalink never shows other weights than it was made for."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(tiny.a.read_bytes())
    corner = Loaded(digest(path), path=str(path), name="w")
    path.write_bytes(tiny.b.read_bytes())
    with pytest.raises(Refused, match="has changed since"):
        realise(corner, store, home)


def test_worker_reports_a_refusal_as_the_wish_error_and_lives_on(tiny, store, home):
    """One bad request does not stop the next."""
    bad = store.submit(tiny.run(corners=(Loaded("00" * 32, name="gone"), Loaded("11" * 32))))
    good = store.submit(tiny.run())
    assert Worker(store, home).work_off() == 2
    assert "gone" in store.status(bad).error
    assert store.status(good).state == "done"
    assert store.workers() == []


def test_an_urgent_click_is_served_in_the_middle_of_a_long_run(tiny, store, home):
    """The picked point of the very field that is being computed comes before its end."""
    long = tiny.run(size=65)
    click = Run(long.field, registry.method("sample", "given", {"at": (0.123,)}))
    store.submit(long)
    worker = Worker(store, home)

    def watch():
        while len(store.points(long.field.id)[0]) < 5:
            time.sleep(0.002)
        store.submit(click, urgent=True)

    watcher = threading.Thread(target=watch)
    watcher.start()
    worker.work_off()
    watcher.join()
    points, _ = store.points(long.field.id)
    assert len(points) == 66
    assert 0.123 in points.coords[:60, 0]


@pytest.mark.parametrize(("expected", "before"), [(0.5, True), (60.0, False), (None, False)])
def test_what_is_quick_is_done_in_the_middle_of_what_is_long(tiny, store, home, expected, before):
    """A request of the same rank that takes a second or two does not wait; one that takes long, or nobody knows how long, does."""
    long, other = tiny.run(size=65), tiny.run(size=3, split="val")
    ended = []
    store.submit(long, expected=30.0)
    worker = Worker(store, home)
    plain = store.release
    store.release = lambda id, *rest, **how: ended.append(id) or plain(id, *rest, **how)

    def watch():
        while len(store.points(long.field.id)[0]) < 5:
            time.sleep(0.002)
        RunStore(store.path).submit(other, expected=expected)

    watcher = threading.Thread(target=watch)
    watcher.start()
    worker.work_off()
    watcher.join()
    worker.work_off()
    assert (ended == [other.id, long.id]) is before
    assert {store.status(run.id).state for run in (long, other)} == {"done"}


def test_the_last_report_is_told_however_quick_the_points_are(tiny, store, home):
    """Reports are thinned out; how far a run came is not lost with them."""
    run = tiny.run(size=33)
    store.submit(run)
    told, plain = [], store.report
    store.report = lambda id, worker, **how: told.append(how["done"]) or plain(id, worker, **how)
    Worker(store, home).work_off()
    status = store.status(run.id)
    assert (status.done, status.total, status.fresh) == (33, 33, 33)
    assert told[-1] == 33
    assert len(told) <= status.seconds / 0.1 + 3


def test_points_cost_all_that_is_done_for_them_and_nothing_else(tiny, store, home, monkeypatch):
    """Loading, and the requests that are done in the middle of it, are no part of it; what the executor does not count is."""
    now, plain = [0.0], local.on("cpu")

    class Slow:
        width = 1

        def __init__(self, field, corners):
            self.inside = plain(field, corners)
            now[0] += 1000.0

        def opened(self):
            return self.inside.opened()

        def expect(self, points, home, say):
            self.inside.expect(points, home, say)

        def map(self, coefficients):
            for rows, values, _ in self.inside.map(coefficients):
                now[0] += 2.0
                yield MeasuredBatch(rows, values, 0.5)

    def report(*_):
        now[0] += 1000.0
        return True

    monkeypatch.setattr(runs, "time", SimpleNamespace(perf_counter=lambda: now[0], monotonic=time.monotonic, sleep=time.sleep))
    run = tiny.run(size=5)
    assert keep(run, store, home, report=report, execute=Slow)
    assert store.cost(run.field.id) == 5 * 2.0


def test_work_is_clocked_without_what_is_done_in_the_middle_of_it(store):
    """What it took is known for the next of its kind, the latest counting most; work that fails says nothing."""
    with clocked(("kind", 2.0), store, lambda: time.sleep(0.2)) as telling:
        telling()
    assert store.pace_of("kind") < 0.05
    with pytest.raises(ValueError, match="over"), clocked(("other", 1.0), store, lambda: None):
        raise ValueError("over")
    assert store.pace_of("other") is None
    store.worked("third", 2.0, 8.0)
    store.worked("third", 2.0, 2.0)
    assert store.pace_of("third") == pytest.approx((8 / 2 + 2) / (2 / 2 + 2))


def test_a_recipe_becomes_a_file_that_is_the_mixture(tiny, store, home):
    """What is saved is what was measured at that point."""
    average = registry.method("fuse", "average", {"weights": (0.7, 0.3)})
    corners = tiny.field().corners
    make = Make(Fused(tiny.problem.spec, corners, average))
    id = store.submit(make)
    Worker(store, home).work_off()
    path = store.status(id).result["path"]
    assert path == str(made_at(make.recipe, home))
    saved = checkpoint_file.read(path).weights
    models = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    whole = Evaluate(tiny.problem, models)(np.array([0.7, 0.3]))
    # But for rounding: a mixture's first layer is added up from its corners' answers.
    loss, errors = Evaluate(tiny.problem, [saved])(np.ones(1))
    assert loss.sum() == pytest.approx(whole[0].sum(), rel=1e-6)
    assert errors.tolist() == whole[1].tolist()


def test_a_look_recognises_measures_and_registers(tiny, store, home):
    """Names, parameters, quality with interval, and distances within the folder."""
    id = store.submit(Look(str(tiny.folder)))
    Worker(store, home).work_off()
    seen = Seen.from_json(store.status(id).result)
    assert [f.name for f in seen.files] == ["a", "b"]
    assert seen.files[0].parameters == 64 * 12 + 12 + 12 * 10 + 10
    value, low, high = seen.files[0].on("test").error
    assert low <= value <= high
    assert store.gram([f.digest for f in seen.files]).shape == (2, 2)
    assert store.checkpoints() == list(seen.files)


@pytest.mark.slow
def test_two_workers_share_a_store_and_one_dies(tiny, store, home):
    """The other one takes over; no point is lost or there twice, and all are those of a quiet run."""
    runs = [tiny.run(size=150, samples=n) for n in (100, 200, 300, 400)]
    for run in runs:
        store.submit(run)
    victim, other = _worker(store), _worker(store)
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and not all(len(store.points(r.field.id)[0]) for r in runs[:2]):
            time.sleep(0.05)
        victim.kill()
        victim.wait()
        while time.monotonic() < until and any(store.status(r.id).active for r in runs):
            time.sleep(0.1)
    finally:
        other.kill()
        other.wait()
    quiet = RunStore(home / "quiet.sqlite")
    for run in runs:
        assert store.status(run.id).state == "done"
        keep(run, quiet, home, report=lambda *_: True)
        found, alone = store.points(run.field.id)[0].sorted(), quiet.points(run.field.id)[0].sorted()
        assert len(found) == 150
        assert np.array_equal(found.coords, alone.coords) and np.array_equal(found.values, alone.values)


def _worker(store):
    return subprocess.Popen([sys.executable, "-m", "explorer", "worker", "--store", str(store.path), "--idle", "3"])


def _wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_workers_lose_nothing_and_double_nothing(tiny, store, home, tmp_path):
    """kill -9 in the middle of a plane, four times; the fifth worker finishes with every point there once, all of them right."""
    third = tmp_path / "c.safetensors"
    checkpoint_file.write(third, tiny.problem.network(seed=5).state_dict())
    files = (tiny.a, tiny.b, third)
    field = tiny.field(corners=tuple(map(loaded, files)), chart=registry.method("chart", "plane"))
    run = Run(field, registry.method("sample", "grid", {"size": 33}))
    id = store.submit(run)
    for _ in range(4):
        worker = _worker(store)
        before = len(store.points(field.id)[0])
        _wait(lambda before=before: len(store.points(field.id)[0]) > before + 20)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert store.status(id).state != "done"
    last = _worker(store)
    _wait(lambda: store.status(id).state == "done", 120)
    last.terminate()
    last.wait()
    points, _ = store.points(field.id)
    assert len(points) == len(np.unique(points.coords, axis=0)) == 33**2
    axis = np.unique(points.coords)
    assert len(axis) == 33 and np.array_equal(axis, np.linspace(axis[0], axis[-1], 33).round(9))
    assert 0 < store.status(id).fresh < 33**2 - 80
    place = registry.find("chart", "plane")
    gram = store.field(field.id).gram
    evaluate = Evaluate(tiny.problem, [checkpoint_file.read(p).weights for p in files])
    for i in np.random.default_rng(0).integers(0, 33**2, 20):
        assert points.values[i] == pytest.approx(evaluate(place(points.coords[i : i + 1], gram)[0]), rel=1e-6)


@pytest.mark.slow
def test_two_workers_share_the_work_and_never_repeat_it(tiny, store, home):
    """Four overlapping runs of two fields: each point is computed by one of them only, so the fresh counts add up."""
    requests = [tiny.run(size=201), tiny.run(size=401), tiny.run(size=201, split="val"), tiny.run(size=401, split="val")]
    ids = [store.submit(w) for w in requests]
    workers = [_worker(store) for _ in range(2)]
    _wait(lambda: all(store.status(i).state == "done" for i in ids), 120)
    for w in workers:
        w.terminate()
        w.wait()
    assert sum(store.status(i).fresh for i in ids) == 2 * 401
    assert [len(store.points(w.field.id)[0]) for w in requests] == [401] * 4
