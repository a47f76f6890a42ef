"""Compare: many merging methods on the same models and the same samples."""

from explorer.ui.compare import view as compare_view
from explorer.ui.frame import page, shell

page.require()
compare_view.page(shell.store())
