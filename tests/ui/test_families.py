"""Which checkpoints belong together."""

import shutil

import pytest

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.sharded import family_folder
from explorer.core.spec import Look
from explorer.ui.widgets.model_picker import families
from tests.conftest import TOML
from tests.ui.conftest import words


@pytest.fixture
def saved(tiny, tmp_path):
    """A training as transformers saves it: each checkpoint a folder of its own, in which the file has the name that all have."""
    folder = tmp_path / "trainer"
    for name, path in (("checkpoint-9", tiny.a), ("checkpoint-10", tiny.b)):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text("{}", encoding="utf-8")
        checkpoint_file.write(folder / name / "model.safetensors", checkpoint_file.read(path).weights)
    (folder / "problem.toml").write_text(TOML, encoding="utf-8")
    return folder


def looked(store, work, folder):
    """The family of a folder, after a look at it."""
    store.submit(Look(str(folder)), again=True)
    work()
    return [f for f in families(store) if "trainer" in f.title]


def test_checkpoints_in_folders_of_their_own_are_one_family(store, work, saved, visit):
    """Of the folder that holds them, in their order, until one is removed."""
    (family,) = looked(store, work, saved)
    assert family.title == "Tiny digits (trainer)"
    assert [m.name for m in family.models.values()] == ["checkpoint-9", "checkpoint-10"]
    app = visit("checkpoints")
    assert not app.exception
    assert "2 checkpoints" in words(app)
    shutil.rmtree(saved / "checkpoint-9")
    (family,) = looked(store, work, saved)
    assert [m.name for m in family.models.values()] == ["checkpoint-10"]


def test_the_folder_of_a_family_is_that_of_its_like(saved, tiny):
    """A file's own, a file of transformers' that above, with what is chosen of it as well."""
    assert family_folder(tiny.a) == tiny.folder
    assert family_folder(saved / "checkpoint-9" / "model.safetensors") == saved
    assert family_folder(f"{saved / 'checkpoint-9' / 'model.safetensors'}#renamed") == saved
    assert family_folder(saved / "checkpoint-9") == saved
