"""A Plotly figure as a file for a paper or a slide: PDF and SVG as vectors with their letters inside, PNG at 300 dpi; drawn here, without a browser.

The same figure gives the same bytes, whenever and wherever it is drawn with the same matplotlib. matplotlib's settings belong to the process and not to a
thread, so one picture is drawn after the other, with the user's own settings put back.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.figures.data import form_of as form_named
from explorer.figures.paper.presets import DPI, FORMATS, PRESETS, THEMES

if TYPE_CHECKING:
    import plotly.graph_objects as go  # not before there is a figure: a command that writes none starts without

ENDINGS = (*FORMATS, "html")
INSTALL = "Figures for papers are drawn by matplotlib, which is not installed: pip install 'explorer[figures]'."
WIDEST = 60.0  # inches
OURS = {
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "loss-explorer",
    "text.usetex": False,
    "text.hinting": "no_hinting",
    "axes.unicode_minus": True,
}
# Who has one of these gets letters that the first does not have; a letter that none has is refused.
FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans", "Arial Unicode MS", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Malgun Gothic")  # fmt: skip
_one_at_a_time = threading.Lock()


def images(
    figure: go.Figure, forms: Sequence[str], *, preset: str = "column", theme: str = "light", width: float | None = None, source: str = ""
) -> dict[str, bytes]:
    """The figure as a file of each form: "pdf", "svg", "png". width: in inches, instead of the preset's; letters stay as large. source: of what it was made,
    such as a permalink, for the file's own description.

    Refused where matplotlib is missing, a name is not known, the figure has something that cannot be drawn on paper, or it does not fit.
    """
    chosen = [("preset", preset, PRESETS), ("theme", theme, THEMES), *(("format", form, FORMATS) for form in forms)]
    for what, name, known in chosen:
        if name not in known:
            raise Refused(f"No {what} is called {name!r}. There are: {', '.join(known)}.")
    wide = PRESETS[preset].width if width is None else width
    if not 0.5 <= wide <= WIDEST:
        raise Refused(f"A figure is from 0.5 to {WIDEST:g} inches wide; got {wide:g}.")
    if not forms:
        return {}
    try:
        import matplotlib.style
        from matplotlib import font_manager

        from explorer.figures.paper.composed import composed
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.split(".")[0] not in ("matplotlib", "contourpy"):
            raise
        raise Refused(INSTALL) from missing
    files = {form: BytesIO() for form in forms}
    with _one_at_a_time, warnings.catch_warnings(record=True) as said:
        warnings.filterwarnings("always", message="Glyph")
        there = {entry.name for entry in font_manager.fontManager.ttflist}
        with matplotlib.style.context(["default", {**OURS, "font.family": [f for f in FONTS if f in there]}]):
            sheet = composed(figure, PRESETS[preset], THEMES[theme], wide)
            for form, file in files.items():
                sheet.figure.savefig(file, format=form, dpi=DPI, facecolor=THEMES[theme].paper, metadata=_about(figure, form, source))
    missing_letters, others = _without_glyph(said)
    for one in others:  # of anything that ran meanwhile, such as a destructor: it has passed the filters already
        warnings.showwarning(one.message, one.category, one.filename, one.lineno)
    if missing_letters:
        raise Refused(f"No font here has {missing_letters}, which this picture needs. Install a font that does, such as Noto Sans CJK.")
    return {form: file.getvalue() for form, file in files.items()}


def ready(files: Sequence[Path]) -> None:
    """Refused where matplotlib is missing and one of these files needs it: what cannot be drawn in the end need not be measured first."""
    if find_spec("matplotlib") is None and any(form_of(file) in FORMATS for file in files):
        raise Refused(INSTALL)


def image(figure: go.Figure, form: str, *, preset: str = "column", theme: str = "light", width: float | None = None, source: str = "") -> bytes:
    """The figure as a file of one form."""
    return images(figure, [form], preset=preset, theme=theme, width=width, source=source)[form]


def save(figure: go.Figure, *files: Path | str, preset: str = "column", theme: str = "light", width: float | None = None, source: str = "") -> None:
    """The same into files, each of the form that its ending says, also .html for the whole page. All are drawn before one is written."""
    from explorer.figures.curve import html

    paths = [Path(file) for file in files]
    forms = list(dict.fromkeys(map(form_of, paths)))
    made = images(figure, [f for f in forms if f in FORMATS], preset=preset, theme=theme, width=width, source=source)
    made |= {form: html(figure).encode() for form in forms if form not in FORMATS}
    for path in paths:
        with system(path, "written"):
            path.write_bytes(made[form_of(path)])


def form_of(path: Path) -> str:
    """The format that a file's ending names. Refused for one that is not drawn."""
    return form_named(path, ENDINGS, "Figures")


def _about(figure: go.Figure, form: str, source: str) -> dict[str, object]:
    """What the file says of itself; without a date, so that the same figure is the same file."""
    from explorer.figures.paper.reading import plain

    title = plain(str(figure.layout.title.text or "")) or "Figure"
    maker = "loss-landscape explorer"
    if form == "pdf":
        return {"Title": title, "Creator": maker, "Subject": source, "CreationDate": None}
    if form == "svg":
        return {"Title": title, "Creator": maker, "Source": source or None, "Date": None}
    return {"Title": title, "Software": maker, "Source": source}


def _without_glyph(said: Sequence[warnings.WarningMessage]) -> tuple[str, list[warnings.WarningMessage]]:
    """The letters that no font had, from matplotlib's warnings, and the other warnings."""
    letters: dict[str, None] = {}
    others: list[warnings.WarningMessage] = []
    for one in said:
        text = str(one.message)
        if text.startswith("Glyph ") and "missing" in text:
            letters[chr(int(text.split()[1]))] = None
        else:
            others.append(one)
    return ", ".join(repr(letter) for letter in letters), others
