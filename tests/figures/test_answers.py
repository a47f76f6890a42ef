"""What a curve is told of the answers along it."""

import base64
import json

import numpy as np

from explorer.figures import answers


def found(k: int, c: int, most: int) -> dict:
    rng = np.random.default_rng(0)
    sample = {"index": 3, "true": 1, "image": rng.random((32, 32, 3)).tolist(), "text": None, "said": [1] * k, "loss": [0.123] * k}
    return {
        "classes": [f"class {i}" for i in range(c)],
        "of": 100,
        "wrong": [7] * k,
        "confusion": rng.integers(0, most, (k, c, c)).tolist(),
        "samples": [sample] * 8,
    }


def test_counts_come_back_as_they_were():
    """In as few bytes as they fit in; of a mixture that diverged, zeros."""
    for most, width in ((200, 1), (60_000, 2), (70_000, 4)):
        seen = found(5, 3, most)
        seen["confusion"][2] = None
        seen["confusion"][0][0][0] = most
        packed = answers.told(seen, [0, 0.2, 0.4, 0.6, 1], title="t")["counts"]
        assert packed["width"] == width
        back = np.frombuffer(base64.b64decode(packed["bytes"]), f"<u{width}").reshape(5, 3, 3)
        assert not back[2].any()
        assert [back[i].tolist() for i in (0, 1, 3, 4)] == [seen["confusion"][i] for i in (0, 1, 3, 4)]


def test_the_largest_is_less_than_a_hundred_kilobytes():
    """As many frames, classes and pixels as the study gives at most."""
    told = answers.told(found(33, 26, 300), np.linspace(0, 1, 33).tolist(), title="t")
    assert len(json.dumps(told, allow_nan=False)) < 100_000


def test_at_most_so_many_places_spread_evenly_with_both_ends():
    """Those of an adaptive line lie close together at its peak; of each place one."""
    x = np.concatenate([np.linspace(0, 1, 17), 0.5 + 0.001 * np.arange(60), [0.5]])
    chosen = answers.chosen(x)
    assert len(chosen) <= answers.FRAMES and chosen[0] == 0 and chosen[-1] == 1
    assert (np.diff(chosen) > 0).all() and set(chosen) <= set(x)
    assert answers.chosen(np.array([1.0, 0.0, 0.5])).tolist() == [0, 0.5, 1]
