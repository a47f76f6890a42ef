"""Network, data, loss and metrics as objects → a ProblemSpec, plain data that names them, and the objects held under these names."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Method, ProblemSpec
from explorer.problems import held
from explorer.problems.data import Dataset
from explorer.problems.held import HeldData, HeldLoss, HeldNetwork
from explorer.problems.live import losses
from explorer.problems.live.answers import IGNORED, Asked, Form, asked, at_work, form_of
from explorer.problems.live.joined import Forward, OfBatches, OfItems, Shaped, Way, join
from explorer.problems.live.losses import LossFunction
from explorer.problems.live.network import Prototype, bare
from explorer.problems.live.own_metrics import Metric, hold_metrics, named
from explorer.problems.live.samples import read
from explorer.problems.live.source import digest_of
from explorer.problems.live.trees import Loose, Samples, Stacked, joined, leaves, untouched
from explorer.problems.outputs import answer_of, several, tensors_of

log = logging.getLogger(__name__)

TRIED = 8  # samples on which network, loss and metrics are tried
_SHARES = " (a fixed split: 30 % test, 20 % val, 50 % train)"
_told: set[str] = set()


@dataclass(frozen=True)
class Given:
    """What somebody gives. data: measured on, and where nothing else is given also the rest, by fixed shares; train: for statistics and training; val: for
    choosing. loss: a name of the explorer's, a function of outputs and targets, or None: what suits. forward: (model, batch) → losses instead of both. output:
    which of several outputs the loss compares, a name, or the number of one of a tuple. symmetry: the groups of each tensor's axes, where they cannot be deduced."""

    network: nn.Module
    data: object
    train: object = None
    val: object = None
    loss: str | LossFunction | None = None
    forward: Forward | None = None
    metrics: Mapping[str, Metric] | None = None
    take: int = 0
    output: str | int = ""
    symmetry: Mapping[str, Sequence[str]] | None = None

    @property
    def out(self) -> str:
        """The output's name as a text."""
        return str(self.output)


@dataclass(frozen=True)
class _Tried:
    """A few samples, and what the network made of them."""

    parts: Asked | None
    outputs: object
    told: bool = False  # it needed the targets for it


def assemble(given: Given) -> tuple[ProblemSpec, Prototype]:
    """The problem, and the prototype of its network. Refused, in a sentence, for what does not go together; nothing that is given is changed."""
    network = bare(given.network)
    called = type(network).__name__
    prototype = Prototype(network)
    samples, test, val = _samples(given)
    with untouched(), torch.no_grad():
        tried = _tried(given, prototype, samples)
        way, loss, tensors = _way(given, prototype, samples, tried)
        spec = _held(called, given, prototype, samples, (test, val), way, loss, tensors)
    return spec, prototype


def prototype_of(problem: ProblemSpec) -> Prototype:
    """The prototype of a problem that was assembled in this process. Refused in any other."""
    found = held.network(str(problem.network["key"])).build
    assert isinstance(found, Prototype)
    return found


@torch.no_grad()
def same_code(network: nn.Module, prototype: Prototype, problem: ProblemSpec) -> None:
    """Refused where a network of other weights does something else with them than the prototype does, so that one cannot be measured for the other."""
    network = bare(network)
    other = Prototype(network)
    if digest_of(other.network, without=other.network)[0] == digest_of(prototype.network, without=prototype.network)[0]:
        return
    kind = type(network).__name__
    samples = held.data(str(problem.data["key"]))
    rows = samples.dataset.inputs[:TRIED]
    joined = held.network(str(problem.network["key"])).joined
    answers: list[Tensor] = []
    with untouched():
        for one in (_fresh(other), _fresh(prototype)):
            if {n: t.shape for n, t in one.state_dict().items()} != {n: t.shape for n, t in other.network.state_dict().items()}:
                return  # of another architecture, which is said where they are compared
            one.load_state_dict(other.network.state_dict())
            answers.append((joined(one, samples.rows) if joined is not None else one)(rows))
    if answers[0].shape != answers[1].shape or not torch.allclose(*answers, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise Refused(
            f"The networks have weights of the same names and shapes, and compute different things with them: with the weights of this {kind}, the first network"
            " answers something else. Give networks of the same code and settings, or network= and state dicts if the code of one is meant for all."
        )


def _samples(given: Given) -> tuple[Samples, int | None, int | None]:
    """All samples in one, train before val before test, and where these begin; None where shares are cut."""
    parts = [("train", given.train), ("val", given.val), ("data", given.data)]
    found = [read(source, f"{what}=", given.take) for what, source in parts if source is not None]
    if not found:
        raise Refused("There are no data. Give data=: a DataLoader, a Dataset, tensors, or a table.")
    lengths = [len(f) for f in found]
    test: int | None = None
    val: int | None = None
    if given.train is not None:
        test, val = sum(lengths[:-1]), lengths[0] if given.val is not None else None
    elif given.val is not None:  # what is trained on and what is measured on are shares of the data, which come first then
        found, val = found[::-1], lengths[1]
    if len(found) == 1:
        return found[0], test, val
    if all(isinstance(f, Stacked) for f in found):
        stacked = cast("list[Stacked]", found)
        shapes = [[(t.shape[1:], t.dtype) for t in leaves(f.tree)] for f in stacked]
        if any(s != shapes[0] for s in shapes):
            raise Refused(
                f"Samples of data, train and val differ: {' and '.join(str([tuple(a) for a, _ in s]) for s in shapes)}. Give the same kind of sample."
            )
        return Stacked(joined([f.tree for f in stacked]), stacked[0].classes), test, val
    if all(isinstance(f, Loose) for f in found):
        loose = cast("list[Loose]", found)
        return Loose(tuple(item for f in loose for item in f.items), loose[0].collate, loose[0].classes), test, val
    raise Refused("Samples of data, train and val differ: some can be stacked and others cannot. Pad all of them in the same way.")


def _tried(given: Given, prototype: Prototype, samples: Samples) -> _Tried:
    rows = torch.arange(min(TRIED, len(samples)))
    network = _fresh(prototype)
    batch = at_work(samples.batch(rows), torch.device("cpu"), torch.float32)
    if given.forward is not None:
        return _Tried(None, None)
    parts = asked(batch, prototype.network)
    try:
        return _Tried(parts, parts.to(network))
    except Exception as error:  # whatever somebody's network raises at inputs that are not its own
        if parts.target and given.loss is None:
            with suppress(Exception):
                return _Tried(parts, parts.telling.to(network), told=True)
        said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
        inputs = ", ".join([str(tuple(a.shape)) if isinstance(a, Tensor) else type(a).__name__ for a in parts.args] + list(parts.named))
        raise Refused(
            f"The network {type(network).__name__} does not accept these batches ({inputs}): {said}. Give forward=lambda model, batch: …, which returns the loss"
            " of each sample, (n,)."
        ) from error


def _fresh(prototype: Prototype) -> nn.Module:
    return copy.deepcopy(prototype.network).float().eval()


def _way(given: Given, prototype: Prototype, samples: Samples, tried: _Tried) -> tuple[Way | None, str | HeldLoss, tuple[Tensor, Tensor] | None]:
    """How the network answers (None: as it is), its loss, and inputs and targets as tensors; None where the network gives losses."""
    if given.forward is not None:
        if given.loss is not None:
            raise Refused("Both forward= and loss= are given. Let forward return the loss of each sample, and leave loss= out.")
        if given.out:
            raise Refused("Both forward= and output= are given. Let forward take the output that is meant, and leave output= out.")
        return _of_items(given, prototype, samples, None), "live_items", None
    parts = tried.parts
    assert parts is not None
    answer = answer_of(tried.outputs, given.out)
    if answer is None and given.out:
        kind = type(prototype.network).__name__
        raise Refused(f"There is no output {given.out!r}. {several(kind, tried.outputs, 'Name one of them as output=, or leave it out.')}")
    if answer is None and given.loss is None and len(tensors_of(tried.outputs)) == 1:  # there is no other that could be meant
        given = replace(given, output=next(iter(tensors_of(tried.outputs))))
        answer = answer_of(tried.outputs, given.out)
    targets = _whole_targets(samples, prototype.network)
    reference = isinstance(given.loss, str) and given.loss in registry.names("loss") and registry.targets_of(given.loss) == "reference"
    if reference and given.metrics:
        raise Refused(f"Metrics compare outputs with targets, and the loss {given.loss} has none. Leave one of them out.")
    if targets is None and parts.targets is None and not reference:
        raise Refused(
            "The data have no targets. Give tuples (inputs, targets) or dicts with 'labels', for an autoencoder (x, x); or forward=; or loss='divergence', which"
            " needs none."
        )
    own = None if given.loss is not None else _own(parts, prototype)
    form = form_of(answer, cast("Tensor", parts.targets), targets, _ignored(given.loss)) if answer is not None and targets is not None else None
    if own is not None and answer is not None and targets is not None:
        form = _of_own(own, form, answer, cast("Tensor", parts.targets), targets)
        if form is None:
            return _of_items(given, prototype, samples, None), "live_items", None
    elif own is not None or (form is None and callable(given.loss)):
        return _of_items(given, prototype, samples, cast("LossFunction | None", given.loss)), "live_items", None
    if targets is None and answer is not None and reference:
        return _without_targets(given, parts, prototype, samples, answer, tried)
    if form is None or answer is None or targets is None:
        o = f"a tensor {tuple(answer.shape)}" if answer is not None else f"a {type(tried.outputs).__name__}"
        t = tuple(parts.targets.shape) if isinstance(parts.targets, Tensor) else type(parts.targets).__name__
        whole = isinstance(parts.targets, Tensor) and parts.targets.is_floating_point() and answer is not None and answer.dim() > parts.targets.dim()
        classes = " Where they are classes, make them whole numbers." if whole else ""
        named = f", or output=, one of {', '.join(names)}" if (names := tensors_of(tried.outputs)) else ""
        raise Refused(
            f"The network gives {o} for targets {t}, and no loss says how they are compared. Give loss=, a function of outputs and targets{named}.{classes}"
        )
    loss = _loss(given.loss, form, answer, cast("Tensor", parts.targets))
    way, tensors = _inputs(given.out, form, parts, prototype, samples, answer, tried, form.expected(targets))
    return way, loss, tensors


def _without_targets(
    given: Given, parts: Asked, prototype: Prototype, samples: Samples, answer: Tensor, tried: _Tried
) -> tuple[Way | None, str, tuple[Tensor, Tensor]]:
    """Under a loss that compares with the first model."""
    loss = cast("str", given.loss)
    form = Form("classes" if registry.classifies(loss) else "numbers", tuple(answer.shape[1:]), (), torch.int64)
    way, tensors = _inputs(given.out, form, parts, prototype, samples, answer, tried, torch.empty(len(samples), 0))
    return way, loss, tensors


def _inputs(
    output: str, form: Form, parts: Asked, prototype: Prototype, samples: Samples, answer: Tensor, tried: _Tried, targets: Tensor
) -> tuple[Way | None, tuple[Tensor, Tensor]]:
    """The samples themselves where they are one tensor, else the numbers of their rows; and what the network then has to do."""
    same = answer is tried.outputs and form.answers(answer).shape == answer.shape
    if parts.plain and not tried.told and isinstance(samples, Stacked) and form.kind != "masked":
        inputs = asked(samples.tree, prototype.network).args[0]
        return None if same else Shaped(form, output), (inputs.float() if inputs.is_floating_point() else inputs, targets)
    return OfBatches(form, tried.told, output), (torch.arange(len(samples))[:, None], targets)


def _ignored(loss: object) -> int:
    """The number of a class that a loss leaves out."""
    found = getattr(loss, "ignore_index", IGNORED)
    return found if isinstance(found, int) else IGNORED


def _whole_targets(samples: Samples, network: nn.Module) -> Tensor | None:
    """The targets of all samples, where they are one tensor."""
    if isinstance(samples, Stacked):
        found = asked(samples.tree, network).targets
        return found if isinstance(found, Tensor) else None
    several = [asked(samples.batch(rows), network).targets for rows in torch.arange(len(samples)).split(TRIED)]
    if not all(isinstance(t, Tensor) and t.shape[1:] == several[0].shape[1:] for t in several):
        return None
    return torch.cat(several)


def _own(parts: Asked, prototype: Prototype) -> Tensor | None:
    """The loss that the model works out itself when it is given the targets; None for one that does not."""
    if not parts.target:
        return None
    try:
        outputs = parts.telling.to(_fresh(prototype))
    except TypeError:  # it takes no targets
        return None
    found = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    return found if isinstance(found, Tensor) else None


def _of_own(own: Tensor, form: Form | None, answer: Tensor, targets: Tensor, whole: Tensor) -> Form | None:
    """The form under which the model's own loss is a plain cross-entropy or a mean squared error; None where it is something else."""
    tried = [form] if form is not None else []
    if form is not None and form.kind != "numbers" and len(form.targets) == 1 and len(form.outputs) == 2:
        tried = [replace(form, shifted=True, kind="masked" if bool((whole[:, 1:] == IGNORED).any()) else "classes"), form]
    for one in tried:
        outputs, expected = one.answers(answer), one.expected(targets)
        asked_for = losses.ignoring(outputs, expected).sum() / (expected >= 0).sum() if one.kind != "numbers" else None
        plain = functional.mse_loss(outputs, expected) if asked_for is None else asked_for
        if not own.dim() and bool((own - plain).abs() <= losses.CLOSE * plain.abs()):
            return one
    return None


def _loss(given: str | LossFunction | None, form: Form, answer: Tensor, targets: Tensor) -> str | HeldLoss:
    if isinstance(given, str):
        if given not in registry.names("loss"):
            raise Refused(f"There is no loss {given!r}. There are: {', '.join(registry.names('loss'))}; or give a function of outputs and targets.")
        if registry.targets_of(given) != "reference":
            return given
        given = None
    if given is None:
        return {"classes": "cross_entropy", "numbers": "mse"}.get(form.kind) or HeldLoss(losses.ignoring)
    return losses.known(given, form) or losses.held(given, form, form.answers(answer), form.expected(targets))


def _of_items(given: Given, prototype: Prototype, samples: Samples, loss: LossFunction | None) -> OfItems:
    """Losses of samples from somebody's own function, tried: whether it gives them, or their mean."""
    rows = torch.arange(min(TRIED, len(samples)))
    functions = tuple((name, function) for name, function, _ in named(given.metrics))
    if given.forward is not None and (odd := next((name for name, function in functions if function is not None), None)):
        raise Refused(
            f"Under forward= the metric {odd!r} comes from what forward returns: {{'loss': …, {odd!r}: …}}, each (n,). Give metrics={{{odd!r}: None}}."
        )
    way = OfItems(given.forward, loss, False, functions, given.out)
    if given.forward is None and loss is None:
        return replace(way, alone=True)

    def answers(rows: Tensor) -> Tensor:
        batch = at_work(samples.batch(rows), torch.device("cpu"), torch.float32)
        try:
            return way.answer(_fresh(prototype), batch)
        except Refused:
            raise
        except Exception as error:  # whatever somebody's function raises
            said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
            who = "forward" if given.forward is not None else f"the loss {losses.called(cast('LossFunction', loss))}"
            raise Refused(f"{who} failed on a batch of {len(rows)} samples: {type(error).__name__}: {said}. Correct it.") from error

    whole = answers(rows)
    if given.forward is not None and not torch.allclose(answers(rows), whole, rtol=losses.CLOSE, equal_nan=True):
        raise Refused(
            "forward gives different losses for the same batch each time, so it draws random numbers, and a line would show those. Draw them once for each"
            " sample and give them with the data, as data=(x, time, noise), so that every model gets the same ones."
        )
    if len(whole) == len(rows) and (len(rows) > 1 or loss is not None):
        return way
    if len(whole) == 1:
        each = torch.cat([answers(row) for row in rows.split(1)])
        if bool(((whole[0] - each.mean(dim=0)).abs() <= losses.CLOSE * whole[0].abs().clamp(min=1e-8)).all()):
            return replace(way, alone=True)
    raise Refused(
        f"forward gives {len(whole)} losses for {len(rows)} samples, and they are not the mean of what it gives for each alone. Let it return the loss of"
        " each sample, (n,)."
    )


def _held(
    called: str,
    given: Given,
    prototype: Prototype,
    samples: Samples,
    starts: tuple[int | None, int | None],
    way: Way | None,
    loss: str | HeldLoss,
    tensors: tuple[Tensor, Tensor] | None,
) -> ProblemSpec:
    """Everything under keys of its content, and the problem that names them."""
    rows = not (way is None or isinstance(way, Shaped))
    n = len(samples)
    inputs, targets = tensors if tensors is not None else (torch.arange(n)[:, None], torch.empty(n, 0))
    form = way.form if isinstance(way, Shaped | OfBatches) else None
    classes: tuple[str, ...] = ()
    network = join(_fresh(prototype), way, samples) if way is not None else _fresh(prototype)
    if tensors is not None and not targets.is_floating_point():
        count = network(inputs[:1]).shape[-1]
        classes = samples.classes if len(samples.classes) == count else tuple(map(str, range(count)))
    dataset = Dataset(inputs, targets, classes, starts[0], starts[1], rows)
    opaque: list[str] = []

    def key(*parts: object) -> str:
        found, odd = digest_of(*parts, without=prototype.network)
        opaque.extend(odd)
        return found

    data_key = key(samples.content(), inputs, targets, classes, starts)
    network_key = key(prototype.network, way)
    held.hold_data(data_key, HeldData(dataset, samples if rows else None))
    held.hold_network(network_key, HeldNetwork(prototype, partial(_join, way) if way is not None else None))
    if isinstance(loss, HeldLoss):
        base = "live_numbers" if targets.is_floating_point() else "live_masked" if int(targets.min()) < 0 else "live_classes"
        function = given.loss if callable(given.loss) else functional.cross_entropy
        which = f"{losses.called(function)}-{key(function, loss)}"
        held.hold_loss(which, loss)
        loss = f"{base}@{which}"
    spec = ProblemSpec(
        Method("live", (("called", called), ("data", data_key if rows else ""), ("key", network_key))),
        Method("live", (("key", data_key),)),
        loss,
        name=called,
        title=f"{called}, {n:,} samples in memory{_SHARES if starts == (None, None) else ''}",
    )
    if given.symmetry:
        spec = replace(spec, symmetry=tuple((name, tuple(axes)) for name, axes in sorted(given.symmetry.items())))
    if starts == (None, None) and data_key not in _told:
        _told.add(data_key)
        log.warning("Only a part of the %s samples is measured on%s. Give train= to measure on all of data=.", f"{n:,}", _SHARES)
    spec = replace(spec, metrics=hold_metrics(given.metrics, network, dataset, form, way, key))
    if opaque:
        log.warning(
            "The source code of %s is not available, so what is measured can be reused in this process only, and is measured again in the next.",
            " and ".join(sorted(set(opaque))),
        )
    return spec


def _join(way: Way, network: nn.Module, samples: object) -> nn.Module:
    return join(network, way, cast("Samples | None", samples))
