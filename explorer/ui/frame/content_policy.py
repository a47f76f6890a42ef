"""What a browser may do with a page of ours: load pictures and sound from this server alone, and show it in no frame of another site that was not named.

Words that are not ours are shown as text (explorer.core.markdown). This holds as well where one slips through: no visitor's browser asks another host.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.core.server_settings import framed

OWN = "'self' data: blob:"  # pictures that a page draws itself are data or blobs


def policy() -> str:
    """As a header. Other sites that may show a page in a frame are those that whoever starts the app names (explorer.core.server_settings)."""
    around = " ".join(["'self'", *framed()])
    return f"img-src {OWN}; media-src {OWN}; object-src 'none'; base-uri 'self'; frame-ancestors {around}"


class ContentPolicy:
    """ASGI middleware: the policy on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._policy = app, policy().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"content-security-policy", self._policy)]}
            await send(message)

        await self._app(scope, receive, with_policy if scope["type"] == "http" else send)
