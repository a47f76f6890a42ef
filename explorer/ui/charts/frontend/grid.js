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

/** The value of the known cell nearest to [i, j]. @type {(known: [number, number, number][], i: number, j: number) => number} */
export function nearest(known, i, j) {
  let [best, value] = [Infinity, NaN];
  for (const [a, b, v] of known) {
    const far = (a - i) ** 2 + (b - j) ** 2;
    if (far < best) [best, value] = [far, v];
  }
  return value;
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

/**
 * Pieces of the line at a level, straight across each square between four measured values (marching squares).
 * @type {(grid: Grid, level: number, low: number) => [Pair, Pair][]}
 */
export function contour({ x, y, z, log }, level, low) {
  const up = log ? (/** @type {number} */ value) => Math.log10(Math.max(value, low)) : Number;
  const height = up(level);
  /** @type {[Pair, Pair][]} */
  const found = [];
  for (let j = 0; j + 1 < y.length; j++) {
    for (let i = 0; i + 1 < x.length; i++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]].map(([a, b]) => [x[a], y[b], up(z[b][a] ?? NaN) - height]);
      if (corners.some((corner) => !Number.isFinite(corner[2]))) continue;
      /** @type {Pair[]} */
      const crossings = [];
      for (let k = 0; k < 4; k++) {
        const [a, b] = [corners[k], corners[(k + 1) % 4]];
        if (a[2] < 0 === b[2] < 0) continue;
        const u = a[2] / (a[2] - b[2]);
        crossings.push([a[0] + u * (b[0] - a[0]), a[1] + u * (b[1] - a[1])]);
      }
      if (crossings.length === 2) found.push([crossings[0], crossings[1]]);
      if (crossings.length === 4) {
        // A saddle: its middle decides which two sides belong together.
        const turned = corners.reduce((sum, corner) => sum + corner[2], 0) < 0 === corners[0][2] < 0;
        /** @type {[Pair, Pair][]} */
        const pieces = turned ? [[crossings[0], crossings[1]], [crossings[2], crossings[3]]] : [[crossings[3], crossings[0]], [crossings[1], crossings[2]]];
        found.push(...pieces);
      }
    }
  }
  return found;
}
