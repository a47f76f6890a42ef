"""`loss-explorer app` as a process of its own: names mean what they mean where the command was given, and nothing of it stays when it is ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import torch
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect

from explorer.checkpoints import checkpoint_file
from explorer.core.spec import Look
from explorer.store.records import Seen
from explorer.store.run_store import RunStore

PATIENCE_S = 240.0  # a condition is waited for; three processes import torch before it holds, on a machine that may be busy
MODULE = """
from torch import nn


def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""
TOML = """
[network]
name = "factory"
call = "mynet_of_this_test:net"

[data]
name = "data_of_this_test"
"""
DATA = """
from explorer.problems.data.digits import load as digits


def load(path):
    \"\"\"The digits under another name.\"\"\"
    return digits(path)
"""


def until(what, process):
    """What becomes true, in the end; a process that ended before has failed."""
    end = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert process.poll() is None, "the app has ended"
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return found


def answers(port):
    try:
        with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


@contextmanager
def page_open(port):
    """What a browser does first: a session whose script runs, and with it what looks for a worker."""
    message = BackMsg()
    message.rerun_script.query_string = ""
    with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], ping_interval=None) as connection:
        connection.send(message.SerializeToString())
        yield


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def here(tmp_path):
    """A folder with a module and a plug-in, named relative to it, and one with a checkpoint that needs both."""
    (tmp_path / "mynet_of_this_test.py").write_text(MODULE)
    (tmp_path / "data_of_this_test.py").write_text(DATA)
    models = tmp_path / "models"
    models.mkdir()
    (models / "problem.toml").write_text(TOML)
    checkpoint_file.write(models / "w.safetensors", {"1.weight": torch.zeros(10, 64), "1.bias": torch.zeros(10)})
    return tmp_path


def test_names_resolve_where_the_command_was_given_and_ending_it_frees_the_port(here):
    """Module, plug-in and home are relative to the folder of the command; the worker that the app starts finds them; SIGTERM ends the server."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": ".", "LOSS_EXPLORER_HOME": "kept", "LOSS_EXPLORER_IDLE": "2", "LOSS_EXPLORER_DEVICE": "cpu"}
    for name in ("LOSS_EXPLORER_HIRE", "LOSS_EXPLORER_TRUST", "LOSS_EXPLORER_PLUGINS"):
        environment.pop(name, None)
    (here / "kept").mkdir()
    store = RunStore.within(here / "kept")
    id = store.submit(Look(str(here / "models")))
    words = ["app", "--headless", "--port", str(port), "--trust", "mynet_of_this_test:net", "--plugin", "data_of_this_test.py"]
    # As the installed command does it, whose first place to look for modules is not this folder.
    script = "import sys; sys.path.pop(0); from explorer.commands.main import app; app()"
    app = subprocess.Popen(
        [sys.executable, "-c", script, *words], cwd=here, env=environment, stdout=(here / "log").open("w"), stderr=subprocess.STDOUT
    )
    try:
        until(lambda: answers(port), app)
        with page_open(port):
            status = until(lambda: (s := store.status(id)).state in ("done", "failed") and s, app)
        assert status.error == ""
        (facts,) = Seen.from_json(status.result).files
        assert facts.error == ""
        assert facts.problem.network.name == "factory"
        app.send_signal(signal.SIGTERM)
        app.wait(PATIENCE_S)
        assert not answers(port)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
        end = time.monotonic() + PATIENCE_S
        while store.workers():  # the worker finishes, finds nothing more to do, and leaves
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        if app.poll() is None:
            app.kill()
            app.wait()
