// Where each unit of a model stands, played and scrubbed by the steps of the matching that put it there.
//
// A column is a unit, by its position before; its mark stands in the row of its position at the step. Between two steps the marks glide.

import { element, niceStep, plain, put, round, set, shape, short, text, ticks } from "./drawing.js";
import { Frames, still } from "./frames.js";
import { keep, Picture } from "./picture.js";
import { Player } from "./player.js";

/**
 * @typedef {object} Matching
 * @property {string} unit what the group of units is called
 * @property {string} reference the model that stays
 * @property {string} other the model that is matched
 * @property {number[][]} steps (steps, n): the old position of the unit that is at each position, at the start and after every step; the last is the result
 * @property {number[] | null} values of the objective, for each of them
 * @property {string} objective
 * @property {number} height px at most
 */

/** @typedef {import("./picture.js").Told & Matching} Data */

const COLOURS = { stays: "where it was", moved: "elsewhere", moves: "moving in this step" };
const PLAYER = 32; // px of the row to play and scrub in
const UNDER = 22; // px of the positions' numbers
const GLIDE = 0.7; // of a step's time, in which the marks move; then they rest
/** @type {WeakMap<Element, Units>} */
const pictures = new WeakMap();

/** @param {import("./picture.js").Call<Data>} call */
export default function ({ data, parentElement }) {
  const picture = keep(pictures, parentElement, () => new Units(parentElement, data));
  picture.tell(data);
  return () => picture.leave();
}

/** @extends {Picture<Data>} */
class Units extends Picture {
  /** @override @type {[number, number] | null} */
  pointer = null;
  /** @type {number[][]} */
  places = []; // (steps, n): the position of each unit, by its position before
  walks = false; // whether somebody has played or scrubbed
  left = 0;
  side = 0; // px

  /** @param {Element} parent @param {Data} data */
  constructor(parent, data) {
    super(parent, data, "curve units", "img");
    this.under = element("div", "x-title");
    this.player = new Player("step", () => this.walked());
    this.frames = new Frames(this.stage, (seconds) => this.player.step(seconds));
    this.stage.after(element("div", "under", this.under), this.player.root);
    this.grip.addEventListener("pointerleave", () => this.hover(null));
  }

  /** @override @param {Data} data */
  tell(data) {
    const last = data.steps.length - 1;
    if (JSON.stringify(data.steps) !== JSON.stringify(this.places.length ? this.data.steps : null)) {
      this.places = data.steps.map((order) => inverse(order));
      this.player.s = this.player.s === null || this.player.s > last ? last : this.player.s; // what it came to, until somebody plays
    }
    this.player.tell(last > 0 ? [{ name: "the matching", from: 0, to: last }] : []);
    put(this.title, `unit of ${data.reference} it is matched with`);
    put(this.under, `unit of ${data.other}`);
    this.entries();
    set(this.grip, { "aria-label": data.alt });
    super.tell(data);
  }

  /** @override */
  leave() {
    super.leave();
    if (!this.root.isConnected) this.frames.end();
  }

  walked() {
    this.walks = true;
    this.point(this.player.s, true);
    this.mark();
    this.frames.go();
  }

  /** @override @param {number} s */
  follow(s) {
    this.walks = true;
    this.player.follow(s);
  }

  /** @override */
  place() {
    return this.walks ? this.player.s : null;
  }

  /** What the colours say; the one for what moves, where anything does. */
  entries() {
    const named = Object.entries(COLOURS).filter(([name]) => name !== "moves" || this.places.length > 1);
    this.legend.replaceChildren(...named.map(([name, words]) => {
      const mark = shape("svg", { width: 14, height: 14, "aria-hidden": "true" }, shape("path", { class: `mark ${name}`, d: "M7 7h0", "stroke-width": 9 }));
      return element("li", "", mark, words);
    }));
  }

  // -- the still part ---------------------------------------------------------------------------------------------

  /** @override */
  background() {
    const n = this.data.steps[0].length;
    this.left = 14 + 7.1 * String(n - 1).length;
    this.side = Math.max(120, Math.min(this.width - this.left - 6, this.data.height - UNDER - PLAYER));
    this.top = 4;
    this.stage.style.height = `${this.side + this.top + UNDER}px`;
    set(this.svg, { width: this.width, height: this.side + this.top + UNDER });
    this.under.style.maxWidth = `${this.left + this.side}px`;
    /** @type {Node[]} */
    const nodes = [shape("rect", { class: "ground", x: this.left, y: this.top, width: this.side, height: this.side })];
    for (const tick of ticks(0, n - 1, Math.max(1, niceStep((n - 1) / Math.max(2, this.side / 60))))) {
      const at = (tick.at + 0.5) * this.cell();
      nodes.push(text(tick.text, { class: "tick", x: this.left + at, y: this.top + this.side + 16, "text-anchor": "middle" }));
      nodes.push(text(tick.text, { class: "tick", x: this.left - 6, y: this.top + at, dy: "0.35em", "text-anchor": "end" }));
    }
    this.still.replaceChildren(...nodes);
    Object.assign(this.grip.style, { left: `${this.left}px`, top: `${this.top}px`, width: `${this.side}px`, height: `${this.side}px` });
  }

  cell() {
    return this.side / this.data.steps[0].length;
  }

  // -- the live part ----------------------------------------------------------------------------------------------

  /** The steps it stands between, and how far the marks have come from the one to the other. */
  between() {
    const s = this.player.s ?? 0;
    const from = Math.min(Math.floor(s + 1e-9), this.places.length - 1);
    const to = Math.min(from + 1, this.places.length - 1);
    const share = Math.min(1, Math.max(0, (s - from) / GLIDE));
    return { from, to, share: still() ? Number(share >= 0.5) : share * share * (3 - 2 * share) };
  }

  /** The row of every unit, by its position before. */
  rows() {
    const { from, to, share } = this.between();
    const ends = this.places[to];
    return this.places[from].map((row, unit) => row + share * (ends[unit] - row));
  }

  /** @override */
  foreground() {
    if (!this.side) return [];
    const cell = this.cell();
    const { from, to } = this.between();
    /** @type {Record<string, string[]>} */
    const marks = { stays: [], moved: [], moves: [] };
    const rows = this.rows();
    rows.forEach((row, unit) => {
      const name = this.places[from][unit] !== this.places[to][unit] ? "moves" : this.places[from][unit] === unit ? "stays" : "moved";
      marks[name].push(`M${round(this.left + (unit + 0.5) * cell)} ${round(this.top + (row + 0.5) * cell)}h0`);
    });
    const wide = Math.max(2.5, Math.min(10, 0.8 * cell));
    /** @type {Node[]} */
    const nodes = Object.entries(marks).filter(([, list]) => list.length).map(([name, list]) => shape("path", { class: `mark ${name}`, d: list.join(""), "stroke-width": wide }));
    const unit = this.near(rows);
    if (unit !== null) nodes.push(shape("circle", { class: "hair", fill: "none", cx: round(this.left + (unit + 0.5) * cell), cy: round(this.top + (rows[unit] + 0.5) * cell), r: wide / 2 + 4 }));
    return nodes;
  }

  /** The unit whose mark is nearest to the pointer. @type {(rows: number[]) => number | null} */
  near(rows) {
    if (this.pointer === null) return null;
    const [x, y] = this.pointer.map((px) => px / this.cell() - 0.5);
    let best = 0;
    const far = (/** @type {number} */ unit) => (unit - x) ** 2 + (rows[unit] - y) ** 2;
    rows.forEach((_, unit) => far(unit) < far(best) && (best = unit));
    return best;
  }

  /** @override */
  tip() {
    const rows = this.side ? this.rows() : [];
    const unit = this.near(rows);
    if (unit === null) {
      this.readout.style.visibility = "hidden";
      return;
    }
    const { reference, other } = this.data;
    const row = this.places[this.between().from][unit];
    const lines = [element("div", "", `unit ${unit} of ${other}`), element("div", "", `with unit ${row} of ${reference}${row === unit ? ": in its position" : ""}`)];
    this.read(lines, this.left + (unit + 0.5) * this.cell(), this.top + (rows[unit] + 0.5) * this.cell(), this.side);
  }

  /** @override */
  say() {
    const { from } = this.between();
    const { steps, values, objective, unit } = this.data;
    const order = steps[from];
    const away = order.filter((old, place) => old !== place).length;
    const changed = from ? order.filter((old, place) => old !== steps[from - 1][place]).length : 0;
    const where = `${away} of ${order.length} units of ${unit} stand elsewhere than before`;
    if (steps.length < 2) return put(this.status, `${where}.`);
    const value = values ? `: ${objective} ${short(values[from])}` : "";
    const step = from ? `Step ${from} of ${steps.length - 1}${value}; it moved ${changed || "none"} of these units.` : `Before the first of ${steps.length - 1} steps${value}.`;
    put(this.status, `${step} ${where.charAt(0)}${where.slice(1)}.`);
    put(this.player.reading, `step ${plain(from, 0)}`);
  }

  /** @override @param {MouseEvent | null} event */
  hover(event) {
    if (event) {
      const box = this.grip.getBoundingClientRect();
      this.pointer = [event.clientX - box.left, event.clientY - box.top];
    } else this.pointer = null;
    this.mark();
  }
}

/** @type {(order: number[]) => number[]} */
function inverse(order) {
  const found = new Array(order.length);
  order.forEach((old, place) => (found[old] = place));
  return found;
}
