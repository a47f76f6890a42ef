"""Soup: which models make a good average, what each of them is worth, and how good a soup of one's own choice is."""

from explorer.ui.frame import page, shell
from explorer.ui.soup import view as soup_view

page.require()
soup_view.page(shell.store())
