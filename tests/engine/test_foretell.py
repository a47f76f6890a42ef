"""What a line or a plane will take, said before anything is measured."""

import time

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.spec import Field
from explorer.engine import run_loop
from explorer.engine.foretell import Foretold, foretell
from explorer.engine.run_loop import corners_of
from explorer.evaluate import evaluator
from explorer.evaluate.devices import peak
from explorer.evaluate.evaluator import Evaluate
from explorer.store.run_store import RunStore
from tests.commands.test_main import run


def foretold(field: Field, store: RunStore, home, points: int = 9) -> Foretold:
    """As the command asks for it."""
    begun = time.perf_counter()
    return foretell(field, corners_of(field, store, home), points=points, begun=begun, device="cpu")


def test_a_plane_passes_its_corners_by_themselves_and_a_line_its_ends_once(tiny, store, home, monkeypatch):
    """As many as go through the network when it is measured: counted there."""
    passes = []
    plain = Evaluate._values
    monkeypatch.setattr(Evaluate, "_values", lambda self: passes.append(1) or plain(self))
    a, b = tiny.field().corners
    plane = tiny.field(corners=(a, b, a), chart=registry.method("chart", "mixture"))
    for field, points in ((tiny.field(), 5), (plane, 0)):
        told = foretold(field, store, home, points)
        passes.clear()
        executor = run_loop.open_field(field, store, home)
        if points:
            t = np.linspace(0, 1, points)
            list(executor.map(np.stack([1 - t, t], axis=1)))
        assert len(passes) == told.passes == points + (0 if field.chart.name == "line" else 3)


def test_the_time_is_that_of_its_parts(tiny, store, home):
    """Opened once, and then all samples at every point; the memory is the process's own."""
    told = foretold(tiny.field(), store, home)
    assert told.samples == 539
    assert told.seconds == pytest.approx(told.opening + 9 * (told.mixing + 539 * told.each))
    assert 0 < told.each < told.opening
    assert 0 < told.held <= peak()
    assert "9 points on 539 samples · about" in str(told)
    assert "in memory" in str(told)


def test_only_so_many_samples_go_through_as_are_needed(tiny, monkeypatch):
    """A large network is tried on a chunk, not on all of its samples."""
    corners = [dict(tiny.problem.network(seed=s).state_dict()) for s in range(2)]
    evaluate = Evaluate(tiny.problem, corners, split="test")
    evaluate.chunk = 7
    seen = []
    plain = evaluate.values_of
    monkeypatch.setattr(evaluate, "values_of", lambda outputs, targets: seen.append(len(outputs)) or plain(outputs, targets))
    evaluate.paced(np.array([0.5, 0.5]), 0.0)
    assert seen == [7]


def test_it_says_what_will_be_streamed(tiny, store, home, monkeypatch):
    """From the disk where the corners do not fit into memory, layer by layer where the network does not."""
    monkeypatch.setattr(run_loop, "SHARE", 0.0)
    assert "corners streamed from disk" in str(foretold(tiny.field(), store, home))
    monkeypatch.setattr(evaluator, "fits", lambda *_: False)
    assert "streamed layer by layer" in str(foretold(tiny.field(), store, home))


def test_the_command_keeps_nothing(tiny, home, store):
    """Neither points nor models; one model is no plan."""
    assert "33 points on 539 samples · about" in run("plan", tiny.a, tiny.b)
    assert store.checkpoints() == []
    assert store.statuses("Run") == []
    assert "A plan is of a line between two checkpoints, or of a plane through more; got 1." in run("plan", tiny.a, code=2)
