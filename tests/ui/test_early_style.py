"""The style sheet stands in the document that a browser gets first."""

import gzip

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from explorer.ui.frame import page
from explorer.ui.frame.early_style import EarlyStyle

DOCUMENT = "<html><head></head><body>" + "<p>words</p>" * 200 + "</body></html>"


def served(style: str = "p { color: red }") -> TestClient:
    """A document, compressed where that is asked for, and something else, behind the middleware."""

    async def document(_):
        return HTMLResponse(DOCUMENT, headers={"etag": "one"})

    async def other(_):
        return PlainTextResponse("</body>")

    async def packed(_):
        return Response(gzip.compress(b"</body>"), media_type="application/octet-stream")

    routes = [Route("/", document), Route("/other", other), Route("/packed", packed)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(EarlyStyle, style=style), Middleware(GZipMiddleware, minimum_size=10)]))


def test_a_document_ends_with_the_sheet():
    """Once, at the end of its body, and as long as it says; never taken from an older one."""
    got = served().get("/", headers={"accept": "text/html", "if-none-match": "one"})
    assert got.status_code == 200
    assert got.text == DOCUMENT.replace("</body>", "<style>p { color: red }</style></body>")
    assert int(got.headers["content-length"]) == len(got.content)
    assert "etag" not in got.headers


def test_what_is_no_document_stays_as_it_is():
    """Text and files, byte for byte."""
    assert served().get("/other", headers={"accept": "text/html"}).text == "</body>"
    assert gzip.decompress(served().get("/packed").content) == b"</body>"


def test_the_sheet_of_the_app_cannot_end_itself():
    """It is written into a document as it is."""
    assert "</" not in page.SHEET
    assert "first-picture" in page.SHEET
