"""What goes wrong while something is done, for every kind of request: files that vanish, change or hold no numbers, and a disk that takes nothing.

Whatever it is, the request fails with a sentence or ends with the numbers of a quiet run; nothing half made is left, and once the trouble is over it goes through.
"""

import resource
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.lazy_weights import open_lazily
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.locations import made_at
from explorer.core.spec import Aligned, Connected, Fused, Look, Make, Run, Shifted, Study, Trained
from explorer.engine import run_loop
from explorer.engine.execute.local import Local
from explorer.engine.realise_recipe import realise
from explorer.engine.run_loop import keep
from explorer.engine.worker import Worker
from explorer.store.run_store import RunStore
from tests import at_opening
from tests.conftest import Tiny, loaded

KINDS = ("run", "look", "study", "fused", "aligned", "connected", "trained", "shifted")
MAKING = KINDS[3:]


@pytest.fixture
def mine(tiny, tmp_path) -> Tiny:
    """Checkpoints that a test may spoil, in a folder called shown, whose openings tests/at_opening.py hears of."""
    shutil.copytree(tiny.folder, tmp_path / "shown")
    return Tiny(tmp_path / "shown")


def request(kind: str, of: Tiny):
    """One of each kind, that reads both checkpoints."""
    problem, a, b = of.problem.spec, loaded(of.a), loaded(of.b)
    match kind:
        case "run":
            return of.run(9)
        case "look":
            return Look(str(of.folder))
        case "study":
            return Study(problem, (a, b), registry.method("study", "ensemble"))
        case "fused":
            return Make(Fused(problem, (a, b), registry.method("fuse", "uniform_soup")))
        case "aligned":
            return Make(Aligned(problem, (a, b), 1, registry.method("align", "weight_matching")))
        case "connected":
            return Make(Connected(problem, (a, b), 0, registry.method("connect", "bezier", {"epochs": 1})))
        case "trained":
            return Make(Trained(problem, registry.method("train", "sgd", {"epochs": 1}), start=a))
        case _:
            return Make(Shifted(problem, a, 0, registry.method("direct", "random")))


def done(store: RunStore, home, request, worker=Worker):
    """The request after a worker has been at it."""
    id = store.submit(request, again=True)
    worker(store, home).work_off()
    status = store.status(id)
    assert status is not None and "explorer itself failed" not in status.error, status.error
    return status


def outcome(store: RunStore, home, request) -> object:
    """What came of it, to compare."""
    if isinstance(request, Run):
        points = store.points(request.field.id)[0].sorted()
        return points.coords.tobytes(), points.values.tobytes()
    if isinstance(request, Make):
        return made_at(request.recipe, home).read_bytes()
    found = store.status(request.id).result
    return [[f["name"], f["error"], f["digest"], f["quality"]] for f in found["files"]] if isinstance(request, Look) else found


def left_over(home) -> list[str]:
    """Drafts of models."""
    return [p.name for p in (home / "models").glob(".*")] if (home / "models").is_dir() else []


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_that_is_gone_is_said(kind, mine, store, home):
    """It vanished between the request and the work."""
    asked = request(kind, mine)
    for file in (mine.a, mine.b):
        file.rename(file.with_suffix(".gone"))
    status = done(store, home, asked)
    assert status.state == "failed"
    assert "holds no checkpoint" in status.error if kind == "look" else "is not where it was" in status.error


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "look"])
def test_another_file_of_the_name_is_not_taken_for_it(kind, mine, store, home):
    asked = request(kind, mine)
    mine.a.write_bytes(mine.b.read_bytes())
    status = done(store, home, asked)
    assert status.state == "failed" and "has changed since it was registered" in status.error


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_said_with_their_file(kind, value, mine, store, home):
    weights = checkpoint_file.read(mine.a).weights
    next(iter(weights.values())).view(-1)[0] = value
    checkpoint_file.write(mine.a, weights, replace=True)
    status = done(store, home, request(kind, mine))
    if kind == "look":  # a bad file hides no other
        files = status.result["files"]
        assert ["NaN or infinite" in f["error"] for f in files] == [True, False]
    else:
        assert status.state == "failed" and "a.safetensors has 1 of" in status.error and "NaN or infinite" in status.error


@pytest.mark.parametrize("kind", KINDS)
def test_weights_whose_losses_overflow_give_what_they_give_or_a_sentence(kind, mine, store, home):
    """Finite, and so large that products are not."""
    for file in (mine.a, mine.b):
        weights = {n: w * 1e36 if w.is_floating_point() else w for n, w in checkpoint_file.read(file).weights.items()}
        checkpoint_file.write(file, weights, replace=True)
    status = done(store, home, request(kind, mine))
    assert status.state in ("done", "failed") and (status.state == "done" or len(status.error) > 20)
    if kind == "run":
        points, _ = store.points(status.request.field.id)
        assert len(points) == 9 and not np.isfinite(points.means()[:, 0]).all()


@contextmanager
def full_disk():
    """Nothing can be written to any file, by the system's own word."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class OnFullDisk(Worker):
    """There is room again when a request is laid down."""

    def _do(self, claimed):
        with full_disk():
            return super()._do(claimed)


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_full_disk_it_fails_with_a_sentence_and_goes_through_when_there_is_room(kind, mine, store, home, tmp_path):
    """With the result of one that met no trouble, byte for byte."""
    asked = request(kind, mine)
    status = done(store, home, asked, OnFullDisk)
    assert status.state == "failed", "nothing could be kept"
    assert not left_over(home)
    assert done(store, home, asked).state == "done"
    (tmp_path / "quiet").mkdir()
    quiet = RunStore(tmp_path / "quiet" / "store.sqlite")
    assert done(quiet, tmp_path / "quiet", asked).state == "done"
    assert outcome(store, home, asked) == outcome(quiet, tmp_path / "quiet", asked)


@pytest.mark.parametrize("kind", MAKING)
def test_where_models_cannot_be_kept_that_is_said(kind, mine, store, home):
    """A file lies where their folder should be."""
    (home / "models").write_text("")
    status = done(store, home, request(kind, mine))
    assert status.state == "failed" and ("models" in status.error or "cannot be" in status.error), status.error


def test_a_checkpoint_that_is_written_to_while_it_is_loaded_gives_its_own_weights_or_none(mine, store, home):
    """At whichever opening of it somebody writes: never other weights under its name."""
    recipe, content, other = loaded(mine.a), mine.a.read_bytes(), mine.b.read_bytes()
    wanted, refused = checkpoint_file.read(mine.a).weights, 0
    for step in range(20):
        mine.a.write_bytes(content)
        at_opening.waiting[:] = [lambda: None] * step + [lambda: mine.a.write_bytes(other)]
        try:
            found = realise(recipe, store, home)
            assert all(torch.equal(found[n], wanted[n]) for n in wanted)
        except Refused as refusal:
            refused += "written to while" in str(refusal)
        unused = bool(at_opening.waiting)
        at_opening.waiting.clear()
        if unused:
            break
    assert unused and refused


@pytest.mark.parametrize("how", ["written", "cut"])
def test_corners_on_their_disk_are_not_measured_once_they_were_written_to(how, mine, store, home):
    """Not one point of what is no model any more is kept."""
    shapes = mine.problem.shapes()
    executor = Local(mine.field(), [open_lazily(p, shapes) for p in (mine.a, mine.b)], device="cpu")
    (batch,) = executor.map(np.array([[0.5, 0.5]]))
    assert np.isfinite(batch.values).all()
    if how == "written":
        with mine.a.open("r+b") as file:
            file.seek(-4, 2)
            file.write(b"\0\0\0\0")
    else:
        mine.a.write_bytes(b"")
    with pytest.raises(Refused, match=r"a\.safetensors was written to while it was read"):
        list(executor.map(np.array([[0.25, 0.75]])))


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_run_whose_checkpoints_go_in_the_middle_ends_with_their_numbers(how, mine, store, home, tmp_path, monkeypatch):
    """What was opened is what is measured: in memory, or by the file that was opened, which stays as long as it is open."""
    monkeypatch.setattr(run_loop, "SHARE", 0.0)  # no room in memory: corners stay on their disk
    run, seen = mine.run(9), []

    def report(done, total, fresh, message):
        if fresh == 3 and not seen:
            seen.append(fresh)
            for file, other in ((mine.a, mine.b), (mine.b, mine.a)):
                if how == "removed":
                    file.unlink()
                else:
                    shutil.copy(tmp_path / "kept.safetensors" if other is mine.a else other, tmp_path / "new")
                    (tmp_path / "new").replace(file)
        return True

    shutil.copy(mine.a, tmp_path / "kept.safetensors")
    quiet = RunStore(tmp_path / "quiet.sqlite")
    keep(run, quiet, home, report=lambda *_: True)
    assert keep(run, store, home, report=report) and seen
    assert outcome(store, home, run) == outcome(quiet, home, run)
