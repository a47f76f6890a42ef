"""Which workers are started: one worker where there is none, one for every GPU."""

import pytest

from explorer.engine.worker import Worker
from explorer.store.records import Serving
from explorer.store.spawn_workers import devices_without_worker
from explorer.store.workers import HOST

TWO = ("cuda:0", "cuda:1")


@pytest.mark.parametrize(
    ("serving", "device", "started"),
    [
        ([], "auto", ["auto"]),
        ([], "cuda:1", ["cuda:1"]),
        ([("cpu", ())], "auto", []),
        ([("cuda:0", TWO)], "auto", ["cuda:1"]),
        ([("cuda:0", TWO), ("cuda:1", TWO)], "auto", []),
        ([("cuda:0", TWO)], "cuda:0", []),
    ],
)
def test_a_worker_for_every_gpu_and_none_twice(serving, device, started):
    """The first one finds out what there is; a device that was named is the only one."""
    assert devices_without_worker([Serving(HOST, d, "", 0, 0, sees) for d, sees in serving], device) == started


def test_gpus_of_another_machine_are_not_ours_to_fill():
    """Workers of a server that was started from there are started there, too."""
    assert devices_without_worker([Serving("elsewhere", "cuda:0", "", 0, 0, TWO)], "auto") == []


def test_a_worker_tells_what_it_computes_on(store, home):
    """Device and memory, while it works."""
    worker = Worker(store, home)
    with worker._heartbeat():
        (serving,) = store.workers()
    assert (serving.host, serving.device, serving.title) == (HOST, "cpu", "cpu")
    assert 0 < serving.free < serving.total
    assert str(serving).startswith("cpu, ")
    assert str(Serving(HOST, "cuda:1", "NVIDIA H100", 8 * 2**30, 80 * 2**30, TWO)) == "NVIDIA H100 (cuda:1), 8.0 of 80 GiB free"
    assert store.workers() == []
