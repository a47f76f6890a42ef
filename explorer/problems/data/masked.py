"""A text in tokens, some of them masked: each is to be predicted from its context. For masked language models.

A folder with tokenizer.json and text.txt, as for `tokens`. Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding", task 1, but that every chosen token becomes the mask (there: 80 % of them), as many in each window, and always the same ones, drawn from
`seed`: so a loss has no noise of its own, and models are compared on the same questions. Windows do not overlap, and no special tokens are put around them.

Inputs int64 (windows, context); targets the same, the true token where one is masked and −1 elsewhere. Use the loss masked_cross_entropy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import torch

from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.core.registry import Range
from explorer.problems.data import Dataset
from explorer.problems.data.tokens import source, stream_of, symbols

WANTED = "a folder with tokenizer.json and text.txt"
TOKENS = True  # each target is one
MASKS = ("[MASK]", "<mask>")


def load(
    path: Path | None,
    *,
    context: Annotated[int, Range(2, 65536)] = 128,
    share: Annotated[float, Range(0, 1)] = 0.15,
    token: str = "",
    vocab: Annotated[int, Range(0, 1000000)] = 0,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
) -> Dataset:
    """Tokens of a window; the share of them that is masked; the mask's name, by default [MASK] or <mask>; size of the model's vocabulary, 0 for the
    tokenizer's; seed of the choice.
    """
    tokenizer, _, text = source(path, ("text.txt",), WANTED)
    mask = _mask(tokenizer, token)
    stream = stream_of(tokenizer, text)
    windows, asked = len(stream) // context, max(1, round(share * context))
    if not windows:
        raise Refused(f"text.txt has {len(stream)} tokens; one window needs {context}. Use a longer text or a smaller context.")
    truth = stream[: windows * context].reshape(windows, context)
    rank = torch.rand(windows, context, generator=torch.Generator().manual_seed(seed)).argsort(dim=1)
    chosen = torch.zeros(windows, context, dtype=torch.bool).scatter_(1, rank[:, :asked], True)
    return Dataset(torch.where(chosen, mask, truth), torch.where(chosen, truth, -1), symbols(tokenizer, vocab))


def _mask(tokenizer: Any, token: str) -> int:
    numbers = [n for name in ((token,) if token else MASKS) if (n := cast("int | None", tokenizer.token_to_id(name))) is not None]
    if not numbers:
        raise Refused(f"The tokenizer has no token {short(token) if token else ' or '.join(MASKS)}. Name the one that masks with 'token'.")
    return numbers[0]
