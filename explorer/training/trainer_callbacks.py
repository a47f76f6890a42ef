"""A Recorder as a callback of somebody else's trainer: Lightning's, and transformers'. Neither is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, SupportsFloat

from torch import nn

from explorer.core.errors import Refused
from explorer.training.recorder import Recorder


def lightning_recorder(recorder: Recorder, *, submodule: str = "") -> Any:
    """A Lightning `Callback` that records after every batch: `Trainer(callbacks=[lightning_recorder(Recorder("run", every=100))])`.

    Steps are the trainer's `global_step`, metrics its `callback_metrics`; of several processes the first one records. submodule: the attribute of the LightningModule that is the network, "net" for `self.net`; "": all of it. Refused where neither
    `lightning` nor `pytorch_lightning` is installed.
    """
    base = _found("lightning_recorder", ("lightning.pytorch", "pytorch_lightning"), "lightning").Callback

    def on_train_batch_end(self: object, trainer: Any, pl_module: nn.Module, *_: object) -> None:
        if trainer.is_global_zero:
            recorder.step(pl_module.get_submodule(submodule), step=trainer.global_step, metrics=trainer.callback_metrics)

    def end(self: object, *_: object) -> None:
        recorder.close()

    return type("LightningRecorder", (base,), {"on_train_batch_end": on_train_batch_end, "on_train_end": end})()


def transformers_recorder(recorder: Recorder) -> Any:
    """A `TrainerCallback` of transformers that records after every step: `Trainer(…, callbacks=[transformers_recorder(Recorder("run", every=100))])`.

    Steps are the trainer's `global_step`, metrics what it logged last; of several processes the first one records. Refused where transformers is not installed.
    """
    base = _found("transformers_recorder", ("transformers",), "transformers").TrainerCallback

    def on_step_end(self: object, args: object, state: Any, control: object, *, model: nn.Module, **_: object) -> None:
        if state.is_world_process_zero:
            recorder.step(model, step=state.global_step, metrics=_numbers(state.log_history[-1] if state.log_history else {}))

    def end(self: object, *_: object, **__: object) -> None:
        recorder.close()

    return type("TransformersRecorder", (base,), {"on_step_end": on_step_end, "on_train_end": end})()


def _numbers(logged: Mapping[str, object]) -> dict[str, SupportsFloat]:
    return {name: value for name, value in logged.items() if isinstance(value, int | float)}


def _found(asked: str, modules: tuple[str, ...], package: str) -> Any:
    for module in modules:
        if find_spec(module.partition(".")[0]) is not None:
            return import_module(module)
    raise Refused(
        f"{asked} needs {package}, which is not installed here. Install it (pip install {package}), or call Recorder.step in a loop of your own."
    )
