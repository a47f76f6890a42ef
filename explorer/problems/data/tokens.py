"""Texts in tokens of a tokenizer: a folder with tokenizer.json and text.txt, or texts.csv for texts with classes.

text.txt (UTF-8) is data for a causal language model: tokenised line by line, without special tokens, and cut into windows of `context` tokens that do
not overlap; the target of each token is the next one. Inputs and targets int64 (windows, context); a rest shorter than a window is left out.

texts.csv (UTF-8, with the columns `text` and `label`) is data for a classifier: each text with the special tokens that the tokenizer puts around it, cut
or filled up with the token `pad` to `context`. Inputs int64 (n, context), targets (n,), classes the labels that occur, sorted.

The classes of a language model are the tokens. Where a model's vocabulary is larger than the tokenizer's, as it often is to make it divisible, say so
with `vocab`. The source fixes no test set.

Needs the package tokenizers, which comes with transformers (the extra `hf`). Its cost on a tokenizer.json made to be slow is not bounded.
"""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch

from explorer.core.allowed_folders import content
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.core.registry import Range
from explorer.problems.data import LIMIT_BYTES, LIMIT_CLASSES, Dataset, reading, regular

WANTED = "a folder with tokenizer.json, and text.txt or texts.csv"
_LIMIT_TOKENIZER = 2**26  # bytes; a vocabulary of a quarter of a million takes some 20 MB
_LINES = 1000  # tokenised at a time


def load(
    path: Path | None,
    *,
    context: Annotated[int, Range(2, 65536)] = 128,
    vocab: Annotated[int, Range(0, 1000000)] = 0,
    pad: Annotated[int, Range(0, 1000000)] = 0,
) -> Dataset:
    """Length of a window or a text in tokens; size of the model's vocabulary, 0 for the tokenizer's own; number of the token that fills up texts."""
    tokenizer, name, text = source(path, ("text.txt", "texts.csv"), WANTED)
    return _windows(tokenizer, text, context, vocab) if name == "text.txt" else _texts(tokenizer, text, context, pad)


def source(path: Path | None, names: tuple[str, ...], wanted: str) -> tuple[Any, str, str]:
    """The tokenizer of a folder, which one of the names lies beside it, and the text of that. Refused when there is none, or more than one."""
    if path is None:
        raise Refused(f"A path is expected here: {wanted}. Give one in problem.toml, under [data].")
    with reading(path):
        if not path.is_dir():
            raise Refused(f"{path} is not a folder; expected: {wanted}." if path.exists() else f"There is no {path}. Correct the path of the data.")
        found = [n for n in names if (path / n).exists()]
    if len(found) != 1:
        has = f"both {' and '.join(found)}" if found else f"neither {' nor '.join(names)}" if len(names) > 1 else f"no {' '.join(names)}"
        raise Refused(f"{path} has {has}; expected: {wanted}. Put one there.")
    tokenizer = tokenizer_at(regular(path / "tokenizer.json", "a tokenizer.json"))
    return tokenizer, found[0], _text(regular(path / found[0], f"a UTF-8 {found[0]}"))


def tokenizer_at(path: Path) -> Any:
    """The tokenizer of a file. Refused when there is none in it, or nothing to read it with."""
    try:
        tokenizers = cast("Any", importlib.import_module("tokenizers"))
    except ImportError as error:
        raise Refused("Tokens are made by the package tokenizers, which is not installed: pip install 'explorer[hf]'.") from error
    with reading(path):
        if path.stat().st_size > _LIMIT_TOKENIZER:
            raise Refused(f"{path.name} is too large for a tokenizer. Check that it is one.")
        text = content(path).decode("utf-8", "replace")
    try:
        tokenizer = tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the library knows no narrower one
        raise Refused(f"{path.name} is not a tokenizer that can be read ({short(str(error))}). Save it again (tokenizer.save).") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _text(path: Path) -> str:
    with reading(path):
        if (size := path.stat().st_size) > LIMIT_BYTES // 16:  # two int64 a token, of a byte at worst
            raise Refused(f"{path.name} has {size:,} bytes, more than the {LIMIT_BYTES // 16:,} that can be read. Use a shorter text.")
        data = content(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name} is not UTF-8: byte {error.start} cannot be read. Convert it to UTF-8.") from error


def stream_of(tokenizer: Any, text: str) -> torch.Tensor:
    """(tokens,) of a whole text, line by line, without special tokens."""
    ids = [np.asarray(row, dtype=np.int64) for row in encoded(tokenizer, text.splitlines(keepends=True), special=False)]
    return torch.from_numpy(np.concatenate(ids) if ids else np.empty(0, dtype=np.int64))


def _windows(tokenizer: Any, text: str, context: int, vocab: int) -> Dataset:
    stream = stream_of(tokenizer, text)
    if len(stream) <= context:
        raise Refused(f"text.txt has {len(stream)} tokens; one window needs {context + 1}. Use a longer text or a smaller context.")
    windows = (len(stream) - 1) // context
    inputs, targets = (stream[start : start + windows * context].reshape(windows, context) for start in (0, 1))
    return Dataset(inputs.clone(), targets.clone(), symbols(tokenizer, vocab))


def symbols(tokenizer: Any, vocab: int) -> tuple[str, ...]:
    """The tokens by number, filled up to the size of the model's vocabulary. Refused when that is smaller, or the tokenizer numbers too high."""
    names = {number: symbol for symbol, number in cast("dict[str, int]", tokenizer.get_vocab(with_added_tokens=True)).items()}
    size = max(names, default=-1) + 1
    if vocab and vocab < size:
        raise Refused(f"'vocab' is {vocab}, and the tokenizer has {size:,} tokens. Give the size of the model's vocabulary, or 0.")
    if size > LIMIT_CLASSES:
        raise Refused(f"The tokenizer numbers its tokens up to {size - 1:,}, and at most {LIMIT_CLASSES:,} are possible.")
    return tuple(names.get(i, f"token {i}") for i in range(vocab or size))


def _texts(tokenizer: Any, text: str, context: int, pad: int) -> Dataset:
    try:
        rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
    except csv.Error as error:
        raise Refused(f"texts.csv cannot be read: {error}. Save it again.") from error
    for number, row in enumerate(rows, start=2):
        if not isinstance(row.get("text"), str) or not row.get("label"):
            raise Refused(f"texts.csv has no text or no label in record {number}; the columns 'text' and 'label' are expected, filled in every row.")
    classes = sorted({row["label"] for row in rows})
    numbers = {name: i for i, name in enumerate(classes)}
    if len(rows) * context * 8 > LIMIT_BYTES:
        raise Refused(f"{len(rows):,} texts of {context} tokens are more than can be read. Choose a smaller context.")
    inputs = torch.full((len(rows), context), pad, dtype=torch.int64)
    for i, ids in enumerate(encoded(tokenizer, [row["text"] for row in rows], special=True)):
        kept = torch.tensor(ids[:context], dtype=torch.int64)
        inputs[i, : len(kept)] = kept
    targets = torch.tensor([numbers[row["label"]] for row in rows], dtype=torch.int64)
    return Dataset(inputs, targets, tuple(classes))


def encoded(tokenizer: Any, lines: list[str], *, special: bool) -> list[list[int]]:
    """The tokens of each line; `special`: with those that the tokenizer puts around it."""
    found: list[list[int]] = []
    for start in range(0, len(lines), _LINES):
        try:
            encoded = tokenizer.encode_batch_fast(lines[start : start + _LINES], add_special_tokens=special)
        except Exception as error:  # the library knows no narrower one
            raise Refused(f"The tokenizer cannot read the text ({short(str(error))}). Check that they belong together.") from error
        found += [cast("list[int]", e.ids) for e in encoded]
    return found
