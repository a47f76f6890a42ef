"""Merging methods by what they need."""

from explorer.core import needs, registry
from tests.commands.test_main import run


def test_every_method_is_in_one_group():
    """Known ones where people look for them, and nothing asks for more than its group says."""
    groups = needs.grouped(registry.names("fuse"))
    assert sorted(name for names in groups.values() for name in names) == registry.names("fuse")
    assert list(groups) == ["weights", "base", "samples", "training"]
    for which, known in {"weights": "slerp", "base": "ties", "samples": "fisher", "training": "adamerging"}.items():
        assert known in groups[which]
    assert not any(registry.data_of(name) for name in (*groups["weights"], *groups["base"]))
    assert not any(registry.has_base(name) for name in groups["weights"])
    assert all(registry.data_of(name) for name in (*groups["samples"], *groups["training"]))


def test_no_group_is_empty():
    assert needs.grouped(["ties", "slerp", "dare"]) == {"weights": ["slerp"], "base": ["ties", "dare"]}
    assert needs.grouped([]) == {}


def test_the_command_lists_the_methods_in_these_groups():
    """What asks for least first, each group under its title."""
    text = run("fuse", "--method", "list", "x")
    places = [
        text.index(words)
        for words in ("Needs: weights alone", "average", "Needs: a base", "consensus", "Needs: samples", "fisher", "Needs: training")
    ]
    assert places == sorted(places)
