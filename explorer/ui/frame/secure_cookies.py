"""Cookies that go over TLS alone, where the login is for an https address.

Streamlit does not mark them so, and behind a proxy it cannot know: a browser made to ask for the same name without TLS would show its login to whoever listens.
"""

from __future__ import annotations

import os

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.core.server_settings import TLS

_SECURE = b"; Secure"


class SecureCookies:
    """ASGI middleware: every cookie that is set is for TLS alone, if the server was started for browsers that come by it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._tls = app, os.environ.get(TLS) == "yes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [_marked(name, value) for name, value in message["headers"]]}
            await send(message)

        await self._app(scope, receive, marked if self._tls and scope["type"] == "http" else send)


def _marked(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    cookie = name.lower() == b"set-cookie"
    return name, value + _SECURE if cookie and _SECURE.lower() not in value.lower() else value
