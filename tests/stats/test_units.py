"""The unit of every number that is shown comes from the loss it was measured with."""

from dataclasses import replace

import pytest

from explorer.problems.problem_toml import find
from explorer.stats import units


@pytest.mark.parametrize(("loss", "unit"), [("cross_entropy", "nat"), ("divergence", "nat"), ("mse", "")])
def test_a_loss_has_its_own_unit(loss, unit):
    """A squared error is no number of nats."""
    problem = replace(find("digits-mlp"), loss=loss)
    assert units.of_level(problem, "loss") == units.of_gap(problem, "loss") == unit


def test_errors_are_in_percent_and_their_differences_in_points():
    """0.1 − 0.05 is five points, not five per cent."""
    problem = find("digits-mlp")
    assert (units.scale("error"), units.of_level(problem, "error"), units.of_gap(problem, "error")) == (100.0, "%", "points of error")
    assert units.scale("loss") == 1.0


def test_where_there_is_no_unit_there_are_no_brackets():
    """Neither "barrier ()" nor a blank before the full stop."""
    assert units.titled("barrier", "nat") == "barrier (nat)" and units.titled("barrier", "") == "barrier"
    assert units.after("nat") == " nat" and units.after("") == ""
