"""Methods that mergekit introduced: Multi-SLERP, NearSwap, RAM, SCE, Arcee Fusion; and its rows and columns."""

import math

import pytest
import torch

from explorer.checkpoints.passes import InMemory
from explorer.core.errors import Refused
from explorer.methods.fuse import _row_arcs, arcee_fusion, model_stock, multislerp, nearswap, ram, sce, slerp, task_arithmetic
from tests.methods.fuse import drawn, near


def of(*values):
    """Models of one tensor with these values."""
    return [{"w": torch.tensor(v, dtype=torch.float64)} for v in values]


def test_multislerp_of_two_is_the_midpoint_of_the_arc_at_their_mean_length(tiny):
    """Lengths 2 and 4, a right angle."""
    assert multislerp.fuse(of([2.0, 0.0], [0.0, 4.0]), tiny.problem)["w"].tolist() == pytest.approx([3 / math.sqrt(2)] * 2)
    a, b = of([2.0, 0.0], [math.cos(1) * 2, math.sin(1) * 2])
    assert near(multislerp.fuse([a, b], tiny.problem), slerp.fuse([a, b], tiny.problem))


def test_multislerp_weighs_directions_and_lengths(tiny):
    """By hand: directions 3:1, lengths 2 and 4."""
    found = multislerp.fuse(of([2.0, 0.0], [0.0, 4.0]), tiny.problem, weights=(3.0, 1.0))["w"]
    length, size = 0.75 * 2 + 0.25 * 4, math.hypot(0.75, 0.25)
    assert found.tolist() == pytest.approx([length * 0.75 / size, length * 0.25 / size])


def test_directions_that_cancel_are_refused_and_of_two_mixed(tiny):
    """There is no mean direction."""
    assert multislerp.fuse(of([2.0, 0.0], [-2.0, 0.0]), tiny.problem)["w"].tolist() == [0, 0]
    third = [[2.0, 0.0], [-1.0, math.sqrt(3)], [-1.0, -math.sqrt(3)]]
    with pytest.raises(Refused, match="directions cancel in w"):
        multislerp.fuse(of(*third), tiny.problem)


def test_nearswap_takes_what_is_near_and_a_step_towards_what_is_far(tiny):
    """By 0.5 at most."""
    assert nearswap.fuse(of([0.0, 0.0, 1.0, 3.0], [0.25, 2.0, 1.0, -1.0]), tiny.problem, t=0.5)["w"].tolist() == pytest.approx([0.25, 0.5, 1, 2.5])


def test_ram_by_hand(tiny):
    """Alone in full, together the mean, and what is smaller than counts stays; RAM+ enlarges what is alone."""
    models = of([0.0] * 4, [1.0, 2.0, 0.0, 0.001], [0.0, 4.0, 3.0, 0.0])
    assert ram.fuse(models, tiny.problem, changed=0.01)["w"].tolist() == pytest.approx([1, 3, 3, 0])
    assert ram.fuse(models, tiny.problem, changed=0.01, boost=0.5, most=2.0)["w"].tolist() == pytest.approx([1.5, 3, 4.5, 0])
    assert ram.fuse(models, tiny.problem, changed=0.01, boost=0.5, most=0.2)["w"].tolist() == pytest.approx([1.1, 3, 3.3, 0])


def test_sce_by_hand(tiny):
    """Energies 5 and 20 of 25; the second entry's minority is erased, the third balances."""
    models = of([0.0, 0.0, 0.0], [1.0, 0.0, -2.0], [2.0, 0.0, 4.0])
    found = sce.fuse(models, tiny.problem)["w"]
    assert found.tolist() == pytest.approx([0.2 * 1 + 0.8 * 2, 0, 4])
    assert sce.fuse(of([0.0], [1.0], [-1.0]), tiny.problem)["w"].tolist() == [0]


def test_sce_selects_what_varies_most(tiny):
    """Of three entries that vary at all two stay; the one in which all agree does not vary."""
    models = of([0.0] * 4, [1.0, 5.0, 1.0, 2.0], [3.0, 5.0, 1.5, 5.0])
    assert (sce.fuse(models, tiny.problem, select=0.67)["w"] != 0).tolist() == [True, False, False, True]
    assert sce.fuse(models, tiny.problem, select=0.0)["w"].tolist() == [0] * 4


def test_sce_of_one_model_is_that_model(tiny):
    """With everything selected."""
    base = drawn(0)
    assert near(sce.fuse([base, drawn(1)], tiny.problem), drawn(1))


def test_arcee_fusion_takes_the_outliers_of_importance(tiny):
    """One entry of forty changed much in a row whose distribution changed; it alone passes the quartiles."""
    g = torch.Generator().manual_seed(0)
    base = torch.randn(8, 5, generator=g).double()
    other = base + 0.01 * torch.randn(8, 5, generator=g).double()
    other[3, 2] += 1.0
    found = arcee_fusion.fuse([{"w": base}, {"w": other}], tiny.problem)["w"]
    assert found[3, 2] == other[3, 2]
    taken = found != base
    assert 1 <= int(taken.sum()) <= 12
    scores = arcee_fusion.importance(base, other, 5)
    quartiles = scores.flatten().sort().values[[9, 19, 29]]  # places ⌊q · 39⌋
    assert torch.equal(taken, scores >= quartiles[1] + 1.5 * (quartiles[2] - quartiles[0]))


def test_the_divergence_of_near_rows_is_not_rounding(tiny):
    """In single precision changes of 10⁻⁵ have one of the size of the rounding; here it goes with the square of the change."""
    base = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    small, large = (arcee_fusion.importance(base.double(), (base.double() + h), 50) for h in (1e-5 * base.double(), 1e-3 * base.double()))
    assert torch.allclose(large / small, torch.full_like(small, 1e6), rtol=0.01)


def passes(*tensors):
    return InMemory("w", tensors, "rows")


def test_arcs_of_rows_and_of_columns_are_slerps_of_each(tiny):
    """One after another; also of a tensor with three axes, whose rows run along the last."""
    a, b = (torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(k)).double() for k in (1, 2))
    rows = torch.cat([x.reshape(-1) for x in _row_arcs.of_rows(0.3, 5)(passes(a, b))]).view(4, 3, 5)
    columns = torch.cat([x.reshape(-1) for x in _row_arcs.of_columns(0.3)(passes(a, b))]).view(4, 3, 5)
    for i in range(3):
        one = slerp.fuse([{"w": a[2, i]}, {"w": b[2, i]}], tiny.problem, t=0.3)["w"]
        assert torch.allclose(rows[2, i], one)
        other = slerp.fuse([{"w": a[:, i, 4]}, {"w": b[:, i, 4]}], tiny.problem, t=0.3)["w"]
        assert torch.allclose(columns[:, i, 4], other)


def test_rows_without_an_arc_are_mixed_linearly():
    """Parallel and opposite ones."""
    a, b = torch.tensor([[1.0, 0.0], [2.0, 0.0]]).double(), torch.tensor([[3.0, 0.0], [-4.0, 0.0]]).double()
    (found,) = _row_arcs.of_rows(0.25, 2)(passes(a, b))
    assert torch.allclose(found, torch.tensor([[1.5, 0], [0.5, 0]]).double())


def test_model_stock_of_rows_is_that_of_each_row(tiny):
    """With a ratio of its own."""
    models = [torch.randn(4, 6, generator=torch.Generator().manual_seed(k)).double() for k in range(4)]
    found = torch.cat([x.reshape(-1) for x in model_stock.stock_of_rows(6)(passes(*models))]).view(4, 6)
    for i in range(4):
        assert torch.allclose(found[i], model_stock.fuse([{"w": m[i]} for m in models], tiny.problem)["w"])


def test_ram_of_everything_changed_is_the_mean(tiny):
    """Nothing is anybody's own."""
    models = [drawn(k) for k in range(4)]
    assert near(ram.fuse(models, tiny.problem, changed=0.0), task_arithmetic.fuse(models, tiny.problem))
