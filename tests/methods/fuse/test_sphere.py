"""Slerp and the Karcher mean: lengths, midpoints, limits, and against plain vectors on the sphere."""

import math

import numpy as np
import pytest
import torch

from explorer.core.errors import Refused
from explorer.methods.fuse import karcher, slerp, uniform_soup
from tests.methods.fuse import drawn, equal, flat, near

A, B, C = drawn(1), drawn(2), drawn(3)
X, Y = {"w": torch.tensor([2.0, 0.0])}, {"w": torch.tensor([0.0, 2.0])}


def normal(model, length=3.0):
    return {n: t * (length / t.norm()) for n, t in model.items()}


def test_a_quarter_circle_is_walked_evenly(tiny):
    """At t the angle is t·90°, and the length stays 2."""
    for t in (0.1, 0.5, 0.9):
        point = slerp.fuse([X, Y], tiny.problem, t=t)["w"]
        assert point.tolist() == pytest.approx([2 * math.cos(t * math.pi / 2), 2 * math.sin(t * math.pi / 2)], rel=1e-6)


@pytest.mark.parametrize("scope", ["tensor", "model"])
def test_the_ends_are_the_models(tiny, scope):
    """Bit for bit."""
    assert equal(slerp.fuse([A, B], tiny.problem, t=0.0, scope=scope), A)
    assert equal(slerp.fuse([A, B], tiny.problem, t=1.0, scope=scope), B)


def test_equal_lengths_stay_tensor_by_tensor_or_over_the_whole_model(tiny):
    """Where a straight line would be shorter."""
    a, b = normal(A), normal(B)
    arc = slerp.fuse([a, b], tiny.problem, t=0.3)
    assert [float(t.norm()) for n, t in arc.items() if n != "scale"] == pytest.approx([3.0] * 3, rel=1e-6)
    whole = slerp.fuse([a, b], tiny.problem, t=0.3, scope="model")
    assert float(flat(whole).norm()) == pytest.approx(float(flat(a).norm()), rel=1e-6)
    assert float((0.7 * flat(a) + 0.3 * flat(b)).norm()) < 0.9 * float(flat(a).norm())


def test_going_the_other_way_meets_at_the_same_point(tiny):
    """slerp(A, B, t) = slerp(B, A, 1 − t), and a common factor comes out."""
    there = slerp.fuse([A, B], tiny.problem, t=0.2)
    assert near(there, slerp.fuse([B, A], tiny.problem, t=0.8))
    doubled = slerp.fuse([{n: 2 * t for n, t in m.items()} for m in (A, B)], tiny.problem, t=0.2)
    assert near({n: 2 * t for n, t in there.items()}, doubled)


def test_parallel_tensors_are_mixed_linearly_without_a_seam(tiny):
    """On both sides of the threshold the arc is where the line is."""
    assert slerp.fuse([X, {"w": 3 * X["w"]}], tiny.problem, t=0.5)["w"].tolist() == [4, 0]
    for angle in (slerp.PARALLEL * 0.99, slerp.PARALLEL * 1.01):
        b = {"w": 2 * torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)}
        arc = slerp.fuse([{"w": X["w"].double()}, b], tiny.problem, t=0.5)["w"]
        assert arc.tolist() == pytest.approx([2 * math.cos(angle / 2), 2 * math.sin(angle / 2)], rel=2e-9)


def test_what_has_no_direction_is_mixed_linearly(tiny):
    """A tensor of zeros, and single numbers of opposite signs."""
    a, b = {"w": torch.zeros(3), "s": torch.tensor(1.0)}, {"w": torch.ones(3), "s": torch.tensor(-1.0)}
    for fused in (slerp.fuse([a, b], tiny.problem, t=0.25), karcher.fuse([a, b], tiny.problem, weights=(3.0, 1.0))):
        assert fused["w"].tolist() == pytest.approx([0.25] * 3)
        assert float(fused["s"]) == pytest.approx(0.5)


def test_opposite_directions_are_refused(tiny):
    """There is no shortest arc, and no mean; at an end none is needed."""
    opposite = {"w": -3 * X["w"]}
    with pytest.raises(Refused, match="opposite directions in w"):
        slerp.fuse([X, opposite], tiny.problem)
    with pytest.raises(Refused, match="opposite directions in the whole model"):
        slerp.fuse([X, opposite], tiny.problem, scope="model")
    assert equal(slerp.fuse([X, opposite], tiny.problem, t=1.0), opposite)
    with pytest.raises(Refused, match="cancel in w"):
        karcher.fuse([X, opposite], tiny.problem)
    with pytest.raises(Refused, match="opposite to the mean of all in w"):
        karcher.fuse([X, opposite], tiny.problem, weights=(3.0, 1.0))


def test_slerp_wants_two_models(tiny):
    """The sentence says how many came."""
    with pytest.raises(Refused, match="two models, got 1 model. Choose more"):
        slerp.fuse([A], tiny.problem)


def naive(vectors, weights):
    """Karcher mean by plain vectors: the point, and Σ λᵢ·log(uᵢ) there."""
    u = [v / np.linalg.norm(v) for v in vectors]
    p = sum(w * x for w, x in zip(weights, u, strict=True))
    p /= np.linalg.norm(p)
    for _ in range(500):
        move = np.zeros_like(p)
        for w, x in zip(weights, u, strict=True):
            across = x - (x @ p) * p
            move += w * np.arccos(np.clip(x @ p, -1, 1)) * across / np.linalg.norm(across)
        step = np.linalg.norm(move)
        if step < 1e-13:
            break
        p = np.cos(step) * p + np.sin(step) * move / step
    return p * sum(w * np.linalg.norm(v) for w, v in zip(weights, vectors, strict=True))


@pytest.mark.parametrize("scope", ["tensor", "model"])
def test_the_karcher_mean_is_that_of_plain_vectors(tiny, scope):
    """Worked out on inner products or on the vectors themselves."""
    models, weights = [A, B, C, drawn(4)], (0.1, 0.2, 0.3, 0.4)
    found = karcher.fuse(models, tiny.problem, weights=weights, scope=scope)
    if scope == "model":
        assert flat(found).numpy() == pytest.approx(naive([flat(m).numpy() for m in models], weights), abs=1e-5)
    else:
        for n in ("a.weight", "a.bias", "conv"):
            assert flat({n: found[n]}).numpy() == pytest.approx(naive([flat({n: m[n]}).numpy() for m in models], weights), abs=1e-5)


def test_two_models_of_equal_length_meet_at_slerps_midpoint(tiny):
    """With weights, at slerp's t."""
    a, b = normal(A), normal(B)
    assert near(karcher.fuse([a, b], tiny.problem), slerp.fuse([a, b], tiny.problem), 1e-5)
    assert near(karcher.fuse([a, b], tiny.problem, weights=(3.0, 1.0)), slerp.fuse([a, b], tiny.problem, t=0.25), 1e-5)


def test_the_order_of_the_models_does_not_matter(tiny):
    """Nor one that has no weight, wherever it points."""
    mean = karcher.fuse([A, B, C], tiny.problem)
    assert near(mean, karcher.fuse([C, A, B], tiny.problem))
    opposite = {n: -t for n, t in mean.items()}
    assert near(mean, karcher.fuse([A, B, C, opposite], tiny.problem, weights=(1.0, 1.0, 1.0, 0.0)))


def test_models_along_one_ray_have_their_linear_mean(tiny):
    """Nothing but lengths to average; copies give the model back bit for bit."""
    rays = [{n: k * t for n, t in A.items()} for k in (1.0, 2.0, 6.0)]
    assert near(karcher.fuse(rays, tiny.problem), uniform_soup.fuse(rays, tiny.problem))
    assert equal(karcher.fuse([A] * 3, tiny.problem), A)


def test_convergence_is_told_and_its_lack_refused(tiny):
    """How many steps each tensor took, and the last."""
    seen = []
    karcher.fuse([A, B, C], tiny.problem, progress=lambda *step: seen.append(step))
    assert [s[:2] for s in seen] == [(1, 4), (2, 4), (3, 4)]
    assert seen[0][2].startswith("a.weight: ")
    assert float(seen[0][2].split("the last of ")[1].split()[0]) < 1e-6
    with pytest.raises(Refused, match="not converged in a.weight after 1 steps"):
        karcher.fuse([A, B, C], tiny.problem, steps=1, weights=(1.0, 2.0, 3.0))
