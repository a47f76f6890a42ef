"""Several workers at one field: nothing twice, nothing left, nobody waits for the dead."""

import threading
import time

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.spec import Run
from explorer.engine.execute import local
from explorer.engine.run_loop import assist, keep
from explorer.engine.worker import Worker
from explorer.store.requests import LEASE_S
from explorer.store.run_store import RunStore


def go_on(*_):
    return True


class Slow(local.Local):
    """A network that sleeps."""

    def map(self, coefficients):
        time.sleep(0.03 * len(coefficients))
        return super().map(coefficients)


def slow(field, corners):
    return Slow(field, corners, device="cpu")


def test_a_place_is_taken_once_until_it_is_measured_or_its_lease_is_over(tiny, tmp_path):
    """By row number: mine, theirs; what is measured is in neither."""
    now = [1000.0]
    store = RunStore(tmp_path / "s.sqlite", clock=lambda: now[0])
    field = tiny.field()
    store.open_field(field, shape=(2, 1), counts=np.ones(1), gram=np.eye(2), facts={})
    places = np.linspace(0, 1, 5)[:, None]
    assert store.lease(field.id, places, "a", 2) == ([0, 1], [])
    assert store.lease(field.id, places, "b", 2) == ([2, 3], [0, 1])
    store.append(field.id, places[:1], np.zeros((1, 2, 1)), seconds=1.0)
    assert store.held(field.id, places, "a") == [1]
    store.let_go(field.id, places[3:4], "b")
    assert store.lease(field.id, places, "a", 9) == ([1, 3, 4], [2])
    now[0] += LEASE_S + 1
    store.beat("b", pid=1, device="cpu")
    assert store.lease(field.id, places, "c", 9) == ([1, 3, 4], [2])
    now[0] += LEASE_S + 1
    assert store.lease(field.id, places, "c", 9) == ([1, 2, 3, 4], [])


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_share_a_run_and_repeat_nothing(tiny, store, home, workers):
    """Every one measures some, together they measure each point once, and the run says that all are done."""
    run = tiny.run(size=65)
    store.submit(run)
    kept, plain = [], RunStore.append

    class Counted(RunStore):
        def append(self, field_id, coords, values, *, seconds):
            kept.extend((threading.get_ident(), *at) for at in coords)
            plain(self, field_id, coords, values, seconds=seconds)

    def serve():
        Worker(Counted(store.path), home, execute=slow).serve(idle_s=1.5)

    threads = [threading.Thread(target=serve) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 65
    assert len({who for who, _ in kept}) == workers
    status = store.status(run.id)
    assert (status.state, status.done, status.fresh) == ("done", 65, 65)


def test_a_helper_leaves_when_there_is_something_else_to_do_or_nothing_left(tiny, store, home):
    """It does not wait for what others have taken."""
    run = tiny.run(size=9)
    assert assist(run, store, home, go_on=lambda: True, worker="h") == 0, "nobody has opened the field"
    keep(tiny.run(size=3), store, home, report=go_on)
    rest = np.linspace(0, 1, 9)[1::2, None]
    store.lease(run.field.id, rest[:2], "owner", 9)
    answers = iter([True, True, False])
    assert assist(run, store, home, go_on=lambda: next(answers), worker="h") == 2
    assert assist(run, store, home, go_on=lambda: True, worker="h") == 2
    assert assist(Run(run.field, registry.method("sample", "adaptive")), store, home, go_on=lambda: True, worker="h") == 0
    assert len(store.points(run.field.id)[0]) == 7


def test_a_click_in_the_middle_of_a_lot_is_not_measured_again(tiny, store, home):
    """The worker that has taken a point for a run may be asked for this very point."""
    run = tiny.run(size=65)
    store.submit(run)
    worker = Worker(store, home)
    kept, plain, asked = [], store.append, []

    def append(field_id, coords, values, *, seconds):
        kept.extend(coords[:, 0])
        plain(field_id, coords, values, seconds=seconds)
        mine = store._db.execute("SELECT coords FROM lot WHERE worker = ?", (worker.id,)).fetchall()
        if len(mine) > 1 and not asked:
            asked.append(float(np.frombuffer(mine[-1][0])[0]))
            RunStore(store.path).submit(Run(run.field, registry.method("sample", "given", {"at": (asked[0],)})), urgent=True)

    store.append = append
    worker.work_off()
    assert asked
    assert len(kept) == len(set(kept)) == 65
