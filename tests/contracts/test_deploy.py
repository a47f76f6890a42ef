"""What docs/serve.md tells people to copy: every command in it is one, with options that there are, and every file is there."""

from __future__ import annotations

import json
import re
import shlex
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer

from explorer.commands.main import app
from explorer.core import locations, server_settings

ROOT = locations.root()
UNITS = sorted((ROOT / "deploy").glob("*.service")) + sorted((ROOT / "deploy").glob("*.timer"))
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")


def parsed(path: Path) -> ConfigParser:
    """A unit; of a key that stands twice, the last."""
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(path, encoding="utf-8")
    return unit


def commands() -> list[list[str]]:
    """The words behind every loss-explorer in the page's code, the units and the container file."""
    texts = (
        re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
        + re.findall(r"`(loss-explorer [^`]*)`", PAGE)
        + [p.read_text(encoding="utf-8") for p in UNITS]
    )
    lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines()]
    found = [words for line in lines for words in re.findall(r"\bloss-explorer ((?:app|worker|store)\b[^&'|`)]*)", line)]
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", (ROOT / "Containerfile").read_text(encoding="utf-8"), re.MULTILINE)
    return [*(shlex.split(f) for f in found), json.loads(entry)[1:]]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_one_and_takes_these_options(words):
    """Read as the command line reads it, and not carried out."""
    main = typer.main.get_command(app)
    command = main.commands[words[0]]
    command.make_context(words[0], [w.replace("%i", "cpu") for w in words[1:]])


def test_there_are_as_many_commands_as_one_sees():
    """Else the test above would be of nothing."""
    assert {c[0] for c in commands()} == {"app", "worker", "store"} and len(commands()) >= 6


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_a_unit_is_whole(unit):
    """What runs for ever starts again by itself, under an account of its own, and is named on the page."""
    found = parsed(unit)
    if unit.suffix == ".timer":
        assert found["Timer"]["OnCalendar"] and unit.with_suffix(".service").is_file()
        return
    service = found["Service"]
    assert service["User"] == "explorer" and service["ExecStart"]
    if service.get("Type") != "oneshot":
        assert service["Restart"] == "always" and service["NoNewPrivileges"] == "yes" and found["Install"]["WantedBy"]
        assert unit.stem.removesuffix("@") in PAGE


def test_every_file_of_the_page_is_there():
    assert (ROOT / "Containerfile").is_file()
    for name in re.findall(r"deploy/([\w.-]+)", PAGE):
        assert (ROOT / "deploy" / name).is_file(), name


def test_the_login_of_the_example_is_one(tmp_path):
    """The names that it has to have; the address is that of the proxy and of the unit."""
    start = server_settings.served(
        8501, address="127.0.0.1", folders=[tmp_path], hosts=[], login=True, secrets=ROOT / "deploy" / "secrets.example.toml"
    )
    assert "--server.allowedHosts=explorer.example.org" in start.flags
    assert "explorer.example.org {" in (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")
    assert "--host explorer.example.org" in (ROOT / "deploy" / "explorer.service").read_text(encoding="utf-8")
