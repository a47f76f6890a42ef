"""Which names the server answers to: one that another site made to lead to this machine is none of them."""

import socket

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.browser.conftest import ROOT


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_a_foreign_name_for_this_machine_is_not_answered(host, serve, tmp_path_factory):
    """No session, so no page and no data, whatever the address behind the name."""
    url = serve(ROOT / "app.py", env={"LOSS_EXPLORER_HOME": str(tmp_path_factory.getbasetemp()), "LOSS_EXPLORER_HIRE": "no"})
    port = url.rpartition(":")[2]
    stream = f"ws://127.0.0.1:{port}/_stcore/stream"
    with connect(stream, subprotocols=["streamlit"]) as session:
        assert session.subprotocol == "streamlit"
    with (
        socket.create_connection(("127.0.0.1", int(port))) as there,
        pytest.raises(InvalidStatus, match="403"),
        connect(f"ws://{host}:{port}/_stcore/stream", sock=there),
    ):
        pass


def test_a_page_of_another_site_opens_no_session(serve, tmp_path_factory):
    """The browser says from where it asks."""
    url = serve(ROOT / "app.py", env={"LOSS_EXPLORER_HOME": str(tmp_path_factory.getbasetemp()), "LOSS_EXPLORER_HIRE": "no"})
    with pytest.raises(InvalidStatus, match="403"), connect(f"{url.replace('http', 'ws')}/_stcore/stream", origin="https://evil.example"):
        pass
