// The labels of a curve's barriers: beside the bracket that measures it, where no curve runs through them, in rows of their own.

import { coloured, least, most, round, set, shape, text } from "./drawing.js";
import { rows } from "./labels.js";

/** @typedef {import("./curve.js").Host} Plot */

/** Draw them, and the word for what diverged. @type {(plot: Plot) => void} */
export function brackets(plot) {
  const { still, left, right, top: above, bottom } = plot;
  const curves = plot.curves();
  const lost = curves.flatMap((curve) => curve.x.filter((x, j) => curve.y[j] === null && plot.within(x)));
  let ceiling = above + 12; // the baseline of the topmost label
  if (lost.length) {
    const label = still.appendChild(text("diverged", { class: "over" }));
    const [first, last, width] = [plot.x(least(lost)), plot.x(most(lost)), label.getComputedTextLength()];
    const behind = last + 8 + width < right, before = first - 8 - width > left;
    set(label, { x: round(behind ? last + 8 : before ? first - 8 - width : first), y: behind || before ? above - 1 : above + 14 });
    if (!behind && !before) ceiling += 18;
  }
  const marks = curves.flatMap(({ peak, ghost, colour }) => {
    if (!peak || !plot.drawable(peak.foot) || !plot.drawable(peak.top) || !plot.within(peak.x)) return [];
    const [at, foot, top] = [plot.x(peak.x), plot.y(peak.foot), plot.y(peak.top)].map(round);
    const label = text(peak.label, { class: "over name", "font-weight": 600 });
    const bracket = shape("path", { class: "bracket", d: `M${at - 8} ${top}h16m-8 0V${foot}m-8 0h16` });
    const group = still.appendChild(coloured(colour, ghost ? "series ghost" : "series", bracket, label));
    return [{ ...beside(plot, at, foot, top, label.getComputedTextLength()), at, top, label, group }];
  });
  const heights = rows(marks.map(({ y }) => y), 17, ceiling, bottom - 6);
  marks.forEach(({ sides, at, top, width, label, group }, i) => {
    const y = round(heights[i]);
    const x = round(sides.find((side) => free(plot, { x: side, y, w: width })) ?? sides[0]);
    set(label, { x, y });
    const end = x > at ? x - 3 : x + width < at ? x + width + 3 : at;
    group.insertBefore(shape("path", { class: "leader", d: `M${at} ${top}L${end} ${end === at ? y + (y < top ? 4 : -12) : y - 4}` }), label);
  });
}

/**
 * Where the label of a bracket is wanted: beside its top, above it or beside its stem, the first that no curve runs through; and the sides there are.
 * @type {(plot: Plot, at: number, foot: number, top: number, width: number) => { sides: number[], y: number, width: number }}
 */
function beside(plot, at, foot, top, width) {
  const within = (/** @type {number} */ x) => Math.max(plot.left + 2, Math.min(x, plot.right - width - 2));
  const sides = [at + 20, at - 20 - width].filter((x) => x === within(x));
  const above = { sides: [within(at - width / 2)], y: Math.max(plot.top + 12, Math.min(foot, top) - 10), width };
  const shares = Math.abs(foot - top) > 22 ? [0.5, 0.7, 0.85] : [];
  const near = sides.length ? [top - 8, ...shares.map((share) => top + share * (foot - top) + 4)].map((y) => ({ sides, y, width })) : [];
  const wanted = [...near.slice(0, 1), above, ...near.slice(1)];
  return wanted.find(({ sides: xs, y }) => xs.some((x) => free(plot, { x, y, w: width }))) ?? wanted[0];
}

/**
 * Whether no curve runs through a text of width w that stands at x on the baseline y.
 * @type {(plot: Plot, place: { x: number, y: number, w: number }) => boolean}
 */
function free(plot, { x, y, w }) {
  const [above, below] = [y - 14, y + 5];
  return plot.curves().every((curve) =>
    curve.x.every((_, j) => {
      const [before, after] = [curve.y[j - 1], curve.y[j]];
      if (!plot.drawable(before) || !plot.drawable(after)) return true;
      const [x0, x1, y0, y1] = [plot.x(curve.x[j - 1]), plot.x(curve.x[j]), plot.y(before), plot.y(after)];
      const [from, to] = [Math.max(x, x0), Math.min(x + w, x1)];
      if (from > to) return true;
      const heights = [from, to].map((at) => (x1 > x0 ? y0 + ((y1 - y0) * (at - x0)) / (x1 - x0) : y0));
      return Math.max(...heights) < above || Math.min(...heights) > below;
    }));
}
