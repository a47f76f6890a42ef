"""One axis: from what Plotly was given, a place from 0 to 1 for each value, and what is written at which places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.figures.paper.reading import Props, array, floats, group, known, number, plain, text, titled
from explorer.figures.ticks import Tick, log_ticks, nice_step, short, ticks

ROOM = 0.06  # of the reach of what is drawn, left free at its ends
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
KEYS = (
    "title", "range", "type", "tickvals", "ticktext", "tickmode", "dtick", "autorange", "scaleanchor", "constrain", "constraintoward", "automargin",
    "showgrid", "gridcolor", "zeroline", "zerolinecolor", "exponentformat", "domain", "anchor", "matches", "showticklabels", "side",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Axis:
    """letter: "x" or "y". low, high: its ends, of decimal logarithms where `log`; names: what stands for 0, 1, … where those are names."""

    letter: str
    props: Props
    low: float
    high: float
    log: bool
    back: bool
    names: tuple[str, ...] = ()
    whole: bool = False  # its places are rows or columns

    def numbers(self, values: object) -> Array:
        """Values as places along the axis: logarithms, and names by their number."""
        found = array(values)
        if self.names and found.dtype.kind in "OU":
            return np.array([float(self.names.index(str(v))) if str(v) in self.names else float(v) for v in found])
        as_numbers = floats(values)
        return np.log10(np.where(as_numbers > 0, as_numbers, np.nan)) if self.log else as_numbers

    def at(self, value: float) -> float:
        """0 at the left or the lower end, 1 at the other."""
        share = (value - self.low) / (self.high - self.low)
        return 1 - share if self.back else share

    @property
    def hidden(self) -> bool:
        return self.props.get("visible") is False

    @property
    def title(self) -> str:
        return titled(self.props)[0]

    def ticks(self, px: float) -> list[Tick]:
        """At places along the axis, for a length in px."""
        if self.hidden or self.props.get("showticklabels") is False:
            return []
        if self.props.get("tickvals") is not None:
            values = self.numbers(self.props["tickvals"])
            texts = [plain(str(t)) for t in array(self.props["ticktext"])] if self.props.get("ticktext") is not None else [
                short(float(v)) for v in floats(self.props["tickvals"])
            ]  # fmt: skip
            found = [Tick(float(at), said) for at, said in zip(values, texts, strict=True)]
        elif self.names:
            found = [Tick(float(i), plain(name)) for i, name in enumerate(self.names)]
        elif self.log:
            wanted = max(3, int(px // 48))
            found = [Tick(float(np.log10(t.at)), self._power(t)) for t in log_ticks(10.0**self.low, 10.0**self.high, wanted)]
        else:
            wanted = max(2, int(px // 60)) if self.letter == "x" else max(3, int(px // 48))
            step = number(self.props, "dtick", 0.0) or max(1.0 if self.whole else 0.0, nice_step((self.high - self.low) / wanted))
            found = ticks(self.low, self.high, step)
        slack = 1e-6 * (self.high - self.low)
        return [tick for tick in found if self.low - slack <= tick.at <= self.high + slack]

    def _power(self, tick: Tick) -> str:
        exponent = round(float(np.log10(tick.at)))
        whole = abs(tick.at / 10.0**exponent - 1) < 1e-9
        return f"10{str(exponent).translate(SUPERSCRIPT)}" if whole and text(self.props, "exponentformat") == "power" else tick.text


def axis(letter: str, name: str, layout: Props, drawn: Sequence[object], reach: Sequence[Array], *, tight: bool, whole: bool = False) -> Axis:
    """name: such as xaxis2. drawn: the values that traces have along it. reach: the same as far as they need room, for an axis without ends of its own;
    tight: they need none beyond; whole: they are rows or columns, by their numbers."""
    props = group(layout, name)
    known(props, *KEYS, what=f"The axis {name}")
    if isinstance(match := props.get("matches"), str):
        other = group(layout, f"{letter}axis{match[1:]}")
        props = {**{k: v for k, v in other.items() if k not in ("title", "domain", "anchor")}, **props}
    kind = text(props, "type", "-")
    if kind not in ("-", "linear", "log", "category"):
        raise Refused(f"An axis of the type {kind!r} is not drawn on paper yet. There are: linear, log, category.")
    named = [str(v) for values in drawn for v in array(values) if array(values).dtype.kind in "OU" and isinstance(v, str)]
    names = tuple(dict.fromkeys(named))
    log = kind == "log"
    back = text(props, "autorange") == "reversed"
    given = cast("Sequence[float | None] | None", props.get("range"))
    if given is not None and None not in given:
        low, high = (float(cast("float", end)) for end in given)
        return Axis(letter, props, *((high, low) if low > high else (low, high)), log, back or low > high, names)
    if names:
        return Axis(letter, props, -0.5, len(names) - 0.5, log, back, names)
    values = np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in reach] or [np.empty(0)])
    values = np.log10(values[values > 0]) if log else values
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    rows = props.get("ticktext") is not None and not log
    room = 0.0 if tight else 0.5 if rows else ROOM * (high - low)
    return Axis(letter, props, low - room, high + room, log, back, names, whole)
