"""Visitors that speak Streamlit's own protocol over websockets: they open pages, click at random, leave and come again. Used by soak.py.

The server runs the pages' scripts for them as for a browser. What takes away what the soak counts in the end (stopping, removing, sweeping) is not clicked.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

PAGES = ("home", "checkpoints", "interpolate", "align", "runs", "paths", "landscape", "train", "soup", "compare", "learn")
COME_S, READ_S = 60.0, 10.0  # until the last visitor has come; how long a page is read at most
CLICKS = 3  # on a page, at most
PATIENCE_S = 60.0  # for an answer
AVOIDED = ("Stop", "Remove", "Sweep", "Compact", "Set", "Unpin", "Reset", "Models")  # how the labels begin


@dataclass
class VisitLog:
    """What the visitors met: seconds of each page and of each click's answer; what a page raised; connections that broke, and those that a killed server broke."""

    pages: list[float] = field(default_factory=list)
    clicks: list[float] = field(default_factory=list)
    marathon: list[float] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    cut: int = 0

    @property
    def scripts(self) -> int:
        """How many scripts were run."""
        return len(self.pages) + len(self.clicks) + len(self.marathon)


class Session:
    """One open page in one browser."""

    def __init__(self, socket: ClientConnection, seen: VisitLog) -> None:
        self.socket, self.seen = socket, seen
        self.page, self.query, self.hash = "", "", ""
        self.widgets: list[WidgetState] = []
        self.choices: list[WidgetState] = []  # a click each, among what the page has

    async def open(self, page: str, run: str) -> float:
        """Turn to a page whose address names a run; the seconds until its script has ended."""
        self.page, self.query, self.hash, self.widgets = page, urlencode({"run": run, "runs": run}), "", []
        return await self._rerun()

    async def click(self, rng: random.Random) -> float | None:
        """Use one of the page's widgets; None where it has none."""
        if not self.choices:
            return None
        chosen = rng.choice(self.choices)
        kept = [w for w in self.widgets if w.id != chosen.id]
        self.widgets = [*kept, chosen]
        took = await self._rerun()
        if chosen.WhichOneof("value") == "trigger_value":  # pressed, and up again
            self.widgets = kept
        return took

    async def again(self) -> float:
        """The page once more."""
        return await self._rerun()

    async def _rerun(self) -> float:
        ask = BackMsg()
        rerun = ask.rerun_script
        rerun.query_string, rerun.page_script_hash = self.query, self.hash
        if not self.hash:
            rerun.page_name = self.page
        rerun.widget_states.widgets.extend(self.widgets)
        self.choices, started = [], time.monotonic()
        await self.socket.send(ask.SerializeToString())
        while True:
            message = ForwardMsg.FromString(await asyncio.wait_for(self.socket.recv(decode=False), PATIENCE_S))
            match message.WhichOneof("type"):
                case "new_session":
                    self.hash = message.new_session.page_script_hash
                case "delta" if message.delta.HasField("new_element"):
                    self._element(message.delta.new_element)
                case "script_finished" if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return time.monotonic() - started
                case _:
                    pass

    def _element(self, element: Element) -> None:
        match element.WhichOneof("type"):
            case "exception":
                self.seen.exceptions.append(f"{self.page}: {element.exception.message[:200]}")
            case "button" if not element.button.disabled and not element.button.label.startswith(AVOIDED):
                self.choices.append(WidgetState(id=element.button.id, trigger_value=True))
            case "checkbox" if not element.checkbox.disabled:
                self.choices.append(WidgetState(id=element.checkbox.id, bool_value=not element.checkbox.default))
            case "selectbox" if not element.selectbox.disabled:
                self.choices += [WidgetState(id=element.selectbox.id, string_value=option) for option in element.selectbox.options[:5]]
            case "radio" if not element.radio.disabled:
                self.choices += [WidgetState(id=element.radio.id, string_value=option) for option in element.radio.options[:5]]
            case _:
                pass


def _opened(port: int) -> connect:
    return connect(f"ws://127.0.0.1:{port}/_stcore/stream", max_size=None, ping_interval=None, open_timeout=60, subprotocols=["streamlit"])  # pyright: ignore[reportArgumentType]


async def visit(ports: Sequence[int], ids: Sequence[str], seen: VisitLog, until: float, seed: int, *, was_killed: Callable[[int], bool]) -> None:
    """One visitor: opens a session, reads some pages in it and clicks, leaves, and comes again. All arrive within COME_S seconds, or a tenth of the time."""
    rng = random.Random(seed)
    await asyncio.sleep(rng.random() * min(COME_S, (until - time.monotonic()) / 10))
    while time.monotonic() < until:
        port = rng.choice(ports)
        try:
            async with _opened(port) as socket:
                session = Session(socket, seen)
                for _ in range(rng.randint(1, 4)):
                    seen.pages.append(await session.open(rng.choice(PAGES), rng.choice(ids)))
                    for _ in range(rng.randint(0, CLICKS)):
                        await asyncio.sleep(rng.random() * READ_S / CLICKS)
                        if (took := await session.click(rng)) is not None:
                            seen.clicks.append(took)
        except (WebSocketException, OSError, TimeoutError) as error:
            if time.monotonic() < until:
                if was_killed(port):
                    seen.cut += 1
                else:
                    seen.broken.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(1)


async def marathon(port: int, ids: Sequence[str], seen: VisitLog, until: float, reruns: int) -> None:
    """One session that is never left: so many scripts, each of a page or of a click, one after the other."""
    rng = random.Random(-1)
    try:
        async with _opened(port) as socket:
            session = Session(socket, seen)
            await session.open("home", ids[0])
            while len(seen.marathon) < reruns and time.monotonic() < until:
                if rng.random() < 0.2:
                    seen.marathon.append(await session.open(rng.choice(PAGES), rng.choice(ids)))
                else:
                    seen.marathon.append(await session.click(rng) or await session.again())
    except (WebSocketException, OSError, TimeoutError) as error:
        if time.monotonic() < until:
            seen.broken.append(f"the long session: {type(error).__name__}: {error}")
