"""The app in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from explorer.commands.arguments import DeviceOption, HomeOption, LessonsOption, PluginOption, RayOption, TrustOption
from explorer.commands.print_results import err
from explorer.commands.terminal import refusals, store_of
from explorer.core import locations, plugins
from explorer.core.errors import Refused

# Every visitor's script runs in a thread of its own, one at a time; glibc would give these threads up to eight heaps a core, and keep what each of them
# once needed: 410 MB instead of 339 for the 50 visitors and 200 runs of benchmarks/soak.py, without its workers.
MALLOC_ARENAS = "2"


def run_app(
    port: Annotated[int, typer.Option(help="Port of the server.")] = 8501,
    headless: Annotated[bool, typer.Option("--headless", help="Do not open a browser.")] = False,
    device: DeviceOption = "auto",
    ray: RayOption = "",
    home: HomeOption = None,
    trust: TrustOption = None,
    plugin: PluginOption = None,
    lessons: LessonsOption = None,
    serve: Annotated[bool, typer.Option("--serve", help="Let other machines in; needs --root, and a login or --no-login.")] = False,
    root: Annotated[list[Path] | None, typer.Option(help="With --serve: a folder whose checkpoints and data browsers may open.")] = None,
    no_login: Annotated[bool, typer.Option("--no-login", help="With --serve: admit everybody who can reach the address.")] = False,
    secrets: Annotated[
        Path | None, typer.Option(help="With --serve: the file with Streamlit's \\[auth] \\[default: ~/.streamlit/secrets.toml].")
    ] = None,
    allow_user: Annotated[
        list[str] | None, typer.Option(help="With --serve: an e-mail address to admit \\[default: everybody the login admits].")
    ] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(help="With --serve: what a visitor may have going on, such as points=200000; requests, points, epochs or bytes."),
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="With --serve: another name under which browsers reach this machine, for instance a proxy's.")
    ] = None,
    address: Annotated[str, typer.Option(help="With --serve: the address to listen on.")] = "0.0.0.0",
    embed_in: Annotated[
        list[str] | None, typer.Option(help="A site, such as https://moodle.example.org, whose pages may show ours in a frame; may be repeated.")
    ] = None,
) -> None:
    """Open the explorer in a browser, on this machine only; --serve lets others in."""
    from explorer.core import server_settings as serving

    with refusals():
        if device not in ("auto", "cpu"):
            from explorer.evaluate.devices import device_for

            device_for(device)
        if not serve and (root or no_login or secrets or allow_user or quota or host or address != "0.0.0.0"):
            raise Refused(
                "--root, --no-login, --secrets, --allow-user, --quota, --host and --address belong to --serve. Without it the app is for this machine alone."
            )
        start = (
            serving.served(
                port,
                address=address,
                folders=root or [],
                hosts=host or [],
                login=not no_login,
                secrets=secrets or Path.home() / ".streamlit" / "secrets.toml",
                guests=allow_user or [],
                bounds=quota or [],
            )
            if serve
            else serving.alone(port)
        )
        embedding = serving.embedding(embed_in or [])
    if (trust or plugin) and (count := len(store_of(home).workers())):
        err.print(f"{count} worker{'s' if count > 1 else ''} started earlier will not run the code named here; they exit after ten idle minutes.")
    for warning in start.warnings:
        err.print(Text.assemble(("! ", "yellow"), warning), highlight=False, soft_wrap=True)
    err.print(f"The explorer is at http://{address if serve else 'localhost'}:{port}. Ctrl+C ends it.", highlight=False, soft_wrap=True)
    folder = locations.root()
    with refusals():
        kept = str(locations.home(home).resolve())
    # The server starts in another folder: whatever is relative to this one is written in full.
    where = {"LOSS_EXPLORER_DEVICE": device, "LOSS_EXPLORER_RAY": ray, "LOSS_EXPLORER_HOME": kept, plugins.PATH: plugins.search_path()}
    environment = {"MALLOC_ARENA_MAX": MALLOC_ARENAS, **os.environ, **start.environment, **embedding, **where}
    behind = str(locations.SERVED)
    command = [sys.executable, "-m", "streamlit", "run", behind, "--server.headless", str(headless or serve).lower(), *start.flags]
    if os.name != "posix":
        raise typer.Exit(subprocess.call(command, env=environment, cwd=folder))
    os.chdir(folder)
    os.execve(
        sys.executable, command, environment
    )  # this process becomes the server: ending it, by whatever signal, ends the server and frees the port
