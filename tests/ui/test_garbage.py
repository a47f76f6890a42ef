"""What stays is passed over when garbage is collected after a page."""

import gc
import sys
import weakref
from types import ModuleType

from explorer.ui.frame.garbage import set_aside


class Ring:
    """Something that only a collection frees."""

    def __init__(self):
        self.itself = self


def test_a_collection_after_a_page_does_not_go_through_the_modules(visit):
    """Nearly all objects of the process are set aside once a page was drawn."""
    visit("home")
    assert len(gc.get_objects()) < gc.get_freeze_count() / 10


def test_what_was_set_aside_and_has_ended_is_freed(monkeypatch):
    """At the next time that modules were imported."""
    ring = Ring()
    ended = weakref.ref(ring)
    monkeypatch.setitem(sys.modules, "imported_first", ModuleType("imported_first"))
    set_aside()
    del ring
    gc.collect()
    assert ended() is not None
    monkeypatch.setitem(sys.modules, "imported_second", ModuleType("imported_second"))
    set_aside()
    assert ended() is None
