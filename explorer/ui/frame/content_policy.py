"""What a browser may do with a page of ours: load pictures and sound from this server alone, and show it in no frame of another site.

Words that are not ours are shown as text (explorer.core.markdown). This holds as well where one slips through: no visitor's browser asks another host.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWN = "'self' data: blob:"  # pictures that a page draws itself are data or blobs
POLICY = f"img-src {OWN}; media-src {OWN}; object-src 'none'; base-uri 'self'; frame-ancestors 'self'"


class ContentPolicy:
    """ASGI middleware: the policy on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"content-security-policy", POLICY.encode())]}
            await send(message)

        await self._app(scope, receive, with_policy if scope["type"] == "http" else send)
