"""A look that found trouble is taken again when its cause is gone, though no file has changed."""

import sys

import pytest

from explorer.checkpoints import checkpoint_file
from explorer.core import trust
from explorer.core.spec import Look
from tests.ui.conftest import button, words

MODULE = """
from torch import nn


def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""
TOML = """
[network]
name = "factory"
call = "{module}:net"

[data]
name = "digits"
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """(folder with a checkpoint, folder for its module) of a network of one's own, which is not trusted and whose module is not there."""
    import torch

    folder, code = tmp_path / "own", tmp_path / "code"
    folder.mkdir()
    monkeypatch.setattr(trust, "given", frozenset())
    monkeypatch.delenv(trust.TRUST, raising=False)
    monkeypatch.syspath_prepend(str(code))
    (folder / "problem.toml").write_text(TOML.format(module="looked_at_again"))
    checkpoint_file.write(folder / "w.safetensors", {"1.weight": torch.zeros(10, 64), "1.bias": torch.zeros(10)})
    yield folder, code
    sys.modules.pop("looked_at_again", None)


def errors(app):
    return "\n".join(e.value for e in app.error)


def test_a_look_succeeds_once_its_cause_of_failure_is_gone(visit, own, work, store):
    """Not trusted; trusted and not importable; importable: the same files, three looks, by the button or by typing the path again."""
    folder, code = own
    app = visit("checkpoints")
    app.text_input(key="path").set_value(str(folder))
    button(app, "Look").click().run()
    work()
    app.run()
    assert "without permission to run it" in errors(app)
    trust.trust(["looked_at_again:net"])
    button(app, "Inspect again").click().run()
    work()
    app.run()
    assert "cannot be found" in errors(app)
    assert "without permission" not in errors(app)
    code.mkdir()
    (code / "looked_at_again.py").write_text(MODULE)
    app = visit("checkpoints")
    app.text_input(key="path").set_value(str(folder))
    button(app, "Look").click().run()
    work()
    app.run()
    assert not errors(app)
    assert "is a checkpoint of" in words(app)
    assert "Inspect again" not in [b.label for b in app.button]
    assert len([s for s in store.statuses("Look") if s.request.path == str(folder)]) == 1


def test_a_look_without_trouble_is_not_taken_again(visit, registered, store, work):
    """What is done and found everything stays done."""
    app = visit("checkpoints")
    for _ in range(2):
        app.text_input(key="path").set_value(str(registered.folder))
        button(app, "Look").click().run()
        work()
    found = [s for s in store.statuses("Look") if s.request.path == str(registered.folder) and s.request.stamp]
    before = found[0].started
    app.text_input(key="path").set_value(str(registered.folder))
    button(app, "Look").click().run()
    assert store.status(found[0].id).state == "done"
    assert store.status(found[0].id).started == before


def test_a_failed_request_is_taken_up_under_its_own_id(store, tiny):
    """The same content, the same name; a done one only when it is asked for once more."""
    request = Look(str(tiny.folder))
    id = store.submit(request)
    for error in ("gone", None):
        assert store.submit(request) == id
        assert store.claim("w").id == id
        store.release(id, "w", finished=error is None, error=error)
    assert store.submit(request) == id
    assert store.claim("w") is None
    assert store.submit(request, again=True) == id
    assert store.claim("w").id == id
