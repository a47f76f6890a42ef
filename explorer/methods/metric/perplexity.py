"""Perplexity: the number of equally likely tokens among which a language model is left to choose.

The exponential of the mean loss of tokens; its interval is that of the loss through the same exponential.
"""

TERMS = (("loss", 1.0),)
OF = "tokens"
EXPONENTIAL = True
ORDER = 3
