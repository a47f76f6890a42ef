"""Words that are not ours as text: titles, names of files, models, classes and tensors, reasons of errors.

The app's pages write Markdown. A name is whatever its file is called, and a title whatever a problem.toml says, so without this an image in one would make
every visitor's browser ask another host. Whoever puts such words into a sentence calls `plain`; whoever needs the sentence without Markdown calls `spoken`.
"""

from __future__ import annotations

import re

MOST = 2000  # letters of one name or reason; more are cut
_JOINER = "\u2060"  # unseen: what is made of text after Markdown has been read, such as :skull: and addresses, no escape prevents
_BROKEN = re.compile(r":(?=//|material/|[\w+-]{1,40}:)|\bwww(?=\.)|(?<=\w)@?(?=@)", re.ASCII)
_SPACES = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # control characters, and such as turn the direction of what follows
_ACTIVE = re.compile(r"[\\`*_\[\]<>$~&]|:(?=[a-zA-Z])|^[#+\-=|]|^\d+[.)](?=\s|$)")


def plain(text: str) -> str:
    """Markdown that shows this text as it is, on one line, whatever is in it."""
    text = text if len(text) <= MOST else f"{text[: MOST - 1]}…"
    text = _UNSEEN.sub("\ufffd", _SPACES.sub(" ", text)).strip()
    return _BROKEN.sub(lambda found: found[0] + _JOINER, _ACTIVE.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", text))


def spoken(markdown: str) -> str:
    """What such a sentence says, without its bold and italic marks and its escapes."""
    return unescaped(re.sub(r"(\\.)|\*+", lambda found: found[1] or "", markdown))


def unescaped(markdown: str) -> str:
    """The text of which `plain` made this."""
    return re.sub(r"\\(.)", r"\1", markdown).replace(_JOINER, "")
