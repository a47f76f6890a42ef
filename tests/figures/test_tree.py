"""The tree as a picture: places, edges, words."""

import numpy as np
import pytest

from explorer.figures.tree import figure, layout
from explorer.stats.spanning_tree import spanning_tree


def test_points_of_a_plane_keep_their_distances():
    """Four places, found again from their distances up to turning and mirroring."""
    at = np.array([[0, 0], [3, 0], [3, 4], [-1, 2.0]])
    apart = np.linalg.norm(at[:, None] - at[None], axis=2)
    found = layout(apart)
    assert np.linalg.norm(found[:, None] - found[None], axis=2) == pytest.approx(apart, abs=1e-9)


def test_two_models_lie_on_a_line():
    """There is one axis only."""
    assert np.ptp(layout(np.array([[0, 5], [5, 0.0]])), axis=0) == pytest.approx([5, 0], abs=1e-6)


def test_edges_have_their_barriers_and_names_are_text():
    """Bold edges are those of the tree, the rest is faint."""
    heights = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]])
    fig = figure(heights + 1 - np.eye(3), heights, spanning_tree(heights), ["<b>a</b>", "b", "c"], unit="nat", title="tree")
    texts = [a.text for a in fig.layout.annotations]
    assert texts[:2] == ["1", "2"]
    assert "&lt;b&gt;a" in texts[2]
    assert sum(t.mode == "lines" for t in fig.data) == 5, "two bold edges, each with a seam, and the faint ones"


def test_what_lies_close_together_can_be_read():
    """The second name stands above its model, and the number of the short edge below the first; far apart all stand where one looks first."""
    apart = np.array([[0, 1, 100], [1, 0, 100], [100, 100, 0.0]])
    heights = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]])
    shifts = {a.text: a.yshift for a in figure(apart, heights, spanning_tree(heights), ["a", "b", "c"], unit="nat", title="tree").layout.annotations}
    assert shifts == {"1": -38, "2": 0, "<b>a</b>": -19, "<b>b</b>": 19, "<b>c</b>": -19}


def test_no_edge_runs_behind_another_model():
    """Three models on a line, the outer two joined: their edge goes around the middle one and its name, and carries its number there; the other is straight."""
    apart = np.array([[0, 10, 20], [10, 0, 10], [20, 10, 0.0]])
    heights = np.array([[0, 9, 0], [9, 0, 0.5], [0, 0.5, 0]])
    fig = figure(apart, heights, spanning_tree(heights), ["seed-0", "seed-1", "seed-2"], unit="nat", title="tree")
    ways = {round(len(t.x)): np.column_stack([t.x, t.y]) for t in fig.data if t.mode == "lines" and t.line.width == 5}
    bent, straight = ways[41], ways[2]
    middle = layout(apart)[1]
    assert straight[0] == pytest.approx(middle, abs=1e-9) or straight[1] == pytest.approx(middle, abs=1e-9)
    assert np.linalg.norm(bent - middle, axis=1).min() > 1, "more than a mark's own size, 20 being the width of the picture"
    (number,) = (a for a in fig.layout.annotations if a.text == "0")
    assert np.linalg.norm(np.array([number.x, number.y]) - middle) > 1


def test_a_tree_of_two_hundred_has_no_names_but_under_the_pointer():
    """And not hundreds of traces: edges of one shade are one."""
    places = np.random.default_rng(0).random((200, 2))
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    fig = figure(apart, apart, spanning_tree(apart), [f"m{k}" for k in range(200)], unit="nat", title="tree")
    assert not fig.layout.annotations
    assert len(fig.data) < 140
    assert any(t.hovertext is not None and len(t.hovertext) == 199 for t in fig.data), "each edge by its models and its barrier"
