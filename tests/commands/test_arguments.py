"""The arguments that commands share."""

import pytest
import typer

from explorer.commands.main import app

COMMANDS = typer.main.get_command(app).commands
LISTS = {"problems", "runs", "train-samples"}  # what ships and what is stored: no model of one's own, no method


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - LISTS))
def test_a_command_that_can_load_models_or_methods_takes_code_of_ones_own(name):
    """Both ways: a module with methods, and code that a model names."""
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert {"--plugin", "--trust"} <= options
    assert COMMANDS.keys() > LISTS
