"""Losses: one file, one loss, `losses(outputs (n, …), targets) -> (n, m)` for the m items of each sample, in float32 at least.

Constants beside it, which are read from the text of the module: `TARGETS`, what the outputs are compared with: "classes" (int64 (n,) or (n, L); the
default), "masked" (the same, −1 where nothing is asked), "numbers" (float32 (n, d)) or "reference": no targets at all, but the outputs of a reference
model, which is the first corner of whatever is measured. `ANSWERS`, what the outputs are: "classes" (logits (…, C)) or "numbers"; by default it follows
from TARGETS. `UNIT` of the loss. A function `wrong(outputs, targets) -> (n, m)` says which answers are wrong; without one it is those whose
largest logit is not the target's, and none where answers are numbers. A function `constant(targets) -> float` gives the mean loss of the best answer that is
the same for every sample: a model above it is pointed out.
"""
