"""Which bytes of an upload are read at all: those of visitors whose page was drawn for them, within what a visitor and the server may hold.

Streamlit takes uploads for every open connection, also one that only saw the door, and keeps them in memory until the page goes. So before it the gate asks,
by the length that the request declares: nothing of a refused body is read. HTTP holds a body to its declared length; one without is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import cast

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

VISITOR_BYTES = 2**30  # of what one session holds and is sending
SERVER_BYTES = 3 * 2**30  # of all sessions together
_ROUTE = "/_stcore/upload_file/"
_inside: set[str] = set()  # sessions whose visitor may see the pages


def let_in(known: bool) -> None:
    """Note whether the visitor of the script that runs now may see the pages (explorer.ui.frame.login)."""
    if (context := get_script_run_ctx()) is None:
        return
    if Runtime.exists():
        for session in [s for s in _inside if not Runtime.instance().is_active_session(s)]:
            _inside.discard(session)
    (_inside.add if known else _inside.discard)(context.session_id)


def in_memory() -> dict[str, int]:
    """Bytes of uploads that Streamlit keeps, by session."""
    kept = cast("MemoryUploadedFileManager", Runtime.instance().uploaded_file_mgr).file_storage
    return {session: sum(len(file.data) for file in list(files.values())) for session, files in list(kept.items())}


class UploadGate:
    """ASGI middleware before Streamlit. held: bytes that are kept already, by session."""

    def __init__(
        self, app: ASGIApp, *, held: Callable[[], Mapping[str, int]] = in_memory, visitor_bytes: int = VISITOR_BYTES, server_bytes: int = SERVER_BYTES
    ) -> None:
        self._app, self._held = app, held
        self._visitor_bytes, self._server_bytes = visitor_bytes, server_bytes
        self._coming: Counter[str] = Counter()  # bytes that are being sent, by session; only the event loop's thread touches it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = _session(scope)
        if session is None:
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        declared = headers.get(b"content-length", b"" if scope["method"] == "PUT" else b"0")
        if refusal := self._refusal(session, declared, chunked=b"transfer-encoding" in headers):
            status, words = refusal
            await PlainTextResponse(words, status, headers={"Connection": "close"})(scope, receive, send)
            return
        self._coming[session] += int(declared)
        try:
            await self._app(scope, receive, send)
        finally:
            self._coming[session] -= int(declared)
            if not self._coming[session]:
                del self._coming[session]

    def _refusal(self, session: str, declared: bytes, *, chunked: bool) -> tuple[int, str] | None:
        """The answer to an upload that is not taken."""
        if session not in _inside:
            return 403, "Log in before you upload."
        if chunked or not (declared.isdigit() and len(declared) < 20):
            return 411, "An upload has to declare its length."
        held = Counter(self._held()) + self._coming
        if held[session] + int(declared) > self._visitor_bytes:
            return (
                413,
                f"Uploads of one page may take {self._visitor_bytes / 2**30:.3g} GiB together. Remove some, or name a folder of this server instead.",
            )
        if held.total() + int(declared) > self._server_bytes:
            return 507, "This server holds as many uploads as it may. Try again when others are done."
        return None


def _session(scope: Scope) -> str | None:
    """The session that an upload is for; None of every other request, and of one that only asks which methods there are."""
    if scope["type"] != "http" or scope["method"] == "OPTIONS" or _ROUTE not in scope["path"]:
        return None
    return scope["path"].rpartition(_ROUTE)[2].partition("/")[0]
