"""How the app is started: for this machine alone, or served to others.

Served to others it needs two settings: which folders a browser may have read (explorer.core.allowed_folders), and who may come in: whoever Streamlit's login lets in, of
these only whom the operator names if any are named, or, said outright, everybody who reaches the address. What protects the server is set here and not left to a configuration file.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from explorer.core import allowed_folders, quotas
from explorer.core.errors import Refused

LOGIN = "LOSS_EXPLORER_LOGIN"  # "required": every page asks who is there first (explorer.ui.frame.login)
GUESTS = "LOSS_EXPLORER_GUESTS"  # e-mail addresses with commas: who has logged in has to be one of them; empty: all are welcome
TLS = "LOSS_EXPLORER_TLS"  # "yes": browsers come by https alone, so that cookies may say so (explorer.ui.frame.secure_cookies)
EMBED = "LOSS_EXPLORER_EMBED_IN"  # origins with spaces whose pages may show ours in a frame
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NEEDED = ("redirect_uri", "cookie_secret")  # of [auth]; the rest may stand under a provider's name
_NOBODY = "https://nobody.invalid"  # a flag cannot say "none", and no host can have this name
_ALWAYS = {  # before any configuration file and environment variable: what opens a door or makes somebody believed
    "server.enableXsrfProtection": "true",
    "server.xsrfCookieSameSite": "lax",
    "server.enableCORS": "true",
    "server.corsAllowedOrigins": _NOBODY,
    "client.allowedOrigins": _NOBODY,  # no page around this one may steer it; Streamlit's own list has a whole hosting service in it
    "server.enableAgentApi": "false",
    "server.trustedUserHeaders": "{}",  # a header is no login
    "server.unsafeMetricsUserAttributes": "is_logged_in",  # nor can this be none; it says nothing of anybody
    "server.scriptHealthCheckEnabled": "false",
    "server.enableExpensiveMemoryStats": "false",
    "server.enableStaticServing": "false",
    "server.maxUploadSize": "200",
    "server.maxMessageSize": "200",
    "server.maxWidgetStateSize": "25",
    "server.disconnectedSessionTTL": "120",
    "server.runOnSave": "false",
    "server.allowRunOnSave": "false",
    "global.developmentMode": "false",
    "global.e2eTest": "false",
    "global.unitTest": "false",
    "global.appTest": "false",
    "server.showEmailPrompt": "false",  # the first start on a machine waits for nobody
    "logger.hideWelcomeMessage": "true",  # nor does Streamlit offer its own things, on the terminal or over our pages
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
}


@dataclass(frozen=True)
class Start:
    """How Streamlit is started: its flags, what is added to the environment, and what the person at the terminal has to know."""

    flags: tuple[str, ...]
    environment: dict[str, str]
    warnings: tuple[str, ...] = ()


def embedding(origins: Sequence[str]) -> dict[str, str]:
    """What is added to the environment so that pages of these sites may show ours in a frame. Refused for what is no origin."""
    for origin in origins:
        if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d+)?", origin):
            raise Refused(f"{origin!r} is not the origin of a site. With --embed-in, give one such as https://moodle.example.org, without a path.")
    return {EMBED: " ".join(origins)} if origins else {}


def framed() -> tuple[str, ...]:
    """The origins that were named."""
    return tuple(os.environ.get(EMBED, "").split())


def alone(port: int) -> Start:
    """On the loopback address, for whoever sits at this machine."""
    return Start(_flags("127.0.0.1", port, LOOPBACK), {})


def served(
    port: int,
    *,
    address: str,
    folders: Sequence[Path],
    hosts: Sequence[str],
    login: bool,
    secrets: Path,
    guests: Sequence[str] = (),
    bounds: Sequence[str] = (),
) -> Start:
    """For others. Refused without folders, and when a login is required that is not set up.

    hosts: names, besides this machine's own, by which browsers reach it. secrets: the file with Streamlit's [auth]. guests: e-mail addresses; when there
    are any, nobody else who logs in is let in. bounds: what a visitor may have going on (explorer.core.quotas).
    """
    if not folders:
        raise Refused("--serve lets others read checkpoints here: name the folders that they may read, each with --root.")
    for folder in folders:
        if not folder.is_dir():
            raise Refused(f"{folder} is not a folder. Name existing folders with --root.")
        if folder.resolve() == Path(folder.resolve().anchor):
            raise Refused(f"{folder} is the whole disk. Name the folders with --root that hold checkpoints and their data.")
        if os.pathsep in str(folder.resolve()):
            raise Refused(f"{folder} has a {os.pathsep!r} in its name, which separates the folders here. Rename it.")
    for guest in guests:
        if not re.fullmatch(r"[^@\s,]+@[^@\s,]+", guest):
            raise Refused(
                f"{guest!r} is not an e-mail address. With --allow-user, give an address that your login provider knows, such as name@example.org."
            )
    if guests and not login:
        raise Refused("--allow-user needs a login, and --no-login has none. Leave one of them out.")
    if bounds and not login:
        raise Refused("--quota needs a login, for without one visitors cannot be told apart, and --no-login has none. Leave one of them out.")
    each = quotas.parsed(bounds)
    warnings = ["Everything in this store is shown to whoever logs in; --home gives the server a store of its own."]
    environment = {
        allowed_folders.VARIABLE: os.pathsep.join(str(f.resolve()) for f in folders),
        LOGIN: "required" if login else "no",
        GUESTS: ",".join(guests),
        **({quotas.VARIABLE: str(each)} if login else {}),
    }
    names, extra = [*LOOPBACK, *_own_names(), *hosts], ()
    if login:
        redirect = urlsplit(_redirect(secrets))
        names.append(redirect.hostname or "")
        extra = (f"--secrets.files={secrets.resolve()}",)
        environment[TLS] = "yes" if redirect.scheme == "https" else "no"
        who = f"{', '.join(guests)} may use it, nobody else" if guests else "Whoever your login provider lets in may use it; --allow-user says who"
        warnings.append(f"{who}. The login is for {redirect.scheme}://{redirect.netloc}, and for no other address.")
    else:
        warnings.insert(0, f"NO LOGIN: everybody who reaches port {port} of this machine may browse, upload, and start computations.")
    warnings.append("The connection is not encrypted: put a proxy with TLS before it where others share the network.")
    return Start((*_flags(address, port, names), *extra), environment, tuple(warnings))


def _redirect(secrets: Path) -> str:
    """Where the login leads back to. Refused when Streamlit's login is not set up."""
    instead = "Set Streamlit's login up there (redirect_uri, cookie_secret, client_id, client_secret, server_metadata_url), or use --no-login."
    try:
        found = tomllib.loads(secrets.read_text(encoding="utf-8")).get("auth")
    except FileNotFoundError:
        raise Refused(f"--serve needs a login, and there is no {secrets}. {instead}") from None
    except (OSError, ValueError) as error:
        raise Refused(f"{secrets} cannot be read: {error}. Correct it there.") from error
    auth = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    if missing := [key for key in _NEEDED if not isinstance(auth.get(key), str) or not auth[key]]:
        raise Refused(f"{secrets} has no {' and no '.join(missing)} under [auth]. {instead}")
    if find_spec("authlib") is None:
        raise Refused("Streamlit's login needs the package Authlib. Install it with: python -m pip install 'explorer[serve]'.")
    return str(auth["redirect_uri"])


def _own_names() -> tuple[str, ...]:
    """Names and addresses by which this machine knows itself."""
    name = socket.gethostname()
    try:
        addresses = {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(name, None)}
    except OSError:
        addresses = set[str]()
    return (name, *sorted({socket.getfqdn(), network_address(), *addresses} - {name, ""}))


def network_address() -> str:
    """The address by which others on the local network reach this machine; empty without a network. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of a block for documentation: only the route is looked up
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _flags(address: str, port: int, hosts: Sequence[str]) -> tuple[str, ...]:
    settings = {"server.address": address, "server.port": str(port), **_ALWAYS}
    return (*(f"--{k}={v}" for k, v in settings.items()), *(f"--server.allowedHosts={h}" for h in dict.fromkeys(hosts) if h))
