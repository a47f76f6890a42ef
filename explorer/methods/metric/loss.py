"""Loss: the mean of the problem's own loss; lower is better."""

TERMS = (("loss", 1.0),)
UNIT = "of the loss"
ORDER = 1
