// A network of two neurons to play with: its whole landscape on the left, what it computes on the right, and one point to drag.
//
// Nothing goes to Python: the loss of every point is computed here, by the formula that explorer/lessons/two_neurons.py gives.

import { element, niceStep, put, round, set, shape, short, styled, text, ticks } from "./drawing.js";
import { counted, keep } from "./picture.js";
import { TwoNeurons } from "./two_neurons.js";

/** @typedef {[number, number]} Pair of weights */

/**
 * @typedef {object} Data
 * @property {string} key
 * @property {string} alt
 * @property {number[]} inputs in order
 * @property {Pair} teacher the weights that are wanted
 * @property {number} low of the weights that are shown
 * @property {number} high
 * @property {number} rate of a step downhill
 * @property {Pair} start
 * @property {string[]} colours from the lowest loss to the highest
 */

const CELLS = 61; // along each side
const EDGE = 40; // px for the axes' numbers
/** @type {WeakMap<Element, Toy>} */
const toys = new WeakMap();

/** @param {import("./picture.js").Call<Data>} call */
export default function ({ data, parentElement }) {
  const toy = keep(toys, parentElement, () => new Toy(parentElement, data));
  toy.data = data;
  toy.draw();
  return () => toy.leave();
}

class Toy {
  /** @type {Pair[]} */
  trail = []; // the way downhill
  held = false; // by the pointer
  wide = 0; // px
  side = 0; // px of the map
  px = (/** @type {number} */ value) => value;
  py = (/** @type {number} */ value) => value;

  /** @param {Element} parent @param {Data} data */
  constructor(parent, data) {
    this.count = counted(data.key, "moves", "moveMs");
    this.data = data;
    this.net = new TwoNeurons(data.inputs, data.teacher);
    /** @type {Pair} */
    this.at = [...data.start];

    this.canvas = element("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.map = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.still = this.map.appendChild(shape("g"));
    this.live = this.map.appendChild(shape("g"));
    this.grip = element("div", "grip");
    set(this.grip, { role: "application", tabindex: "0", "aria-label": data.alt });
    this.stage = element("div", "stage", this.canvas, this.map, this.grip);
    this.graph = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.status = element("p", "status");
    this.status.setAttribute("aria-live", "polite");
    const button = (/** @type {string} */ label, /** @type {() => void} */ act) => {
      const made = element("button", "", label);
      made.type = "button";
      made.addEventListener("click", () => this.act(act));
      return made;
    };
    this.buttons = element("div", "buttons",
      button("Swap the neurons", () => this.at.reverse()),
      button("One step downhill", () => this.descend(1)),
      button("Roll downhill", () => this.descend(2000)),
      button("Start again", () => ((this.at = [...this.data.start]), (this.trail = []))));
    const side = element("div", "side", element("div", "y-title", "What the network computes"), this.graph);
    this.root = element("div", "curve neurons", element("div", "both", element("div", "main", element("div", "y-title", "loss"), this.stage), side), this.buttons, this.status);
    this.root.setAttribute("role", "figure");
    this.root.setAttribute("aria-label", data.alt);
    parent.appendChild(this.root);

    this.grip.addEventListener("pointerdown", (event) => this.press(event));
    this.grip.addEventListener("pointermove", (event) => this.held && this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) this.grip.addEventListener(end, () => (this.held = false));
    this.grip.addEventListener("keydown", (event) => this.type(event));
    this.watch = new ResizeObserver(() => this.root.clientWidth !== this.wide && this.draw());
    this.watch.observe(this.root);
    styled(parent, this.root, () => this.draw());
  }

  leave() {
    if (!this.root.isConnected) this.watch.disconnect(); // Streamlit also calls this for a call that newer data overtook
  }

  // -- the network -----------------------------------------------------------------------------------------------------

  /** @type {(steps: number) => void} */
  descend(steps) {
    this.trail = [[...this.at]];
    for (let k = 0; k < steps; k++) {
      const [da, db] = this.net.slope(this.at);
      this.at = this.tidy([this.at[0] - this.data.rate * da, this.at[1] - this.data.rate * db], false);
      this.trail.push([...this.at]);
    }
  }

  // -- the still part --------------------------------------------------------------------------------------------------

  draw() {
    if (!this.root.clientWidth) return;
    this.wide = this.root.clientWidth;
    const { low, high, colours } = this.data;
    const side = Math.max(180, Math.min(400, this.stage.clientWidth - EDGE - 8));
    this.side = side;
    this.px = (value) => EDGE + (side * (value - low)) / (high - low);
    this.py = (value) => 6 + side - (side * (value - low)) / (high - low);
    this.stage.style.height = `${side + 44}px`;
    set(this.map, { width: this.stage.clientWidth, height: side + 44 });
    Object.assign(this.canvas, { width: CELLS, height: CELLS });
    for (const node of [this.canvas, this.grip]) Object.assign(node.style, { left: `${EDGE}px`, top: "6px", width: `${side}px`, height: `${side}px` });
    const paper = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const middle = (/** @type {number} */ k) => low + ((k + 0.5) * (high - low)) / CELLS;
    const values = Array.from({ length: CELLS }, (_, j) => Array.from({ length: CELLS }, (_, i) => this.net.loss([middle(i), middle(j)])));
    const most = Math.max(...values.flat());
    values.forEach((row, j) => row.forEach((value, i) => {
      paper.fillStyle = colours[Math.round(Math.sqrt(value / most) * (colours.length - 1))]; // a root, so that the valleys have colours of their own
      paper.fillRect(i, CELLS - 1 - j, 1, 1);
    }));
    /** @type {Node[]} */
    const nodes = [shape("rect", { class: "axis", fill: "none", x: EDGE, y: 6, width: side, height: side })];
    for (const tick of ticks(low, high, niceStep((high - low) / 5))) {
      nodes.push(text(tick.text, { class: "tick", x: this.px(tick.at), y: side + 22, "text-anchor": "middle" }));
      nodes.push(text(tick.text, { class: "tick", x: EDGE - 6, y: this.py(tick.at), dy: "0.35em", "text-anchor": "end" }));
    }
    nodes.push(text("w₁", { x: EDGE + side / 2, y: side + 38, "text-anchor": "middle" }), text("w₂", { x: 8, y: 6 + side / 2 }));
    nodes.push(shape("line", { class: "mirror", x1: this.px(low), y1: this.py(low), x2: this.px(high), y2: this.py(high) }));
    const [one, other] = this.data.teacher;
    for (const [a, b] of [[one, other], [other, one]]) {
      nodes.push(shape("circle", { class: "corner", cx: this.px(a), cy: this.py(b), r: 6 }));
      nodes.push(text(`(${short(a)}, ${short(b)})`, { class: "over", x: this.px(a), y: this.py(b) - 11, "text-anchor": "middle" }));
    }
    this.still.replaceChildren(...nodes);
    this.mark();
    this.count.draws++;
  }

  // -- the live part ---------------------------------------------------------------------------------------------------

  mark() {
    const start = performance.now();
    const [a, b] = this.at;
    const nodes = [];
    if (this.trail.length) nodes.push(shape("path", { class: "trail", d: `M${this.trail.map(([u, v]) => `${round(this.px(u))} ${round(this.py(v))}`).join("L")}` }));
    nodes.push(
      shape("line", { class: "twins", x1: this.px(a), y1: this.py(b), x2: this.px(b), y2: this.py(a) }),
      shape("circle", { class: "twin", cx: this.px(b), cy: this.py(a), r: 7 }),
      shape("circle", { class: "point", cx: this.px(a), cy: this.py(b), r: 9 }));
    this.live.replaceChildren(...nodes);
    this.plot();
    put(this.status, `w = (${short(a)}, ${short(b)}): loss ${short(this.net.loss([a, b]))}. Its mirror image (${short(b)}, ${short(a)}): loss ${short(this.net.loss([b, a]))}. Drag the point, or use the arrow keys.`);
    this.count.moves++;
    this.count.moveMs = performance.now() - start;
  }

  plot() {
    const { inputs } = this.data;
    const wide = Math.max(160, this.graph.parentElement?.clientWidth ?? 0);
    const tall = Math.min(300, this.side);
    set(this.graph, { width: wide, height: tall + 24 });
    const x = (/** @type {number} */ value) => 24 + ((wide - 32) * (value - inputs[0])) / (inputs[inputs.length - 1] - inputs[0]);
    const y = (/** @type {number} */ value) => 6 + (tall * (2.1 - value)) / 4.2;
    const line = (/** @type {Pair} */ at, /** @type {string} */ name) => shape("path", { class: name, d: `M${inputs.map((v) => `${round(x(v))} ${round(y(this.net.output(at, v)))}`).join("L")}` });
    /** @type {Node[]} */
    const nodes = [shape("line", { class: "axis", x1: 24, x2: wide - 8, y1: y(0), y2: y(0) })];
    for (const v of [-2, 0, 2]) nodes.push(text(short(v), { class: "tick", x: 20, y: y(v), dy: "0.35em", "text-anchor": "end" }), text(short(v), { class: "tick", x: x(v), y: tall + 20, "text-anchor": "middle" }));
    nodes.push(line(this.data.teacher, "wanted"), line(this.at, "given"));
    nodes.push(text("wanted (dashed)", { x: 30, y: 20 }), text("the network", { class: "named", x: 30, y: 38 }));
    this.graph.replaceChildren(...nodes);
  }

  // -- the person ------------------------------------------------------------------------------------------------------

  /** @type {(at: Pair, grain?: boolean) => Pair} */
  tidy(at, grain = true) {
    const { low, high } = this.data;
    return both(at, (w) => Math.min(high, Math.max(low, grain ? Math.round(w * 100) / 100 : w)));
  }

  /** @type {(change: () => void) => void} */
  act(change) {
    change();
    this.mark();
  }

  /** @type {(event: PointerEvent) => void} */
  press(event) {
    if (event.button !== 0) return;
    this.held = true;
    this.grip.setPointerCapture(event.pointerId);
    this.drag(event);
  }

  /** @type {(event: PointerEvent) => void} */
  drag(event) {
    const box = this.grip.getBoundingClientRect();
    const { low, high } = this.data;
    /** @type {Pair} */
    const share = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height];
    this.act(() => ((this.at = this.tidy(both(share, (s) => low + s * (high - low)))), (this.trail = [])));
  }

  /** @type {(event: KeyboardEvent) => void} */
  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 0.25 : 0.05;
    /** @type {Record<string, Pair>} */
    const steps = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowDown: [0, -step], ArrowUp: [0, step] };
    const by = steps[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    this.act(() => ((this.at = this.tidy([this.at[0] + by[0], this.at[1] + by[1]])), (this.trail = [])));
  }
}

/** @type {(pair: Pair, of: (value: number) => number) => Pair} */
const both = ([a, b], of) => [of(a), of(b)];
