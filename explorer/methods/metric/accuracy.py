"""Accuracy: the share of answers that are right, 1 − error of each sample."""

TERMS = (("error", -1.0),)
CONSTANT = 1.0
OF = "labels"
GOOD = "high"
PERCENT = True
ORDER = 4
