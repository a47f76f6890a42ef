"""The command line: `loss-explorer`, and its commands in the order in which its help lists them."""

from __future__ import annotations

import typer

from explorer.commands.align import align
from explorer.commands.app import run_app
from explorer.commands.barrier import barrier
from explorer.commands.fuse import fuse
from explorer.commands.lesson import lesson
from explorer.commands.listed import problems, runs
from explorer.commands.look import look
from explorer.commands.make import make
from explorer.commands.path import path
from explorer.commands.plan import plan
from explorer.commands.plane import plane
from explorer.commands.samples import train_samples
from explorer.commands.search import search
from explorer.commands.store import export, import_file, store
from explorer.commands.topology import topology
from explorer.commands.train import train
from explorer.commands.volume import volume
from explorer.commands.worker import worker

app = typer.Typer(no_args_is_help=True, add_completion=False, help="How checkpoints relate in weight space: measured, with intervals.")
app.command("app")(run_app)
for command in (barrier, align, path, train, plane, volume, topology, fuse, search, look, make, problems, runs, store, export, plan, lesson, worker):
    app.command()(command)
app.command("import")(import_file)
app.command("train-samples")(train_samples)
