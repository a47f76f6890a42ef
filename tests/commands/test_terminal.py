"""What every command does the same."""

import pytest
import typer

from explorer.commands.terminal import refusals
from explorer.core.errors import Refused


def test_a_refusal_is_printed_word_for_word(capsys):
    """Also what stands in square brackets, such as a table of problem.toml: it is no colour."""
    with pytest.raises(typer.Exit), refusals():
        raise Refused("Give the train split more samples, under [split] in problem.toml.")
    assert "under [split] in problem.toml" in " ".join(capsys.readouterr().err.split())
