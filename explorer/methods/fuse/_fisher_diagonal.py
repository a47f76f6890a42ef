"""Fisher information of a model, its diagonal: how sensitive the log-likelihood is to each parameter.

    F = mean over samples of Σ_v (Jᵀv)²,        J = ∂outputs/∂W of one sample, squared entry by entry

Every sample has its own gradient; squaring the gradient of a batch instead is another quantity, which depends on the size of the batch. The vectors
v are gradients of the log-likelihood with respect to the outputs, and whose labels they are taken for is the choice to make:

    exact     all labels, each by its probability:   v_c = √p_c (e_c − p), one for each class          E over labels, no noise
    sampled   one label for each item, drawn from the model:   v = e_y − p                             unbiased for `exact`
    given     the label in the data ("empirical Fisher"):      v = e_y − p                             not a Fisher information

Under mse the outputs are means of Gaussians of variance 1: exact has v_k = e_k, the others v = y − f. A sample of several items (a text) has the
likelihood of all of them together.

Matena & Raffel 2022, "Merging Models with Fisher-Weighted Averaging"; Kunstner, Balles & Hennig 2019, "Limitations of the empirical Fisher
approximation", for the difference between `exact` and `given`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.spec import SplitName
from explorer.evaluate.evaluator import network_like
from explorer.problems.problem import Problem

AT_ONCE = 2**22  # numbers of all gradients that are held together: more do not fit into a processor's cache, and take longer
FEW = 64  # outputs of a sample up to which `auto` takes all labels
MANY = 4096  # outputs of a sample beyond which nobody wants to wait for all labels
CHUNK = 128

Labels: TypeAlias = Literal["auto", "exact", "sampled", "given"]


def fisher(
    problem: Problem,
    weights: Mapping[str, Tensor],
    *,
    labels: Labels = "auto",
    split: SplitName = "train",
    samples: int = 0,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """F of every parameter, float64 on the CPU, of the parameter's shape; a tied parameter has the same under each of its names.

    labels: `auto` is exact up to 64 outputs for each sample, else sampled. samples: the first of the split, 0 for all. seed: of the drawn labels;
    a sample's draw depends on its place alone. Refused when F is not finite, or when there are too many outputs for `exact`.
    """
    network = network_like(problem, weights, torch.device(device))
    network.load_state_dict({n: weights[n] for n in network.state_dict()})
    parameters = {n: p.detach() for n, p in network.named_parameters()}
    batch = problem.split(split)
    n = min(samples or len(batch.targets), len(batch.targets))
    inputs, targets = batch.inputs[:n].to(device), batch.targets[:n].to(device)
    inputs = inputs.to(next(iter(parameters.values())).dtype) if inputs.is_floating_point() else inputs
    with torch.inference_mode():
        shape = network(inputs[:1]).shape[1:]
    outputs = shape.numel()
    if labels == "exact" and outputs > MANY:
        raise Refused(f"A sample has {outputs} outputs here, too many to enumerate every label. Use labels='sampled'.")
    if labels == "given" and registry.targets_of(problem.spec.loss) not in ("classes", "numbers"):
        raise Refused(f"There are no labels for every output under the loss {problem.spec.loss}. Use another choice of labels than 'given'.")
    exact = labels == "exact" or (labels == "auto" and outputs <= FEW)
    classifies = registry.classifies(problem.spec.loss)
    draws = torch.rand if classifies else torch.randn
    drawn = draws(n, *(shape[:-1] if classifies else shape), generator=torch.Generator().manual_seed(seed)).to(device)

    size = sum(p.numel() for p in parameters.values())
    vectors = outputs if exact else 1
    rows = max(1, min(CHUNK, AT_ONCE // (size * vectors)))

    def squares(x: Tensor, vectors: Tensor) -> dict[str, Tensor]:
        """Σ_v (Jᵀv)² of one sample. vectors: (k, *shape)."""

        def answer(p: dict[str, Tensor]) -> Tensor:
            return functional_call(network, p, (x[None],))[0]

        back = cast("Callable[[Tensor], tuple[dict[str, Tensor]]]", vjp(answer, parameters)[1])
        (gradients,) = vmap(back, chunk_size=max(1, AT_ONCE // size))(vectors)
        return {name: g.square().sum(dim=0) for name, g in gradients.items()}

    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels of attention do not go over samples one by one
        for start in range(0, n, rows):
            progress(start, n, f"Fisher information: sample {start} of {n}")
            chunk = slice(start, min(start + rows, n))
            with torch.no_grad():
                v = _vectors(problem, network(inputs[chunk]), targets[chunk], drawn[chunk], exact=exact, given=labels == "given")
                for found in _each(squares, inputs[chunk], v):
                    for name, square in found.items():
                        total[name] += square.double().sum(dim=0)
    progress(n, n, "Fisher information")
    found = {name: (t / n).cpu() for name, t in total.items()}
    if bad := [name for name, f in found.items() if not f.isfinite().all()]:
        raise Refused(f"The Fisher information of {bad[0]} is not a finite number: the model's outputs overflow or are NaN. Leave this model out.")
    own = {id(p): name for name, p in network.named_parameters()}
    return {name: found[own[id(p)]] for name, p in network.state_dict(keep_vars=True).items() if isinstance(p, nn.Parameter)}


def _each(squares: Callable[[Tensor, Tensor], dict[str, Tensor]], inputs: Tensor, vectors: Tensor) -> Iterator[dict[str, Tensor]]:
    """What the function gives for each of n samples, (n, …) by name: of all at once, or one after the other for a network that looks at its inputs' values."""
    try:
        yield vmap(squares)(inputs, vectors)
    except RuntimeError:  # of vmap; what the network itself raises comes again
        for x, v in zip(inputs, vectors, strict=True):
            yield {name: square[None] for name, square in squares(x, v).items()}


def _vectors(problem: Problem, outputs: Tensor, targets: Tensor, drawn: Tensor, *, exact: bool, given: bool) -> Tensor:
    """(n, k, *shape of an output) gradients of the log-likelihood with respect to the outputs, weighted so that their squares sum to F."""
    n, shape = len(outputs), outputs.shape[1:]
    if not registry.classifies(problem.spec.loss):
        if exact:
            identity = torch.eye(shape.numel()).to(outputs)
            return identity.reshape(1, -1, *shape).expand(n, -1, *shape)
        return (targets.to(outputs) - outputs if given else drawn.to(outputs))[:, None]
    p = outputs.softmax(dim=-1)
    classes = p.shape[-1]
    if not exact:
        last = torch.full_like(p[..., 0], classes - 1, dtype=torch.int64)
        y = targets if given else torch.minimum((p.cumsum(dim=-1) < drawn[..., None]).sum(dim=-1), last)
        return _asked(problem, (nn.functional.one_hot(y, classes) - p)[:, None], targets)
    # √p_c (e_c − p), an item at a time: zero in the other items.
    flat = p.reshape(n, -1, classes)
    items = flat.shape[1]
    each = flat.sqrt()[..., None] * (torch.eye(classes).to(p) - flat[..., None, :])  # (n, item, label, class)
    apart = each[:, :, :, None, :] * torch.eye(items).to(p)[None, :, None, :, None]  # (n, item, label, item, class)
    return _asked(problem, apart.reshape(n, items * classes, *shape), targets)


def _asked(problem: Problem, vectors: Tensor, targets: Tensor) -> Tensor:
    """The same, zero for items that nothing is asked of: the likelihood of a sample is that of its other items."""
    masked = registry.targets_of(problem.spec.loss) == "masked"
    return vectors * (targets >= 0)[:, None, ..., None] if masked else vectors
