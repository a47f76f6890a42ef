"""A claim's picture: the interval of each effect against its bound, one line for each size, as a small SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite

from benchmarks.survey.claim import Effect
from explorer.figures.curve import INK, PALETTE, RULE
from explorer.figures.ticks import nice_step, ticks
from explorer.stats.intervals import Estimate

WIDE, LEFT, RIGHT = 720, 210, 20  # px
HEAD, LINE, FOOT = 24, 22, 34  # px of an effect: its words, one size, its axis
COLOURS = {"holds": PALETTE[2], "does not hold here": PALETTE[1], "cannot be told": PALETTE[0]}


def figure(sentence: str, shown: Sequence[tuple[Effect, Sequence[tuple[str, Estimate]]]]) -> str:
    """shown: each effect with what was found of it at each size, by the size's name. The side that is claimed is shaded."""
    parts: list[str] = []
    top = 8
    for effect, found in shown:
        parts += _effect(effect, found, top)
        top += HEAD + LINE * len(found) + FOOT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {top}" width="{WIDE}" height="{top}" role="img" font-family="system-ui, sans-serif" '
        f'font-size="13" fill="{INK}">\n<title>{escape(sentence)}</title>\n<rect width="{WIDE}" height="{top}" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _effect(effect: Effect, found: Sequence[tuple[str, Estimate]], top: int) -> list[str]:
    factor = 100 if effect.unit == "points" else 1
    bound = factor * (effect.above if effect.above is not None else effect.below or 0.0)
    low, high = _reach([bound, *(factor * x for _, e in found for x in (e.value, e.low, e.high))])

    def px(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDE - LEFT - RIGHT), 1)

    start, end = top + HEAD, top + HEAD + LINE * len(found)
    claimed = (px(bound), px(high)) if effect.above is not None else (px(low), px(bound))
    parts = [
        f'<text x="8" y="{top + 14}" font-weight="600">{escape(effect.says)}{f" ({effect.unit})" if effect.unit else ""}</text>',
        f'<rect x="{claimed[0]}" y="{start}" width="{round(claimed[1] - claimed[0], 1)}" height="{end - start}" fill="{COLOURS["holds"]}" fill-opacity="0.12"/>',
        f'<path d="M{px(bound)} {start}V{end}" stroke="{INK}" stroke-dasharray="4 3"/>',
        f'<path d="M{LEFT} {end}H{WIDE - RIGHT}" stroke="{RULE}"/>',
    ]
    for at, text in ticks(low, high, nice_step((high - low) / 5)):
        parts.append(
            f'<path d="M{px(at)} {end}v4" stroke="{INK}"/><text x="{px(at)}" y="{end + 17}" text-anchor="middle" font-size="12">{text}</text>'
        )
    for i, (size, estimate) in enumerate(found):
        y, colour = start + LINE * i + LINE // 2, COLOURS[effect.outcome(estimate)]
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" font-size="12">{escape(size)}</text>')
        if isfinite(estimate.low) and isfinite(estimate.high):
            parts.append(f'<path d="M{px(factor * estimate.low)} {y}H{px(factor * estimate.high)}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<circle cx="{px(factor * estimate.value)}" cy="{y}" r="4.5" fill="{colour}"/>')
    return parts


def _reach(values: Sequence[float]) -> tuple[float, float]:
    """From the lowest to the highest number, with a margin; around one alone as well."""
    finite = [v for v in values if isfinite(v)]
    low, high = min(finite), max(finite)
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin
