"""Which uploads are taken: by the application that the server runs, up to Streamlit's own route."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import anyio
import pytest
from streamlit import config
from streamlit.config import _config_options_template as OPTIONS
from streamlit.web.bootstrap import load_config_options
from streamlit.web.cli import main_run

from explorer.core import server_settings
from explorer.ui.frame import login, upload_gate
from explorer.ui.frame.content_policy import ContentPolicy, policy
from explorer.ui.frame.early_style import EarlyStyle
from explorer.ui.frame.secure_cookies import SecureCookies
from explorer.ui.server.app import app as served

# What a file or the environment may say of the server: how it looks, what it logs, how it caches, which files it watches, and what only the operator has
# (certificates, the secret of cookies, the path behind a proxy). Everything else that Streamlit knows is said by a flag.
OPERATOR = {
    "global": {"disableWidgetStateDuplicationWarning", "showWarningOnDirectExecution", "suppressDeprecationWarnings", "minCachedMessageSize", "maxCachedMessageAge"},
    "client": {"disableDataExport", "showSidebarNavigation"},
    "server": {
        *("folderWatchList", "folderWatchBlacklist", "fileWatcherType", "maxCacheDataSize", "cookieSecret", "baseUrlPath", "customComponentBaseUrlPath"),
        *("headless", "enableWebsocketCompression", "websocketPingInterval", "sslCertFile", "sslKeyFile"),
        *("agentWaitTimeout", "agentSessionTTL", "agentMaxSessions", "agentPreviewRows"),  # of what is off
    },
    "browser": {"serverAddress", "serverPort"},
}  # fmt: skip


@pytest.fixture
def inside(monkeypatch):
    """Ada is let in, Eve only saw the door."""
    monkeypatch.setattr(upload_gate, "_inside", {"ada", "bob"})


def put(gate, session, length, *, method="PUT", headers=(), path="/_stcore/upload_file/{}/1"):
    """The status of an upload, and how many messages of its body were read."""
    read, said = [], []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        said.append(message)

    declared = () if length is None else ((b"content-length", str(length).encode()),)
    scope = {"type": "http", "method": method, "path": path.format(session), "headers": [*declared, *headers]}
    with ThreadPoolExecutor(1) as apart:  # a browser test may have left a loop running in this thread
        apart.submit(anyio.run, gate, scope, receive, send).result()
    return said[0]["status"], len(read)


def gate(held=(), **limits):
    """The gate before an application that reads the body and takes it."""

    async def streamlit(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    return upload_gate.UploadGate(streamlit, held=lambda: dict(held), **limits)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
@pytest.mark.parametrize("path", ["/_stcore/upload_file/{}/1", "/behind/a/proxy/_stcore/upload_file/{}/1"])
def test_no_byte_of_who_is_not_let_in_is_read(method, path, inside):
    """Not one message of the body, whatever it declares."""
    assert put(gate(), "eve", 10, method=method, path=path) == (403, 0)
    assert put(gate(), "ada", 10, method=method, path=path) == (204, 1)


def test_a_visitor_and_the_server_hold_so_much_and_no_more(inside):
    """What is kept counts, by visitor and in all; the byte above is refused unread."""
    limits = {"visitor_bytes": 100, "server_bytes": 150}
    assert put(gate({"ada": 60}, **limits), "ada", 40) == (204, 1)
    assert put(gate({"ada": 60}, **limits), "ada", 41) == (413, 0)
    assert put(gate({"ada": 60, "bob": 60}, **limits), "bob", 30) == (204, 1)
    assert put(gate({"ada": 60, "bob": 60}, **limits), "bob", 31) == (507, 0)


def test_what_is_under_way_counts(inside):
    """Ten uploads at once are not ten times as much; what has ended, or broke off, is free again."""
    answers = []

    async def streamlit(scope, receive, send):
        if len(answers) < 2:
            answers.append(None)
            answers.append(await inner())
        raise ConnectionError

    door = upload_gate.UploadGate(streamlit, held=dict, visitor_bytes=100)

    async def inner():
        said = []

        async def send(message):
            said.append(message)

        await door({"type": "http", "method": "PUT", "path": "/_stcore/upload_file/ada/2", "headers": [(b"content-length", b"50")]}, None, send)
        return said[0]["status"]

    for _ in range(2):
        with pytest.raises(ConnectionError):
            put(door, "ada", 60)
    assert answers == [None, 413]


@pytest.mark.parametrize("length", [None, "", "-1", "ten", "9" * 40])
def test_an_upload_declares_its_length(length, inside):
    """Else nobody knows when it is too long."""
    assert put(gate(), "ada", length) == (411, 0)
    assert put(gate(), "ada", 5, headers=[(b"transfer-encoding", b"chunked")]) == (411, 0)


def test_the_server_stands_behind_the_gate():
    """What the command starts is an application with the gate in front, and Streamlit still has its uploads at that address."""
    assert [m.cls for m in served._user_middleware] == [ContentPolicy, SecureCookies, upload_gate.UploadGate, EarlyStyle]
    from streamlit.web.server.starlette.starlette_routes import BASE_ROUTE_UPLOAD_FILE

    assert f"/{BASE_ROUTE_UPLOAD_FILE}/" == upload_gate._ROUTE


SESSIONS = """
import os
from starlette.testclient import TestClient
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from explorer.core.server_settings import LOGIN
from explorer.ui.frame.upload_gate import in_memory
from explorer.ui.server.app import app

with TestClient(app, base_url="http://localhost") as client:
    print(client.get("/").headers["Content-Security-Policy"].partition(";")[0])
    client.get("/_stcore/health")  # gives anybody the token against forged requests
    for os.environ[LOGIN] in ("required", "no"):
        with client.websocket_connect("ws://localhost/_stcore/stream", subprotocols=["streamlit"]) as socket:
            ask = BackMsg()
            ask.rerun_script.query_string = ""
            socket.send_bytes(ask.SerializeToString())
            kind = session = None
            while kind != "script_finished":
                told = ForwardMsg.FromString(socket.receive_bytes())
                kind = told.WhichOneof("type")
                session = told.new_session.initialize.session_id if kind == "new_session" else session
            token = {"X-Xsrftoken": client.cookies["_streamlit_xsrf"]}
            status = client.put(f"/_stcore/upload_file/{session}/1", files={"f": b"abc"}, headers=token).status_code
            print(os.environ[LOGIN], status, list(in_memory().values()))
"""


def test_a_connection_that_only_sees_the_door_uploads_nothing(tmp_path):
    """The whole application, its pages and Streamlit's route: a page's visitor can upload, whoever stands at the door cannot; pictures come from here alone."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text('[auth]\nclient_id = "x"\n')
    environment = {**os.environ, "LOSS_EXPLORER_HOME": str(tmp_path / "home"), "LOSS_EXPLORER_HIRE": "no"}
    ended = subprocess.run([sys.executable, "-c", SESSIONS], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert ended.stdout.splitlines() == ["img-src 'self' data: blob:", "required 403 []", "no 204 [3]"], ended.stderr


def test_only_who_sees_the_pages_is_let_in(monkeypatch):
    """And no longer than that."""
    monkeypatch.setattr(upload_gate, "_inside", set())
    monkeypatch.setattr(upload_gate, "get_script_run_ctx", lambda: SimpleNamespace(session_id="ada"))
    upload_gate.let_in(False)
    assert upload_gate._inside == set()
    upload_gate.let_in(True)
    assert upload_gate._inside == {"ada"}
    upload_gate.let_in(False)
    assert upload_gate._inside == set()


# --- what else Streamlit can switch on ----------------------------------------------------------------------------------------


def test_every_option_of_streamlit_is_said_or_the_operators():
    """A new version's new option is decided here before it is let run."""
    said = {flag[2:].partition("=")[0] for flag in server_settings.alone(8501).flags}
    for section, own in OPERATOR.items():
        known = {key.partition(".")[2] for key in OPTIONS if key.startswith(f"{section}.")}
        assert known - {key.partition(".")[2] for key in said if key.startswith(f"{section}.")} - own == set()
        assert own <= known


HOSTILE = """
[server]
enableAgentApi = true
trustedUserHeaders = { X-User = "email" }
unsafeMetricsUserAttributes = ["email"]
corsAllowedOrigins = ["https://evil.example"]
enableXsrfProtection = false
enableCORS = false
[client]
allowedOrigins = ["https://evil.example"]
[global]
developmentMode = true
"""


def test_a_configuration_file_opens_nothing(tmp_path, monkeypatch):
    """Nor does the environment: flags come last."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text(HOSTILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMLIT_SERVER_ENABLE_AGENT_API", "true")
    monkeypatch.setenv("STREAMLIT_SERVER_TRUSTED_USER_HEADERS", '{"X-User": "email"}')
    with main_run.make_context("run", ["app.py", *server_settings.alone(8501).flags]) as context:
        given = {name: value for name, value in context.params.items() if name not in ("target", "args")}
    try:
        load_config_options(given)
        option = config.get_option
        assert option("server.trustedUserHeaders") == {}
        assert not option("server.enableAgentApi") and not option("global.developmentMode")
        assert option("server.enableXsrfProtection") and option("server.enableCORS")
        assert list(option("client.allowedOrigins")) == ["https://nobody.invalid"]
        assert list(option("server.unsafeMetricsUserAttributes")) == ["is_logged_in"]
        assert list(option("server.corsAllowedOrigins")) == ["https://nobody.invalid"]
    finally:
        monkeypatch.undo()
        load_config_options({})


@pytest.mark.parametrize(
    ("user", "welcome"),
    [
        ({"email": "ada@example.org", "email_verified": True}, True),
        ({"email": "Ada@Example.org", "email_verified": "true"}, True),
        ({"email": "ada@example.org"}, False),
        ({"email": "ada@example.org", "email_verified": None}, False),
        ({"email": "ada@example.org", "email_verified": "false"}, False),
        ({"email": "eve@example.org", "email_verified": True}, False),
        ({"email_verified": True}, False),
    ],
)
def test_an_address_counts_where_the_provider_verified_it(user, welcome, monkeypatch):
    """Silence is no verification."""
    monkeypatch.setenv(server_settings.LOGIN, "required")
    monkeypatch.setenv(server_settings.GUESTS, "ada@example.org")
    monkeypatch.setattr(login.st, "user", {"is_logged_in": True, **user})
    assert login.known() is welcome


def test_only_named_sites_stand_around_a_page(monkeypatch):
    """In the policy that every answer carries."""
    assert policy().endswith("frame-ancestors 'self'")
    monkeypatch.setenv("LOSS_EXPLORER_EMBED_IN", "https://moodle.example.org")
    assert policy().endswith("frame-ancestors 'self' https://moodle.example.org")
