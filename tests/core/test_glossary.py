"""The words of the field: what a text marks is defined, and a link carries the definition."""

import ast
from urllib.parse import parse_qs, urlsplit

import pytest

from explorer.core import glossary, locations

WRITTEN = [f for folder in ("explorer/ui", "explorer/lessons", "pages") for f in (locations.root() / folder).rglob("*.py")]


def marked(file) -> set[str]:
    """The terms that the texts of a file mark."""
    texts = [n.value for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return {term for text in texts for term in glossary.terms(text)}


def test_every_marked_term_is_in_the_glossary():
    """In the app's texts and in the lessons'."""
    found = {term: file.name for file in WRITTEN for term in marked(file)}
    assert len(found) > 20
    assert not set(found) - set(glossary.TERMS), found


@pytest.mark.parametrize("page", [f.name for f in WRITTEN if f.parent.name == "pages" and f.name not in ("learn.py", "runs.py")])
def test_every_page_marks_its_terms(page):
    """In its script or in its folder; but for those that have none: a list of runs, and Learn, whose lessons do."""
    script = locations.root() / "pages" / page
    assert marked(script) or any(map(marked, (locations.root() / "explorer" / "ui" / script.stem).glob("*.py")))


def test_a_term_is_a_link_with_its_definition_at_its_first_use():
    """In the form that the sentence needs; the second use is a word like any other."""
    text = glossary.linked("A [[flat|barrier]] line, a [[barrier]], a [[basin]].")
    start, rest = text.split("](", 1)
    address, definition = rest.split(' "', 1)
    assert start == "A [flat"
    assert parse_qs(urlsplit(address).query) == {"view": ["glossary"], "term": ["barrier"]}
    assert definition.startswith(glossary.TERMS["barrier"] + '") line, a barrier, a [basin](')


def test_a_term_without_a_definition_is_an_error():
    """No text can be shipped with one."""
    with pytest.raises(KeyError):
        glossary.linked("a [[nonsense]]")


@pytest.mark.parametrize("term", glossary.TERMS)
def test_a_definition_can_stand_in_a_link(term):
    """No quotation mark or line break that would end it."""
    assert not set(glossary.TERMS[term]) & set('"\n')
