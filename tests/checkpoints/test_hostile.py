"""Hostile files as a whole: how long, how much memory, what is left behind; and names made to lead elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.checkpoints import checkpoint_file, sharded
from explorer.core import locations
from explorer.core.errors import Refused
from explorer.problems.data import fingerprint
from explorer.ui.widgets import uploads
from tests import hostile

READS = """
import json, resource, sys, time
from pathlib import Path
import torch
from explorer.checkpoints import checkpoint_file
from explorer.core.errors import Refused

limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 24 * 2**30  # of addresses: the giants are mapped
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
said = {}
for name, path in json.loads(sys.argv[1]).items():
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        checkpoint_file.read(path)
        words = ""
    except Refused as refusal:
        words = str(refusal)
    said[name] = words, time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps(said))
"""


def listing(folder: Path) -> dict[str, tuple[int, int, bool]]:
    """Everything in a folder by name: when it was written, how large it is, whether it is a link."""
    return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size, p.is_symlink()) for p in folder.rglob("*")}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Every hostile file in a folder of its own, read one after the other by one fresh process."""
    folder = tmp_path_factory.mktemp("gallery")
    paths: dict[str, str] = {}
    for name, build in hostile.HOSTILE.items():
        (folder / name).mkdir()
        paths[name] = str(build(folder / name))
    before = listing(folder)
    result = subprocess.run([sys.executable, "-c", READS, json.dumps(paths)], cwd=folder, check=True, capture_output=True, text=True)
    return folder, before, json.loads(result.stdout)


@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_a_hostile_file_costs_seconds_and_megabytes_at_most(gallery, name):
    """Refused within five seconds of the processor and 200 MB, whatever it claims; one process lives through all of them."""
    words, seconds, megabytes = gallery[2][name]
    assert words
    assert seconds < 5
    assert megabytes < 200


def test_hostile_files_leave_nothing_behind(gallery):
    """No file written, unpacked, touched or taken away, in the folder or beside it."""
    folder, before, _ = gallery
    assert listing(folder) == before
    assert not any(hostile.bomb_mark(folder / name).exists() for name in hostile.HOSTILE)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (hostile.doubled_name, "'w' twice in its header"),
        (hostile.long_header, "header of more than"),
        (hostile.exported_program, "exported program, which can run code"),
        (hostile.exported_program_called_pt, "an exported program"),
        (hostile.torchscript, "a TorchScript program"),
        (hostile.linked_device, "not a regular file"),
        (hostile.linked_folder, "is a folder"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_refusal_names_the_fault(build, words, tmp_path):
    """So that who made the file in good faith knows what to do."""
    (tmp_path / "inside").mkdir()
    with pytest.raises(Refused, match=words):
        checkpoint_file.read(build(tmp_path / "inside"))


def test_a_name_may_stand_twice_in_different_objects_of_a_header(tmp_path):
    """`dtype` stands in every entry, and a tensor may be called like a key of the metadata."""
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    path = hostile.raw_safetensors(tmp_path, "fine.safetensors", {"__metadata__": {"a": "b"}, "a": entry}, bytes(4))
    assert checkpoint_file.read(path).weights["a"].tolist() == [0.0]


@pytest.mark.parametrize(
    "name", ["../../x.pt", "/etc/x.pt", "..\\..\\x.pt", ".hidden.pt", "..", "", "a\nb.pt", "a\0b.pt", "../uploads/../../x.pt", "x.pt/", "\u202etp.x"]
)
def test_an_upload_is_kept_in_its_own_folder_whatever_it_is_called(name, tmp_path, monkeypatch):
    """The browser says what a file is called, and may say anything."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(tmp_path / "home"))
    path = uploads.keep(name, b"content")
    assert path.read_bytes() == b"content"
    inside = path.resolve().relative_to((tmp_path / "home" / "uploads").resolve())
    assert len(inside.parts) == 2 and not path.name.startswith(".")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


@pytest.mark.parametrize("target", ["../secret.safetensors", "/etc/passwd", "a/../../secret.safetensors", "..\\secret.safetensors", ".."])
def test_an_index_leads_to_no_file_outside_its_folder(target, tmp_path):
    """A folder of shards is read from that folder alone."""
    hostile.good_safetensors(tmp_path, "secret.safetensors")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / sharded.INDEXES[0]).write_text(json.dumps({"weight_map": {"layers.0.weight": target}}))
    with pytest.raises(Refused, match="no .safetensors file beside it"):
        checkpoint_file.read(tmp_path / "model")


def test_a_folder_of_data_that_leads_in_a_circle_is_refused(tmp_path):
    """A link to the folder above would be walked without end."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data")
    with pytest.raises(Refused, match="link to a folder"):
        fingerprint(tmp_path / "data")


def test_a_path_with_a_zero_character_is_refused_like_any_other(tmp_path):
    """The system refuses it with another exception than a missing file."""
    with pytest.raises(Refused, match="zero character"):
        fingerprint(tmp_path / "a\0b")


def test_the_tests_own_folder_is_where_uploads_would_go(monkeypatch, tmp_path):
    """The tests above look into the folder that the app uses."""
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(tmp_path))
    assert os.fspath(locations.home()) == str(tmp_path)
