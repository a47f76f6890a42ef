import pytest
import torch

from explorer.checkpoints.singular_values import singular_values, svd
from explorer.core.errors import Refused


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (3, 5, 5)])
def test_where_the_faster_way_gives_up_the_other_finds_the_same(monkeypatch, shape):
    matrix = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    usual = torch.linalg.svdvals(matrix)

    def gives_up(*_: object, **__: object) -> None:
        raise torch.linalg.LinAlgError("The algorithm failed to converge")

    monkeypatch.setattr(torch.linalg, "svd", gives_up)
    monkeypatch.setattr(torch.linalg, "svdvals", gives_up)
    u, s, v = svd(matrix)
    torch.testing.assert_close(u * s.unsqueeze(-2) @ v, matrix)
    torch.testing.assert_close(s, usual)
    torch.testing.assert_close(singular_values(matrix), usual)


def test_a_matrix_with_nan_is_refused_in_a_sentence():
    matrix = torch.eye(3)
    matrix[0, 0] = float("nan")
    with pytest.raises(Refused, match="NaN or infinite"):
        svd(matrix)
