"""Paths: is there a path between two models along which the loss stays low, though the straight line has a barrier?"""

from functools import partial

from explorer.ui.frame import head, page, shell
from explorer.ui.paths import all_pairs, conditions, stability
from explorer.ui.paths import view as paths_view

VIEWS = {
    "ways": ("Two models", paths_view.page),
    "many": ("Many models", all_pairs.page),
    "conditions": ("Under conditions", conditions.page),
    "stability": ("Stability", stability.page),
}

page.require()

titles = {name: title for name, (title, _) in VIEWS.items()}
VIEWS[shell.view_of(titles)][1](shell.store(), partial(head.form, "Paths", views=partial(shell.choose_view, titles)))
