// Word between a plane and the pictures of its minima: where somebody points in the plane, and what part of it belongs to a minimum.

import { round, shape } from "./drawing.js";
import { broadcast, hear } from "./picture.js";

/** @typedef {import("./grid.js").Pair} Pair */
/** What runs down to a minimum: its edge in pieces, the minimum, and the pass out of it. @typedef {{ edge: [Pair, Pair][], low: Pair, over: Pair | null }} Region */
/** A plane's cells: to which minimum each runs down, by rows, −1 for none; and where the minima and passes lie.
 * @typedef {{ x: number[], y: number[], basin: number[][], low: Pair[], over: (Pair | null)[] }} Cells */

const [PLACE, REGION] = ["explorer:place", "explorer:region"];

/** Somebody points at a place of the plane with this key, null for nowhere. @type {(plane: string, place: Pair | null) => void} */
export function sayPlace(plane, place) {
  broadcast(PLACE, { plane, place });
}

/** @type {(plane: string, listener: (place: Pair | null) => void) => () => void} */
export function hearPlace(plane, listener) {
  return hear(PLACE, (/** @type {{ plane: string, place: Pair | null }} */ word) => word.plane === plane && listener(word.place));
}

/** The plane with this key is to show a region, null for none. @type {(plane: string, region: Region | null) => void} */
export function sayRegion(plane, region) {
  broadcast(REGION, { plane, region });
}

/** @type {(plane: string, listener: (region: Region | null) => void) => () => void} */
export function hearRegion(plane, listener) {
  return hear(REGION, (/** @type {{ plane: string, region: Region | null }} */ word) => word.plane === plane && listener(word.region));
}

/** To which minimum a place runs down; null for none. @type {(cells: Cells, place: Pair) => number | null} */
export function basinAt({ x, y, basin }, place) {
  const near = (/** @type {number[]} */ axis, /** @type {number} */ at) => {
    const share = (at - axis[0]) / (axis[axis.length - 1] - axis[0] || 1);
    return Math.min(axis.length - 1, Math.max(0, Math.round(share * (axis.length - 1))));
  };
  const found = basin[near(y, place[1])][near(x, place[0])];
  return found < 0 ? null : found;
}

/** @type {(cells: Cells, number: number) => Region} */
export function regionOf({ x, y, basin, low, over }, number) {
  const sides = (/** @type {number[]} */ axis) => Array.from({ length: axis.length + 1 }, (_, k) => (axis[Math.max(0, k - 1)] + axis[Math.min(axis.length - 1, k)]) / 2);
  const [xs, ys] = [sides(x), sides(y)];
  const mine = (/** @type {number} */ i, /** @type {number} */ j) => basin[j]?.[i] === number;
  /** @type {[Pair, Pair][]} */
  const edge = [];
  for (let j = 0; j <= y.length; j++) {
    for (let i = 0; i <= x.length; i++) {
      if (i < x.length && mine(i, j) !== mine(i, j - 1)) edge.push([[xs[i], ys[j]], [xs[i + 1], ys[j]]]);
      if (j < y.length && mine(i, j) !== mine(i - 1, j)) edge.push([[xs[i], ys[j]], [xs[i], ys[j + 1]]]);
    }
  }
  return { edge, low: low[number], over: over[number] };
}

/** A region in a view of the plane. @type {(region: Region, view: { pixel: (place: Pair) => [number, number] }) => Node[]} */
export function outlined({ edge, low, over }, view) {
  const at = (/** @type {Pair} */ place) => view.pixel(place).map(round);
  const d = edge.map(([a, b]) => `M${at(a).join(" ")}L${at(b).join(" ")}`).join("");
  const nodes = [shape("path", { class: "region under", d }), shape("path", { class: "region", d })];
  const [x, y] = at(low);
  nodes.push(shape("path", { class: "region-mark", d: `M${x - 6} ${y}a6 6 0 1 0 12 0a6 6 0 1 0 -12 0Z` }));
  if (over) {
    const [u, v] = at(over);
    nodes.push(shape("path", { class: "region-mark", d: `M${u} ${v - 7}L${u + 6} ${v}L${u} ${v + 7}L${u - 6} ${v}Z` }));
  }
  return nodes;
}
