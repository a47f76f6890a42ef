"""The examples of docs/own-networks.md do what the page says: the very texts are run, and the form shows them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.ui.checkpoints.worked_example import example

HEADINGS = ("A complete example", "Several inputs and outputs")


def run(heading, folder):
    """Write the files and type the commands, as `loss-explorer` from its own folder does: the current one is not on Python's path. What the last command printed."""
    found = example(heading)
    for name, text in found.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    scripts = Path(sys.executable).parent
    environment = os.environ | {"LOSS_EXPLORER_HOME": str(folder / "home"), "COLUMNS": "200", "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    assert shutil.which("loss-explorer", path=environment["PATH"])
    printed = ""
    for command in found.commands:
        printed = subprocess.run(command.split(), cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
    return printed


@pytest.mark.slow
@pytest.mark.parametrize("heading", [HEADINGS[0], pytest.param(HEADINGS[1], marks=pytest.mark.release)])
def test_an_example_runs_as_it_stands(heading, tmp_path):
    """The files, the training, and the one command, in a folder that Python knows nothing of."""
    assert "barrier" in run(heading, tmp_path)


def test_the_form_shows_the_example(visit):
    """Every file and the commands, to be copied."""
    app = visit("checkpoints")
    found = example("A complete example")
    assert not app.exception
    assert set(found.files) == {"mynet.py", "train.py", "problem.toml"} and found.commands[-1].endswith("--trust mynet:Net")
    assert [c.value for c in app.code] == [*(text.rstrip() for text in found.files.values()), "\n".join(found.commands)]
