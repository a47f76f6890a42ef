"""Laws of every sampler: it never repeats itself, it ends, and the order of what is done does not matter."""

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.points import Points

CURVES = {
    "barrier": lambda t: 4 * t * (1 - t),
    "flat": lambda t: 0 * t,
    "spike": lambda t: np.exp(-(((t - 0.7) / 0.05) ** 2)),
    "two peaks": lambda t: np.sin(3 * np.pi * t) ** 2,
    "diverged inside": lambda t: np.where(np.abs(t - 0.5) < 0.2, np.nan, t),
    "diverged ends": lambda t: np.where((t == 0) | (t == 1), np.nan, t),
}


def measured(coords, curve, seed=0):
    """Points of a curve with a little noise per sample."""
    noise = np.random.default_rng(seed).normal(size=64) * 0.01
    values = curve(coords[:, 0])[:, None] + noise[None, :] * (1 + coords[:, :1])
    return Points(coords, values[:, None, :], np.ones(64))


def walk(name, curve, width):
    """Everything a sampler asks for, batch after batch."""
    ask, left = registry.find("sample", name), registry.find("sample", name, function="left")
    done, asked = np.empty((0, 1)), []
    remaining = left(measured(done, curve))
    for _ in range(2000):
        todo = ask(measured(done, curve), width)
        if not len(todo):
            return done, remaining
        assert len(todo) <= width
        asked += [row.tobytes() for row in todo]
        assert len(set(asked)) == len(asked), "asked twice"
        done = np.concatenate([done, todo])
    raise AssertionError("never ends")


@pytest.mark.parametrize("curve", list(CURVES))
@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("name", registry.names("sample"))
def test_never_repeats_ends_and_keeps_its_promise_of_how_many(name, curve, width):
    """`left` bounds what `ask` still asks for, and is 0 at the end."""
    done, promised = walk(name, CURVES[curve], width)
    assert 1 <= len(done) <= promised
    assert registry.find("sample", name, function="left")(measured(done, CURVES[curve])) == 0


@pytest.mark.parametrize("name", registry.names("sample"))
def test_order_of_what_is_done_is_irrelevant(name):
    """Two workers that kept the same points in another order go on with the same one."""
    ask = registry.find("sample", name)
    done, _ = walk(name, CURVES["barrier"], 1)
    half = measured(done[: len(done) // 2], CURVES["barrier"])
    order = np.random.default_rng(0).permutation(len(half))
    shuffled = Points(half.coords[order], half.values[order], half.counts)
    assert np.array_equal(ask(half, 3), ask(shuffled, 3))


@pytest.mark.parametrize("name", ["grid", "adaptive"])
def test_a_finer_wish_uses_what_a_coarser_one_left(name):
    """Ends and middle are points of every grid: they are asked for once."""
    ask = registry.find("sample", name)
    done = measured(np.array([[0.0], [0.5], [1.0]]), CURVES["barrier"])
    asked = ask(done, 100)[:, 0]
    assert not set(asked) & {0.0, 0.5, 1.0}


@pytest.mark.parametrize("name", [n for n in registry.names("sample") if registry.is_blind(n)])
def test_what_looks_at_no_values_needs_none(name):
    """A sampler that says so asks the same without them, and as many points at once as one by one."""
    ask = registry.find("sample", name)
    done, _ = walk(name, CURVES["barrier"], 1)
    half = done[: len(done) // 2]
    bare = Points(half, np.empty((len(half), 0, 0)), np.ones(64))
    assert np.array_equal(ask(bare, 1000), ask(measured(half, CURVES["barrier"]), 1000))
    assert np.array_equal(ask(bare, 1000), done[len(half) :])
