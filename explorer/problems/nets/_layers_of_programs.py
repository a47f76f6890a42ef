"""The layers of an exported program: calls of torch's operators on the tensors of one layer become calls of that layer again.

`torch.export` writes `aten.conv2d(x, f_0_weight, f_0_bias, …)` where the network had `nn.Conv2d` under the name `f.0`. As a layer it can be tapped, and a
batch norm can have its statistics re-estimated; which of them is frozen at the export is then a question of its mode, as in any network. Names in the state
dict stay. What is not one of torch's plain layers, or shares its tensors with another, stays an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

Made: TypeAlias = "tuple[nn.Module, dict[str, Node | None]]"
"""A layer on the device meta, and the nodes of its tensors by their names in it."""

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_aten = torch.ops.aten


def with_layers(network: GraphModule) -> GraphModule:
    """The program with its layers, in place, and in eval mode."""
    for node in list(network.graph.nodes):
        if node.op != "call_function" or (make := _MAKERS.get(node.target)) is None:
            continue
        given = {a.name: v for a, v in zip(node.target._schema.arguments, node.args, strict=False)} | node.kwargs
        if (made := make(network, node, given)) is not None and (path := _put(network, *made)) is not None:
            _call(network, node, path, given["indices" if "indices" in given else "input"])
    for node in reversed(list(network.graph.nodes)):
        if not node.users and (node.op == "get_attr" or _counts(node)):
            network.graph.erase_node(node)
    network.recompile()
    return network


def _linear(network: GraphModule, node: Node, given: Mapping[str, Any]) -> Made:
    out, into = _tensor(network, given["weight"]).shape
    return nn.Linear(into, out, given.get("bias") is not None, device="meta"), {"weight": given["weight"], "bias": given.get("bias")}


def _convolution(network: GraphModule, node: Node, given: Mapping[str, Any]) -> Made | None:
    weight, dims = given["weight"], _tensor(network, given["weight"]).dim() - 2
    if given.get("transposed") or dims not in (1, 2, 3):
        return None
    out, into, *kernel = _tensor(network, weight).shape
    several = {n: _each(given.get(n, usual), dims) for n, usual in (("stride", 1), ("padding", 0), ("dilation", 1))}
    groups = given.get("groups", 1)
    make: Any = _CONVOLUTIONS[dims - 1]
    layer = make(into * groups, out, tuple(kernel), groups=groups, bias=given.get("bias") is not None, device="meta", **several)
    return layer, {"weight": weight, "bias": given.get("bias")}


def _batch_norm(network: GraphModule, node: Node, given: Mapping[str, Any]) -> Made | None:
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = {n: given.get(n) for n in names}
    known = next((t for t in tensors.values() if t is not None), None)
    shown = given["input"].meta.get("val")
    if known is None or not isinstance(shown, Tensor) or shown.dim() not in _NORMS:
        return None
    affine, tracked = tensors["weight"] is not None, tensors["running_mean"] is not None
    kind = _NORMS[shown.dim()]
    layer = kind(len(_tensor(network, known)), given["eps"], given["momentum"], affine=affine, track_running_stats=tracked, device="meta")
    return layer, tensors


def _embedding(network: GraphModule, node: Node, given: Mapping[str, Any]) -> Made:
    count, width = _tensor(network, given["weight"]).shape
    padding = given.get("padding_idx", -1)
    return nn.Embedding(count, width, padding_idx=padding if padding >= 0 else None, device="meta"), {"weight": given["weight"]}


_MAKERS: dict[object, Callable[[GraphModule, Node, Mapping[str, Any]], Made | None]] = {
    _aten.linear.default: _linear,
    _aten.conv1d.default: _convolution,
    _aten.conv2d.default: _convolution,
    _aten.conv3d.default: _convolution,
    _aten.conv1d.padding: _convolution,
    _aten.conv2d.padding: _convolution,
    _aten.conv3d.padding: _convolution,
    _aten.convolution.default: _convolution,
    _aten.batch_norm.default: _batch_norm,
    _aten._native_batch_norm_legit_no_training.default: _batch_norm,
    _aten.embedding.default: _embedding,
}


def _put(network: GraphModule, layer: nn.Module, tensors: Mapping[str, Node | None]) -> str | None:
    """The layer in the place of what holds these tensors, with them; where that is. None where they are not exactly those of one place."""
    nodes = {name: node for name, node in tensors.items() if node is not None}
    if any(node.op != "get_attr" for node in nodes.values()):
        return None
    (path, *others) = {str(node.target).removesuffix(name).removesuffix(".") for name, node in nodes.items()}
    if others or not path or any(node.target != f"{path}.{name}" for name, node in nodes.items()):
        return None
    there = network.get_submodule(path)
    if type(there) is type(layer):  # called before
        return path
    held = {**dict(there.named_parameters()), **dict(there.named_buffers())}
    if held.keys() != layer.state_dict().keys():
        return None
    for name, tensor in held.items():
        setattr(layer, name, tensor)
    above, _, name = path.rpartition(".")
    setattr(network.get_submodule(above), name, layer.eval())
    return path


def _call(network: GraphModule, node: Node, path: str, asked: Node) -> None:
    """The layer called in the place of an operator."""
    with network.graph.inserting_before(node):
        answer = network.graph.call_module(path, (asked,))
    answer.meta = dict(node.meta)
    if node.target is _aten._native_batch_norm_legit_no_training.default:  # it answers with three tensors, of which one is used
        for part in list(node.users):
            part.replace_all_uses_with(answer)
            network.graph.erase_node(part)
        answer.meta["val"] = node.meta["val"][0] if "val" in node.meta else None
    else:
        node.replace_all_uses_with(answer)
    network.graph.erase_node(node)


def _counts(node: Node) -> bool:
    """Whether it counts a batch, as a batch norm in train mode does."""
    first = node.args[0] if node.args else None
    return node.target is _aten.add_.Tensor and isinstance(first, Node) and str(first.target).endswith("num_batches_tracked")


def _tensor(network: GraphModule, node: Node) -> Tensor:
    above, _, name = str(node.target).rpartition(".")
    return getattr(network.get_submodule(above), name)


def _each(value: Any, dims: int) -> Any:
    if isinstance(value, str):
        return value
    found = tuple(value) if isinstance(value, list | tuple) else (value,)
    return found * dims if len(found) == 1 else found
