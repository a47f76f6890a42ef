"""What docs/serve.md tells people to copy: every command in it is one, with options that there are, and every file is there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer

from explorer.commands.main import app
from explorer.core import locations, server_settings
from explorer.core.spec import Look
from explorer.store.run_store import RunStore

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


def test_the_proxies_lead_to_where_the_app_listens():
    """Under the name that it answers to, with bodies as large as an upload."""
    for name in ("Caddyfile", "nginx.conf"):
        text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
        assert "explorer.example.org" in text and "127.0.0.1:8501" in text and re.search(r"\b201m", text, re.IGNORECASE), name


def carried_out(text: str, base: Path) -> None:
    """A script of the page or a unit, with a folder in the place of the machine's, by the account that runs the tests."""
    program = base / "loss-explorer"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m explorer "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    here = {
        "/opt/explorer/venv/bin/loss-explorer": str(program),
        "/srv": str(base / "srv"),
        "sudo -u explorer ": "",
        "sudo systemctl": ": systemctl",
    }
    for written, instead in here.items():
        text = text.replace(written, instead)
    subprocess.run(["sh", "-euc", text], check=True, cwd=ROOT, timeout=300)


def test_a_backup_is_restored_as_written(tmp_path):
    """What was kept at the time of the backup, in the store and beside it, is there afterwards; what came later is gone, also from the write-ahead log."""
    home = tmp_path / "srv" / "explorer"
    for folder in (home, tmp_path / "srv" / "backup"):
        folder.mkdir(parents=True)
    store = RunStore.within(home)
    store.submit(Look("/before"))
    beside = [folder / "part" / "kept" for folder in locations.own(home) if folder.is_relative_to(home)]
    for file in beside:
        file.parent.mkdir(parents=True)
        file.write_text("whole")
    unit = (ROOT / "deploy" / "explorer-backup.service").read_text(encoding="utf-8")
    steps = [shlex.split(command)[2] for command in re.findall(r"^ExecStart=/bin/(sh -c .*)$", unit, re.MULTILINE)]
    assert len(steps) == 2
    for _ in range(2):  # tonight, and tomorrow night over it
        for step in steps:
            carried_out(step, tmp_path)
    store.submit(Look("/after"))
    log = home / "store.sqlite-wal"
    left = log.read_bytes()
    store.close()  # the units are stopped; one that was killed leaves its log
    log.write_bytes(left)
    for file in beside:
        file.write_text("damaged")
    (restore,) = re.findall(r"To restore.*?```bash\n(.*?)```", PAGE, re.DOTALL)
    carried_out(restore, tmp_path)
    restored = RunStore.within(home)
    assert [s.request for s in restored.open()] == [Look("/before")]
    assert {file.read_text() for file in beside} == {"whole"}
    assert sorted(f.name for f in (home / "models").rglob("*")) == ["kept", "part"]  # not a folder within the folder
