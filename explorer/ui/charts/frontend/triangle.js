// The mixtures of three models on a triangle with equal sides: every mark is a measured one, in the colours of the plane they lie in.
//
// The triangle is the plane's own, stretched: a place of the plane is a place here, so what is picked or walked on one view stands on the others.

import { coloured, element, plain, round, shape, short, text } from "./drawing.js";
import { levelsOf } from "./grid.js";
import { BAR } from "./labels.js";

/** @typedef {import("./grid.js").Pair} Pair */
/** @typedef {{ names: string[], shares: number[][], values: (number | null)[] }} Mixtures of the plane's first three models; null for one that diverged */

const NAMES = 42; // px for the names above and below, and half a mark
const HALF = Math.sqrt(3) / 2;

/** A view as plane.js says. */
export class Triangle {
  left = 20;
  top = NAMES;
  side = 0; // px
  /** @type {Pair[]} */
  corners = []; // of the models, in px

  /** @param {import("./plane.js").Host} plane */
  constructor(plane) {
    this.plane = plane;
  }

  layers() {
    return [];
  }

  leave() {}

  /** @returns {Mixtures} */
  get mixtures() {
    return this.plane.data.mixtures ?? { names: [], shares: [], values: [] };
  }

  draw() {
    const room = Math.max(80, this.plane.width - 2 * this.left - BAR);
    this.side = Math.min(room, (this.plane.data.height - 2 * NAMES) / HALF);
    const [x, y, tall] = [this.left + (room - this.side) / 2, this.top, this.side * HALF];
    this.corners = [[x, y + tall], [x + this.side, y + tall], [x + this.side / 2, y]];
    this.plane.lay(x - 12, y - 12, x + this.side + 12, y + tall + 12, y + tall + NAMES);
    const { names, shares, values } = this.mixtures;
    const d = `M${this.corners.map(([a, b]) => `${round(a)} ${round(b)}`).join("L")}Z`;
    /** @type {Node[]} */
    const nodes = [shape("path", { class: "axis", fill: "none", d })];
    const size = this.size();
    shares.forEach((row, k) => {
      const [cx, cy] = this.spot(row);
      const value = values[k];
      nodes.push(value === null ? text("×", { class: "lost", x: round(cx), y: round(cy), dy: "0.35em", "text-anchor": "middle" }) : coloured(this.colour(value), "mixture", shape("path", { d: hexagon(cx, cy, size) })));
    });
    if (!shares.length) nodes.push(text("No mixture is measured yet", { x: x + this.side / 2, y: y + 0.66 * tall, "text-anchor": "middle" }));
    names.forEach((name, k) => {
      const [cx, cy] = this.corners[k];
      nodes.push(text(name, { class: "over", x: round(cx), y: round(k === 2 ? cy - size - 5 : cy + size + 14), "text-anchor": k === 2 ? "middle" : k ? "end" : "start" }));
    });
    const levels = levelsOf(this.plane.scale, this.plane.data.log, Math.max(3, Math.floor(tall / 42)));
    nodes.push(...this.plane.bar(x + this.side + 36, y, y + tall, levels));
    this.plane.still.replaceChildren(...nodes);
  }

  /** px from the middle of a mark to its corners: neighbours touch. */
  size() {
    const steps = (Math.sqrt(8 * this.mixtures.shares.length + 1) - 3) / 2;
    return Math.min(22, (0.94 * this.side) / Math.max(1, steps) / 2 / HALF);
  }

  /** @type {(value: number) => string} */
  colour(value) {
    const { colours } = this.plane.data;
    return colours[Math.round(this.plane.scale.share(value) * (colours.length - 1))];
  }

  /** @type {(shares: number[]) => [number, number]} */
  spot(shares) {
    return /** @type {[number, number]} */ ([0, 1].map((axis) => shares.reduce((sum, share, k) => sum + share * this.corners[k][axis], 0)));
  }

  /** @type {(place: Pair) => [number, number]} */
  pixel(place) {
    const { markers } = this.plane.data;
    return this.spot(barycentric(place, markers.slice(0, 3).map(({ x, y }) => [x, y])));
  }

  /** The place of the mixture under a pixel. @type {(px: number, py: number) => Pair | null} */
  place(px, py) {
    const k = this.near(px, py);
    if (k === null) return null;
    const { markers } = this.plane.data;
    const of = (/** @type {"x" | "y"} */ axis) => this.mixtures.shares[k].reduce((sum, share, i) => sum + share * markers[i][axis], 0);
    return [of("x"), of("y")];
  }

  /** The mark under a pixel, by its number. @type {(px: number, py: number) => number | null} */
  near(px, py) {
    let [best, far] = [-1, 1.2 * this.size()];
    this.mixtures.shares.forEach((row, k) => {
      const [cx, cy] = this.spot(row);
      const here = Math.hypot(cx - px, cy - py);
      if (here < far) [best, far] = [k, here];
    });
    return best < 0 ? null : best;
  }

  /** What stands under a pixel. @type {(px: number, py: number) => Node[]} */
  lines(px, py) {
    const k = this.near(px, py);
    if (k === null) return [];
    const { names, shares, values } = this.mixtures;
    const mix = names.flatMap((name, i) => (shares[k][i] > 1e-9 ? [`${plain(shares[k][i], 3)} ${name}`] : [])).join(" + ");
    const value = values[k];
    return [element("div", "", element("b", "", mix)), element("div", "", value === null ? "diverged" : `${this.plane.data.zName}: ${short(value)}`)];
  }

  /** @type {(path: import("./grid.js").Path, place: Pair) => Node} */
  bead(path, place) {
    const [cx, cy] = this.pixel(place);
    return coloured(path.colour, "series", shape("circle", { class: "bead", cx: round(cx), cy: round(cy), r: 7 }));
  }
}

/** The shares of three corners that make up a place. @type {(place: Pair, corners: number[][]) => number[]} */
function barycentric([x, y], [[ax, ay], [bx, by], [cx, cy]]) {
  const whole = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay) || 1;
  const b = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / whole;
  const c = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / whole;
  return [1 - b - c, b, c];
}

/** @type {(x: number, y: number, size: number) => string} */
const hexagon = (x, y, size) => `M${[0, 1, 2, 3, 4, 5].map((k) => `${round(x + size * Math.sin((k * Math.PI) / 3))} ${round(y + size * Math.cos((k * Math.PI) / 3))}`).join("L")}Z`;
