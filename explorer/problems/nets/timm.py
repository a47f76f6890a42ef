"""A classifier of timm (PyTorch Image Models) by its name: resnet18, vit_tiny_patch16_224, …

    [network]
    name = "timm"
    model = "vit_tiny_patch16_224"
    classes = 10

Wightman 2019, "PyTorch Image Models"; its documentation lists the models and their papers. Images (n, channels, height, width) → (n, classes),
with the names of the library's own state dicts. Weights are never downloaded.

Needs timm, which needs torchvision of the build that goes with the installed torch.
"""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import Annotated, Any, cast

from torch import nn

from explorer.core.errors import Refused
from explorer.core.registry import Range


def build(*, model: str = "resnet18", classes: Annotated[int, Range(1, 1048576)] = 1000, channels: Annotated[int, Range(1, 4096)] = 3) -> nn.Module:
    """The library's name of the architecture; number of classes; channels of the images."""
    try:
        timm = cast("Any", importlib.import_module("timm"))
    except (ImportError, RuntimeError, OSError) as error:  # all three when torchvision was built for another torch
        raise Refused(f"timm cannot be imported ({str(error)[:120]}). Install it, with the torchvision that matches the installed torch.") from error
    known = cast("list[str]", timm.list_models())
    if model not in known:  # also hf-hub:…, which would ask the network
        near = get_close_matches(model, known) or known[:5]
        raise Refused(f"timm has no model {model!r}. Similar: {', '.join(near)}.")
    return cast("nn.Module", timm.create_model(model, pretrained=False, num_classes=classes, in_chans=channels))
