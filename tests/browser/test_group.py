"""Run it for your group (docs/serve.md): two people at one server, through the proxy of `deploy/nginx.conf` with TLS and a login."""

import re
import shutil
import socket
import ssl
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ROOT, begin, end, free_port

pytest.importorskip("authlib", reason="Authlib is not installed: python -m pip install -e '.[test]'")

import torch
from safetensors.torch import save_file

from explorer.store.run_store import RunStore
from tests.browser import login_provider

NAME = "explorer.example.org"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
ADA, BOB = "ada@example.org", "bob@example.org"

pytestmark = pytest.mark.skipif(
    not (NGINX and shutil.which("openssl")), reason="nginx or openssl is not installed: apt-get install nginx-light openssl"
)


def configuration(folder, port, behind):
    """`deploy/nginx.conf` with this test's ports and certificate, within what nginx asks for around it."""
    site = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for written, here in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/explorer/": f"{folder}/",
        "http://127.0.0.1:8501": f"http://127.0.0.1:{behind}",
    }.items():
        assert written in site
        site = site.replace(written, here)
    places = "".join(f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"pid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{places}{site}}}\n")
    return folder / "nginx.conf"


@pytest.fixture(scope="module")
def provider():
    with login_provider.provider() as known:
        yield known


@pytest.fixture(scope="module")
def group(provider, tmp_path_factory):
    """The folder of a server whose proxy stands at `port`."""
    folder, port, behind = tmp_path_factory.mktemp("group"), free_port(), free_port()
    new = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -addext subjectAltName=DNS:{NAME}".split()
    subprocess.run(
        ["openssl", *new, "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"], check=True, capture_output=True, cwd=folder
    )
    login_provider.write_secrets(folder / "secrets.toml", provider, f"https://{NAME}:{port}")
    (folder / "models").mkdir()
    for who in ("ada", "bob"):
        save_file({"w": torch.full((2, 2), float(len(who) + (who == "bob")))}, folder / f"{who}.safetensors")
    said = ["--address", "127.0.0.1", "--host", NAME, "--root", folder / "models", "--home", folder / "home", "--secrets", folder / "secrets.toml"]
    command = ["explorer", "app", "--serve", "--port", behind, *said, "--allow-user", ADA, "--allow-user", BOB]
    app = begin([str(word) for word in command], behind, folder / "log.txt", {"LOSS_EXPLORER_HIRE": "no"})
    proxy = subprocess.Popen(
        [str(NGINX), "-e", folder / "error.log", "-c", configuration(folder, port, behind), "-g", "daemon off;"], start_new_session=True
    )
    until(port)
    yield folder, port
    end(proxy)
    end(app)


def until(port):
    """Somebody listens there."""
    for _ in range(10_000):
        with socket.socket() as there:
            if there.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.fail("nginx does not listen")


@pytest.fixture
def enter(group, provider, browser):
    """enter(ADA) → a browser's page, behind the button *Log in*."""
    contexts = []
    _, port = group
    flags = ["no-sandbox", "disable-gpu", "disable-quic", f"host-resolver-rules=MAP {NAME} 127.0.0.1"]
    opened = browser.browser_type.launch(executable_path=shutil.which("chromium"), args=[f"--{flag}" for flag in flags])

    def enter(email, *, verified=True, path="checkpoints"):
        provider.visitor = {"sub": email, "email": email, "email_verified": verified}
        contexts.append(context := opened.new_context(ignore_https_errors=True, viewport={"width": 1200, "height": 900}))
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.goto(f"https://{NAME}:{port}")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text(f"Logged in as {email}")).to_be_visible()
        page.goto(f"https://{NAME}:{port}/{path}")
        return page

    yield enter
    for context in contexts:
        context.close()
    opened.close()


def upload(page, file):
    """Through the proxy; then it waits to be looked at."""
    page.get_by_text("Add your own").click()
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_role("button", name="Register the uploads").click()
    expect(page.get_by_text("waiting").first).to_be_visible()


def test_two_people_upload_and_each_stops_what_is_theirs(group, enter):
    """Over TLS; the page's own connection is a websocket through the proxy. Then a worker of its own does what is left."""
    folder, _ = group
    store = RunStore.within(folder / "home")
    ada, bob = enter(ADA), enter(BOB)
    upload(ada, folder / "ada.safetensors")
    upload(bob, folder / "bob.safetensors")
    assert len(store.open()) == 2
    bob.get_by_test_id("stSidebarNavLink").filter(has_text="Runs").click()
    stops = bob.get_by_role("button", name="Stop", exact=True)
    expect(stops).to_have_count(2)
    expect(stops.and_(bob.locator("button:disabled"))).to_have_count(1)
    stops.and_(bob.locator("button:enabled")).click()
    expect(stops).to_have_count(1)
    expect(stops).to_be_disabled()
    (left,) = store.open()
    assert "ada" in str(next((folder / "home" / "uploads").glob(f"{left.request.path.rsplit('/', 2)[-2]}/*")))
    worker = ["-m", "explorer", "worker", "--store", folder / "home" / "store.sqlite", "--device", "cpu", "--idle", "1"]
    subprocess.run([sys.executable, *worker], check=True, cwd=ROOT, capture_output=True, timeout=300)
    expect(ada.get_by_text("ada.safetensors").last).to_be_visible()
    assert store.status(left.id).state == "done" and not store.open()


def test_the_cookie_of_the_login_is_not_sent_without_tls(group, enter):
    (cookie, *_) = [c for c in enter(ADA).context.cookies() if c["name"].startswith("_streamlit_user")]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["secure"]


def test_an_address_that_is_not_verified_is_refused(group, enter):
    page = enter(ADA, verified=False, path="runs")
    expect(page.get_by_text("no access to this explorer")).to_be_visible()
    expect(page.get_by_text(re.compile("did not confirm"))).to_be_visible()
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)


def test_an_upload_of_a_stranger_is_refused_before_its_first_byte(group):
    """The proxy passes on the head of a request at once, and does not wait for 100 MB first."""
    _, port = group
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain, trusting.wrap_socket(plain, server_hostname=NAME) as there:
        head = f"PUT /_stcore/upload_file/anybody/1 HTTP/1.1\r\nHost: {NAME}:{port}\r\nContent-Length: 100000000\r\n\r\n"
        there.sendall(head.encode())
        assert there.recv(64).startswith(b"HTTP/1.1 403")
