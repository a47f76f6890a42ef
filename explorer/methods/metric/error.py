"""Error: the share of answers that are wrong; under a loss without targets, of those that differ from the first model's."""

TERMS = (("error", 1.0),)
OF = "classes"
PERCENT = True
GAP = "points of error"
ORDER = 2
