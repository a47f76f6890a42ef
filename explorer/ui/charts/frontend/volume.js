// A function of three coordinates as the surface on which it has one value, in a box that is turned; the value is chosen by a slider, minima and passes are picked.

import { element, put, round, set, shape, short, text } from "./drawing.js";
import { isosurface, IsoRenderer, rising } from "./isosurface.js";
import { Orbit } from "./orbit.js";
import { keep, Picture } from "./picture.js";
import { Camera } from "./relief_camera.js";

/** @typedef {[number, number, number]} Spot */
/** number: of the minimum, or of the minimum that the pass leads out of. @typedef {{ place: Spot, number: number, pass: boolean, real: boolean, words: string[] }} Mark */

/**
 * @typedef {object} Shown
 * @property {Spot} n points along each axis
 * @property {(number | null)[]} values by x, then y, then z
 * @property {Spot} low ends of the axes, in distances
 * @property {Spot} high
 * @property {string[]} names of the axes
 * @property {string} zTitle of the values
 * @property {boolean} log
 * @property {[number, number]} span of the values that are asked for
 * @property {string[]} colours from the lowest value to the highest
 * @property {Mark[]} marks
 * @property {Spot | null} pick
 * @property {number} height px
 */

/** @typedef {import("./picture.js").Told & Shown} Data */

const NEAR = 16; // px within which a mark is pointed at
const FIRST = 0.25; // share of the values' span that is shown at first
const STEPS = 200;
const PALE = 0.3; // how much white is in the surface's colour, so that light and shade are seen on the darkest
/** @type {WeakMap<Element, Volume>} */
const all = new WeakMap();

/** @param {import("./picture.js").Call<Data>} call */
export default function ({ data, parentElement, setStateValue }) {
  const picture = keep(all, parentElement, () => new Volume(parentElement, data));
  picture.send = (sent) => setStateValue("pick", sent);
  picture.tell(data);
  return () => picture.leave();
}

/** @extends {Picture<Data>} */
class Volume extends Picture {
  camera = new Camera();
  share = FIRST;
  /** @type {IsoRenderer | null} */
  renderer = null;
  /** @type {number | null} */
  near = null; // the mark that is pointed at
  /** @type {Spot | null} */
  pick = null;
  frame = 0;
  /** @override @type {[number, number] | null} */
  pointer = null;
  slider = element("input");
  value = element("output");
  /** @type {{ n: Spot, values: Float32Array }} */
  block = { n: [0, 0, 0], values: new Float32Array() };

  /** @param {Element} parent @param {Data} data */
  constructor(parent, data) {
    super(parent, data, "curve volume", "application");
    this.canvas = element("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.behind = shape("svg", { class: "behind", "aria-hidden": "true", focusable: "false" });
    this.stage.prepend(this.behind, this.canvas);
    set(this.slider, { type: "range", min: 0, max: STEPS, step: 1, value: FIRST * STEPS, "aria-label": "Value of the surface" });
    this.slider.addEventListener("input", () => {
      this.share = Number(this.slider.value) / STEPS;
      this.cut();
      this.draw();
    });
    const reset = element("button", "", "Reset view");
    reset.type = "button";
    reset.addEventListener("click", () => this.orbit.type("Home"));
    this.stage.after(element("div", "controls", element("label", "", "Surface at", this.slider, this.value), reset));
    this.orbit = new Orbit(this.grip, this.camera, () => this.stir());
    this.grip.addEventListener("pointerleave", () => this.hover(null));
    this.grip.addEventListener("blur", () => this.go(null));
    this.grip.addEventListener("click", (event) => {
      if (this.orbit.dragged) return;
      this.hover(event);
      this.commit();
    });
    try {
      this.renderer = new IsoRenderer(this.canvas);
    } catch {
      this.renderer = null;
    }
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.renderer?.make();
      this.cut();
      this.draw();
    });
  }

  /** @override @param {Data} data */
  tell(data) {
    if (data.at >= this.sentAt) this.pick = data.pick;
    this.data = data;
    this.block = { n: data.n, values: Float32Array.from(data.values, (value) => (value === null ? NaN : this.scaled(value))) };
    this.grip.setAttribute("aria-label", `${data.alt} Arrow keys turn, plus and minus zoom, Home resets; with Shift, arrow keys go from mark to mark and Enter picks.`);
    put(this.title, data.zTitle);
    this.cut();
    super.tell(data);
  }

  /** @override */
  leave() {
    super.leave();
    if (this.root.isConnected) return;
    cancelAnimationFrame(this.frame);
    this.renderer?.end();
  }

  stir() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  /** On the scale of the slider. @type {(value: number) => number} */
  scaled(value) {
    return this.data.log ? Math.log10(Math.max(value, this.data.span[0])) : value;
  }

  get level() {
    const [a, b] = this.data.span.map((value) => this.scaled(value));
    return a + this.share * (b - a);
  }

  /** Half the box's sides in the world, whose longest is 2. @type {() => Spot} */
  half() {
    const sides = this.data.high.map((value, axis) => value - this.data.low[axis]);
    return /** @type {Spot} */ (sides.map((side) => side / Math.max(...sides)));
  }

  /** From distances to the world. @type {(place: Spot) => Spot} */
  world(place) {
    const half = this.half();
    return /** @type {Spot} */ (place.map((value, axis) => half[axis] * ((2 * (value - this.data.low[axis])) / (this.data.high[axis] - this.data.low[axis]) - 1)));
  }

  /** Find the surface anew. */
  cut() {
    const { n } = this.block;
    put(this.value, short(Number((this.data.log ? 10 ** this.level : this.level).toPrecision(3))));
    if (!this.renderer) return;
    const half = this.half();
    const found = isosurface(this.block, this.level);
    const vertices = new Float32Array(2 * found.length);
    for (let k = 0; k < found.length; k += 3) {
      const place = /** @type {Spot} */ ([found[k], found[k + 1], found[k + 2]]);
      const up = rising(this.block, place).map((slope, axis) => (slope * (n[axis] - 1)) / half[axis]);
      const length = Math.hypot(...up) || 1;
      place.forEach((value, axis) => {
        vertices[2 * k + axis] = half[axis] * ((2 * value) / (n[axis] - 1) - 1);
        vertices[2 * k + 3 + axis] = up[axis] / length;
      });
    }
    this.renderer.load(vertices);
    this.count.triangles = found.length / 9;
  }

  /** @override */
  background() {
    const { data, width } = this;
    const height = Math.min(data.height, Math.max(280, width));
    const half = this.half();
    this.stage.style.height = `${height}px`;
    for (const svg of [this.svg, this.behind]) set(svg, { width, height });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    Object.assign(this.grip.style, { left: "0", top: "0", width: `${width}px`, height: `${height}px` });
    this.camera.fit(width, height, [0, 0, 0], 1.12 * Math.hypot(half[0], half[1]), 2.5 * half[2]);
    const shade = (data.colours[Math.round(this.share * (data.colours.length - 1))].match(/\d+/g) ?? []).slice(0, 3).map((part) => PALE + ((1 - PALE) * Number(part)) / 255);
    this.renderer?.draw(this.camera, /** @type {Spot} */ (shade));
    this.frames(half);
  }

  /** The box's edges, those of its far corner behind the surface, and the names of the axes with their ends. @type {(half: Spot) => void} */
  frames(half) {
    const { camera, data } = this;
    const corner = (/** @type {number} */ m) => /** @type {Spot} */ (half.map((side, axis) => (m & (1 << axis) ? side : -side)));
    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((m) => camera.pixel(corner(m)));
    const far = corners.reduce((best, [, , depth], m) => (depth > corners[best][2] ? m : best), 0);
    /** @type {Node[]} */
    const behind = [];
    /** @type {Node[]} */
    const before = [];
    for (let m = 0; m < 8; m++) {
      for (let axis = 0; axis < 3; axis++) {
        const to = m | (1 << axis);
        if (to === m) continue;
        const [[x1, y1], [x2, y2]] = [corners[m], corners[to]];
        const line = shape("line", { class: "axis", x1: round(x1), y1: round(y1), x2: round(x2), y2: round(y2) });
        (m === far || to === far ? behind : before).push(line);
      }
    }
    for (let axis = 0; axis < 3; axis++) {
      const lowest = [0, 1, 2, 3, 4, 5, 6, 7].filter((m) => !(m & (1 << axis)) && m !== far && (m | (1 << axis)) !== far);
      const middle = (/** @type {number} */ m, /** @type {number} */ k) => (corners[m][k] + corners[m | (1 << axis)][k]) / 2;
      const m = lowest.reduce((best, other) => (middle(other, axis < 2 ? 1 : 0) * (axis < 2 ? 1 : -1) > middle(best, axis < 2 ? 1 : 0) * (axis < 2 ? 1 : -1) ? other : best));
      const side = middle(m, 0) < camera.width / 2;
      const label = `${data.names[axis]} ${short(Number(data.low[axis].toPrecision(3)))} … ${short(Number(data.high[axis].toPrecision(3)))}`;
      before.push(text(label, { class: "over tick", x: round(middle(m, 0) + (side ? -6 : 6)), y: round(middle(m, 1) + (axis < 2 ? 16 : 0)), "text-anchor": axis < 2 ? "middle" : side ? "end" : "start" }));
    }
    if (!this.renderer) before.push(text("This browser draws no surface: it has no WebGL 2.", { x: camera.width / 2, y: camera.height / 2, "text-anchor": "middle" }));
    this.behind.replaceChildren(...behind);
    this.still.replaceChildren(...before);
  }

  // -- the live part -----------------------------------------------------------------------------------------------------

  /** @override */
  foreground() {
    const marked = this.near === null ? this.linked : this.data.marks[this.near]?.number;
    const nodes = this.data.marks.map(({ place, number, pass, real }) => {
      const [x, y] = this.camera.pixel(this.world(place)).map(round);
      const name = `mark${pass ? " pass" : ""}${real ? "" : " noise"}${number === marked ? " marked" : ""}`;
      return pass ? shape("path", { class: name, d: `M${x} ${y - 6}L${x + 5} ${y}L${x} ${y + 6}L${x - 5} ${y}Z` }) : shape("circle", { class: name, cx: x, cy: y, r: 6 });
    });
    if (this.pick) {
      const [x, y] = this.camera.pixel(this.world(this.pick)).map(round);
      nodes.push(shape("circle", { class: "picked", cx: x, cy: y, r: 11 }));
    }
    return nodes;
  }

  /** @override */
  tip() {
    const mark = this.pointer && this.near !== null ? this.data.marks[this.near] : null;
    if (!mark || !this.pointer) {
      this.readout.style.visibility = "hidden";
      return;
    }
    this.read(mark.words.map((line) => element("div", "", line)), ...this.pointer, this.data.height);
  }

  /** @override */
  say() {
    const mark = this.near === null ? null : this.data.marks[this.near];
    this.status.classList.toggle("idle", !mark);
    put(this.status, mark ? `${mark.pass ? "Pass out of: " : ""}${mark.words.join("; ")}.` : this.data.marks.length ? "Click a minimum or a pass for its model. Drag to turn." : "Drag to turn.");
  }

  // -- the person --------------------------------------------------------------------------------------------------------

  /** @override @param {MouseEvent | null} event */
  hover(event) {
    if (event && !this.orbit.fingers.size) {
      const box = this.stage.getBoundingClientRect();
      this.pointer = [event.clientX - box.left, event.clientY - box.top];
    } else {
      this.pointer = null;
    }
    this.go(this.pointer && this.nearest(this.pointer));
  }

  /** @type {(at: [number, number]) => number | null} */
  nearest([px, py]) {
    let best = null, far = NEAR;
    this.data.marks.forEach(({ place }, k) => {
      const [x, y] = this.camera.pixel(this.world(place));
      if (Math.hypot(x - px, y - py) < far) [best, far] = [k, Math.hypot(x - px, y - py)];
    });
    return best;
  }

  /** @type {(mark: number | null) => void} */
  go(mark) {
    const other = mark !== this.near;
    this.near = mark;
    this.mark();
    if (other) this.point(mark === null ? null : this.data.marks[mark].number);
  }

  /** @override @param {KeyboardEvent} event */
  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const count = this.data.marks.length;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.shiftKey && step && count) this.go(this.near === null ? (step > 0 ? 0 : count - 1) : Math.min(count - 1, Math.max(0, this.near + step)));
    else if (event.key === "Enter" && this.near !== null) this.commit();
    else if (!this.orbit.type(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  commit() {
    if (this.near === null) return;
    this.pick = this.data.marks[this.near].place;
    this.stamp();
    this.mark();
    this.send({ place: this.pick, at: this.sentAt });
  }
}
