"""Progress: a bar where somebody looks, by tqdm or a plain line, gone when it is done; nothing where nobody does, or where it is switched off."""

from __future__ import annotations

import io
import re
import sys
from contextlib import redirect_stderr

import pytest

from explorer.api import _progress, fuse, interpolate, train
from explorer.core import significant_digits

GRID = {"sampler": "grid", "options": {"size": 5}}


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    """Where every step is shown to whoever looks: `redirect_stderr` makes it standard error."""
    monkeypatch.setattr(_progress, "DELAY_S", 0.0)
    monkeypatch.setattr(_progress, "EVERY_S", 0.0)
    return Terminal()


def on_screen(written: str) -> str:
    """What stands in the last line when all is written."""
    line = ""
    for part in re.split("(?=\r)", written):
        line = part[1:] + line[len(part) - 1 :] if part.startswith("\r") else line + part
    return line.strip()


def test_nobody_looks(tiny, home, capfd, monkeypatch):
    """Standard error is a file: nothing is written, however slow it is."""
    monkeypatch.setattr(_progress, "DELAY_S", 0.0)
    interpolate(tiny.a, tiny.b, **GRID)
    assert capfd.readouterr() == ("", "")


def test_a_bar_in_a_terminal(tiny, home, terminal):
    """Points done of how many, the losses seen, the time left; and nothing stays."""
    with redirect_stderr(terminal):
        line = interpolate(tiny.a, tiny.b, **GRID)
    shown = terminal.getvalue()
    assert re.search(r"Measuring: +40%.* 2/5 \[", shown)
    low, high = line.points.means()[:, 0].min(), line.points.means()[:, 0].max()
    assert f"loss {significant_digits.number(low, 3)} … {significant_digits.number(high, 3)} nat" in shown
    assert on_screen(shown) == ""


def test_a_plain_line_without_tqdm(tiny, home, terminal, monkeypatch):
    """The same facts; tqdm is no dependency."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with redirect_stderr(terminal):
        interpolate(tiny.a, tiny.b, **GRID)
    shown = terminal.getvalue()
    assert re.search(r"\rMeasuring: 2 of 5 points, loss [\d.]+ … [\d.]+ nat, about .* left", shown)
    assert on_screen(shown) == ""


def test_it_can_be_switched_off(tiny, home, terminal):
    """Wherever something is computed."""
    with redirect_stderr(terminal):
        interpolate(tiny.a, tiny.b, progress=False, **GRID)
        fuse(tiny.a, tiny.b, progress=False)
    assert terminal.getvalue() == ""


def test_a_function_of_ones_own_is_told(tiny, home, terminal):
    """Of points and of steps, and no bar is shown beside it; so with `report`, which also ends the measuring."""
    told: list[tuple[int, int, str]] = []

    def progress(done: int, total: int, message: str) -> None:
        told.append((done, total, message))

    with redirect_stderr(terminal):
        interpolate(tiny.a, tiny.b, progress=progress, **GRID)
        assert [t[:2] for t in told if not t[2]] == [(k, 5) for k in range(6)]
        told.clear()
        train(tiny.folder, method_options={"epochs": 2}, progress=progress)
        assert told and all(total >= done for done, total, _ in told)
        partly = interpolate(tiny.a, tiny.b, sampler="grid", options={"size": 9}, report=lambda done, total, fresh, message: done < 7)
        assert len(partly.points) == 7
    assert terminal.getvalue() == ""


def test_a_bar_is_closed_when_the_work_fails(tiny, home, terminal):
    """The error is what is seen."""

    def work() -> None:
        with redirect_stderr(terminal), _progress.progress_of(True, "Making it") as told:
            told(1, 3, "step")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert "step" in terminal.getvalue() and on_screen(terminal.getvalue()) == ""
