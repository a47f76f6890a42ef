"""A classifier of torchvision by its name: resnet18, vgg11, vit_b_16, convnext_tiny, …

    [network]
    name = "torchvision"
    model = "resnet18"
    classes = 10

Marcel & Rodriguez 2010, "Torchvision the machine-vision package of torch"; its documentation lists the models and their papers. Images
(n, 3, height, width) → (n, classes), with the names of the library's own state dicts. Weights are never downloaded.

Needs torchvision, of the build that goes with the installed torch.
"""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from typing import Annotated, Any, cast

from torch import nn

from explorer.core.errors import Refused
from explorer.core.registry import Range


def build(*, model: str = "resnet18", classes: Annotated[int, Range(1, 1048576)] = 1000) -> nn.Module:
    """The library's name of the architecture; number of classes."""
    try:
        models = cast("Any", importlib.import_module("torchvision.models"))
    except (ImportError, RuntimeError, OSError) as error:  # all three when it was built for another torch
        raise Refused(f"torchvision cannot be imported ({str(error)[:120]}). Install the build that matches the installed torch.") from error
    known = cast("list[str]", models.list_models(module=models))  # the classifiers; what detects or segments answers with more than one tensor
    if model not in known:
        near = get_close_matches(model, known) or known[:5]
        raise Refused(f"torchvision has no classifier {model!r}. Similar: {', '.join(near)}.")
    return cast("nn.Module", models.get_model(model, weights=None, num_classes=classes))
