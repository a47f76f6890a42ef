"""A network of your own: a function that makes it, named as module:callable. Only where the program was started with permission to call it.

    [network]
    name = "factory"
    call = "mypackage.models:small_net"
    arguments = ["width=64", "norm=true"]
    output = "logits"   # only where it answers with several tensors: a name, or a number from 0

The callable is imported from where Python finds modules, or from the folder where the program was started, and called with the arguments; it returns a torch
module that takes the data's inputs, as one tensor or each by its name (`inputs` of the data), and answers with one tensor, or with several in a tuple or a
dict, of which `output` names one. Each argument is name=value, the value in JSON, or else the text as it stands.

Importing and calling runs code, and a problem.toml may come from anyone: so whoever starts the program must name it, just as it is written here, with
`--trust` (explorer.core.trust). Nothing in a file or a browser adds to it.

Pitfall: a problem is known by this name and the arguments; when the code behind it changes, what was measured before is taken to be of the same network.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, cast

from torch import nn

from explorer.core import trust
from explorer.core.errors import Refused
from explorer.core.registry import UnlessGiven
from explorer.problems.outputs import answering


def build(*, call: str = "", arguments: tuple[str, ...] = (), output: Annotated[str, UnlessGiven()] = "") -> nn.Module:
    """The callable, as module:callable; what it is called with, each as name=value; which of several outputs is meant, a name or a number."""
    module, colon, name = call.partition(":")
    if not (colon and module and name):
        raise Refused(f"The option 'call' needs module:callable, got {call!r}.")
    given = dict(map(_argument, arguments))
    if call not in trust.given:
        raise Refused(
            f"{call} is third-party code, and this program was started without permission to run it. If you trust it, start with --trust {call}."
        )
    make = _found(module, name)
    try:
        network = make(**given)
    except Exception as error:  # whatever that code raises
        raise Refused(f"{call} failed: {type(error).__name__}: {str(error)[:200]}. Correct its arguments, or the code.") from error
    if not isinstance(network, nn.Module):
        raise Refused(f"{call} returned a {type(network).__name__}; a torch.nn.Module is expected.")
    return answering(network, output)


def _argument(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise Refused(f"The option 'arguments' needs texts of the form name=value, got {text!r}.")
    with suppress(ValueError, RecursionError):
        return name.strip(), cast("object", json.loads(value))
    return name.strip(), value.strip()


def _found(module: str, name: str) -> Callable[..., object]:
    importlib.invalidate_caches()  # what was not there a moment ago may have been installed since
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Refused(
            f"{module}:{name} cannot be found: {error}. Check its spelling, and start the program in its folder, or put that on PYTHONPATH."
        ) from error
    if not callable(found):
        raise Refused(f"{module}:{name} is a {type(found).__name__} and cannot be called. Name a function or a class.")
    return found
