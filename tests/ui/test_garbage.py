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
    """What is alive when a page is drawn, such as all of a module, is set aside."""
    here = vars(sys.modules[__name__])
    visit("home")
    assert gc.get_freeze_count() > len(sys.modules)
    assert not any(each is here for each in gc.get_objects())


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
