"""The options that commands share: a command names a set of them, and is given what was typed as one object."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from explorer.commands.arguments import (
    BuffersOption,
    DequantiseOption,
    DeviceOption,
    Exactly,
    HomeOption,
    LossOption,
    PluginOption,
    Policy,
    PrecisionOption,
    ProblemOption,
    SamplesOption,
    SplitOption,
    TrustOption,
)
from explorer.core.model_path import dequantised

if TYPE_CHECKING:  # the command line starts without torch
    from explorer.api import _keywords
    from explorer.api.looks import Models
    from explorer.api.plane_result import Plane
    from explorer.api.results import Line

R = TypeVar("R")
Measured = TypeVar("Measured", "Line", "Plane", "Models")


@dataclass(frozen=True, kw_only=True)
class Computing:
    """Of whatever reads models and computes."""

    dequantise: DequantiseOption = False
    device: DeviceOption = "auto"
    home: HomeOption = None
    trust: TrustOption = None
    plugin: PluginOption = None

    def model(self, path: Path) -> Path:
        """The path of a model, with what is chosen of it."""
        return dequantised(path, self.dequantise)

    def on(self) -> str:
        """The device that is meant."""
        from explorer.evaluate.devices import device_for

        return device_for(self.device)


@dataclass(frozen=True, kw_only=True)
class Measuring(Computing):
    """Of whatever measures models on samples."""

    problem: ProblemOption = None
    split: SplitOption = "test"
    samples: SamplesOption = 0
    buffers: BuffersOption = Policy.recalibrate
    loss: LossOption = ""

    def how(self, report: _keywords.Reporter, metric: str | None = None) -> _keywords.Measuring:
        """The keywords of the functions in explorer.api. metric: to be measured besides loss and error."""
        return {
            "metrics": (metric,) if metric else None,
            "report": report,
            "problem": self.problem,
            "split": self.split,
            "samples": self.samples,
            "buffers": self.buffers.value,
            "loss": self.loss,
            "home": self.home,
            "device": self.on(),
        }

    def on_test_sets(self, measured: Measured, report: _keywords.Reporter) -> dict[str, Measured]:
        """The same on each test set that the problem names, the test split first; nothing where it names none, or another split was asked for."""
        from explorer import api

        if self.split != "test" or not measured.run.field.problem.tests:
            return {}
        return api.on_test_sets(measured, report=report, home=self.home, device=self.on())


@dataclass(frozen=True, kw_only=True)
class Previewing(Measuring):
    """Of whatever may be measured in less precision first."""

    precision: PrecisionOption = Exactly.float32

    def how(self, report: _keywords.Reporter, metric: str | None = None) -> _keywords.Measuring:
        return {**super().how(report, metric), "precision": self.precision.value}


def takes(options: type[Computing]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """A command whose last parameter, `given`, is filled with these options; they stand behind its own on the command line and in its help."""
    hints = get_type_hints(options, include_extras=True)
    names = sorted((f.name for f in fields(options)), key=lambda name: name in {f.name for f in fields(Computing)})
    defaults = {f.name: f.default for f in fields(options)}
    shared = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=defaults[n], annotation=hints[n]) for n in names]

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        own_hints = get_type_hints(command, include_extras=True)
        own = [p.replace(annotation=own_hints[p.name]) for p in inspect.signature(command).parameters.values() if p.name != "given"]

        @wraps(command)
        def filled(**typed: Any) -> R:
            return command(**{n: v for n, v in typed.items() if n not in defaults}, given=options(**{n: typed[n] for n in names}))

        del filled.__wrapped__
        filled.__signature__ = inspect.Signature([*own, *shared])  # pyright: ignore[reportAttributeAccessIssue]  (Typer reads it)
        filled.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
        return filled

    return decorate
