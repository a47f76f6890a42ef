"""Served to others: what has to be said first, and that a path from a browser leads into the open folders only, whoever follows it."""

import json
import os
import socket

import pytest
from typer.testing import CliRunner

from explorer.checkpoints import checkpoint_file
from explorer.commands.main import app
from explorer.core import allowed_folders, locations, server_settings
from explorer.core.allowed_folders import admit, within
from explorer.core.errors import Refused
from explorer.core.spec import Loaded, Look, Make
from explorer.engine.worker import Worker
from explorer.problems import problem, problem_toml
from explorer.problems.data import fingerprint
from explorer.store.run_store import RunStore
from tests import hostile

SECRETS = '[auth]\nredirect_uri = "https://models.example.org/oauth2callback"\ncookie_secret = "0123456789abcdef0123456789abcdef"\n'


@pytest.fixture
def grounds(tmp_path):
    """An open folder and a secret one beside it, each with a checkpoint."""
    for name in ("open", "secret"):
        (tmp_path / name).mkdir()
        hostile.good_safetensors(tmp_path / name, "w.safetensors")
    return tmp_path


@pytest.fixture
def secrets(tmp_path):
    """A file with Streamlit's login set up."""
    (tmp_path / "secrets.toml").write_text(SECRETS)
    return tmp_path / "secrets.toml"


def started(grounds, **changes):
    """The app as it would be started."""
    given = {"address": "0.0.0.0", "folders": [grounds / "open"], "hosts": ["models.example.org"], "login": False, "secrets": grounds / "none"}
    return server_settings.served(8501, **{**given, **changes})


# --- starting ---------------------------------------------------------------------------------------------------------------


def test_without_serve_only_this_machine_is_let_in():
    """By address, and by name: another site whose name is made to lead here is not answered."""
    start = server_settings.alone(8501)
    assert "--server.address=127.0.0.1" in start.flags
    assert [f for f in start.flags if "allowedHosts" in f] == [f"--server.allowedHosts={h}" for h in ("localhost", "127.0.0.1", "::1")]
    assert not start.environment


def test_serving_keeps_every_protection_on(grounds):
    """Flags outdo a configuration file that would switch them off."""
    for start in (server_settings.alone(1), started(grounds)):
        for flag in (
            "server.enableXsrfProtection=true",
            "server.enableCORS=true",
            "client.showErrorDetails=none",
            "server.enableStaticServing=false",
        ):
            assert f"--{flag}" in start.flags


def test_serving_names_who_may_be_asked_for(grounds):
    """This machine by its own names, and the names that were given; nobody else."""
    hosts = {f.partition("=")[2] for f in started(grounds).flags if "allowedHosts" in f}
    assert {socket.gethostname(), "models.example.org", "localhost"} <= hosts
    assert "*" not in hosts and "" not in hosts


def test_serving_without_a_login_says_so_first(grounds):
    """In words that nobody overlooks."""
    start = started(grounds)
    assert start.warnings[0].startswith("NO LOGIN")
    assert start.environment == {allowed_folders.VARIABLE: str(grounds / "open"), server_settings.LOGIN: "no", server_settings.GUESTS: ""}


def test_serving_wants_folders(grounds):
    """And such as exist, and are not the whole disk."""
    for folders, words in (
        ([], "--root"),
        ([grounds / "gone"], "not a folder"),
        ([grounds / "open" / "w.safetensors"], "not a folder"),
        (["/"], "whole disk"),
    ):
        with pytest.raises(Refused, match=words):
            started(grounds, folders=[locations.Path(f) for f in folders])


@pytest.mark.parametrize(
    "text", ["", "[auth]\n", '[auth]\nredirect_uri = "https://x"\n', "[auth\n", 'auth = "yes"\n', SECRETS.replace("0123456789abcdef", "")]
)
def test_serving_wants_a_login_that_is_set_up(text, grounds):
    """Half a login would be none."""
    (grounds / "secrets.toml").write_text(text)
    with pytest.raises(Refused, match="secrets.toml"):
        started(grounds, login=True, secrets=grounds / "secrets.toml")
    with pytest.raises(Refused, match="--no-login"):
        started(grounds, login=True, secrets=grounds / "nowhere.toml")


def test_a_login_reaches_streamlit_and_every_page(grounds, secrets, monkeypatch):
    """Its file, the name that the login leads back to, and the word that pages ask for."""
    monkeypatch.setattr(server_settings, "find_spec", lambda name: name)  # whether Authlib is installed here is not the matter
    start = started(grounds, login=True, secrets=secrets, hosts=[])
    assert f"--secrets.files={secrets}" in start.flags
    assert "--server.allowedHosts=models.example.org" in start.flags
    assert start.environment[server_settings.LOGIN] == "required"
    assert not any("NO LOGIN" in w for w in start.warnings)
    assert start.environment[server_settings.TLS] == "yes"
    secrets.write_text(SECRETS.replace("https:", "http:"))
    assert started(grounds, login=True, secrets=secrets, hosts=[]).environment[server_settings.TLS] == "no"


def test_named_guests_reach_every_page(grounds, secrets, monkeypatch):
    """And nobody inherits a list from the shell that no flag named."""
    monkeypatch.setattr(server_settings, "find_spec", lambda name: name)
    start = started(grounds, login=True, secrets=secrets, guests=["a@example.org", "b@example.org"])
    assert start.environment[server_settings.GUESTS] == "a@example.org,b@example.org"
    assert any("a@example.org, b@example.org may use it, nobody else" in w for w in start.warnings)
    monkeypatch.setenv(server_settings.GUESTS, "c@example.org")
    assert started(grounds, login=True, secrets=secrets).environment[server_settings.GUESTS] == ""


@pytest.mark.parametrize("guest", ["", "ada", "@example.org", "a@b,c@d", "a @example.org"])
def test_a_guest_is_an_address(guest, grounds, secrets):
    """An empty one would let everybody in."""
    with pytest.raises(Refused, match="not an e-mail address"):
        started(grounds, login=True, secrets=secrets, guests=[guest])


def test_guests_without_a_login_are_refused(grounds):
    """Nobody would be asked."""
    with pytest.raises(Refused, match="--no-login has none"):
        started(grounds, login=False, guests=["a@example.org"])


@pytest.mark.parametrize("flag", [["--root", "."], ["--no-login"], ["--allow-user", "a@example.org"], ["--host", "x"], ["--address", "::"]])
def test_what_belongs_to_serve_is_refused_without_it(flag):
    """A forgotten --serve is not guessed."""
    result = CliRunner().invoke(app, ["app", *flag])
    assert result.exit_code == 2
    assert "--serve" in result.stderr


# --- where a path leads ------------------------------------------------------------------------------------------------------


def escapes(grounds):
    """Ways out of the open folder, by name."""
    inside, secret = grounds / "open", grounds / "secret"
    (inside / "file.safetensors").symlink_to(secret / "w.safetensors")
    (inside / "folder").symlink_to(secret)
    (inside / "chain").symlink_to(inside / "folder")
    (inside / "round").symlink_to(inside / "round")
    (inside / "deep").mkdir()
    return {
        "beside": secret / "w.safetensors",
        "parent": inside / ".." / "secret" / "w.safetensors",
        "link": inside / "file.safetensors",
        "linked folder": inside / "folder" / "w.safetensors",
        "chain of links": inside / "chain" / "w.safetensors",
        "out and in": inside / "deep" / ".." / ".." / "secret" / "w.safetensors",
        "same beginning": grounds / "open-too" / "w.safetensors",
        "system": locations.Path("/etc/passwd"),
        "process": locations.Path("/proc/self/root") / str(secret / "w.safetensors").lstrip("/"),
        "relative": locations.Path(os.path.relpath(secret / "w.safetensors")),
        "above": grounds,
    }


def test_no_path_leads_out(grounds, home):
    """Whatever it looks like, and whether or not there is something at its end."""
    with within([str(grounds / "open")], home):
        admit(grounds / "open" / "w.safetensors")
        admit(grounds / "open" / "deep" / ".." / "w.safetensors")
        for name, path in escapes(grounds).items():
            with pytest.raises(Refused, match="folder that may be read here"):
                admit(path)
            with pytest.raises(Refused):
                checkpoint_file.read(path)
            assert name
        with pytest.raises(Refused):
            checkpoint_file.read(grounds / "open" / "round")
        assert checkpoint_file.read(grounds / "open" / "w.safetensors").weights


def test_an_open_folder_may_itself_be_a_link(grounds, home):
    """Who named it meant where it leads."""
    (grounds / "link").symlink_to(grounds / "open")
    with within([str(grounds / "link")], home):
        assert checkpoint_file.read(grounds / "link" / "w.safetensors").weights
        assert checkpoint_file.read(grounds / "open" / "w.safetensors").weights


def test_what_the_explorer_keeps_itself_is_open(home):
    """Samples, uploads and descriptions; not the store beside them."""
    with within([], home):
        admit(locations.described_at(home, home))
        assert checkpoint_file.read(locations.root() / "sample_models" / "digits-mlp" / "seed-0.safetensors").weights
        assert problem_toml.shipped()
        with pytest.raises(Refused):
            admit(home / "store.sqlite")


def test_a_problem_may_not_take_its_data_from_elsewhere(grounds, home):
    """Whoever may write a problem.toml into an open folder could show any text of this machine as data."""
    (grounds / "open" / "problem.toml").write_text('[network]\nname = "mlp"\nwidths = [2, 2]\n[data]\nname = "table"\npath = "../secret/x.csv"\n')
    (grounds / "secret" / "x.csv").write_text("a,b,y\n1,2,0\n3,4,1\n5,6,0\n")
    spec = problem_toml.read(grounds / "open")
    assert len(problem.Problem(spec).split("train").targets)  # now it is known, and in memory
    with within([str(grounds / "open")], home):
        with pytest.raises(Refused, match="may be read here"):
            problem_toml.read(grounds / "open")
        with pytest.raises(Refused, match="may be read here"):
            problem.Problem(spec).split("train")
        with pytest.raises(Refused, match="may be read here"):
            fingerprint(grounds / "secret")


def test_links_within_a_folder_of_data_and_shards_are_followed_by_nobody(grounds, home):
    """Each file counts by where it leads, not by where it stands."""
    (grounds / "open" / "data").mkdir()
    (grounds / "open" / "data" / "a.csv").symlink_to(grounds / "secret" / "w.safetensors")
    (grounds / "open" / "model").mkdir()
    (grounds / "open" / "model" / "model-1.safetensors").symlink_to(grounds / "secret" / "w.safetensors")
    (grounds / "open" / "model" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"layers.0.weight": "model-1.safetensors"}}))
    with within([str(grounds / "open")], home):
        for folder, read in (("data", fingerprint), ("model", checkpoint_file.read)):
            with pytest.raises(Refused, match="may be read here"):
                read(grounds / "open" / folder)


# --- the worker, which opens ---------------------------------------------------------------------------------------------------


def test_a_worker_keeps_to_the_folders_of_the_wish(grounds, home):
    """Wherever it was started: the request says what it may read, and a link that was put there since leads nowhere."""
    file = grounds / "open" / "w.safetensors"
    guest = RunStore(home / "store.sqlite", roots=[str(grounds / "open")])
    id = guest.submit(Look(str(file)))
    file.unlink()
    file.symlink_to(grounds / "secret" / "w.safetensors")
    own = RunStore(home / "store.sqlite")
    Worker(own, home).work_off()
    seen = own.status(id)
    assert seen.roots == (str(grounds / "open"),)
    assert "may be read here" in (seen.error or seen.result["files"][0]["error"])


def test_a_checkpoint_registered_elsewhere_is_not_read_for_a_guest(tiny, grounds, home):
    """The owner of the machine registered it; who is served may not have it opened by its digest, and the owner may."""
    own = RunStore(home / "store.sqlite")
    own.submit(Look(str(tiny.folder)))
    Worker(own, home).work_off()
    (a, _) = own.checkpoints()
    guest = RunStore(home / "store.sqlite", roots=[str(grounds / "open")])
    request = Make(Loaded(a.digest, a.path, a.name))
    guest.submit(request)
    Worker(own, home).work_off()
    assert "may be read here" in own.status(request.id).error
    own.submit(request)
    Worker(own, home).work_off()
    assert own.status(request.id).state == "done"


def test_a_process_keeps_to_the_folders_of_its_environment(grounds, home, monkeypatch):
    """The app itself reads names and sizes before a worker reads more."""
    monkeypatch.setenv(allowed_folders.VARIABLE, str(grounds / "open"))
    admit(grounds / "open" / "w.safetensors")
    with pytest.raises(Refused, match="may be read here"):
        admit(grounds / "secret" / "w.safetensors")


def test_phones_reach_a_served_app_by_the_networks_address(tmp_path, monkeypatch):
    """It is among the names that the server answers to; without a network there is none, and the rest stays."""
    monkeypatch.setattr(server_settings, "network_address", lambda: "192.168.7.5")
    start = server_settings.served(8501, address="0.0.0.0", folders=[tmp_path], hosts=[], login=False, secrets=tmp_path / "none")
    assert "--server.allowedHosts=192.168.7.5" in start.flags
    monkeypatch.setattr(server_settings, "network_address", lambda: "")
    start = server_settings.served(8501, address="0.0.0.0", folders=[tmp_path], hosts=[], login=False, secrets=tmp_path / "none")
    assert not any(flag.endswith("=") for flag in start.flags if "allowedHosts" in flag)


def test_only_named_sites_may_show_pages_in_a_frame(monkeypatch):
    """Nobody by default; those that were named, by their origin; a path or a wildcard is refused."""
    monkeypatch.delenv(server_settings.EMBED, raising=False)
    assert server_settings.framed() == ()
    assert server_settings.embedding([]) == {}
    named = server_settings.embedding(["https://moodle.example.org", "http://localhost:8080"])
    monkeypatch.setenv(server_settings.EMBED, named[server_settings.EMBED])
    assert server_settings.framed() == ("https://moodle.example.org", "http://localhost:8080")
    for wrong in ("*", "moodle.example.org", "https://moodle.example.org/course", "https://*.example.org", "https://a.org; script-src *"):
        with pytest.raises(Refused, match="is not the origin of a site"):
            server_settings.embedding([wrong])
