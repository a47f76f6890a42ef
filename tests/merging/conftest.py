"""Three models on a disk: a base, and two that were fine-tuned from it."""

from types import SimpleNamespace

import pytest

from tests.merging import drawn, saved


@pytest.fixture
def three(tmp_path):
    base = drawn(0)
    weights = [base, drawn(1, base=base, spread=0.01), drawn(2, base=base, spread=0.02)]
    paths = [saved(tmp_path / name, w) for name, w in zip("abc", weights, strict=True)]
    return SimpleNamespace(weights=weights, paths=paths, folder=tmp_path, out=tmp_path / "out")
