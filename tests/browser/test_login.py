"""The login of a served app, with a login provider of the test's own: who comes in, what they see, and that they are out afterwards."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import begin, end, free_port

pytest.importorskip("authlib", reason="Authlib is not installed: python -m pip install -e '.[test]'")

from tests.browser import login_provider
from tests.browser.login_provider import write_secrets

DOOR = "Please log in to use this explorer."


@pytest.fixture(scope="module")
def provider():
    with login_provider.provider() as known:
        yield known


@pytest.fixture(scope="module")
def app(provider, tmp_path_factory):
    """`loss-explorer app --serve`, open to ada@example.org alone."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    url = f"http://127.0.0.1:{port}"
    write_secrets(folder / "secrets.toml", provider, url)
    (folder / "models").mkdir()
    said = ["--root", folder / "models", "--home", folder / "home", "--secrets", folder / "secrets.toml", "--allow-user", "Ada@example.org"]
    command = ["explorer", "app", "--serve", "--address", "127.0.0.1", "--port", port, *said]
    process = begin([str(word) for word in command], port, folder / "log.txt", {"LOSS_EXPLORER_HIRE": "no"})
    yield url
    end(process)


def outside(page):
    """The door, and nothing of the app: no list of pages, no page."""
    expect(page.get_by_text(DOOR)).to_be_visible()
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    expect(page.get_by_text("Logged in as")).to_have_count(0)


def test_a_visitor_logs_in_sees_the_app_and_logs_out(app, provider, page):
    """Nothing before, everything under their own name then, nothing after; also at the address of a page."""
    provider.visitor = {"sub": "1", "email": "ada@example.org", "email_verified": True, "name": "Ada"}
    page.goto(f"{app}/runs")
    outside(page)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Logged in as ada@example.org")).to_be_visible()
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Runs").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Logged in as ada@example.org")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    outside(page)
    assert provider.visitor == {}  # the provider was told as well
    page.goto(f"{app}/runs")
    outside(page)


@pytest.mark.parametrize(
    "who",
    [{"email": "eve@example.org", "email_verified": True}, {"email": "ada@example.org", "email_verified": False}, {"name": "ada@example.org"}],
    ids=["somebody else", "an address that is not verified", "a name that is no address"],
)
def test_who_is_not_named_stays_outside(who, app, provider, page):
    """Though the provider lets them in; they may leave, and come back as somebody else."""
    provider.visitor = {"sub": "2", **who}
    page.goto(f"{app}/runs")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("no access to this explorer")).to_be_visible()
    expect(page.get_by_text(re.compile("Logged in as (eve|ada)@example.org"))).to_be_visible()
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    outside(page)
