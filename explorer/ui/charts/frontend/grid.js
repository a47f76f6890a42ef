// Values on a grid over a plane, as every view of it reads them: their scale, the cell of a place, the lines of equal value, paths.

import { least, logTicks, most, niceStep, ticks } from "./drawing.js";

/** @typedef {[number, number]} Pair */
/** @typedef {{ name: string, colour: string, s: number[], x: number[], y: number[] }} Path with its own coordinate s */

/**
 * Values on a grid.
 * @typedef {object} Grid
 * @property {number[]} x of the columns, in order
 * @property {number[]} y of the rows
 * @property {(number | null)[][]} z a row for every y; null where nothing is known
 * @property {Pair[]} lost cells [i, j] that diverged
 * @property {boolean} log
 * @property {Pair | null} span the values of the first and last colour
 */

/**
 * From values to shares of the span of colours and heights, 0 for its lowest value and 1 for its highest.
 * @typedef {object} Scale
 * @property {Pair} span
 * @property {boolean} floor whether a value lies below it
 * @property {(value: number) => number} share
 * @property {(share: number) => number} value
 */

const DECADES = 4; // of a logarithmic scale, from the highest value downwards; what is lower has the lowest colour

/** @type {<T>(list: T[]) => T} */
export const last = (list) => list[list.length - 1];

/** @type {(grid: Grid) => Scale} */
export function scaleOf({ z, log, span }) {
  const values = z.flat().filter((value) => value !== null);
  let [low, high] = span ?? (values.length ? [least(values), most(values)] : [0, 1]);
  if (log) [low, high] = high > 0 ? [Math.max(low, high / 10 ** DECADES), high] : [0.1, 1];
  if (low === high) [low, high] = [low - Math.abs(low || 1) / 2, high + Math.abs(high || 1) / 2];
  const up = log ? (/** @type {number} */ value) => Math.log10(Math.max(value, low)) : Number;
  const [foot, rise] = [up(low), up(high) - up(low)];
  return {
    span: [low, high],
    floor: values.some((value) => value < low),
    share: (value) => Math.min(1, Math.max(0, (up(value) - foot) / rise)),
    value: (share) => (log ? 10 ** (foot + share * rise) : foot + share * rise),
  };
}

/** About so many values of a span to be written beside it. @type {(scale: Scale, log: boolean, wanted: number) => import("./drawing.js").Tick[]} */
export function levelsOf({ span: [low, high] }, log, wanted) {
  const found = log ? logTicks(low, high, wanted) : ticks(low, high, niceStep((high - low) / wanted));
  return found.filter((tick) => tick.at >= low && tick.at <= high);
}

/** The cell a place lies in. @type {(grid: Grid, place: Pair) => Pair} */
export function cellAt({ x, y }, place) {
  const closest = (/** @type {number[]} */ axis, /** @type {number} */ value) =>
    axis.reduce((best, v, k) => (Math.abs(v - value) < Math.abs(axis[best] - value) ? k : best), 0);
  return [closest(x, place[0]), closest(y, place[1])];
}

/** The value at a place, straight between the middles of cells; NaN where one of the four around is not known. @type {(grid: Grid, place: Pair) => number} */
export function valueAt({ x, y, z }, [at, up]) {
  const step = (/** @type {number[]} */ axis, /** @type {number} */ value) => Math.min(axis.length - 2, Math.max(0, axis.findLastIndex((v) => v <= value)));
  const [i, j] = [step(x, at), step(y, up)];
  const [u, v] = [(at - x[i]) / (x[i + 1] - x[i]), (up - y[j]) / (y[j + 1] - y[j])].map((share) => Math.min(1, Math.max(0, share)));
  const row = (/** @type {number} */ j) => (1 - u) * (z[j][i] ?? NaN) + u * (z[j][i + 1] ?? NaN);
  return (1 - v) * row(j) + v * row(j + 1);
}

/**
 * Values where nothing is known yet: that of the nearest known cell, row by row; NaN where none is.
 * @type {(z: (number | null)[][]) => number[][]}
 */
export function filled(z) {
  const [ny, nx] = [z.length, z[0]?.length ?? 0];
  // Of every cell the nearest known one in its own column; then along each row the best of these, no further off than the best so far.
  const row = Array.from({ length: ny }, () => new Int32Array(nx).fill(-1));
  for (let i = 0; i < nx; i++) {
    for (const [from, to, step] of [[0, ny, 1], [ny - 1, -1, -1]]) {
      let known = -1;
      for (let j = from; j !== to; j += step) {
        if (z[j][i] !== null) known = j;
        if (known >= 0 && (row[j][i] < 0 || Math.abs(known - j) < Math.abs(row[j][i] - j))) row[j][i] = known;
      }
    }
  }
  return z.map((values, j) =>
    values.map((value, i) => {
      if (value !== null) return value;
      let [best, found] = [Infinity, NaN];
      for (let d = 0; d * d < best && d < nx; d++) {
        for (const k of d ? [i - d, i + d] : [i]) {
          const at = row[j][k] ?? -1;
          if (at < 0) continue;
          const far = d * d + (at - j) ** 2;
          if (far < best) [best, found] = [far, /** @type {number} */ (z[at][k])];
        }
      }
      return found;
    }));
}

/** Where a path is at s: [x, y], null beyond its ends. @type {(path: Path, s: number) => Pair | null} */
export function along(path, s) {
  const { length } = path.s;
  if (!length || s < path.s[0] - 1e-9 || s > path.s[length - 1] + 1e-9) return null;
  let k = 1;
  while (k < length - 1 && path.s[k] < s) k++;
  const span = path.s[k] - path.s[k - 1];
  const u = span > 0 ? Math.min(1, Math.max(0, (s - path.s[k - 1]) / span)) : 0;
  return [path.x[k - 1] + u * (path.x[k] - path.x[k - 1]), path.y[k - 1] + u * (path.y[k] - path.y[k - 1])];
}

/** The scale of heights on which lines of equal value are straight between measured ones. @type {(grid: Grid, low: number) => (value: number) => number} */
const upOf = ({ log }, low) => (log ? (value) => Math.log10(Math.max(value, low)) : Number);

/**
 * Pieces of the line at each level, straight across each square between four measured values (marching squares).
 * @type {(grid: Grid, levels: number[], low: number) => [Pair, Pair][][]}
 */
export function contours(grid, levels, low) {
  const { x, y, z } = grid;
  const up = upOf(grid, low);
  const heights = levels.map(up);
  const rise = z.map((row) => Float64Array.from(row, (value) => (value === null ? NaN : up(value))));
  /** @type {[Pair, Pair][][]} */
  const found = levels.map(() => []);
  for (let j = 0; j + 1 < y.length; j++) {
    for (let i = 0; i + 1 < x.length; i++) {
      const values = [rise[j][i], rise[j][i + 1], rise[j + 1][i + 1], rise[j + 1][i]];
      const [least, most] = [Math.min(...values), Math.max(...values)];
      if (!Number.isFinite(least + most)) continue;
      heights.forEach((height, k) => {
        if (height > least && height <= most) found[k].push(...across(grid, i, j, values.map((value) => value - height)));
      });
    }
  }
  return found;
}

/** The pieces in one square, of whose corners it is known how high they lie above the level. @type {(grid: Grid, i: number, j: number, above: number[]) => [Pair, Pair][]} */
function across({ x, y }, i, j, above) {
  const corners = [[x[i], y[j]], [x[i + 1], y[j]], [x[i + 1], y[j + 1]], [x[i], y[j + 1]]];
  /** @type {Pair[]} */
  const crossings = [];
  for (let k = 0; k < 4; k++) {
    const next = (k + 1) % 4;
    if (above[k] < 0 === above[next] < 0) continue;
    const [a, b] = [corners[k], corners[next]];
    const u = above[k] / (above[k] - above[next]);
    crossings.push([a[0] + u * (b[0] - a[0]), a[1] + u * (b[1] - a[1])]);
  }
  if (crossings.length === 2) return [[crossings[0], crossings[1]]];
  if (crossings.length < 4) return [];
  // A saddle: its middle decides which two sides belong together.
  const turned = above.reduce((sum, value) => sum + value, 0) < 0 === above[0] < 0;
  return turned ? [[crossings[0], crossings[1]], [crossings[2], crossings[3]]] : [[crossings[3], crossings[0]], [crossings[1], crossings[2]]];
}
