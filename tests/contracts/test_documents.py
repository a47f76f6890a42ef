"""What the documents say of the code's layout is so: every path exists, every wing is named, in its order."""

import re

import pytest

from tests.contracts.test_layers import ROOT, WINGS

EXAMPLES = {p.name for p in (ROOT / "tests" / "plugin_example").rglob("*.py")}  # what a reader is shown how to write
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))]
MADE = ROOT / "docs" / "methods", ROOT / "docs" / "gallery"  # folders whose pages the site makes


def text(document):
    return (ROOT / document).read_text(encoding="utf-8")


def paths(document):
    """What stands between backticks and begins with a folder of the checkout, and what is linked without an address."""
    folders = [p.name for p in ROOT.iterdir() if p.is_dir()]
    named = [ROOT / token for token in re.findall(r"`([\w./-]+)`", text(document)) if token.partition("/")[0] in folders and "/" in token]
    return named + [(ROOT / document).parent / target for target in re.findall(r"\]\((?!\w+:)([^)#]+)", text(document))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document):
    """A file that moves takes its name in the documents along."""
    assert [str(p) for p in paths(document) if not p.exists() and p.name not in EXAMPLES and p.parent not in MADE] == []


@pytest.mark.parametrize(("document", "least"), [("README.md", 5), ("CONTRIBUTING.md", 40), ("docs/architecture.md", 30)])
def test_paths_are_found_in_the_documents(document, least):
    """So that the test before this one has something to look at."""
    assert len(paths(document)) >= least


def test_the_architecture_names_every_wing():
    """In its table in the order of the imports, and in its picture."""
    table = re.findall(r"^\| `(\w+)` \|", text("docs/architecture.md"), flags=re.MULTILINE)
    assert table == WINGS[::-1]
    assert set(re.findall(r'class="wing"[^>]*>(\w+)<', text("docs/wings.svg"))) == set(WINGS)


def test_one_command_checks_everything():
    """README.md and CONTRIBUTING.md have the same one, which .ci/run carries out."""
    (command,) = re.findall(r"<!-- test -->\n```bash\n(.*)\n```", text("README.md"))
    assert command in text("CONTRIBUTING.md").splitlines()
    assert "<!-- test -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_door_leads_to_the_architecture():
    """From where a reader comes in."""
    assert all("(docs/architecture.md)" in text(document) for document in ("README.md", "CONTRIBUTING.md"))
