"""Plans against what happened, and corners that stay on their disk."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file, lazy_weights
from explorer.checkpoints.sharded import loaded_bytes
from explorer.commands.main import app
from explorer.core import registry
from explorer.core.spec import Aligned, Attack, Field, Fused, Loaded, Look, Make, Run, Study, Trained
from explorer.engine import run_loop as runs
from explorer.engine.run_loop import keep
from explorer.engine.worker import Worker
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.store.cost_plan import ON_DISK, Model, Plan, Took, planned, size
from explorer.store.estimate_cost import STARTING_S, _making, estimate, estimate_all, expected
from explorer.store.job_status import duration
from explorer.store.work_kinds import STARTING, of_making, of_study
from tests.engine.test_inspect_checkpoints import int8_of


def test_the_arithmetic():
    """Points times pace, grown with the samples; all corners, or a network and the largest of them when they would fill half of the memory."""
    corners = (Model(1000, 4000), Model(1000, 6000))
    assert planned(corners, points=10, samples=200, pace=(0.5, 100), free=100_000) == Plan(10, 200, 10.0, 100_000, 14_000, False)
    assert planned(corners, points=10, samples=200, pace=None, free=15_000) == Plan(10, 200, None, 100_000, 10_000, True)
    assert planned(corners, points=1, samples=1, pace=None, free=None).streamed is False
    large = (Model(2**26, ON_DISK - 1), Model(2**26, 2))
    assert planned(large, points=1, samples=1, pace=None, free=2**40) == Plan(1, 1, None, ON_DISK + 1, 2**28 + ON_DISK - 1, True)
    assert [size(n) for n in (12, 2048, 30 * 2**20, 2**41)] == ["12 bytes", "2.0 KiB", "30 MiB", "2.0 TiB"]


def test_a_plan_is_made_of_what_was_measured_before(tiny, store, home):
    """No time at first; then that of earlier points, and as many points as are missing. What it took stands beside it."""
    run = tiny.run(size=9)
    assert estimate(run, store) is None
    store.submit(Look(str(tiny.folder)))
    Worker(store, home).work_off()
    first = estimate(run, store)
    assert (first.points, first.samples, first.seconds, first.streamed) == (9, 539, None, False)
    assert first.read == 9 * (tiny.a.stat().st_size + tiny.b.stat().st_size)
    keep(tiny.run(size=5), store, home, report=lambda *_: True)
    later = estimate(run, store)
    assert later.points == 4
    assert later.seconds == pytest.approx(4 * store.cost(run.field.id) / 5, rel=1e-6)
    store.keep_estimate(run.id, later.to_json())
    keep(run, store, home, report=lambda *_: True)
    plan, took = store.plan(run.id)
    assert Plan.from_json(plan) == later
    assert Took.from_json(took).points == 4
    assert Took.from_json(took).seconds > 0
    assert "4 points" in str(Took.from_json(took))


def test_a_plan_counts_the_start_of_a_worker_where_none_is_there(tiny, store, home):
    """As long as the last one took; nothing once somebody is there. What the work itself takes does not change by it."""
    store.submit(Look(str(tiny.folder)))
    Worker(store, home).work_off()
    keep(tiny.run(size=5), store, home, report=lambda *_: True)
    alone = estimate(tiny.run(size=9), store)
    store.worked(STARTING, 1.0, 60.0)
    after = estimate(tiny.run(size=9), store)
    assert (alone.starting, after.starting) == (STARTING_S, 60.0)
    assert alone.whole == after.whole
    assert f"about {duration(after.whole + 60.0)} · " in str(after)
    store.beat("w", pid=os.getpid(), device="cpu")
    assert estimate(tiny.run(size=9), store).starting == 0.0


def test_dequantised_corners_are_counted_as_they_lie_in_memory(tiny, store, home, tmp_path):
    """int8 on the disk, float32 in memory: four bytes for each number, while what is read is the file."""
    file = int8_of(tiny.a, tmp_path)
    weights = checkpoint_file.read(f"{file}#dequantised").weights
    held = sum(4 * t.numel() for t in weights.values())
    assert held <= loaded_bytes(f"{file}#dequantised") <= 1.1 * held
    assert loaded_bytes(file) == file.stat().st_size < held / 2
    store.submit(Look(f"{file}#dequantised", problem=tiny.problem.spec))
    store.submit(Look(str(tiny.folder)))
    Worker(store, home).work_off()
    quantised, plain = (estimate(tiny.run(corners=(loaded(m), loaded(tiny.b)), size=5), store) for m in (f"{file}#dequantised", tiny.a))
    assert quantised.memory == pytest.approx(plain.memory, rel=0.1)
    assert quantised.read < 0.7 * plain.read


def test_a_plan_reads_no_values_that_its_sampler_does_not_ask_by(tiny, store, home):
    """Values that could not be read are not looked at by the plan of a grid; that of the adaptive sampler goes by them."""
    store.submit(Look(str(tiny.folder)))
    Worker(store, home).work_off()
    keep(tiny.run(size=5), store, home, report=lambda *_: True)
    before = estimate(tiny.run(size=9), store)
    store._db.execute("UPDATE point SET value = zeroblob(3)")
    assert estimate(tiny.run(size=9), store) == before
    with pytest.raises(ValueError, match="buffer size"):
        estimate(Run(tiny.field(), registry.method("sample", "adaptive")), store)


def test_the_pace_is_that_of_points_of_the_same_kind(tiny, store, home):
    """A preview, an attack and another problem say nothing of how long a plain point takes; other samples and buffers do."""
    keep(tiny.run(size=3), store, home, report=lambda *_: True)
    assert store.pace(tiny.field(samples=64, split="val")) == pytest.approx((store.cost(tiny.field().id) / 3, 539), rel=1e-9)
    for other in (tiny.field(precision="bfloat16"), tiny.field(attack=Attack("linf", 0.1)), tiny.field(problem=replace(tiny.problem.spec, seed=9))):
        assert store.pace(other) is None


def test_several_runs_have_one_plan_of_what_is_still_to_be_done(tiny, store, home):
    """Points and bytes are added up, those that are there left out; what has to be made first is named, its time is left open."""
    store.submit(Look(str(tiny.folder)))
    Worker(store, home).work_off()
    keep(tiny.run(size=5), store, home, report=lambda *_: True)
    a, b = tiny.field().corners
    aligned = Aligned.every(tiny.problem.spec, (a, b), registry.method("align", "weight_matching"))
    after = Run(tiny.field(corners=aligned), registry.method("sample", "adaptive"))
    plan = estimate_all((tiny.run(size=5), tiny.run(size=9), after), store)
    assert (plan.points, plan.at_most, plan.first) == (4 + 151, True, ("the alignment",))
    assert plan.seconds == pytest.approx(155 * store.pace(tiny.field())[0], rel=1e-9)
    beside = plan.more + plan.starting
    usual, most = duration(plan.seconds * 24 / 155 + beside), duration(plan.seconds + beside)
    assert str(plan).startswith(f"about 24, up to 155 points on 539 samples · about {usual}, at most {most}, after the alignment · ")
    assert estimate_all((tiny.run(size=5), tiny.run(size=3)), store).points == 0
    keep(after, store, home, report=lambda *_: True)
    assert estimate(after, store).first == ()
    assert estimate_all((tiny.run(size=5), Run(tiny.field(corners=(Loaded("gone"), b)), after.sampler)), store) is None


def test_points_that_several_runs_of_a_field_ask_for_are_counted_once(tiny, store, home):
    """Of three models: seven soups, the greedy path (at most five of them), and every soup but one; a grid and one that holds it."""
    store.submit(Look(str(tiny.folder)))
    Worker(store, home).work_off()
    assert estimate_all((tiny.run(size=5), tiny.run(size=9)), store).points == 9
    soups = tiny.field(corners=(*tiny.field().corners, loaded(tiny.a)), chart=registry.method("chart", "mixture"))
    runs = [Run(soups, registry.method("sample", "subsets", {"which": which})) for which in ("all", "leave_one_out")]
    assert estimate_all(runs, store).points == 7
    assert estimate_all((*runs, Run(soups, registry.method("sample", "greedy"))), store).points == 7 + 2


def test_the_command_line_says_the_plan_and_measures_nothing(tiny, store, home):
    """Points of a line and of a plane."""
    result = CliRunner().invoke(app, ["plan", str(tiny.a), str(tiny.b), "--points", "11", "--home", str(home)])
    assert result.exit_code == 0, result.output
    assert "11 points on 539 samples" in result.output
    assert store.statuses("Run") == []
    result = CliRunner().invoke(app, ["plan", str(tiny.a), str(tiny.b), str(tiny.a), "--points", "11", "--home", str(home)])
    assert "121 points" in result.output


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A problem whose networks take 17 MB each, and eight of them."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "problem.toml").write_text('[network]\nname = "mlp"\nwidths = [64, 2048, 2048, 10]\n[data]\nname = "digits"\n', encoding="utf-8")
    problem = Problem(problem_toml.read(folder))
    files = []
    for seed in range(8):
        files.append(folder / f"{seed}.safetensors")
        checkpoint_file.write(files[-1], problem.network(seed=seed).state_dict())
    return problem, files


def own_memory() -> int:
    """Bytes of this process that are in no file."""
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says which memory is whose")
def test_models_that_do_not_fit_are_streamed_and_have_the_same_values(wide, store, home, monkeypatch):
    """Eight corners of 17 MB: while points are measured, less than four of them are held, at the bits of those in memory."""
    problem, files = wide
    corners = tuple(map(loaded, files))
    field = Field(problem.spec, corners, registry.method("chart", "mixture"), samples=32)
    sampler = registry.method("sample", "given", {"at": tuple(np.eye(8)[0] * 0.5 + np.eye(8)[5] * 0.25 + 0.25 / 8)})
    one, peak = files[0].stat().st_size, 0

    def watch(*_):
        nonlocal peak
        peak = max(peak, own_memory() - before)
        return True

    before = own_memory()
    with monkeypatch.context() as small:
        small.setattr(runs, "SHARE", 0.0)
        executor = runs.open_field(field, store, home)
        (streaming,) = executor.map(np.array([sampler["at"]]))
        watch()
        assert all(isinstance(c, lazy_weights.Streamed) for c in executor.corners)
    assert peak < 4 * one
    (held,) = runs.open_field(field, store, home).map(np.array([sampler["at"]]))
    assert np.array_equal(streaming.values, held.values)
    assert keep(Run(field, sampler), store, home, report=watch)


def test_only_files_with_the_names_of_the_network_are_streamed(tiny, tmp_path):
    """Ties and shards included, and what a wrapper called otherwise; what is meant to have other names, or is no safetensors, is read whole."""
    shapes = tiny.problem.shapes()
    weights = checkpoint_file.read(tiny.a).weights
    found = lazy_weights.open_lazily(tiny.a, shapes)
    assert list(found) == list(shapes)
    assert len(found) == len(weights)
    assert all(torch.equal(found[k], weights[k]) for k in weights)
    checkpoint_file.write(tmp_path / "other.safetensors", {f"net.{k}": v for k, v in weights.items()})
    torch.save(weights, tmp_path / "a.pt")
    save_file({f"net.{k}": v for k, v in weights.items()}, tmp_path / "wrapped.safetensors")
    wrapped = lazy_weights.open_lazily(tmp_path / "wrapped.safetensors", shapes)
    assert all(torch.equal(wrapped[k], weights[k]) for k in weights)
    assert lazy_weights.open_lazily(tmp_path / "other.safetensors", shapes) is None
    assert lazy_weights.open_lazily(tmp_path / "a.pt", shapes) is None
    tied = {"a": torch.ones(2, 3), "b": torch.zeros(2)}
    checkpoint_file.write(tmp_path / "tied.safetensors", {**tied, "c": tied["a"]})
    both = lazy_weights.open_lazily(tmp_path / "tied.safetensors", {"a": (2, 3), "b": (2,), "c": (2, 3)})
    assert torch.equal(both["c"], tied["a"])


def test_a_plan_counts_making_studies_and_what_waits(tiny, store, home):
    """What was made once foretells the next of its kind; what is asked for by others and comes first is said, and a quick request does not wait for it."""
    store.submit(Look(str(tiny.folder)))
    worker = Worker(store, home)
    worker.work_off()
    spec, corners = tiny.problem.spec, tiny.field().corners
    fused = Fused(spec, corners, registry.method("fuse", "fisher"))
    run = Run(Field(spec, (fused,), registry.method("chart", "mixture"), split="val"), registry.method("sample", "given", {"at": (1.0,)}))
    study = Study(spec, corners, registry.method("study", "ensemble", {"split": "val"}))
    assert estimate(run, store).first == ("merging the models",)
    assert expected(Make(fused), store) is None
    keep(tiny.run(size=3), store, home, report=lambda *_: True)
    guessed = estimate_all((run,), store, (study,))
    assert guessed.first == ()
    kind, units = of_making(fused)
    store.worked(kind, units, 30.0)
    store.worked(*of_study(study), 50.0)
    told = estimate_all((run,), store, (study,))
    assert 80 < told.whole < 82
    assert expected(Make(fused), store) == pytest.approx(30)
    assert expected(study, store) == pytest.approx(50)
    assert "other work" not in str(told)
    store.submit(Make(Loaded("x")), expected=300.0)
    assert "after about 5 min of other work" in str(replace(told, waiting=300.0))
    assert estimate_all((run,), store).waiting == 0
    store.claim("w")
    assert estimate_all((run,), store).waiting == pytest.approx(300, rel=0.01)
    assert estimate(tiny.run(size=5), store).waiting == 0, "it is done in the middle of that"


def test_models_of_one_training_are_made_once(tiny, store, home):
    """All snapshots, and all models of an alignment, take the time of one."""
    spec = tiny.problem.spec
    trained = Trained(spec, registry.method("train", "sgd", {"epochs": 10}))
    store.worked(*of_making(trained), 40.0)
    half, whole = (Run(Field(spec, tuple(replace(trained, at=n) for n in at), registry.method("chart", "mixture")), registry.method("sample", "subsets")) for at in ((2, 5), (3, 10)))  # fmt: skip
    assert [_making(run.field.corners, store) for run in (half, whole)] == [(pytest.approx(20.0), set()), (pytest.approx(40.0), set())]
