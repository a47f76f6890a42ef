"""Who runs what the app requests."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from explorer.commands.arguments import DeviceOption, PluginOption, RayOption, TrustOption
from explorer.commands.terminal import refusals
from explorer.core import locations
from explorer.store.run_store import RunStore
from explorer.store.spawn_workers import STARTED
from explorer.store.work_kinds import STARTING


def worker(
    store: Annotated[Path | None, typer.Option(help="The store's file \\[default: the one in the home folder].")] = None,
    device: DeviceOption = "auto",
    ray: RayOption = "",
    idle: Annotated[float, typer.Option(envvar="LOSS_EXPLORER_IDLE", help="Exit after this many idle seconds.")] = 600.0,
    trust: TrustOption = None,
    plugin: PluginOption = None,
) -> None:
    """Run what is requested in the app: start one anywhere that can reach the store's file."""
    from explorer.engine.worker import Worker, serve_fleet
    from explorer.evaluate.devices import device_for

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    with refusals():
        kept = RunStore(store) if store else RunStore.within(locations.home())
        if begun := os.environ.pop(STARTED, ""):
            kept.worked(STARTING, 1.0, time.time() - float(begun))
        if not ray:
            Worker(kept, kept.path.parent, device=device_for(device)).serve(idle_s=idle)
            return
        from explorer.engine.execute.ray import fleet

        with fleet(ray) as found:
            serve_fleet(kept, kept.path.parent, found, device=device_for(device), idle_s=idle)
