"""Ways along each class of maps: they stay in the class, begin at the identity and go at unit speed."""

import pytest
import torch

from explorer.symmetry import widen
from explorer.symmetry.classes import SymmetryClass as C
from explorer.symmetry.gauges import changed, folding, planes, still
from explorer.symmetry.tangents import exponential, tangents
from tests.symmetry import change, uneven
from tests.symmetry.test_widen import MODELS, Logits

SHAPES = {
    C.SCALED: (2, 6),
    C.MONOMIAL: (2, 6),
    C.ORTHOGONAL: (2, 6, 6),
    C.CENTRED: (2, 5, 5),
    C.ROTATIONS: (2, 3),
    C.ROTARY: (2, 6),
    C.INVERTIBLE: (2, 6, 6),
}


def matrices(value):
    return torch.diag_embed(value) if value.dim() == 2 else value


def drawn(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("cls", SHAPES)
def test_the_map_is_of_its_class(cls):
    """Lengths, the ones, and what commutes with rotations of the planes are kept where the class says so; and no map is singular."""
    m = matrices(exponential(cls, drawn(SHAPES[cls])))
    one, eye = torch.ones(6, dtype=torch.float64), torch.eye(6, dtype=torch.float64)
    if cls in (C.ORTHOGONAL, C.CENTRED, C.ROTATIONS):
        assert torch.allclose(m @ m.mT, eye.expand_as(m))
    if cls is C.CENTRED:
        assert torch.allclose(m @ one, one.expand(2, 6))
    if cls in (C.ROTATIONS, C.ROTARY):
        angle = torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64)
        turn = planes(angle.cos(), angle.sin())
        assert torch.allclose(m @ turn, turn @ m)
    if cls in (C.SCALED, C.MONOMIAL):
        assert (m.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert (torch.linalg.det(m) > 0).all()


@pytest.mark.parametrize("cls", SHAPES)
def test_there_and_back_is_the_identity(cls):
    """Zeros stay where they are, and minus a tangent undoes it."""
    x, eye = drawn(SHAPES[cls]), torch.eye(6, dtype=torch.float64)
    assert torch.allclose(matrices(exponential(cls, 0 * x)), eye.expand(2, 6, 6))
    assert torch.allclose(matrices(exponential(cls, x)) @ matrices(exponential(cls, -x)), eye.expand(2, 6, 6))
    assert not torch.allclose(matrices(exponential(cls, x)), eye.expand(2, 6, 6), atol=0.1)


def test_signs_have_no_tangent():
    """There is no way from one to the other."""
    with pytest.raises(ValueError, match="apart"):
        exponential(C.SIGNED, torch.zeros(1, 3))


@pytest.mark.parametrize("name", ["Llama", "ViT", "GPT-2, untied"])
def test_anywhere_along_them_the_network_computes_the_same(name):
    """All gauges of a transformer at once; the weights themselves move."""
    model = MODELS[name]
    torch.manual_seed(0)
    network = uneven(Logits(model.build()).eval())
    args, kwargs = ((), model.given) if isinstance(model.given, dict) else ((model.given,), {})
    lattice = widen(network, args, kwargs)
    start = tangents(lattice)
    assert start.keys() == {n for n, g in lattice.gauges.items() if g.cls is not C.SIGNED} == still(lattice).keys()
    maps = {n: exponential(lattice.gauges[n].cls, x + 0.2 * drawn(x.shape)) for n, x in start.items()}
    weights = network.state_dict()
    folded = changed(weights, lattice, folding(weights, lattice), folds=True)
    moved = changed(folded, lattice, maps)
    assert change(network, moved, args, kwargs) < 1e-5
    assert any(float((moved[n] - t).norm()) > 0.1 * float(t.norm()) for n, t in folded.items())
