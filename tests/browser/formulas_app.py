"""The formulas of all lessons. Run by the browser tests."""

from explorer import lessons
from explorer.ui.learn.findings import formula

for one in lessons.every().values():
    formula(one)
