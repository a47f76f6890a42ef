"""What tasks need and how deep it stands: TALL masks, consensus, PCB, LiNeS."""

import pytest
import torch

from explorer.core.errors import Refused
from explorer.methods.fuse import by_depth, consensus, lines, pcb, tall_mask, task_arithmetic
from tests.methods.fuse import drawn, equal, near


def of(*values):
    """A base of zeros and models with these weights, of one name."""
    return [{"w": torch.zeros(len(values[0]), dtype=torch.float64)}, *({"w": torch.tensor(v, dtype=torch.float64)} for v in values)]


def test_a_tall_mask_by_hand(tiny):
    """|τ₁| against 0.5·|τ₂|: 4 ≥ 0.5, 1 < 2.5, 1 ≥ 1, and what nobody changed."""
    models = of([4.0, 1.0, 1.0, 0.0], [1.0, 5.0, -2.0, 0.0])
    assert tall_mask.fuse(models, tiny.problem, strictness=0.5)["w"].tolist() == [5, 0, -1, 0]
    assert tall_mask.fuse(models, tiny.problem, task=2, strictness=0.5)["w"].tolist() == [0, 6, -1, 0]


def test_a_tall_mask_that_asks_nothing_is_the_sum(tiny):
    """Task arithmetic with every coefficient 1."""
    models = [drawn(k) for k in range(4)]
    assert near(tall_mask.fuse(models, tiny.problem, strictness=0.0), task_arithmetic.fuse(models, tiny.problem, coefficients=(1.0,) * 3))


def test_a_task_that_is_not_there_is_refused(tiny):
    """With how many there are."""
    with pytest.raises(Refused, match="has 2 models after the base, and no task 3"):
        tall_mask.fuse([drawn(k) for k in range(3)], tiny.problem, task=3)


def test_consensus_by_hand(tiny):
    """The first is needed by one task, the second by both, the third by none of two that cancel; then by how many must agree."""
    models = of([4.0, 3.0, 1.0], [1.0, 2.0, -1.0])
    found = [consensus.fuse(models, tiny.problem, strictness=1.0, agree=k, scale=2.0)["w"].tolist() for k in (0, 1, 2)]
    assert found == [[5, 5, 0], [5, 5, 0], [0, 0, 0]]
    assert consensus.fuse(models, tiny.problem, strictness=0.5, scale=2.0)["w"].tolist() == [0, 5, 0]


def test_consensus_of_everybody_is_the_mean(tiny):
    """Nothing is asked."""
    models = [drawn(k) for k in range(4)]
    assert near(consensus.fuse(models, tiny.problem, agree=0), task_arithmetic.fuse(models, tiny.problem))


def test_consensus_of_one_model_is_that_model(tiny):
    """More than there are cannot be asked for."""
    base = drawn(0)
    assert near(consensus.fuse([base, drawn(1)], tiny.problem), drawn(1))


def by_sorting(changes, density, outliers=1e-4):
    """PCB on (N, D) task vectors as its code goes about it: sort, clamp, normalise."""
    n, d = changes.shape

    def clamped(x, low, high):
        ordered = x.sort(dim=1).values
        return torch.maximum(torch.minimum(x, ordered[:, max(int(d * (1 - high) - 1), 0), None]), ordered[:, int(d * low), None])

    def normal(x):
        low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
        return (x - low) / (high - low)

    sizes = clamped(changes.abs(), outliers, outliers)
    score = (n * normal(sizes) ** 2).exp() * (changes * changes.sum(0)).tanh()
    share = normal(clamped(score, 1 - density, 0))
    return (changes.sign() * sizes * share).sum(0) / share.sum(0).clamp(min=1e-12)


@pytest.mark.parametrize("density", [0.02, 0.1, 0.5])
def test_pcb_is_what_sorting_everything_gives(tiny, density):
    """Quantiles and scores over a whole model of tensors of odd shapes, without one place where they are together."""
    shapes = {"a": (61, 83), "b": (83,), "c": (7, 5, 3, 3)}
    g = torch.Generator().manual_seed(0)
    shared = {n: torch.randn(s, generator=g).double() for n, s in shapes.items()}
    models = [{n: torch.zeros(s).double() for n, s in shapes.items()}]
    models += [{n: (shared[n] + torch.randn(s, generator=g).double()) for n, s in shapes.items()} for _ in range(3)]
    flat = torch.stack([torch.cat([t.reshape(-1) for t in m.values()]) for m in models[1:]])
    found = torch.cat([t.reshape(-1) for t in pcb.fuse(models, tiny.problem, density=density).values()])
    assert torch.allclose(found, by_sorting(flat, density), atol=1e-5)
    assert int((found != 0).sum()) <= 3 * density * flat.shape[1]


def test_pcb_over_each_tensor_is_that_of_each_alone(tiny):
    """What is asked of the whole model otherwise."""
    models = [drawn(k) for k in range(4)]
    whole = pcb.fuse(models, tiny.problem, trim="tensor")
    alone = {n: pcb.fuse([{n: m[n]} for m in models], tiny.problem)[n] for n in models[0]}
    assert equal(whole, alone)


def test_pcb_of_one_model_keeps_its_largest_changes(tiny):
    """As they are, but for the quantile at which the very largest are held."""
    base, model = of([0.0] * 100)[0], of([float(i) for i in range(1, 101)])[1]
    found = pcb.fuse([base, model], tiny.problem, density=0.1)["w"]
    assert found.nonzero().flatten().tolist() == list(range(91, 100))  # the smallest of the ten has a share of 0
    assert found[91:99].tolist() == pytest.approx([float(i) for i in range(92, 100)])


@pytest.mark.parametrize("density", [0.0, 1.5])
def test_a_density_outside_is_refused(tiny, density):
    """The sentence says what it means."""
    with pytest.raises(Refused, match="density above 0 and up to 1"):
        pcb.fuse([drawn(0), drawn(1)], tiny.problem, density=density)


def test_lines_scales_linearly_with_the_layer(tiny):
    """Three layers at 0.2, 0.6 and 1; embeddings as the first, the head as the last."""
    names = ["embed.weight", *(f"layers.{i}.weight" for i in range(3)), "head.weight"]
    base, a, b = ({n: torch.full((2, 2), v).double() for n in names} for v in (1.0, 2.0, 4.0))
    found = lines.fuse([base, a, b], tiny.problem, first=0.2, last=1.0)
    assert [float(found[n][0, 0]) for n in names] == pytest.approx([1 + s * 2 for s in (0.2, 0.2, 0.6, 1, 1)])
    weighted = lines.fuse([base, a, b], tiny.problem, first=0.2, last=1.0, weights=(1.0, 0.0))
    assert float(weighted["head.weight"][0, 0]) == 2


def test_lines_with_one_scale_is_task_arithmetic(tiny):
    """Depth does not matter then."""
    models = [{f"layers.{i}.weight": torch.randn(3, 3, generator=torch.Generator().manual_seed(10 * k + i)) for i in range(3)} for k in range(3)]
    assert near(lines.fuse(models, tiny.problem, first=0.6, last=0.6), task_arithmetic.fuse(models, tiny.problem, coefficients=(0.3, 0.3)))


def test_by_depth_is_lines_with_a_line_for_each_model(tiny):
    """Two values each, equal for the models: LiNeS of their sum; different ones: the sum of the models' own."""
    base, a, b = (deep(seed) for seed in range(3))
    both = by_depth.fuse([base, a, b], tiny.problem, coefficients=(0.1, 0.5, 0.1, 0.5), knots=2)
    assert near(both, lines.fuse([base, a, b], tiny.problem, first=0.2, last=1.0))
    apart = by_depth.fuse([base, a, b], tiny.problem, coefficients=(0.1, 0.5, 0.0, 0.9), knots=2)
    own = [lines.fuse([base, m], tiny.problem, first=f, last=e) for m, f, e in ((a, 0.1, 0.5), (b, 0.0, 0.9))]
    assert near(apart, {k: own[0][k] + own[1][k] - base[k] for k in base})


def test_by_depth_with_one_value_is_task_arithmetic(tiny):
    """And goes through each of three values at the first, the middle and the last layer."""
    base, a, b = (deep(seed) for seed in range(3))
    assert near(
        by_depth.fuse([base, a, b], tiny.problem, coefficients=(0.3, 0.4)), task_arithmetic.fuse([base, a, b], tiny.problem, coefficients=(0.3, 0.4))
    )
    bent = by_depth.fuse([base, a], tiny.problem, coefficients=(0.0, 1.0, 0.0), knots=3)
    share = {k: float(((bent[k] - base[k]) / (a[k] - base[k])).mean()) for k in base}
    assert [round(share[f"layers.{i}.weight"], 5) for i in range(5)] == [0.0, 0.5, 1.0, 0.5, 0.0]
    with pytest.raises(Refused, match="1 models with 3 values each need 3 coefficients, got 2"):
        by_depth.fuse([base, a], tiny.problem, coefficients=(1.0, 1.0), knots=3)


def deep(seed):
    """Five numbered layers."""
    g = torch.Generator().manual_seed(seed)
    return {f"layers.{i}.weight": torch.randn(4, 4, generator=g) for i in range(5)}
