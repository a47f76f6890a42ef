"""Ray: the same bits as here, nothing lost when a node is killed, nothing left behind. One cluster of several nodes for the whole module."""

import gc
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.locations import made_at
from explorer.core.spec import Aligned, Make, Run, Study
from explorer.engine.execute import local
from explorer.engine.run_loop import keep
from explorer.engine.worker import Worker, serve_fleet
from explorer.stats.soup_analysis import subsets
from explorer.store.run_store import RunStore

pytest.importorskip("ray", reason="Ray is not installed: python -m pip install -e '.[test]'")

from explorer.engine.execute.ray import QUIET, fleet, packed, unpacked

# Starting nodes takes long; Ray's own code warns and leaves sockets and processes to the garbage collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::ResourceWarning", "ignore::UserWarning:ray")]


def go_on(*_):
    return True


def added(cluster, **options):
    """A node more. Ray waits 30 s for one, which a busy machine may not keep: then another is started."""
    for left in reversed(range(4)):
        try:
            cluster.add_node(object_store_memory=100 * 2**20, **options)
            return
        except Exception as slow:  # Ray has no class of its own for it
            if not left or "timed out" not in str(slow).lower():
                raise


@pytest.fixture(scope="module")
def cluster():
    """A head without cores and two nodes with one core each."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(QUIET)
    nodes = Cluster()
    added(nodes, num_cpus=0, include_dashboard=False)
    for _ in range(2):
        added(nodes, num_cpus=1)
    yield nodes
    nodes.shutdown()
    os.environ.clear()
    os.environ.update(before)
    gc.collect()  # what Ray leaves to it is done before other tests measure memory


@pytest.fixture(scope="module")
def found(cluster):
    """Its actors."""
    with fleet(cluster.address) as actors:
        yield actors


def both(run, tmp_path, home, found):
    """The points of a run measured here and there, by coordinate."""
    kept = []
    for name, execute in (("here", local.on("cpu")), ("there", found)):
        store = RunStore(tmp_path / f"{name}.sqlite")
        assert keep(run, store, home, report=go_on, execute=execute)
        points = store.points(run.field.id)[0].sorted()
        known = store.field(run.field.id)
        kept.append((points.coords, points.values, known.counts, known.gram, known.shape))
    return kept


def test_a_plane_has_the_same_bits(tiny, tmp_path, home, found):
    """Coordinates, values, counts and Gram matrix."""
    third = tmp_path / "c.safetensors"
    weights = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    checkpoint_file.write(third, {k: weights[0][k] * 0.5 - weights[1][k] for k in weights[0]})
    field = tiny.field(corners=(*tiny.field().corners, loaded(third)), chart=registry.method("chart", "plane"))
    here, there = both(Run(field, registry.method("sample", "grid", {"size": 7})), tmp_path, home, found)
    assert len(here[0]) == 49
    for a, b in zip(here, there, strict=True):
        assert np.array_equal(a, b)


def test_a_shapley_table_has_the_same_bits(tiny, tmp_path, home, found):
    """All soups of subsets."""
    field = tiny.field(chart=registry.method("chart", "mixture"))
    here, there = both(Run(field, registry.method("sample", "subsets", {"which": "all"})), tmp_path, home, found)
    assert len(here[0]) == len(subsets(2))
    for a, b in zip(here, there, strict=True):
        assert np.array_equal(a, b)


def test_many_lines_are_measured_side_by_side(tiny, store, home, tmp_path, found):
    """The barrier matrix of 20 checkpoints: 190 runs of one point after the other, driven by as many threads as there are actors."""
    weights = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    recipes = []
    for i in range(20):
        path = tmp_path / f"{i}.safetensors"
        checkpoint_file.write(path, {k: weights[0][k] * (1 - i / 19) + weights[1][k] * i / 19 for k in weights[0]})
        recipes.append(loaded(path))
    runs = [tiny.run(size=2, corners=(a, b), samples=64) for i, a in enumerate(recipes) for b in recipes[i + 1 :]]
    ids = [store.submit(r) for r in runs]
    serve_fleet(store, home, found, device="cpu", idle_s=1.0)
    assert len(ids) == 190
    assert {store.status(i).state for i in ids} == {"done"}
    assert all(len(store.points(r.field.id)[0]) == 2 for r in runs)


def test_a_stopped_run_ends_at_once_and_goes_on_later(tiny, store, home, found):
    """What came back is kept, and asked for by nobody again."""
    run = tiny.run(size=101)
    assert not keep(run, store, home, report=lambda done, total, fresh, message: fresh < 10, execute=found)
    kept = len(store.points(run.field.id)[0])
    assert 10 <= kept < 40
    fresh = []
    assert keep(run, store, home, report=lambda done, total, new, message: fresh.append(new) or True, execute=found)
    assert fresh[-1] == 101 - kept


def test_a_refusal_over_there_is_a_refusal_here(tiny, store, home, found):
    """In the same words."""
    with pytest.raises(Refused, match="There is no metric 'f1' to measure"):
        keep(tiny.run(metrics=("loss", "f1")), store, home, report=go_on, execute=found)


def test_killing_a_node_in_the_middle_loses_nothing(tiny, tmp_path, home, cluster, found):
    """The other one takes over; every point is there once, bit for bit; a node that comes later gets an actor."""
    run = tiny.run(size=401)
    here, there = RunStore(tmp_path / "here.sqlite"), RunStore(tmp_path / "there.sqlite")
    keep(run, here, home, report=go_on)
    doomed = cluster.list_all_nodes()[-1]

    def kill():
        while len(there.points(run.field.id)[0]) < 40:
            time.sleep(0.01)
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    assert keep(run, there, home, report=go_on, execute=found)
    killer.join()
    a, b = (s.points(run.field.id)[0] for s in (here, there))
    assert len(b) == len(np.unique(b.coords)) == 401
    assert np.array_equal(a.sorted().values, b.sorted().values)
    added(cluster, num_cpus=1)
    again = tiny.run(size=33, split="val")
    end = time.monotonic() + 300
    while len(found.tasks) < 2:
        assert time.monotonic() < end, "nobody was recruited"
        keep(again, there, home, report=go_on, execute=found)
        hand = found.take(wait=True)
        found.give(hand)


def asked_for(kind, tiny):
    """What is computed without points: long enough to be killed in the middle of it."""
    problem, models = tiny.problem.spec, tiny.field().corners
    if kind == "search":
        options = {"methods": ("task_arithmetic",), "sampler": "random", "trials": 60}
        return Study(problem, (*models, models[0]), registry.method("study", "recipes", options))
    return Make(Aligned(problem, models, 1, registry.method("align", "straight_through", {"steps": 600, "restarts": 1})))


def result_of(request, store, home):
    """To compare, bit for bit."""
    return made_at(request.recipe, home).read_bytes() if isinstance(request, Make) else store.status(request.id).result


@pytest.mark.parametrize("kind", [pytest.param("alignment", marks=pytest.mark.release), "search"])
def test_an_alignment_and_a_search_go_on_when_their_worker_and_a_node_are_killed(kind, tiny, store, home, tmp_path, cluster):
    """They take no actors: the process that drives the cluster computes them. Killed in the middle, the next one claims them; the result is a quiet worker's."""
    asked = asked_for(kind, tiny)
    id = store.submit(asked)

    def worker(idle):
        command = ["worker", "--store", str(store.path), "--ray", cluster.address, "--device", "cpu", "--idle", str(idle)]
        return subprocess.Popen([sys.executable, "-m", "explorer", *command])

    victim = worker(60)
    try:
        end = time.monotonic() + 300
        while (status := store.status(id)).done < 5:
            assert time.monotonic() < end and victim.poll() is None and status.state in ("waiting", "running"), status
            time.sleep(0.01)
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        victim.kill()
        victim.wait()
        assert store.status(id).state != "done"
    finally:
        victim.kill()
    assert worker(3).wait(timeout=500) == 0
    assert store.status(id).state == "done", store.status(id).error
    (tmp_path / "quiet").mkdir()
    quiet = RunStore(tmp_path / "quiet" / "store.sqlite")
    quiet.submit(asked)
    Worker(quiet, tmp_path / "quiet").work_off()
    assert result_of(asked, store, home) == result_of(asked, quiet, tmp_path / "quiet")
    added(cluster, num_cpus=1)


def test_weights_travel_as_they_are():
    """Every dtype, ties and scalars included."""
    import torch

    tied = torch.randn(3, 2)
    weights = {"a": tied, "b": tied, "half": torch.randn(4).bfloat16(), "count": torch.tensor(7), "empty": torch.empty(0, 3)}
    back = unpacked(packed(weights))
    assert back["a"] is back["b"]
    for name, tensor in weights.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)


def test_nobody_at_the_address_is_a_sentence(monkeypatch):
    """And the environment is as it was."""
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    before = dict(os.environ)
    with pytest.raises(Refused, match="no Ray cluster at 'nonsense'"), fleet("nonsense"):
        pass
    assert dict(os.environ) == before
