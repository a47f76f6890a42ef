// A toy landscape of two weights: its loss as colours, and places on it that are dragged.

import { element, niceStep, round, set, shape, text, ticks } from "./drawing.js";
import { drag } from "./toy.js";

/** @typedef {import("./toy.js").Pair} Pair */
/** @typedef {{ label: string, look: string, at: () => Pair, move: (to: Pair) => void }} Handle look: the class of its style */
/** @typedef {{ low: number, high: number, names: Pair | string[], colours: string[], soft: number }} Shown soft: the loss up to which colours tell values apart evenly, above by their logarithm */

const FINE = 72; // cells along each side
const MARGIN = 40; // px for the axes' numbers
const WIDEST = 520; // px of a side, before a class
const NUDGE = 1 / 120; // of a side, for an arrow key

export class Ground {
  side = 0; // px
  px = (/** @type {number} */ value) => value;
  py = (/** @type {number} */ value) => value;

  /** @param {HTMLElement} parent @param {Shown} shown @param {(change: () => void) => void} act */
  constructor(parent, shown, act) {
    this.shown = shown;
    this.act = act;
    this.canvas = element("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.svg = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.still = this.svg.appendChild(shape("g"));
    this.part = this.svg.appendChild(shape("svg", { class: "part" })); // nothing is drawn outside of the square
    this.live = this.part.appendChild(shape("g"));
    this.over = this.svg.appendChild(shape("g"));
    this.stage = element("div", "stage", this.canvas, this.svg);
    parent.append(this.stage);
    /** @type {{ handle: Handle, grip: HTMLElement }[]} */
    this.handles = [];
  }

  /** @type {(handle: Handle) => void} */
  add(handle) {
    const grip = element("button", `knob ${handle.look}`);
    grip.type = "button";
    const moved = (/** @type {PointerEvent} */ event) => {
      const box = this.canvas.getBoundingClientRect();
      this.act(() => handle.move(this.inside([this.value((event.clientX - box.left) / box.width), this.value(1 - (event.clientY - box.top) / box.height)])));
    };
    drag(grip, moved, ([right, up]) => {
      const { low, high } = this.shown;
      const [x, y] = handle.at();
      const step = NUDGE * (high - low);
      this.act(() => handle.move(this.inside([x + right * step, y + up * step])));
    });
    this.stage.append(grip);
    this.handles.push({ handle, grip });
  }

  /** @type {(share: number) => number} */
  value(share) {
    return this.shown.low + share * (this.shown.high - this.shown.low);
  }

  /** @type {(place: Pair) => Pair} */
  inside([x, y]) {
    const { low, high } = this.shown;
    const held = (/** @type {number} */ v) => Math.min(high, Math.max(low, v));
    return [held(x), held(y)];
  }

  /** Axes, for a width. */
  fit() {
    const { low, high, names } = this.shown;
    const side = Math.max(180, Math.min(WIDEST, this.stage.clientWidth - MARGIN - 8));
    this.side = side;
    this.px = (value) => MARGIN + (side * (value - low)) / (high - low);
    this.py = (value) => 6 + side - (side * (value - low)) / (high - low);
    this.stage.style.height = `${side + 44}px`;
    set(this.svg, { width: this.stage.clientWidth, height: side + 44 });
    set(this.part, { x: MARGIN, y: 6, width: side, height: side, viewBox: `${MARGIN} 6 ${side} ${side}` });
    Object.assign(this.canvas.style, { left: `${MARGIN}px`, top: "6px", width: `${side}px`, height: `${side}px` });
    /** @type {Node[]} */
    const nodes = [shape("rect", { class: "axis", fill: "none", x: MARGIN, y: 6, width: side, height: side })];
    for (const tick of ticks(low, high, niceStep((high - low) / 5))) {
      nodes.push(text(tick.text, { class: "tick", x: this.px(tick.at), y: side + 22, "text-anchor": "middle" }));
      nodes.push(text(tick.text, { class: "tick", x: MARGIN - 6, y: this.py(tick.at), dy: "0.35em", "text-anchor": "end" }));
    }
    nodes.push(text(names[0].toString(), { x: MARGIN + side / 2, y: side + 38, "text-anchor": "middle" }), text(names[1].toString(), { x: 4, y: 6 + side / 2 }));
    this.still.replaceChildren(...nodes);
  }

  /** The colours. @type {(loss: (at: Pair) => number) => void} */
  paint(loss) {
    const { colours, soft } = this.shown;
    Object.assign(this.canvas, { width: FINE, height: FINE });
    const paper = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const middles = Array.from({ length: FINE }, (_, k) => this.value((k + 0.5) / FINE));
    const found = middles.map((y) => middles.map((x) => Math.log1p(loss([x, y]) / soft)));
    const top = found.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), 1e-9);
    found.forEach((row, j) => row.forEach((value, i) => {
      paper.fillStyle = colours[Math.round((value / top) * (colours.length - 1))];
      paper.fillRect(i, FINE - 1 - j, 1, 1);
    }));
  }

  /** What lies on it, and the handles. names: drawn above all. @type {(nodes: Node[], names?: Node[]) => void} */
  put(nodes, names = []) {
    this.live.replaceChildren(...nodes);
    this.over.replaceChildren(...names);
    for (const { handle, grip } of this.handles) {
      const [x, y] = handle.at();
      Object.assign(grip.style, { left: `${this.px(x)}px`, top: `${this.py(y)}px` });
      set(grip, { "aria-label": `${handle.label}: (${x.toFixed(2)}, ${y.toFixed(2)}). Arrow keys move it.` });
    }
  }

  /** A way through places. @type {(places: Pair[], look: string) => SVGPathElement} */
  path(places, look) {
    return shape("path", { class: look, d: `M${places.map(([x, y]) => `${round(this.px(x))} ${round(this.py(y))}`).join("L")}` });
  }

  /** @type {(place: Pair, look: string, r?: number) => SVGCircleElement} */
  dot([x, y], look, r = 7) {
    return shape("circle", { class: look, cx: round(this.px(x)), cy: round(this.py(y)), r });
  }

  /** A name beside a place, kept within the picture. @type {(name: string, place: Pair) => SVGTextElement} */
  named(name, place) {
    const [x, y] = this.inside(place);
    const right = this.px(x) < MARGIN + this.side - 90;
    return text(name, { class: "over", x: this.px(x) + (right ? 12 : -12), y: Math.max(18, this.py(y) - 8), "text-anchor": right ? "start" : "end" });
  }
}

/** Values over a path from 0 to 1. */
export class Profile {
  /** @param {HTMLElement} parent @param {string} title @param {string} under what runs from 0 to 1 */
  constructor(parent, title, under) {
    this.parent = parent;
    this.under = under;
    this.svg = shape("svg", { "aria-hidden": "true", focusable: "false" });
    parent.append(element("div", "y-title", title), this.svg);
  }

  /** least: the axis goes up to at least that. @type {(lines: { name: string, look: string, values: number[] }[], least: number) => void} */
  draw(lines, least) {
    const [wide, tall] = [Math.max(200, this.parent.clientWidth), 190];
    set(this.svg, { width: wide, height: tall + 40 });
    const highest = lines.reduce((most, { values }) => values.reduce((a, b) => Math.max(a, b), most), least);
    const step = niceStep(highest / 4);
    const top = step * Math.ceil(highest / step - 1e-9);
    const x = (/** @type {number} */ t) => 44 + (wide - 56) * t;
    const y = (/** @type {number} */ value) => 8 + tall * (1 - value / top);
    /** @type {Node[]} */
    const nodes = ticks(0, top, step).flatMap((tick) => [
      shape("line", { class: "rule", x1: x(0), x2: x(1), y1: y(tick.at), y2: y(tick.at) }),
      text(tick.text, { class: "tick", x: 38, y: y(tick.at), dy: "0.35em", "text-anchor": "end" }),
    ]);
    for (const t of [0, 0.5, 1]) nodes.push(text(String(t), { class: "tick", x: x(t), y: tall + 22, "text-anchor": "middle" }));
    nodes.push(text(this.under, { x: x(0.5), y: tall + 38, "text-anchor": "middle" }));
    lines.forEach(({ name, look, values }, k) => {
      nodes.push(shape("path", { class: look, fill: "none", d: `M${values.map((v, i) => `${round(x(i / (values.length - 1)))} ${round(y(v))}`).join("L")}` }));
      if (name) nodes.push(shape("line", { class: look, x1: x(0) + 6, x2: x(0) + 30, y1: 18 + 18 * k, y2: 18 + 18 * k }), text(name, { class: "over", x: x(0) + 36, y: 18 + 18 * k, dy: "0.35em" }));
    });
    this.svg.replaceChildren(...nodes);
  }
}
