"""The documentation site builds without a warning, holds everything that is registered, and asks nobody else for anything."""

import os
import re
import runpy
import subprocess
import sys
from html import unescape

import pytest

from explorer import api
from explorer.commands.main import app
from explorer.core import registry
from tests.contracts.test_layers import ROOT

FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object|use)\b[^>]*?\b(?:src|srcset|data|href)=[\"']?((?:https?:)?//[^\"'> ]+)"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|prefetch|icon|modulepreload))[^>]*?\bhref=[\"']?((?:https?:)?//[^\"'> ]+)"
)
OF_STYLES = re.compile(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"') ]+)")


def fetched(text):
    """What a browser would fetch from elsewhere of a page."""
    return [a or b for a, b in FETCHED.findall(text)]


def test_what_is_fetched_is_seen():
    """Scripts, styles and pictures from elsewhere are found; links that a reader may follow are not meant."""
    page = '<a href="https://a.org">a</a><script defer src="https://b.org/x.js"></script><link rel="stylesheet" href=//c.org/y.css><img alt="" src="z.png">'
    assert fetched(page) == ["https://b.org/x.js", "//c.org/y.css"]
    assert OF_STYLES.findall("@import 'https://d.org/f.css'; a { src: url(f.woff) }") == ["https://d.org/f.css"]


@pytest.mark.slow
def test_the_site(tmp_path):
    """One build, since it takes long. The notebooks appear in it as they are; another test runs them."""
    environment = os.environ | {"DOCS_EXECUTE": "false", "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {str(p.relative_to(tmp_path)): unescape(p.read_text(encoding="utf-8")) for p in tmp_path.rglob("*.html")}

    assert {name: found for name, text in pages.items() if (found := fetched(text))} == {}
    assert [(p.name, found) for p in tmp_path.rglob("*.css") if (found := OF_STYLES.findall(p.read_text(encoding="utf-8")))] == []

    for kind in registry.KINDS:
        text = pages[f"methods/{kind}.html"]
        for name in registry.names(kind):
            section = re.split(r"<h2", text.partition(f'<h2 id="{name}"')[2])[0]
            assert section, f"{kind}/{name} has no section"
            words = re.sub(r"<[^>]*>|\s", "", section)
            said = re.sub(r"`|\s", "", registry.title(kind, name) + registry.reference(kind, name))
            assert said.replace("- ", "")[:60] in words or kind == "metric", f"{kind}/{name}"
            if kind in registry.VERBS:
                assert [o.name for o in registry.options(kind, name) if f"<code>{o.name}</code>" not in section] == [], f"{kind}/{name}"

    for command in app.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        assert f'id="loss-explorer-{name}"' in pages["commands.html"], name
    assert [name for name in api.__all__ if not re.search(rf"<h3[^>]*>\s*(?:<[^>]*>\s*)*{name}\b", pages["api.html"])] == []
    assert '<div class="highlight">' in pages["gallery/first-barrier.html"]


def test_a_docstring_is_shown_as_it_reads():
    """Stars and underscores stay, an indented formula keeps its columns, and a list that follows a sentence is a list."""
    prose = runpy.run_path(str(ROOT / "docs" / "hooks" / "methods.py"))["prose"]
    assert prose("Of a_b and 2*c*d, `e_f` <g>:\n- one\n- two\n\nso\n\n    x  =  y_z\n\n    u\n\nend") == (
        "Of a\\_b and 2\\*c\\*d, `e_f` \\<g\\>:\n\n- one\n- two\n\nso\n\n```text\nx  =  y_z\n\nu\n```\n\nend"
    )
    assert prose("    [network]\n    name = 1") == "```text\n[network]\nname = 1\n```"
    assert prose(registry.reference("nets", "timm")).startswith("```text\n[network]\nname = ")


@pytest.mark.parametrize("kind", ["align", "fuse", "connect", "train", "direct"])
def test_a_method_names_its_source(kind):
    """A paper with its year, which its section shows; what does nothing at all needs none."""
    said = {name: registry.title(kind, name) + registry.reference(kind, name) for name in registry.names(kind)}
    assert [name for name, text in said.items() if not re.search(r"\b(19|20)\d\d\b", text)] == (["identity"] if kind == "align" else [])


@pytest.mark.slow
def test_a_notebook_of_the_gallery_is_run():
    """What its cells give is on its page: numbers as text, a figure to be drawn by the plotly.js that lies beside it."""
    hook = runpy.run_path(str(ROOT / "docs" / "hooks" / "gallery.py"))
    text = (ROOT / "docs" / "gallery" / "first-barrier.ipynb").read_text(encoding="utf-8")
    page = hook["as_markdown"](hook["nbformat"].reads(hook["executed"](text, str(ROOT / "mkdocs.yml")), as_version=4))
    assert re.search(r"^before\s+.*\b0\.7\d", page, flags=re.MULTILINE)  # nats, as the docstring of explorer.api.align has it
    assert page.count('class="plotly-figure"') == 2
