"""From the shards of checkpoints that do not fit into memory to a barrier and a plane: the bits of those that do fit."""

import json
import weakref
from dataclasses import dataclass

import numpy as np
from safetensors.torch import save_file

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file, lazy_weights, sharded
from explorer.core import registry
from explorer.core.spec import Field, Run
from explorer.engine import run_loop as runs
from explorer.engine.run_loop import keep
from explorer.engine.worker import Worker
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.barriers import barrier
from explorer.store.run_store import RunStore

SHARDS = 3


def in_shards(folder, weights):
    """A model as a folder of three shards and their index."""
    folder.mkdir()
    where = {name: f"model-{1 + i * SHARDS // len(weights):05}-of-{SHARDS:05}.safetensors" for i, name in enumerate(weights)}
    for file in set(where.values()):
        save_file({name: t for name, t in weights.items() if where[name] == file}, folder / file)
    (folder / sharded.INDEXES[0]).write_text(json.dumps({"weight_map": where}), encoding="utf-8")
    assert len(set(where.values())) == SHARDS
    return loaded(folder)


@dataclass
class Held:
    """Bytes of the corners' tensors that somebody holds, and the most there were."""

    now: int = 0
    most: int = 0

    def add(self, tensor):
        """Count a tensor until it is given up."""
        self.now += tensor.nbytes
        self.most = max(self.most, self.now)
        weakref.finalize(tensor, self._less, tensor.nbytes)
        return tensor

    def _less(self, size):
        self.now -= size


def requests(problem, corners):
    """The line between two of them, and a small plane through three."""
    line = Run(Field(problem.spec, corners[:2], registry.method("chart", "line")), registry.method("sample", "adaptive"))
    plane = Run(Field(problem.spec, corners, registry.method("chart", "plane")), registry.method("sample", "grid", {"size": 5}))
    return line, plane


def test_a_barrier_and_a_plane_of_shards_that_do_not_fit_have_the_same_bits(tiny, tmp_path, store, home, monkeypatch):
    """A worker that may hold no corner reads each tensor when it is mixed; every point, and so the barrier, is that of models in memory."""
    models = [checkpoint_file.read(tiny.a).weights, checkpoint_file.read(tiny.b).weights, tiny.problem.network(seed=2).state_dict()]
    corners = tuple(in_shards(tmp_path / f"m{i}", weights) for i, weights in enumerate(models))
    line, plane = requests(tiny.problem, corners)
    for run in (line, plane):
        store.submit(run)
    opened = []
    plain = runs.streamed_at
    with monkeypatch.context() as small:
        small.setattr(runs, "SHARE", 0.0)
        small.setattr(runs, "streamed_at", lambda *a: opened.append(plain(*a)) or opened[-1])
        Worker(store, home).work_off()
    assert len(opened) == 5
    assert all(isinstance(c, lazy_weights.Streamed) for c in opened)
    other = RunStore(tmp_path / "held.sqlite")
    for run in (line, plane):
        keep(run, other, home, report=lambda *_: True)
        here, there = (s.points(run.field.id)[0] for s in (store, other))
        assert np.array_equal(here.coords, there.coords)
        assert np.array_equal(here.values, there.values)
        assert np.array_equal(store.field(run.field.id).gram, other.field(run.field.id).gram)
    found = barrier(store.points(line.field.id)[0])
    assert found == barrier(other.points(line.field.id)[0])
    assert found.height.low > 0


def test_no_more_than_a_few_tensors_of_the_corners_are_held(store, home, tmp_path, monkeypatch):
    """Counted by the tensor: one model while it is looked at by itself, then, point after point, one tensor of one corner beside the one it is added to."""
    (tmp_path / "problem.toml").write_text('[network]\nname = "mlp"\nwidths = [64, 48, 40, 32, 10]\n[data]\nname = "digits"\n', encoding="utf-8")
    problem = Problem(problem_toml.read(tmp_path))
    corners = tuple(in_shards(tmp_path / f"m{seed}", problem.network(seed=seed).state_dict()) for seed in range(3))
    sizes = sorted(t.nbytes for t in problem.network().state_dict().values())
    held, read = Held(), lazy_weights.Streamed.__getitem__
    monkeypatch.setattr(runs, "SHARE", 0.0)
    monkeypatch.setattr(lazy_weights.Streamed, "__getitem__", lambda self, name: held.add(read(self, name)))
    _, plane = requests(problem, corners)
    executor = runs.open_field(plane.field, store, home)
    assert 0 < held.most <= sum(sizes) + 2 * sizes[-1]
    assert held.now == 0
    held.most = 0
    (measured,) = executor.map(np.array([[0.2, 0.3, 0.5], [0.5, 0.25, 0.25]]))
    assert np.isfinite(measured.values).all()
    assert 0 < held.most <= 2 * sizes[-1]
