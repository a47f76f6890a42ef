// One curve of a picture: its line with band, chord and marks, and where it stands at a place between them.

import { coloured, round, runs, shape, short, symbol, text } from "./drawing.js";
import { rows } from "./labels.js";

/** @typedef {import("./curve.js").Host} Plot */
/** @typedef {import("./curve.js").Curve} Curve */

/** @type {(plot: Plot, curve: Curve, i: number) => SVGGElement} */
export function series(plot, curve, i) {
  const { x, y, data: { log } } = plot;
  const { low, high, chord } = curve;
  const group = coloured(curve.colour, curve.ghost ? "series ghost" : "series");
  const spot = (/** @type {number} */ j, /** @type {(number | null)[]} */ values) => `${round(x(curve.x[j]))} ${round(y(Number(values[j])))}`;
  if (low && high) {
    for (const run of runs(curve.x, (j) => plot.drawable(low[j]) && plot.drawable(high[j]))) {
      const outline = [...run.map((j) => spot(j, high)), ...run.reverse().map((j) => spot(j, low))];
      group.append(shape("path", { class: "band", d: `M${outline.join("L")}Z` }));
    }
  }
  if (chord && curve.x.length > 1) {
    const [from, to] = [curve.x[0], curve.x[curve.x.length - 1]];
    const steps = Array.from({ length: log ? 65 : 2 }, (_, k) => k / (log ? 64 : 1));
    const at = (/** @type {number} */ share) => chord[0] + share * (chord[1] - chord[0]);
    const line = steps.filter((s) => plot.drawable(at(s))).map((s) => `${round(x(from + s * (to - from)))} ${round(y(at(s)))}`);
    group.append(shape("path", { class: "chord", d: line.length ? `M${line.join("L")}` : "" }));
  }
  const known = runs(curve.x, (j) => plot.drawable(curve.y[j]));
  for (const run of known) {
    if (run.length > 1) group.append(shape("path", { class: "line", d: `M${run.map((j) => spot(j, curve.y)).join("L")}` }));
  }
  const room = (plot.right - plot.left) / Math.max(1, curve.x.filter((at) => plot.within(at)).length - 1);
  const size = room > 14 ? 4 : room > 7 ? 3 : 2;
  for (const j of known.flat()) group.append(symbol(i, x(curve.x[j]), y(Number(curve.y[j])), size, "dot"));
  curve.y.forEach((value, j) => {
    if (value !== null) return;
    const at = round(x(curve.x[j]));
    group.append(shape("path", { class: "gap", d: `M${at - 4} ${plot.top - 8}l8 8m0 -8l-8 8` }));
  });
  return group;
}

/**
 * The value at x, or that of an edge of the band, straight between measured points as it is drawn; null outside of them, and where one diverged.
 * @type {(plot: Plot, curve: Curve, x: number, values?: (number | null)[]) => number | null}
 */
export function valueAt(plot, curve, x, values = curve.y) {
  if (!curve.x.length || x < curve.x[0] || x > curve.x[curve.x.length - 1]) return null;
  const k = Math.max(0, curve.x.findIndex((at) => at >= x));
  const [before, after] = [values[k - 1], values[k]];
  if (curve.x[k] === x) return plot.drawable(after) ? after : null;
  if (!plot.drawable(before) || !plot.drawable(after)) return null;
  const share = (x - curve.x[k - 1]) / (curve.x[k] - curve.x[k - 1]);
  const up = plot.data.log ? Math.log10 : Number;
  const value = up(before) + share * (up(after) - up(before));
  return plot.data.log ? 10 ** value : value;
}

/** A bead on every curve at x, the value beside it, in rows of their own. @type {(plot: Plot, x: number) => Node[]} */
export function beads(plot, x) {
  if (!plot.within(x)) return [];
  const found = plot.curves().flatMap((curve) => {
    const value = valueAt(plot, curve, x);
    return value === null ? [] : [{ curve, value, y: plot.y(value), measured: curve.x.includes(x) }];
  });
  const cx = round(plot.x(x));
  const before = 2 * cx < plot.left + plot.right ? cx - 70 > plot.left : cx + 70 > plot.right; // outwards, where there is room
  const heights = rows(found.map(({ y }) => y), 17, plot.top + 6, plot.bottom - 6);
  return found.map(({ curve, value, y, measured }, i) =>
    coloured(curve.colour, "series",
      shape("circle", { class: "bead", cx, cy: round(y), r: 7 }),
      text(`${measured ? "" : "≈ "}${short(Number(value.toPrecision(3)))}`, {
        class: "over name value", x: cx + (before ? -13 : 13), y: round(heights[i]), dy: "0.35em", "text-anchor": before ? "end" : "start",
      })));
}
