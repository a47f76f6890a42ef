"""Labels stand in rows of their own, each as near to its mark as the others let it."""

from __future__ import annotations

import json
import random
import subprocess
from itertools import pairwise
from pathlib import Path

import deno
import pytest
from scipy.optimize import minimize

from explorer.figures.frontend import FRONTEND
from explorer.figures.place_labels import rows

CASES = [([random.Random(seed).uniform(0, 300) for _ in range(1 + seed % 8)], 18.0, 10.0, 280.0) for seed in range(24)]


def test_labels_with_room_stand_where_they_are_wanted():
    """Nothing moves that need not."""
    assert rows([200, 20, 100], 18, 0, 300) == [200, 20, 100]


def test_two_at_one_height_share_the_shift():
    """Neither is favoured, and the first stays above."""
    assert rows([100, 100], 20, 0, 300) == [90, 110]


@pytest.mark.parametrize(("wanted", "line", "low", "high"), CASES)
def test_rows_never_overlap_and_keep_the_order_of_their_marks(wanted: list[float], line: float, low: float, high: float):
    """Whatever the heights are, and however wide the labels."""
    found = rows(wanted, line, low, high)
    ordered = sorted(found)
    assert all(b - a >= line - 1e-9 for a, b in pairwise(ordered))
    assert ordered[0] >= low - 1e-9
    assert ordered[-1] <= high + 1e-9
    assert sorted(range(len(found)), key=found.__getitem__) == sorted(range(len(found)), key=wanted.__getitem__)


def test_no_other_rows_are_nearer():
    """The optimum of a general solver, given the same constraints."""
    wanted, line, low, high = [30.0, 35.0, 40.0, 200.0, 205.0], 18.0, 20.0, 210.0
    limits = [{"type": "ineq", "fun": lambda y, k=k: y[k + 1] - y[k] - line} for k in range(4)]
    best = minimize(lambda y: sum((a - b) ** 2 for a, b in zip(y, wanted, strict=True)), wanted, bounds=[(low, high)] * 5, constraints=limits)
    assert rows(wanted, line, low, high) == pytest.approx(best.x, abs=1e-3)


def test_the_browser_places_them_alike():
    """labels.js is a second copy of the rule; it must be the same rule."""
    script = f"import {{ rows }} from {json.dumps((FRONTEND / 'labels.js').as_uri())}; console.log(JSON.stringify({json.dumps(CASES)}.map((c) => rows(...c))))"
    ran = subprocess.run([deno.find_deno_bin(), "eval", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    for case, found in zip(CASES, json.loads(ran.stdout), strict=True):
        assert found == pytest.approx(rows(*case), abs=1e-9)
