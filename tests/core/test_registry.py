"""The directory is the registry, and signatures are forms."""

import subprocess
import sys

import pytest

from explorer.core import registry
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
