"""The directory is the registry, and signatures are forms."""

import subprocess
import sys

import pytest

from explorer.core import plugins, registry
from explorer.core.errors import Refused
from explorer.core.registry import Range


def test_every_file_of_a_kind_is_a_method_with_a_title_and_options():
    """A new method is one new file: nothing else has to be told about it."""
    for kind in registry.VERBS:
        for name in registry.names(kind):
            assert len(registry.title(kind, name)) > 10
            assert isinstance(registry.options(kind, name), tuple)
            assert callable(registry.find(kind, name))


def test_options_are_read_from_the_signature():
    """Kind, default and range of an option come from its annotation."""
    (size,) = registry.options("sample", "grid")
    assert (size.name, size.kind, size.default, size.range) == ("size", "int", 25, Range(2, 1001))


SHARED = """\"\"\"Steps, all alike: a training of somebody else's.\"\"\"

from dataclasses import dataclass
from typing import Annotated

from explorer.core.registry import Range
from explorer.training.options import TrainingOptions


@dataclass(frozen=True)
class Steps(TrainingOptions):
    epochs: Annotated[int, Range(1, 9)] = 3
    length: float = 0.5


def train(problem, start=None, *, first: int = 1, how: Steps = Steps(lr=0.25), device: str = "cpu"):
    return first, how
"""


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """A training that was named on the command line."""
    (tmp_path / "steps.py").write_text(SHARED)
    monkeypatch.setenv(plugins.VARIABLE, str(tmp_path / "steps.py"))
    registry.options.cache_clear()
    yield
    registry.options.cache_clear()


def test_the_fields_of_a_dataclass_are_options_like_any_other(steps):
    """Those of its bases first, a field that is said again where it stood, and the defaults of the method above those of the class."""
    found = {o.name: (o.kind, o.default, o.range) for o in registry.options("train", "steps")}
    assert list(found) == ["first", "epochs", "lr", "momentum", "weight_decay", "batch", "seed", "length"]
    assert found["epochs"] == ("int", 3, Range(1, 9))
    assert found["lr"] == ("float", 0.25, Range(0, 100))
    with pytest.raises(Refused, match="must lie in 1 … 9, got 10"):
        registry.method("train", "steps", {"epochs": 10})


def test_a_method_takes_the_fields_of_its_dataclass_by_name(steps):
    """Whoever calls it gives options as they stand in a Method; what is not given is the method's default."""
    first, how = registry.find("train", "steps")(None, **registry.method("train", "steps", {"first": 4, "length": 2.0}).kwargs())
    assert (first, how.epochs, how.lr, how.length) == (4, 3, 0.25, 2.0)
    assert registry.find("train", "steps")(None, length=2.0) == (1, how)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("class Steps:", "must be a frozen dataclass"),
        ("Steps(0.25)", "must be Steps"),
        ("Steps(rate=1)", "must be Steps"),
        ("length: float", "two options of one name"),
    ],
)
def test_a_dataclass_that_cannot_be_options_is_an_error_of_its_author(tmp_path, monkeypatch, wrong, message):
    """It says which module, and what it must be."""
    text = {
        "class Steps:": SHARED.replace("@dataclass(frozen=True)\nclass Steps", "@dataclass\nclass Steps"),
        "length: float": SHARED.replace("first: int", "length: int"),
    }.get(wrong, SHARED.replace("Steps(lr=0.25)", wrong))
    (tmp_path / "wrong.py").write_text(text)
    monkeypatch.setenv(plugins.VARIABLE, str(tmp_path / "wrong.py"))
    registry.options.cache_clear()
    with pytest.raises(TypeError, match=message):
        registry.options("train", "wrong")


def test_equal_requests_hash_equally_whether_defaults_are_written_out_or_not():
    """Options are complete before they are hashed."""
    assert registry.method("sample", "grid").id == registry.method("sample", "grid", {"size": 25}).id
    assert registry.method("sample", "grid", {"size": 9}).id != registry.method("sample", "grid").id


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 1}, "must lie in 2 … 1001, got 1"),
        ({"size": "many"}, "must be int, got 'many'"),
        ({"size": True}, "must be int, got True"),
        ({"sizes": 5}, "no option 'sizes'. Its options: size"),
    ],
)
def test_a_wrong_option_is_refused_in_a_sentence(given, message):
    """The error says what was wanted and what came."""
    with pytest.raises(Refused, match=message):
        registry.method("sample", "grid", given)


def test_an_unknown_method_lists_the_known_ones():
    """Nobody has to guess names."""
    with pytest.raises(Refused, match="adaptive, given"):
        registry.method("sample", "spiral")


def test_forms_do_not_load_torch():
    """A page draws the form of every method, torch's included, in a process without torch."""
    code = (
        "import sys; from explorer.core import registry\n"
        "for kind in registry.VERBS:\n"
        "    for name in registry.names(kind): registry.options(kind, name); registry.title(kind, name)\n"
        "assert registry.names('fuse'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_number_of_trained_corners_is_an_option_or_a_constant():
    """The option `bends`; a method that always makes as many says so in its module; otherwise there is one."""
    assert registry.corners_of(registry.method("connect", "bezier", {"bends": 4})) == 4
    assert registry.corners_of(registry.method("connect", "line_subspace")) == 2
    assert registry.corners_of(registry.method("connect", "subspace")) == 1


def test_what_stands_for_objects_is_found_and_never_offered():
    """By its name, and which object is meant behind an @; in no list."""
    for kind, names in (("nets", ["live"]), ("data", ["live"]), ("loss", ["live_classes", "live_items", "live_masked", "live_numbers"])):
        for name in names:
            assert name not in registry.names(kind) and registry.known(kind, name) and registry.is_live(kind, name)
    loss = "live_classes@focal_loss-3fa9c1"
    assert registry.targets_of(loss) == "classes" and registry.classifies(loss) and registry.called(loss) == "focal_loss"
    assert registry.called("cross_entropy") == "cross_entropy" and not registry.is_live("loss", "cross_entropy")
    with pytest.raises(Refused, match="There is no loss method called 'other@x'"):
        registry.find("loss", "other@x")
    with pytest.raises(Refused, match="object in the memory"):
        registry.find("loss", loss)(None, None)
