// The minima of a measured function, as a merge tree, a barcode or the profile of a terrain: each a line with its mark, to be pointed at, walked along and picked.
//
// Pictures of one group number the minima alike: what is pointed at in one is marked in all. One of them has the cells of the plane that the minima are of, and has the
// plane show what runs down to a minimum.

import { element, niceStep, put, round, set, shape, text, ticks } from "./drawing.js";
import { keep, Picture } from "./picture.js";
import { basinAt, hearPlace, regionOf, sayRegion } from "./region.js";

/** @typedef {import("./grid.js").Pair} Pair */
/** @typedef {{ x: number[], y: number[] }} Line */
/** whisker: ends of an interval along x. @typedef {{ line: Line, low: Pair, over: Pair | null, whisker: Pair | null, real: boolean, size: number, words: string[] }} Minimum */

/**
 * @typedef {object} Shown
 * @property {"tree" | "barcode" | "profile"} kind
 * @property {Minimum[]} minima
 * @property {number[]} order of the minima for the arrow keys
 * @property {Line[]} ground of a profile
 * @property {Pair} xRange from left to right
 * @property {Pair} yRange from the bottom up
 * @property {string} xTitle empty: no numbers
 * @property {string} yTitle
 * @property {number | null} pick
 * @property {number} height px
 * @property {string} plane the key of the plane
 * @property {import("./region.js").Cells | null} cells
 */

/** @typedef {import("./picture.js").Told & Shown} Data */

const NEAR = 40; // px within which a minimum is pointed at
/** @type {WeakMap<Element, Basins>} */
const all = new WeakMap();

/** @param {import("./picture.js").Call<Data>} call */
export default function ({ data, parentElement, setStateValue }) {
  const picture = keep(all, parentElement, () => new Basins(parentElement, data));
  picture.send = (sent) => setStateValue("pick", sent);
  picture.tell(data);
  return () => picture.leave();
}

/** @extends {Picture<Data>} */
class Basins extends Picture {
  /** @type {number | null} */
  pick = null;
  /** @type {number | null} */
  near = null; // what the pointer or the keys are at
  /** @override @type {Pair | null} */
  pointer = null;
  px = (/** @type {number} */ value) => value;
  py = (/** @type {number} */ value) => value;

  /** @param {Element} parent @param {Data} data */
  constructor(parent, data) {
    super(parent, data, "curve basins", "application");
    this.grip.addEventListener("pointerleave", () => this.hover(null));
    this.grip.addEventListener("blur", () => this.go(null));
    this.grip.addEventListener("click", (event) => {
      this.hover(event);
      this.commit();
    });
    this.unhear = data.plane ? hearPlace(data.plane, (place) => this.seen(place)) : () => {};
  }

  /** @override @param {Data} data */
  tell(data) {
    if (data.at >= this.sentAt) this.pick = data.pick;
    this.grip.setAttribute("aria-label", `${data.alt} Arrow keys go from minimum to minimum, Enter picks.`);
    put(this.title, data.yTitle);
    super.tell(data);
  }

  /** @override */
  leave() {
    super.leave();
    if (this.root.isConnected) return;
    this.unhear();
    if (this.data.plane) sayRegion(this.data.plane, null);
  }

  /** The minimum that is marked. */
  get marked() {
    const number = this.near ?? this.linked;
    return number !== null && number < this.data.minima.length ? number : null;
  }

  // -- the still part ----------------------------------------------------------------------------------------------------

  /** @override */
  background() {
    const { data, width } = this;
    const [left, right, top, bottom] = [data.yTitle ? 48 : 12, width - 12, 10, data.height - (data.xTitle ? 40 : 10)];
    const map = (/** @type {Pair} */ [from, to], /** @type {number} */ a, /** @type {number} */ b) => (/** @type {number} */ value) => a + ((b - a) * (value - from)) / (to - from);
    this.px = map(data.xRange, left, right);
    const up = map(data.yRange, bottom, top);
    this.py = (value) => Math.max(top, up(value));
    this.top = top;
    this.stage.style.height = `${data.height}px`;
    set(this.svg, { width, height: data.height });
    Object.assign(this.grip.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    /** @type {Node[]} */
    const nodes = [];
    if (data.yTitle) {
      for (const tick of ticks(data.yRange[0], data.yRange[1], niceStep((data.yRange[1] - data.yRange[0]) / 5))) {
        nodes.push(shape("line", { class: "rule", x1: left, x2: right, y1: round(up(tick.at)), y2: round(up(tick.at)) }));
        nodes.push(text(tick.text, { class: "tick", x: left - 7, y: up(tick.at), dy: "0.35em", "text-anchor": "end" }));
      }
    }
    if (data.xTitle) {
      const wanted = Math.max(2, Math.floor((right - left) / 80));
      for (const tick of ticks(data.xRange[0], data.xRange[1], niceStep((data.xRange[1] - data.xRange[0]) / wanted))) {
        if (data.kind === "barcode") nodes.push(shape("line", { class: "rule", x1: round(this.px(tick.at)), x2: round(this.px(tick.at)), y1: top, y2: bottom }));
        nodes.push(text(tick.text, { class: "tick", x: this.px(tick.at), y: bottom + 16, "text-anchor": "middle" }));
      }
      nodes.push(text(data.xTitle, { x: (left + right) / 2, y: bottom + 34, "text-anchor": "middle" }));
    }
    for (const line of data.ground) {
      const d = this.path(line);
      nodes.push(shape("path", { class: "ground", d: `${d}V${bottom}H${round(this.px(line.x[0]))}Z` }), shape("path", { class: "terrain", d }));
    }
    for (const one of data.minima) {
      if (data.kind !== "profile" || !one.real) nodes.push(shape("path", { class: this.look("branch", one), d: this.path(one.line) }));
      if (one.whisker) {
        const [a, b] = one.whisker.map((value) => round(this.px(value)));
        const y = round(this.py(one.low[1]));
        nodes.push(shape("path", { class: "whisker", d: `M${a} ${y}H${b}M${a} ${y - 4}v8M${b} ${y - 4}v8` }));
      }
    }
    for (const one of data.minima) nodes.push(this.dot(one, this.look("leaf", one)));
    if (!data.minima.length) nodes.push(text("No minimum yet", { x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle" }));
    this.still.replaceChildren(...nodes);
  }

  /** @type {(name: string, one: Minimum) => string} */
  look(name, one) {
    return `${name} ${this.data.kind}${one.real ? "" : " noise"}`;
  }

  /** @type {(line: Line) => string} */
  path({ x, y }) {
    return `M${x.map((at, k) => `${round(this.px(at))} ${round(this.py(y[k]))}`).join("L")}`;
  }

  /** @type {(one: Minimum, className: string, more?: number) => SVGCircleElement} */
  dot(one, className, more = 0) {
    return shape("circle", { class: className, cx: round(this.px(one.low[0])), cy: round(this.py(one.low[1])), r: round(one.size + more) });
  }

  // -- the live part -----------------------------------------------------------------------------------------------------

  /** @override */
  foreground() {
    const { data, marked } = this;
    /** @type {Node[]} */
    const nodes = [];
    if (this.pick !== null && data.minima[this.pick]) nodes.push(this.dot(data.minima[this.pick], "picked", 5));
    if (marked === null) return nodes;
    const one = data.minima[marked];
    nodes.push(shape("path", { class: `${this.look("branch", one)} marked`, d: this.path(one.line) }), this.dot(one, `${this.look("leaf", one)} marked`, 1));
    if (one.over) {
      const [x, y] = [round(this.px(one.over[0])), round(this.py(one.over[1]))];
      nodes.push(shape("path", { class: "pass", d: `M${x} ${y - 7}L${x + 6} ${y}L${x} ${y + 7}L${x - 6} ${y}Z` }));
    }
    return nodes;
  }

  /** @override */
  tip() {
    if (!this.pointer || this.near === null) {
      this.readout.style.visibility = "hidden";
      return;
    }
    this.read(this.data.minima[this.near].words.map((line) => element("div", "", line)), ...this.pointer, this.data.height);
  }

  /** @override */
  say() {
    const number = this.marked ?? this.pick;
    this.status.classList.toggle("idle", number === null);
    const one = number === null ? null : this.data.minima[number];
    put(this.status, one ? `${one.words.join("; ")}.` : "Click a minimum for its model.");
  }

  // -- what is pointed at ------------------------------------------------------------------------------------------------

  /** Mark a minimum here, in the pictures beside and in the plane. @type {(number: number | null) => void} */
  go(number) {
    const other = number !== this.near;
    this.near = number;
    this.mark();
    if (!other) return;
    this.point(number);
    this.show();
  }

  /** Somebody points at a place of the plane. @type {(place: Pair | null) => void} */
  seen(place) {
    const number = place && this.data.cells ? basinAt(this.data.cells, place) : null;
    if (number === this.linked) return;
    this.linked = number;
    this.mark();
    this.point(number);
    this.show();
  }

  /** @override @param {import("./picture.js").Word} word */
  heard(word) {
    const before = this.linked;
    super.heard(word);
    if (this.linked !== before) this.show();
  }

  /** Have the plane show what runs down to the marked minimum. */
  show() {
    const { marked } = this;
    if (this.data.cells) sayRegion(this.data.plane, marked === null ? null : regionOf(this.data.cells, marked));
  }

  // -- the person --------------------------------------------------------------------------------------------------------

  /** @override @param {MouseEvent | null} event */
  hover(event) {
    if (event) {
      const box = this.stage.getBoundingClientRect();
      this.pointer = [event.clientX - box.left, event.clientY - box.top];
    } else {
      this.pointer = null;
    }
    this.go(this.pointer && this.nearest(this.pointer));
  }

  /** @type {(at: Pair) => number | null} */
  nearest([x, y]) {
    let best = null, far = NEAR;
    this.data.minima.forEach(({ line, low, size }, number) => {
      const spots = line.x.map((at, k) => /** @type {Pair} */ ([this.px(at), this.py(line.y[k])]));
      let mine = Math.max(0, Math.hypot(this.px(low[0]) - x, this.py(low[1]) - y) - size);
      for (let k = 1; k < spots.length; k++) mine = Math.min(mine, apart([x, y], spots[k - 1], spots[k]));
      if (mine < far) [best, far] = [number, mine];
    });
    return best;
  }

  /** @override @param {KeyboardEvent} event */
  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { order } = this.data;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && order.length) {
      const number = this.near ?? this.pick;
      const at = number === null ? (step > 0 ? -1 : order.length) : order.indexOf(number);
      this.go(order[Math.min(order.length - 1, Math.max(0, at + step))]);
    } else if (event.key === "Enter" && this.near !== null) this.commit();
    else if (event.key === "Escape" && this.near !== null) this.go(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  commit() {
    if (this.near === null) return;
    this.pick = this.near;
    this.stamp();
    this.mark();
    this.send({ minimum: this.near, at: this.sentAt });
  }
}

/** px from a place to a piece of a line. @type {(at: Pair, a: Pair, b: Pair) => number} */
function apart([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const u = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(ax + u * dx - x, ay + u * dy - y);
}
