"""Whether a network keeps apart what one row holds: documents joined in a window, a document and what fills it up before it.

Networks of transformers do so by `position_ids` that begin again at 0, or by an `attention_mask`; one that takes these and does not look at them would answer,
and its loss would be that of other data. So it is asked twice, the second time with other tokens before the last document of a row: its answer to that
document must stay.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from explorer.core.errors import Refused
from explorer.problems.parts import Part, packed, unpacked

SAME = 1e-3  # of the answers' spread: what another order of sums may do in half precision


@torch.no_grad()
def apart(network: nn.Module, inputs: Tensor, parts: tuple[Part, ...]) -> None:
    """Refused where a token before the last document of a row changes what the network answers to that document. Nothing is asked of data without
    `input_ids` and `position_ids`, or where no row holds more than one document."""
    if not {"input_ids", "position_ids"} <= {p.name for p in parts}:
        return
    given = unpacked(inputs, parts, torch.float32)
    tokens, starts = given["input_ids"], given["position_ids"] == 0
    begin = torch.where(starts, torch.arange(tokens.shape[1], device=tokens.device), 0)
    begin = torch.where(given["attention_mask"], begin, 0).amax(dim=1) if "attention_mask" in given else begin.amax(dim=1)
    if not int(begin.max()):
        return
    row = int(begin.argmax())
    at = int(begin[row])
    one = {name: t[row : row + 1] for name, t in given.items()}
    other = one["input_ids"].clone()
    other[:, :at] = (other[:, :at] + 1) % (int(tokens.max()) + 1)
    answers = [network(packed({**one, "input_ids": t})[0].to(inputs.device))[:, at:].float() for t in (one["input_ids"], other)]
    if not (answers[0] - answers[1]).abs().max() <= SAME * answers[0].std():
        raise Refused(
            f"The network {type(network).__name__} takes positions and masks and lets tokens look across documents all the same: other tokens before a document"
            " change its answer to it. Use a network that keeps them apart, or form = 'right' under [data]; across = true measures it as it is."
        )
