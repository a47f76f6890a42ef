"""What became of an alignment, kept as a file."""

import dataclasses

import numpy as np
import pytest

from explorer.api import loaded
from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.spec import Aligned
from explorer.engine.realise_recipe import realise
from explorer.symmetry.alignment_report import Matched


@pytest.fixture
def recipe(tiny):
    return Aligned(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)), 1, registry.method("align", "weight_matching"))


def test_a_realised_alignment_leaves_both_models_and_what_became_of_them(recipe, store, home):
    """Files for every model, and maps, distances, cosines that agree with the weights themselves."""
    weights = realise(recipe, store, home)
    reference = realise(dataclasses.replace(recipe, which=0), store, home)
    found = Matched.read(locations.matched_at(recipe, home))
    assert found.names == ("a", "b")
    assert found.exact
    distance = sum((weights[k] - reference[k]).double().square().sum() for k in weights) ** 0.5
    assert found.after[0, 1] == pytest.approx(float(distance))
    assert found.after[0, 1] < found.before[0, 1]
    assert all(layer.after[0] > layer.before[0] for layer in found.layers)
    (group,) = found.groups
    assert group.size == 12
    p = found.maps[1][group.name]
    assert sorted(p) == list(range(12))
    assert found.moved(0, group.name) == 0
    steps = found.steps[1][group.name]
    assert len(steps) == len(found.trace[0])
    assert np.array_equal(steps[-1], p)
    assert not np.array_equal(steps[0], p)
    cosines = found.similarity[1][group.name]
    assert np.diagonal(cosines[:, p]).mean() > np.diagonal(cosines).mean()


def test_it_comes_back_from_its_file_as_it_was(recipe, store, home, tmp_path):
    """write, then read: every field."""
    realise(recipe, store, home)
    found = Matched.read(locations.matched_at(recipe, home))
    found.write(tmp_path / "again.npz")
    again = Matched.read(tmp_path / "again.npz")
    for field in dataclasses.fields(found):
        old, new = getattr(found, field.name), getattr(again, field.name)
        if field.name in ("maps", "similarity", "steps"):
            assert all(a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a) for a, b in zip(old, new, strict=True))
        elif isinstance(old, np.ndarray):
            assert np.array_equal(old, new)
        else:
            assert old == new


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b'{"plain": 1}'])
def test_a_damaged_file_is_refused_in_a_sentence(tmp_path, content):
    """No traceback, and what to do."""
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(Refused, match="Align the models again"):
        Matched.read(tmp_path / "x.npz")


def test_another_name_or_place_of_the_same_models_is_the_same_alignment(recipe):
    """Names are not hashed; the method's options are."""
    renamed = dataclasses.replace(recipe, name="x", models=tuple(dataclasses.replace(m, name="y", path="/z") for m in recipe.models))
    assert renamed.id == recipe.id
    assert dataclasses.replace(recipe, method=registry.method("align", "weight_matching", {"restarts": 9})).id != recipe.id
