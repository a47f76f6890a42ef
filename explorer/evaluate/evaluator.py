"""Corners and mixing coefficients → metrics per block of samples: the one place where networks are evaluated.

On a CPU this loops over points and over chunks of samples (stacking weights is slower there), with the data resident and the
corners mixed straight into one network's tensors. Between the corners it takes the shortcuts of explorer.evaluate.shared_first_layer, which change a loss by float
rounding only (less than 1e-6 of it). Memory, however many points: corners + one network + one chunk's activations + at most
256 MiB of what the first layer answers to the corners.

On a GPU the corners lie in one block (explorer.evaluate.corner_matrix), and points between them go through by one of three engines: `plain` as on a CPU, `graphs` (one
CUDA graph a point) or `batched` (the weights of many points stacked); where so many points are expected that it pays, they go through by a fourth, `compiled`
(explorer.evaluate.compiled_network, in one CUDA graph as well). Which is fastest for a network is found by trying, so two processes may choose
differently; they agree with each other and with the CPU to 1e-5 of a mean loss, and in errors but for samples whose two largest outputs are that close.
The host waits once for a batch of points, never for a chunk of samples. Where memory runs out, the chunk is halved.

Half precision. A point is the model that would be saved: mixed in float32, rounded to the type its tensors are stored in, and measured in float32. Rounding
is not linear, so of the shortcuts those that add up what was worked out for each corner are not taken: no shared first layer, no block of corners.

Batch norm. The running statistics of a mixture are not the mixture of the running statistics. By default they are
recalibrated at every interior point: reset, then the cumulative average over plain (not augmented) samples of the train
split, in train mode for these layers alone (that is the RESET of Jordan et al. 2023). With the policy `repair`, units that go
through no batch norm are corrected as well, on the same samples (explorer.evaluate.repair). At a corner itself (one coefficient 1,
the others 0) the checkpoint's own weights and buffers stay, so that the ends of a picture are the checkpoints as they were saved.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from explorer.checkpoints.weights import Without, mix
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.spec import Attack, Buffers, Precision, SplitName
from explorer.evaluate.apart import apart
from explorer.evaluate.batch_norm import has_batch_norm, recalibrate, repair_towards, within_hull
from explorer.evaluate.compiled_network import Compiled, NotCompiled
from explorer.evaluate.compiler_cache import Compilation, kept_in, key_of, pays
from explorer.evaluate.conv_epilogue import joined, joins
from explorer.evaluate.corner_matrix import CornerMatrix, resident
from explorer.evaluate.cuda_graphs import Replayed
from explorer.evaluate.devices import clocked, halved, in_memory, possible, precisely, title
from explorer.evaluate.input_shift import input_shift
from explorer.evaluate.mixture import (
    RECALIBRATION_SAMPLES,
    at_corner,
    computed_in,
    fits,
    halves_of,
    inputs_for,
    network_like,
    round_to,
    stands_in,
    write_mixture,
)
from explorer.evaluate.own_metrics import blockwise, is_of_all
from explorer.evaluate.pgd_attack import attack as attacked
from explorer.evaluate.sample_values import TRACEABLE, SampleValues
from explorer.evaluate.shared_first_layer import Shortcuts, channels_go_last
from explorer.evaluate.stacked_engine import Batched
from explorer.evaluate.steady_answers import steady
from explorer.evaluate.streamed_layers import StreamedLayers
from explorer.problems.problem import Problem
from explorer.problems.reduced import counted, sample_losses
from explorer.stats.metrics import is_own, measurable

log = logging.getLogger(__name__)

Engine: TypeAlias = Literal["auto", "plain", "graphs", "batched", "compiled", "layers"]

CHUNK = 128
QUEUE = 16  # points whose graphs are launched before the host waits for them
LARGE = 2**28  # parameters above which a point takes so long that launching its kernels takes nothing
KEPT_BYTES = 2**31  # of a reference model's answers
SAME, ROUGHLY = 1e-5, 0.05  # of a sum: by so much a compiled network may differ from the plain one, and by so much in a preview


class Evaluate:
    """Coefficients of the corners → values of points, in the shape the field stores. Loads everything once.

    `shape` of a value: (metrics, blocks) sums over each block; (classes, classes) for the metric `confusion`, rows true and
    columns predicted. `counts`: (blocks,) items per block (samples, or tokens for a language model). `recalibration`: how many train samples
    statistics are measured on. `attack`: the inputs are moved before they are measured, at every point separately; statistics are still those of plain ones.
    Under a loss that compares with a reference model, that is the first corner. `prepare`: work that all points share is done first; leave it out when
    only one or two points are wanted. `engine`: how points go through the device (see the top of this file); `auto` tries them on a GPU and is plain
    elsewhere. `width`: how many points at once it likes to be asked for.
    """

    def __init__(
        self,
        problem: Problem,
        corners: Sequence[Mapping[str, Tensor]],
        *,
        split: SplitName = "test",
        samples: int = 0,
        blocks: int = 256,
        buffers: Buffers = "recalibrate",
        metrics: tuple[str, ...] = ("loss", "error"),
        attack: Attack | None = None,
        precision: Precision = "float32",
        recalibration: int = RECALIBRATION_SAMPLES,
        prepare: bool = True,
        device: str = "cpu",
        engine: Engine = "auto",
    ) -> None:
        self.buffers: Buffers = buffers
        self.metrics = metrics
        self.attack = attack
        self.precision: Precision = precision
        self.device = torch.device(device)
        possible(precision, self.device)
        self._work = torch.float32 if self.device.type == "mps" else torch.float64  # of what is added up; Metal has no float64
        kind = computed_in(corners, precision)
        hollow = engine == "layers" or (engine == "auto" and not fits(problem, kind, self.device))
        own = not hollow and stands_in(problem, corners, self.device, kind)
        self.network = network_like(problem, corners[0], self.device, kind, hollow=hollow or own)
        if own:
            self.network.load_state_dict(dict(corners[0]), assign=True)
        self.layers = StreamedLayers(self.network, corners) if hollow else None
        self.problem = problem
        batch = problem.split(split, samples or None)
        self.inputs, self.targets = inputs_for(self.network, batch.inputs, self.device), batch.targets.to(self.device)
        self.halves = halves_of(corners)
        small = sum(p.numel() for p in self.network.parameters()) <= LARGE
        together = (self.device.type == "cuda" or engine in ("graphs", "batched", "compiled")) and small and not hollow and not self.halves
        corners = corners if hollow or together else resident(corners, self.device)
        with precisely("float32", self.device):
            self._hold([float(i == 0) for i in range(len(corners))], corners)
            if self.layers is not None:
                self.layers.watch(self.inputs[:1])
            apart(self.network, self.inputs, problem.parts)
            answer = steady(self.network, self.inputs)
            self.images_last = attack is None and not hollow and channels_go_last(self.network, self.inputs)
        if self.images_last:
            self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (a documented keyword that the stub leaves out)
            self.inputs = self.inputs.contiguous(memory_format=torch.channels_last)
        corner_matrix = CornerMatrix.if_it_fits(self.network, corners) if together else None
        self.corners = corner_matrix.corners if corner_matrix is not None else resident(corners, self.device) if together else corners
        self._kept: dict[int, Tensor] = {}  # what the corners by themselves gave
        self.tensors = self.network.state_dict(keep_vars=True)
        wanted = has_batch_norm(self.network) or buffers == "repair"
        train = inputs_for(self.network, problem.split("train", recalibration).inputs, self.device) if wanted else None
        if train is not None and self.images_last:
            train = train.contiguous(memory_format=torch.channels_last)
        self.train = train if has_batch_norm(self.network) else None
        confusion = self.metrics == ("confusion",)
        measurable(self.metrics, problem.spec)
        self.blocks = blocks
        with precisely("float32", self.device):
            self.repair = repair_towards(self.network, self.corners, train) if buffers == "repair" and train is not None else None
            # An adversary needs the plain network's gradients; REPAIR changes the first layer's weights, so its answers are no mixture.
            shared = prepare and buffers != "repair" and not hollow and not self.halves
            self.shortcuts = None if attack else Shortcuts(self.network, self.corners, self.inputs, shared=shared)
        # Between the corners the first layer's answers are mixed; its weight then only counts where statistics are measured through the network.
        spared = self.shortcuts.spared if self.shortcuts and self.train is None else ""
        self.between = [Without(w, spared) for w in self.corners]
        self.chunk = self.shortcuts.chunk if self.shortcuts else CHUNK
        with precisely("float32", self.device), torch.inference_mode():
            if problem.against_reference:
                self.targets = self._reference()
            items = problem.losses(answer[:1], answer[:1] if problem.against_reference else self.targets[:1]).shape[1]
        self.together = [i for i, metric in enumerate(self.metrics) if is_own(metric) and is_of_all(metric)]
        self.items = items
        self._count()
        self.corner_matrix, self.batched, self.width, self.joins = corner_matrix, None, 1, False
        self.captured: dict[Engine, Replayed] = {}
        self.compiled: Compiled | None = None
        self.pace: float | None = None  # seconds of a point by the fastest engine, where they were tried
        self.engine: Engine = "plain"
        if (
            corner_matrix is not None
            and corner_matrix.finite
            and not confusion
            and not any(map(is_own, self.metrics))
            and self.shortcuts
            and not self.repair
        ):
            self._choose(engine if prepare or engine != "auto" else "plain")

    def _count(self) -> None:
        """In which block each sample is, and how many items count there."""
        blocks, classes = min(self.blocks, len(self.targets)), len(self.problem.classes)
        self.block = torch.arange(len(self.targets)) % blocks  # the split's order is random already
        self.shape = (classes, classes) if self.metrics == ("confusion",) else (len(self.metrics), blocks)
        count, scale = counted(self.problem, self.targets, self.items)
        self.values_of = SampleValues(self.problem, self.metrics, self.items, scale, self._work)
        self.counts: Array = torch.bincount(self.block, count).numpy().astype(np.float64)

    def on(self, split: SplitName) -> Evaluate:
        """The same for another split, of whose samples each has the form of this one's: its network, which is neither built nor tried again. Of one that was
        made with `prepare=False`, and measures against targets."""
        batch, other = self.problem.split(split), copy(self)
        assert batch.inputs.shape[1:] == self.inputs.shape[1:] and not self.problem.against_reference
        other.inputs, other.targets, other._kept = inputs_for(self.network, batch.inputs, self.device), batch.targets.to(self.device), {}
        if self.images_last:
            other.inputs = other.inputs.contiguous(memory_format=torch.channels_last)
        other._count()
        return other

    def __call__(self, coefficients: Array) -> Array:
        """The values of the point Σ cᵢ·cornerᵢ."""
        return self.many(np.asarray(coefficients, dtype=np.float64)[None])[0]

    def each(self, coefficients: Array, of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """(n, …) what `of` makes of the outputs and the targets of every sample at the point, chunk by chunk, on the CPU."""

        def found() -> Tensor:
            return torch.cat([of(outputs, self.targets[rows]).cpu() for rows, outputs in self._outputs()])

        with precisely(self.precision, self.device):
            return self._alone(np.asarray(coefficients, dtype=np.float64), found)

    def paced(self, coefficients: Array, seconds: float) -> tuple[float, float]:
        """How many seconds the mixing of a point takes, and each sample that then goes through: of as many samples as go through in some seconds."""
        done = 0

        def some() -> Tensor:
            nonlocal done
            for rows, outputs in self._outputs():
                done += len(self.values_of(outputs, self.targets[rows])[0].cpu())
                if time.perf_counter() - started > seconds:
                    break
            return torch.empty(0)

        with precisely(self.precision, self.device):
            taken: list[float] = []
            for wanted in (lambda: torch.empty(0), some):
                started = time.perf_counter()
                self._alone(np.asarray(coefficients, dtype=np.float64), wanted)
                taken.append(time.perf_counter() - started)
        return taken[0], max(taken[1] - taken[0], 0.0) / done

    def expect(self, points: int, home: Path, say: Callable[[str], object]) -> None:
        """So many points will be asked for: where engines are tried, the network is compiled if that pays (explorer.evaluate.compiler_cache), and `say` is
        told that it takes a while. What is compiled is kept in `home` for another time."""
        if self.pace is None or self.engine == "compiled" or self.precision == "stored":
            return
        folder, spec = kept_in(home), self.problem.spec
        shapes = [(name, tuple(t.shape)) for name, t in self.tensors.items()]
        key = key_of(
            spec.network,
            spec.code,
            spec.loss,
            shapes,
            self.inputs.shape,
            self.metrics,
            self.buffers,
            self.precision,
            title(str(self.device)),
            torch.__version__,
        )
        known = Compilation.noted(folder, key)
        if not pays(points, self.pace, self.precision, known):
            return
        say("Compiling the network for this device" + ("" if known else ", which takes about a minute the first time"))
        engine, width, started = self.engine, self.width, time.perf_counter()
        try:
            self.compile(None if self.precision == "float32" else "max-autotune-no-cudagraphs")
            took = time.perf_counter() - started
            seconds = self._seconds("compiled", QUEUE)
        except NotCompiled as error:
            log.info("The network is not compiled: %s", error)
            took, seconds = time.perf_counter() - started, float("inf")
        Compilation(known.first if known else took, took, min(seconds, 1e6), self.pace).note(folder, key)
        log.info("Compiled in %.1f s: %.2f ms a point, by %s %.2f", took, 1000 * seconds, engine, 1000 * self.pace)
        if not seconds < self.pace:
            self.engine, self.width = engine, width
            self._forget()

    def many(self, coefficients: Array) -> Array:
        """The values of several points: coefficients (K, C) → (K, *shape)."""
        if self.buffers == "mix":
            within_hull(self.network, coefficients)
        inner = [i for i, c in enumerate(coefficients) if self.engine != "plain" and not at_corner(c)]
        # The compiled network is in bfloat16 itself, and is not to be given anything else.
        with precisely("float32" if self.engine == "compiled" and self.precision == "bfloat16" else self.precision, self.device):
            done = dict(zip(inner, self._together(coefficients[inner]), strict=True)) if inner else {}
        with precisely(self.precision, self.device):
            each = [done[i] if i in done else self._alone(c) for i, c in enumerate(coefficients)]
            return torch.stack(each).cpu().numpy()  # the only place where the host waits for the device

    @torch.no_grad()
    def alone(self, corner: int, *, recalibrated: bool = False) -> Array:
        """The values of one corner as a plain `load_state_dict` gives them, without mixing: what a point at the corner must equal.

        `recalibrated`: with its batch-norm statistics re-estimated, as at interior points.
        """
        with precisely("float32", self.device):
            self._hold_corner(corner)
            if recalibrated and self.train is not None:
                recalibrate(self.network, self.train)
                round_to(self.tensors, self.halves)
                return self._in_memory(self._values).cpu().numpy()
            self._kept[corner] = self._in_memory(self._values)
            return self._kept[corner].cpu().numpy()

    @torch.no_grad()
    def shift(self, corner: int) -> tuple[str, float, float] | None:
        """How far the train split is from what a corner's first batch norm keeps (explorer.evaluate.input_shift); None where it has none."""
        if self.train is None:
            return None
        with precisely("float32", self.device):
            self.network.load_state_dict(dict(self.corners[corner]))
            return input_shift(self.network, self.train)

    def _hold_corner(self, corner: int) -> None:
        """Let the network be a corner, in torch's own way."""
        if self.layers is None:
            self.network.load_state_dict(dict(self.corners[corner]))
        else:
            self._hold([float(i == corner) for i in range(len(self.corners))], self.corners)

    def _hold(self, coefficients: Sequence[float], corners: Sequence[Mapping[str, Tensor]]) -> None:
        """Let the network be Σ cᵢ·cornerᵢ, its statistics too."""
        if self.layers is None:
            mix(corners, coefficients, out=self.network.state_dict(keep_vars=True))
        else:
            self.layers.hold(coefficients)

    @torch.inference_mode()
    def _reference(self) -> Tensor:
        """(n, …) what the first corner answers to the plain inputs, as it is evaluated at its own place. Refused when it is more than may be kept."""
        self._hold_corner(0)
        found: list[Tensor] = []
        for rows in self._rows(self.chunk):
            if self.shortcuts is not None:
                self.shortcuts.rows = rows
            found.append(self.network(self.inputs[rows]))
            if (size := found[0][0].nbytes * len(self.inputs)) > KEPT_BYTES:
                raise Refused(
                    f"The reference model's answers to {len(self.inputs):,} samples take {size:,} bytes, more than the {KEPT_BYTES:,} that are kept."
                    f" Use at most {KEPT_BYTES // found[0][0].nbytes:,} samples."
                )
        return torch.cat(found)

    def _alone(self, coefficients: Array, wanted: Callable[[], Tensor] | None = None) -> Tensor:
        """One point, the network's tensors mixed one by one: its values, or what is wanted."""
        wanted = wanted or self._values
        corners = self.corners if at_corner(coefficients) else self.between
        if self.layers is not None:
            self.layers.hold(coefficients.tolist())
        else:
            write_mixture(
                self.network,
                corners,
                coefficients,
                buffers=self.buffers,
                train=self.train,
                tensors=self.tensors,
                repair=self.repair,
                halves=self.halves,
            )
        if at_corner(coefficients) and (kept := self._known(int(coefficients.argmax()))) is not None:
            return kept
        if self.attack:  # what inference mode makes, no gradient can go through
            with torch.no_grad():
                return self._in_memory(wanted)
        with torch.inference_mode():
            if self.shortcuts is None or at_corner(coefficients):
                return self._in_memory(wanted)
            with self.shortcuts.taken(coefficients):
                return self._in_memory(wanted)

    def _known(self, corner: int) -> Tensor | None:
        """The values of the corner where they were measured as points are, and the network holds it to the bit."""
        if self.precision not in ("float32", "stored") or corner not in self._kept:
            return None
        held = self.layers is not None or all(torch.equal(tensor, self.corners[corner][name].to(tensor)) for name, tensor in self.tensors.items())
        return self._kept[corner] if held else None

    @torch.inference_mode()
    def _together(self, coefficients: Array) -> Tensor:
        """Points between the corners by the engine that was chosen: (K, metrics, blocks), on the device."""
        shares = torch.from_numpy(np.ascontiguousarray(coefficients)).to(self.device, next(self.network.parameters()).dtype)
        engine, halve = (self._replayed, self._halve) if self.batched is None or self.engine != "batched" else (self._stacked, self.batched.halve)
        return torch.cat([in_memory(partial(engine, part), halve, self.device) for part in shares.split(self.width)])

    def _replayed(self, shares: Tensor) -> Tensor:
        if self.engine not in self.captured:
            self.captured[self.engine] = Replayed(self._compiled_point if self.engine == "compiled" else self._point, shares[0])
        return torch.stack([self.captured[self.engine](c).clone() for c in shares])

    def _mix(self, shares: Tensor) -> None:
        assert self.corner_matrix is not None
        self.corner_matrix.mix(shares)
        if self.train is not None and self.buffers == "first":
            for name, buffer in self.network.named_buffers():
                buffer.copy_(self.corners[0][name])

    def _point(self, shares: Tensor) -> Tensor:
        """All that a point takes, from its coefficients (C,) to its sums over blocks, without a look at what the device works out."""
        assert self.shortcuts is not None
        self._mix(shares)
        if self.train is not None and self.buffers == "recalibrate":
            recalibrate(self.network, self.train)
        with joined(self.network) if self.joins else nullcontext(), self.shortcuts.taken(shares):
            return self._sums()

    def _compiled_point(self, shares: Tensor) -> Tensor:
        """The same of the compiled network."""
        assert self.compiled is not None
        self._mix(shares)
        return self._summed(self.compiled(self.chunk, recalibrated=self.buffers == "recalibrate"))

    def compile(self, mode: str | None = None) -> None:
        """Set up the compiled engine, by a mode of torch.compile, and try it at a point. NotCompiled when it fails, or answers otherwise than the plain one."""
        assert self.corner_matrix is not None
        work = next(self.network.parameters()).dtype
        half = self.precision == "bfloat16"
        twin = network_like(self.problem, self.corners[0], self.device, work)
        twin.load_state_dict(dict(self.corners[0]))
        dtype, fused = torch.bfloat16 if half else work, set(self.metrics) <= TRACEABLE
        values = self.values_of.at_once if fused else self.values_of
        self.compiled = Compiled(twin, self.corner_matrix, self.inputs, self.targets, values, train=self.train, dtype=dtype, fused=fused, mode=mode)
        point = _between(1, len(self.corners))
        self.engine, self.width = "plain", 1
        plain = self.many(point)
        self.engine, self.width = "compiled", QUEUE
        try:
            found = self.many(point)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # what a CUDA graph cannot hold
            raise NotCompiled(str(error).partition("\n")[0]) from error
        most = SAME if self.precision == "float32" else ROUGHLY
        if not abs(found[0, 0].sum() - plain[0, 0].sum()) <= most * abs(plain[0, 0].sum()):
            raise NotCompiled(f"compiled, it sums up to {found[0, 0].sum():.9g}, and otherwise to {plain[0, 0].sum():.9g}")

    def _forget(self) -> None:
        """Give up what was compiled, and its memory."""
        self.captured.pop("compiled", None)
        self.compiled = None

    def _stacked(self, shares: Tensor) -> Tensor:
        assert self.corner_matrix is not None and self.batched is not None
        stacked = self.corner_matrix.stacked(shares)
        each = torch.empty((len(self.metrics), len(shares), len(self.targets)), dtype=torch.float64, device=self.device)
        for rows in self._rows(self.batched.chunk):
            outputs, targets = self.batched(stacked, shares, rows), self.targets[rows]
            many = targets.expand(len(shares), *targets.shape).flatten(0, 1)
            each[:, :, rows] = self.values_of(outputs.flatten(0, 1), many).unflatten(1, (len(shares), -1))
        return self._summed(each).transpose(0, 1)

    def _choose(self, wanted: Engine) -> None:
        """Set up the engine that is wanted, or on a GPU the one that takes the least time for a point."""
        assert self.corner_matrix is not None and self.shortcuts is not None
        if wanted in ("auto", "batched"):
            self.batched = Batched.if_exact(self.network, self.corner_matrix, self.shortcuts, self.inputs)
        tried: list[tuple[Engine, int]] = []
        if wanted == "compiled":
            try:
                self.compile()
            except NotCompiled as error:
                log.info("The network is not compiled: %s", error)
                self.engine, self.width = "plain", 1
                self._forget()
        if wanted in ("auto", "graphs"):
            with precisely("float32", self.device):
                self.joins = self.precision != "bfloat16" and joins(self.network, self.inputs[: self.chunk])
            tried.append(("graphs", QUEUE))
        if self.batched is not None:
            tried.append(("batched", self.batched.width))
        if wanted == "auto":
            tried.append(("plain", 1))
            seconds = {engine: self._seconds(engine, width) for engine, width in tried}
            tried.sort(key=lambda t: seconds[t[0]])
            self.pace = min(seconds.values())
        if tried:
            self.engine, self.width = tried[0]

    def _values(self) -> Tensor:
        return self._confusion() if self.metrics == ("confusion",) else self._sums()

    def _sums(self) -> Tensor:
        """(metrics, blocks) of what the network holds."""
        each = torch.empty((len(self.metrics), len(self.targets)), dtype=self._work, device=self.device)
        answers: list[Tensor] = []
        for rows, outputs in self._outputs():
            each[:, rows] = self.values_of(outputs, self.targets[rows])
            answers += [outputs] if self.together else []
        sums = self._summed(each)
        for i in self.together:
            found = blockwise(self.metrics[i], torch.cat(answers), self.targets, self.block, torch.from_numpy(self.counts))
            sums[i] = found.to(sums)
        return sums

    def _summed(self, each: Tensor) -> Tensor:
        """Samples (…, n) → sums over blocks (…, blocks), in float64 and always in the same order."""
        blocks = self.shape[-1]
        if each.device.type == "cuda":
            return functional.pad(each, (0, -each.shape[-1] % blocks)).unflatten(-1, (-1, blocks)).sum(dim=-2)
        return torch.zeros((*each.shape[:-1], blocks), dtype=torch.float64).index_add_(-1, self.block, each.cpu().double())

    def _confusion(self) -> Tensor:
        classes = self.shape[0]
        counts = torch.zeros(classes * classes, dtype=torch.int64, device=self.device)
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        for rows, outputs in self._outputs():
            finite &= torch.isfinite(outputs).all()
            where = self.targets[rows].reshape(-1) * classes + outputs.argmax(dim=-1).reshape(-1)
            counts.index_add_(0, where, torch.ones_like(where))
        return counts.to(self._work).masked_fill(~finite, torch.nan).reshape(self.shape)

    def _outputs(self) -> Iterator[tuple[slice, Tensor]]:
        for rows in self._rows(self.chunk):
            if self.shortcuts is not None:
                self.shortcuts.rows = rows
            yield rows, self.network(self._seen(rows))

    def _rows(self, chunk: int) -> Iterator[slice]:
        return (slice(start, start + chunk) for start in range(0, len(self.inputs), chunk))

    def _in_memory(self, function: Callable[[], Tensor]) -> Tensor:
        return in_memory(function, self._halve, self.device)

    def _halve(self) -> int:
        self.captured.clear()
        left = halved(self.chunk)
        self.chunk = left or 1
        return left

    def _seconds(self, engine: Engine, width: int) -> float:
        """How long a point takes by an engine; endless when the network does something that the engine cannot."""
        points = _between(width, len(self.corners))
        self.engine, self.width = engine, width
        try:
            return clocked(lambda: self.many(points), self.device) / width
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            log.info("No %s for this network: %s", engine, error)
            return float("inf")

    def _seen(self, rows: slice) -> Tensor:
        """The inputs as the network gets them: as they are, or moved by the adversary."""
        inputs, targets = self.inputs[rows], self.targets[rows]
        if self.attack is None:
            return inputs

        def losses_of(x: Tensor) -> Tensor:
            return sample_losses(self.problem, self.network(x), targets)

        return attacked(losses_of, inputs, self.attack.norm, self.attack.radius, self.attack.steps)


def _between(count: int, corners: int) -> Array:
    """(count, corners) coefficients of points between the corners, always the same ones."""
    shares = torch.rand(count, corners, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.1
    return (shares / shares.sum(dim=1, keepdim=True)).numpy()
