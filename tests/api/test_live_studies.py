"""Studies of objects in memory: what a study needs it has, whatever a batch is, or it says what is missing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.api import study
from explorer.core.errors import Refused

X, Z = (torch.randn(120, n, generator=torch.Generator().manual_seed(n)) for n in (5, 3))
Y = (X[:, 0] > 0).long()
OPTIONS = {"swag": {"draws": 2}, "bridge": {"epochs": 1, "mixup": 0.0}, "spectrum": {"probes": 2, "density_probes": 1, "count": 1}}
METHODS = ["answers", "bridge", "calibration", "classes", "ensemble", "gram", "kinship", "sharpness", "spectrum", "swag"]
OF_OUTPUTS = {"answers", "bridge", "calibration", "classes", "ensemble", "swag"}


class Two(nn.Module):
    """Two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(5, 8), nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(torch.relu(self.a(x) + self.b(z)))


@pytest.mark.parametrize("method", METHODS)
def test_a_study_of_two_inputs_is_carried_out(home, method):
    """Behind the rows of its samples a network is one like any other."""
    assert study(Two(), Two(), data=(X, Z, Y), method=method, method_options=OPTIONS.get(method), home=home)


@pytest.mark.parametrize("method", METHODS)
def test_where_the_network_gives_losses_what_needs_outputs_is_refused(home, method):
    """A mean of losses is not the loss of a mean prediction."""

    def ask() -> object:
        how = {"method": method, "method_options": OPTIONS.get(method), "home": home}
        return study(Two(), Two(), data=(X, Z, Y), forward=lambda m, b: functional.cross_entropy(m(*b[:2]), b[2], reduction="none"), **how)

    if method in OF_OUTPUTS:
        with pytest.raises(Refused):
            ask()
    else:
        assert ask()


def test_an_ensemble_is_that_of_the_outputs(home):
    """Of one model twice, the model."""
    network = Two()
    found = study(network, network, data=(X, Z, Y), method="ensemble", home=home)
    assert isinstance(found, dict)
    assert torch.allclose(torch.tensor(found["ensemble"]), torch.tensor(found["models"])[0], rtol=1e-5)
