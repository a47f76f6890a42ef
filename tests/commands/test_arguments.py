"""The arguments that commands share."""

import pytest
import typer
from typer.testing import CliRunner

from explorer.commands.arguments import Exactly
from explorer.commands.main import app
from explorer.commands.shared_options import Previewing, takes

COMMANDS = typer.main.get_command(app).commands
LISTS = {"export", "import", "problems", "runs", "store", "train-samples"}  # what ships and what is stored: no model of one's own, no method


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - LISTS))
def test_a_command_that_can_load_models_or_methods_takes_code_of_ones_own(name):
    """Both ways: a module with methods, and code that a model names."""
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert {"--plugin", "--trust"} <= options
    assert COMMANDS.keys() > LISTS


def test_shared_options_stand_behind_a_commands_own_and_reach_it():
    """In its help and as it was typed; what was not typed has its default."""
    app, found = typer.Typer(add_completion=False), []

    @app.command()
    @takes(Previewing)
    def measure(model: str, size: int = 3, *, given: Previewing) -> None:
        """A command."""
        found.append((model, size, given))

    names = [p.name for p in typer.main.get_command(app).params]
    assert names[:2] == ["model", "size"] and names[-1] == "plugin"
    assert CliRunner().invoke(app, ["a", "--split", "val", "--samples", "7", "--precision", "tf32", "--size", "5"]).exit_code == 0
    assert found == [("a", 5, Previewing(split="val", samples=7, precision=Exactly.tf32))]
    how = found[0][2].how(lambda *_: True)
    assert (how["split"], how["samples"], how["precision"], how["buffers"]) == ("val", 7, "tf32", "recalibrate")
