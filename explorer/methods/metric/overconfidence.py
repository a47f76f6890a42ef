"""Overconfidence: confidence − accuracy, sample by sample; 0 for a calibrated model.

It is also 0 for a model whose faults in either direction cancel out. The expected calibration error sees these, but is not a sum over samples, so no field
can keep it (explorer.stats.calibration).
"""

TERMS = (("confidence", 1.0), ("error", 1.0))
CONSTANT = -1.0
OF = "labels"
GOOD = ""
PERCENT = True
UNIT = "points"
ORDER = 7
