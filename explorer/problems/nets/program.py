"""A network as a program that torch.export saved (.pt2). Only where the program was started with permission to run that file.

    [network]
    name = "program"
    file = "net.pt2"    # relative to the folder of problem.toml
    output = "logits"   # only where it answers with several tensors: a name, or a number from 0

Made by `torch.export.save(torch.export.export(net.eval(), (inputs,), dynamic_shapes=({0: torch.export.Dim("n")},)), "net.pt2")`: in eval mode, for
any number of samples. Where it takes several tensors, they are given by the names of its arguments (`inputs` of the data). The names of its state dict are those of the network that was exported.

Loading a .pt2 can run code that is hidden in it, and one may come from anyone: so whoever starts the program must name its path with `--trust`
(explorer.core.trust). A problem holds the SHA-256 of the file and not its path; the trusted files are compared with that, and the bytes that were compared
are the ones that are loaded.

Linear layers, convolutions, embeddings and batch norms are layers again once it is loaded (explorer.problems.nets._layers_of_programs), so that statistics
are re-estimated and activations read as in the network that was exported. Pitfalls: where the graph was decomposed before it was saved, only some of them
are. Initial weights are those in the file, whatever the seed. Use `factory` where you can.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)

from explorer.core import trust
from explorer.core.allowed_folders import content, opened
from explorer.core.errors import Refused
from explorer.core.files import short, system
from explorer.core.registry import UnlessGiven
from explorer.problems.nets._layers_of_programs import with_layers
from explorer.problems.outputs import answering

_HASHED = "sha256:"


def build(*, file: str = "", output: Annotated[str, UnlessGiven()] = "") -> nn.Module:
    """The exported program; in a problem, the SHA-256 of its content. Which of several outputs is meant, a name or a number."""
    if not file.startswith(_HASHED):
        raise Refused(f"The network program is a .pt2 file, and {file!r} has not been read. Read the problem.toml that names it.")
    for name in sorted(n for n in trust.given if n.endswith(".pt2")):
        path = Path(name).expanduser()
        with system(path, "read"):
            program = content(path) if path.is_file() else b""
        if _digest(program) == file:
            return answering(_loaded(program, path.name), output)
    raise Refused(
        f"A .pt2 file can run arbitrary code, and this program was started without permission to load the one of this problem ({file[:15]}…)."
        f" If you trust it, start with --trust /its/path.pt2."
    )


def settle(options: Mapping[str, object], folder: Path) -> dict[str, str]:
    """The options as the problem holds them: the hash of the file in place of its name. Nothing of the file is loaded."""
    name, rest = str(options.get("file", "")), {"output": str(options["output"])} if "output" in options else {}
    if name.startswith(_HASHED):
        return {"file": name, **rest}
    path = folder / name
    with system(path, "read"):
        if path.suffix != ".pt2" or not path.is_file():
            raise Refused(f"There is no .pt2 file {name!r} in {folder}. Name one that torch.export.save wrote, relative to problem.toml.")
        with opened(path) as file:
            return {"file": _HASHED + hashlib.file_digest(file, "sha256").hexdigest(), **rest}


def _digest(content: bytes) -> str:
    return _HASHED + hashlib.sha256(content).hexdigest()


def _loaded(content: bytes, name: str) -> nn.Module:
    try:
        with torch.device("cpu"):  # where a network is built to learn its shapes alone, this one is too: its weights cannot be left out
            network = cast("Any", torch.export.load(io.BytesIO(content))).module()
    except Exception as error:  # whatever another version of torch, or a damaged file, makes of it
        raise Refused(
            f"{name} cannot be loaded by torch {torch.__version__} ({type(error).__name__}: {short(str(error))}). Export it again."
        ) from error
    if any("dropout" in str(node.target) and True in node.args for node in network.graph.nodes):
        raise Refused(f"{name} was exported in train mode: its dropout is on. Call eval() before the export.")
    for mode in ("train", "eval"):  # the program's own ones raise
        vars(network).pop(mode, None)
    found = with_layers(network)
    norms = [f"{n}." for n, m in found.named_modules() if isinstance(m, _BatchNorm)]
    if odd := next((n for n, _ in found.named_buffers() if n.endswith("running_mean") and not n.startswith(tuple(norms))), None):
        raise Refused(
            f"{name} has statistics of batches, {odd}, that belong to no plain batch norm of torch's, so they cannot be re-estimated between two models. Call"
            " eval() before the export, and save the program as torch.export.export gives it; or use the network 'factory'."
        )
    return found
