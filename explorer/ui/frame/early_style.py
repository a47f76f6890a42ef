"""The style sheet of every page inside of the document that the browser gets first.

Streamlit's own way, an element of the page, comes when the page's head is drawn already: what the sheet then makes smaller moves what is below it into view.
That element stays for who serves the app in another way, and says the same.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

END = b"</body>"  # behind the sheets that Streamlit writes into the head, which would have the last word


class EarlyStyle:
    """ASGI middleware: a style sheet at the end of every document."""

    def __init__(self, app: ASGIApp, style: str) -> None:
        self._app, self._style = app, f"<style>{style}</style>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        body = b""

        async def with_style(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and dict(message["headers"]).get(b"content-type", b"").startswith(b"text/html"):
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    whole = body.replace(END, self._style + END, 1)
                    kept = [(name, value) for name, value in start["headers"] if name not in (b"content-length", b"etag", b"last-modified")]
                    await send({**start, "headers": [*kept, (b"content-length", str(len(whole)).encode())]})
                    await send({**message, "body": whole})

        document = scope["type"] == "http" and scope["method"] == "GET"
        await self._app(_plain(scope) if document else scope, receive, with_style if document else send)


def _plain(scope: Scope) -> Scope:
    """The question for a document as one that takes it neither compressed nor as it was before."""
    headers = dict(scope["headers"])
    if b"text/html" not in headers.get(b"accept", b""):
        return scope
    asked = (b"accept-encoding", b"if-none-match", b"if-modified-since")
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name not in asked]}
