"""Modules are imported without a search for garbage, and what was imported is passed over by later ones."""

import gc

from explorer.core.importing import imported, uncollected


def test_nothing_is_collected_within_and_as_before_after():
    """Also where it was switched off before."""
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_imported_is_set_aside():
    """Everything that was alive at the end, and nothing after it."""
    before = gc.get_freeze_count()
    with imported():
        held = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= len(held)
