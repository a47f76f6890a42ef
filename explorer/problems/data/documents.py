"""Documents for a causal language model: a folder that `datasets` saved, with a column of texts or of token numbers, as long as they come.

`packed`: the documents are joined, one behind the other, and cut into windows of `context` tokens, none of which is left unused but a rest at the end. Each
document's positions begin at 0 (Krell et al. 2021, "Efficient Sequence Packing without Cross-contamination"), by which networks of transformers keep
attention inside a document; one that does not is refused before it is measured (explorer.evaluate.apart). `right`, `left`: a row for each document, filled up
with `pad` behind or before it, with its attention mask and its positions; a document longer than `context` goes on in the next row.

The target of a token is the next one of its document. The last token of a document, and whatever fills up, has none (−1): it is in no loss and in no count.
Use the loss masked_cross_entropy. `end`: the number of a token that is put behind each document, and so predicted.

Where the network takes neither a mask nor positions, `across` gives it the tokens alone: right for `right`, since a causal network does not look ahead; of
`packed`, attention then goes across documents.

A column `attention_mask` beside the tokens says which of them are the document; a column named by `labels` which of its tokens are predicted (−100: not), as
transformers takes them. Texts are tokenised by the tokenizer.json in the folder, without special tokens. Of the splits `train` and `test` are read: test is
then the test set. Files are read as explorer.problems.data.saved_dataset reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray

from explorer.core.errors import Refused
from explorer.core.files import listed, short
from explorer.core.registry import Range
from explorer.problems.data import LIMIT_CLASSES, Dataset, class_names, regular
from explorer.problems.data.saved_dataset import lists_of, tables_of, texts_of
from explorer.problems.data.tokens import encoded, symbols, tokenizer_at
from explorer.problems.parts import packed

TOKENS = True  # each target is one
COLUMNS = ("input_ids", "tokens", "text")

_Row: TypeAlias = NDArray[np.int64]
_Document: TypeAlias = "tuple[_Row, _Row]"  # tokens, and the target of each


def load(
    path: Path | None,
    *,
    context: Annotated[int, Range(2, 65536)] = 128,
    form: Literal["packed", "right", "left"] = "packed",
    column: str = "",
    labels: str = "",
    end: Annotated[int, Range(-1, 1000000)] = -1,
    pad: Annotated[int, Range(0, 1000000)] = 0,
    vocab: Annotated[int, Range(0, 1000000)] = 0,
    across: bool = False,
) -> Dataset:
    """Length of a row in tokens; how documents become rows; the column of texts or tokens, by default the first of input_ids, tokens and text; the column of
    targets; numbers of the tokens behind each document (−1: none) and of those that fill up; size of the model's vocabulary, 0 for the tokenizer's own; whether
    the network gets the tokens alone."""
    if across and form == "left":
        raise Refused(
            "Left padding moves every token's place, so the network needs positions and a mask. Leave 'across' out, or choose form = 'right'."
        )
    tables, test = tables_of(path)
    assert path is not None
    names = cast("list[str]", tables[0].column_names)
    column = column or next((n for n in COLUMNS if n in names), "")
    if column not in names or (labels and labels not in names):
        raise Refused(f"{short(path.name)} has no column {short(labels if column in names else column or COLUMNS[0])!r}. It has: {listed(names)}.")
    texts = texts_of(tables[0], column)
    tokenizer = tokenizer_at(regular(path / "tokenizer.json", "the tokenizer.json of these texts")) if texts else None
    if texts and labels:
        raise Refused("Targets belong to tokens, and this column holds texts. Leave 'labels' out, or name a column of tokens.")
    parts = [_rows(list(_documents(t, column, labels, end, tokenizer)), form, context, pad) for t in tables]
    rows = {name: torch.from_numpy(np.concatenate([p[name] for p in parts])) for name in parts[0]}
    tokens, targets = rows.pop("input_ids"), rows.pop("targets")
    highest = max(int(tokens.max()), int(targets.max()))
    known = symbols(tokenizer, vocab) if tokenizer is not None else tuple(map(str, range(vocab))) or class_names(torch.tensor([highest]), ())
    if int(tokens.min()) < 0 or highest >= min(len(known), LIMIT_CLASSES):
        raise Refused(
            f"The tokens go from {int(tokens.min())} to {highest}, and the vocabulary is 0 … {len(known) - 1}. Correct 'vocab', 'end' or 'pad'."
        )
    inputs, said = (tokens, ()) if across else packed({"input_ids": tokens, **rows})
    return Dataset(inputs, targets, known, len(parts[0]["targets"]) if test else None, parts=said, open=tokenizer is None and not vocab)


def _documents(table: Any, column: str, labels: str, end: int, tokenizer: Any) -> Iterator[_Document]:
    """The tokens of each document, and the target of each of them, −1 for none; without those that have nothing to predict."""
    if tokenizer is not None:
        ids = [np.asarray(row, dtype=np.int64) for row in encoded(tokenizer, texts_of(table, column) or [], special=False)]
    else:
        ids = lists_of(table, column)
    masks = lists_of(table, "attention_mask") if "attention_mask" in table.column_names else None
    asked = lists_of(table, labels) if labels else None
    for i, row in enumerate(ids):
        own, wanted = row, row if asked is None else asked[i]
        if (masks is not None and len(masks[i]) != len(row)) or len(wanted) != len(row):
            raise Refused(f"Document {i} has {len(row)} tokens, and another number of them in its mask or its targets. Correct these columns.")
        if masks is not None:
            own, wanted = row[masks[i] != 0], wanted[masks[i] != 0]
        if end >= 0:
            own, wanted = np.append(own, end), np.append(wanted, end)
        targets = np.append(wanted[1:], -1)
        targets[targets < 0] = -1
        if (targets >= 0).any():
            yield own, targets


def _rows(documents: list[_Document], form: str, context: int, pad: int) -> dict[str, NDArray[Any]]:
    """Arrays (rows, context): what the network takes, by its names, and the targets; without rows in which nothing is asked."""
    found = _packed(documents, context) if form == "packed" else _padded(documents, context, pad, left=form == "left")
    if not len(kept := np.flatnonzero((found["targets"] >= 0).any(axis=1))):
        raise Refused(f"These documents fill no row of {context} tokens. Use more of them, or a smaller context.")
    return {name: array[kept] for name, array in found.items()}


def _packed(documents: list[_Document], context: int) -> dict[str, NDArray[Any]]:
    many = sum(len(d) for d, _ in documents) // context
    if not many:
        return {"targets": np.empty((0, context), dtype=np.int64)}

    def cut(rows: list[_Row]) -> _Row:
        return np.concatenate(rows)[: many * context].reshape(many, context)

    inside = cut([np.arange(len(d)) for d, _ in documents])
    positions = np.minimum(inside, np.arange(context))  # of a document that began in the window before: from the window's beginning on
    return {"input_ids": cut([d for d, _ in documents]), "position_ids": positions, "targets": cut([t for _, t in documents])}


def _padded(documents: list[_Document], context: int, pad: int, *, left: bool) -> dict[str, NDArray[Any]]:
    pieces = [(d[s : s + context], t[s : s + context]) for d, t in documents for s in range(0, len(d), context)]
    shape = (len(pieces), context)
    tokens, targets = np.full(shape, pad, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
    mask, positions = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.int64)
    for i, (piece, wanted) in enumerate(pieces):
        place = slice(context - len(piece), context) if left else slice(0, len(piece))
        tokens[i, place], targets[i, place], mask[i, place], positions[i, place] = piece, wanted, True, np.arange(len(piece))
    return {"input_ids": tokens, "attention_mask": mask, "position_ids": positions, "targets": targets}
