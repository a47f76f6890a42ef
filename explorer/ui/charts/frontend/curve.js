// Values along a path, in SVG: told new points, it redraws in place; hover, handle and focus stay.
//
// The drawing is made again with the data (a few hundred nodes). Hovering and dragging touch nothing but the small `live` group.
// Names come from checkpoints and are untrusted: text goes in as text nodes, never as markup.

import { Answers } from "./answers.js";
import { brackets } from "./brackets.js";
import { coloured, element, floorNice, least, logTicks, most, niceStep, plain, put, round, set, shape, swatch, symbol, text, ticks, values } from "./drawing.js";
import { Frames } from "./frames.js";
import { keep, Picture } from "./picture.js";
import { Player } from "./player.js";
import { beads, series, valueAt } from "./series.js";
import { Zoom } from "./zoom.js";

/** @typedef {{ x: number, foot: number, top: number, label: string }} Peak of a barrier, with the bracket that measures it */

/**
 * One curve; null stands for what diverged.
 * @typedef {object} Curve
 * @property {string} name
 * @property {string} colour
 * @property {number[]} x in order
 * @property {(number | null)[]} y
 * @property {(number | null)[] | null} low of the interval
 * @property {(number | null)[] | null} high
 * @property {[number, number] | null} chord the straight line's first and last value
 * @property {Peak | null} peak
 * @property {boolean} ghost drawn as what is only compared with
 */

/** @typedef {Curve & { index: number }} Shown with its number among all curves, which gives its symbol */

/**
 * @typedef {object} Curves
 * @property {Curve[]} curves
 * @property {string} xTitle
 * @property {string} yTitle
 * @property {[number, number] | null} xRange the part of the axis that is shown in any case
 * @property {[number, number] | null} yRange values that have room in any case
 * @property {number | null} pick where Python has the handle
 * @property {number} height px
 * @property {boolean} log
 * @property {string} does what a click is for
 * @property {boolean} play whether one can walk along the axis
 * @property {import("./answers.js").Answered | null} answers what the models along the axis answer
 */

/** @typedef {import("./picture.js").Told & Curves} Data */
/** @typedef {Plot} Host of what draws parts of it */
/** @typedef {{ curve: Curve, index: number, x: number, y: number | null, low: number | null, high: number | null }} Spot of a curve that is measured */

const RESOLUTION = 1e-6, TINY = 1e-12; // as in figures/curve.py: what differs by less is one value
const STEPS = 6; // of the axis upwards, about, whatever its height; as in figures/curve.py, so that a file has the same axis
const PLAYER = 32; // px of the row to play and scrub in, which is part of the height
const EDGE = 5; // px beside the plot where half of a mark at its edge is seen
const HOLD = 12; // px within which a press takes hold of the handle
const DRAG = 6; // px that make a press a drag
const DOUBLE = 300; // ms between the halves of a double click
const SNAP = 4; // px within which a click means the measured point
/** @type {WeakMap<Element, Plot>} */
const plots = new WeakMap();

/** @param {import("./picture.js").Call<Data>} call */
export default function ({ data, parentElement, setStateValue }) {
  const plot = keep(plots, parentElement, () => new Plot(parentElement, data));
  plot.send = (sent) => setStateValue("pick", sent);
  plot.tell(data);
  return () => plot.leave();
}

/** @extends {Picture<Data>} */
class Plot extends Picture {
  /** @type {number | null} */
  handle = null; // where it is
  /** @type {number | null} */
  shown = null; // where Python last heard it to be
  /** @type {{ handle: number | null } | null} */
  drag = null; // the handle before the drag
  /** @type {number | null} */
  band = null; // px where the part to be zoomed to begins
  clicked = 0; // timer of a click that may be half of a double one
  /** @override @type {number | null} */
  pointer = null;
  pointerY = 0;
  unit = "";
  tall = 0; // px of the stage
  left = 0;
  right = 0;
  bottom = 0;
  domain = [0, 1];
  /** @type {Set<string>} */
  hidden = new Set(); // names of the curves that are left out
  /** @type {import("./drawing.js").Tick[]} */
  xTicks = [];
  /** @type {import("./drawing.js").Tick[]} */
  yTicks = [];
  x = (/** @type {number} */ value) => value;
  y = (/** @type {number} */ value) => value;

  /** @param {Element} parent @param {Data} data */
  constructor(parent, data) {
    super(parent, data, "curve", "slider");
    this.grip.setAttribute("aria-orientation", "horizontal");
    this.under = element("div", "x-title");
    this.player = new Player("t", () => this.walked());
    this.frames = new Frames(this.stage, (seconds) => this.player.step(seconds));
    this.zoom = new Zoom(() => this.draw(), () => this.handle ?? this.player.s ?? (this.domain[0] + this.domain[1]) / 2);
    this.stage.after(element("div", "under", this.under, this.zoom.root), this.player.root);
    this.answers = new Answers();
    this.root.append(this.answers.root);
    this.grip.addEventListener("pointerdown", (event) => this.press(event));
    this.grip.addEventListener("pointerup", (event) => this.release(event));
    this.grip.addEventListener("pointercancel", () => this.cancel());
    this.grip.addEventListener("dblclick", () => this.unzoom());
    this.grip.addEventListener("pointerleave", () => this.drag || this.hover(null));
  }

  /** @override @param {Data} data */
  tell(data) {
    // Data made before Python heard the last click must not take the handle back.
    if (data.at >= this.sentAt && data.pick !== this.shown && !this.drag) this.handle = this.shown = data.pick;
    this.unit = data.xTitle.split(/\s*[(,]/)[0];
    this.grip.setAttribute("aria-label", data.xTitle);
    this.player.unit = this.unit;
    const xs = data.play ? data.curves.flatMap(({ x }) => x) : [];
    this.player.tell(xs.length > 1 ? [{ name: data.curves.length > 1 ? "the curves" : "the curve", from: least(xs), to: most(xs) }] : [], data.play);
    this.answers.tell(data.answers, this.unit);
    put(this.title, data.yTitle);
    put(this.under, data.xTitle);
    this.tall = data.height - (data.play ? PLAYER : 0);
    this.stage.style.height = `${this.tall}px`;
    super.tell(data);
  }

  /** @override */
  leave() {
    super.leave();
    if (!this.root.isConnected) this.frames.end();
  }

  /** The walker has moved, or is to move. */
  walked() {
    this.point(this.player.s, true);
    this.mark();
    this.frames.go();
  }

  /** @override @param {number} s */
  follow(s) {
    if (this.player.roads.length) this.player.follow(s);
    else this.linked = s;
  }

  /** @override */
  place() {
    return this.player.s;
  }

  /** @override */
  ready() {
    return !this.data.play || this.player.roads.length > 0;
  }

  /** Somebody takes hold of the point that walks. */
  walk() {
    if (!this.data.play || this.handle === null) return;
    this.player.follow(this.handle);
    this.walked();
  }

  // -- the still part ---------------------------------------------------------------------------------------------

  /** @override */
  background() {
    const curves = this.curves();
    set(this.svg, { width: this.width, height: this.tall });
    this.frame();
    const { x, y, left, right, top, bottom } = this;

    const nodes = [];
    for (const tick of this.yTicks) {
      nodes.push(shape("line", { class: "rule", x1: left, x2: right, y1: y(tick.at), y2: y(tick.at) }));
      nodes.push(text(tick.text, { class: "tick", x: left - 7, y: y(tick.at), dy: "0.35em", "text-anchor": "end" }));
    }
    for (const tick of this.xTicks) {
      nodes.push(shape("line", { class: "rule", x1: x(tick.at), x2: x(tick.at), y1: top, y2: bottom }));
      nodes.push(text(tick.text, { class: "tick", x: x(tick.at), y: bottom + 17, "text-anchor": "middle" }));
    }
    nodes.push(shape("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));

    const drawn = curves.map((curve) => series(this, curve, curve.index));
    const clip = { class: "part", x: left - EDGE, y: 0, width: right - left + 2 * EDGE, height: this.tall, viewBox: `${left - EDGE} 0 ${right - left + 2 * EDGE} ${this.tall}` };
    nodes.push(...(this.zoom.part ? [shape("svg", clip, ...drawn)] : drawn));
    if (!curves.some((curve) => curve.x.length)) {
      const none = this.data.curves.length > curves.length ? "Every curve is hidden" : "No point is measured yet";
      nodes.push(text(none, { x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle" }));
    }
    this.still.replaceChildren(...nodes);
    brackets(this);
    this.entries();
    Object.assign(this.grip.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
  }

  /** Those that are not hidden. @type {() => Shown[]} */
  curves() {
    return this.data.curves.map((curve, index) => ({ ...curve, index })).filter((curve) => !this.hidden.has(curve.name));
  }

  /** The legend: of several curves, each entry is a button that hides its curve and shows it again. */
  entries() {
    const { curves } = this.data;
    while (this.legend.children.length > curves.length) this.legend.lastChild?.remove();
    curves.forEach((curve, i) => {
      const known = this.legend.children[i]?.firstElementChild;
      const entry = known instanceof HTMLButtonElement ? known : element("button");
      if (entry !== known) {
        entry.type = "button";
        entry.addEventListener("click", () => this.toggle(entry.textContent ?? ""));
        this.legend.append(element("li", "", entry));
      }
      entry.disabled = curves.length < 2;
      set(entry, { "aria-pressed": String(!this.hidden.has(curve.name)), title: curves.length < 2 ? "" : "Hide or show this curve" });
      entry.replaceChildren(swatch(curve, i), document.createTextNode(curve.name));
    });
  }

  /** @type {(name: string) => void} */
  toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.draw();
  }

  frame() {
    const { log, xRange, yRange } = this.data;
    const curves = this.curves();
    const xs = [...curves.flatMap((curve) => curve.x), ...(xRange ?? [])];
    let [x0, x1] = xs.length ? [least(xs), most(xs)] : [0, 1];
    if (x0 === x1) [x0, x1] = [x0 - 0.5, x1 + 0.5];
    const whole = [x0, x1];
    this.domain = [x0, x1] = this.zoom.of([x0, x1]);

    const ys = (this.zoom.part ? curves.flatMap((curve) => this.seen(curve)) : curves
      .flatMap((c) => [c.y, c.low ?? [], c.high ?? [], c.chord ?? [], c.peak ? [c.peak.foot, c.peak.top] : []].flat())
      .concat(yRange ?? []))
      .filter((value) => this.drawable(value));
    let [y0, y1] = ys.length ? [least(ys), most(ys)] : log ? [0.1, 1] : [0, 1];
    this.top = curves.some((curve) => curve.y.includes(null)) ? 26 : 10;
    this.bottom = this.tall - 26;
    if (log) {
      const pad = Math.max(0.02, 0.05 * Math.log10(y1 / y0));
      [y0, y1] = [y0 * 10 ** -pad, y1 * 10 ** pad];
      this.yTicks = logTicks(y0, y1, STEPS);
    } else {
      const level = Math.max(Math.abs(y0), Math.abs(y1));
      if (y1 - y0 <= Math.max(RESOLUTION * level, TINY)) [y0, y1] = level > TINY ? [y0 - level / 2, y1 + level / 2] : [-1, 1];
      if (y0 > 0 && y0 < 0.4 * y1) y0 = 0; // near enough to zero to show it
      const step = niceStep((y1 - y0) / STEPS);
      [y0, y1] = [Math.floor(y0 / step + 1e-9) * step, Math.ceil(y1 / step - 1e-9) * step];
      this.yTicks = ticks(y0, y1, step);
    }
    this.left = 12 + 7.1 * most(this.yTicks.map((tick) => tick.text.length));
    this.right = this.width - 14;
    const span = this.right - this.left;
    const counted = xs.every(Number.isInteger) && !(whole[0] === 0 && whole[1] === 1); // turns, epochs; from 0 to 1 it is a share
    this.xTicks = ticks(x0, x1, Math.max(counted ? 1 : 0, niceStep((x1 - x0) / Math.max(2, Math.floor(span / 60)))));
    const up = log ? Math.log10 : Number;
    const [low, high] = [up(y0), up(y1)];
    this.x = (value) => this.left + (span * (value - x0)) / (x1 - x0);
    this.y = (value) => this.bottom - ((this.bottom - this.top) * (up(value) - low)) / (high - low);
  }

  /** The values of a curve in the part of the axis that is shown, with those at its ends. @type {(curve: Curve) => (number | null)[]} */
  seen(curve) {
    return [curve.y, curve.low, curve.high].flatMap((list) =>
      list ? [...list.filter((_, j) => this.within(curve.x[j])), ...this.domain.map((x) => valueAt(this, curve, x, list))] : []);
  }

  /** Whether it lies in the part of the axis that is shown. @type {(x: number) => boolean} */
  within(x) {
    return x >= this.domain[0] && x <= this.domain[1];
  }

  /** @type {(value: number | null | undefined) => value is number} */
  drawable(value) {
    return typeof value === "number" && (!this.data.log || value > 0);
  }

  // -- the live part: crosshair, readout, handle ---------------------------------------------------------------------

  /** @override */
  foreground() {
    /** @type {Node[]} */
    const nodes = [];
    if (this.handle !== null && this.within(this.handle)) {
      const at = round(this.x(this.handle));
      nodes.push(
        shape("g", { class: this.handle === this.shown ? "handle" : "handle moved" },
          shape("line", { x1: at, x2: at, y1: this.top, y2: this.bottom }),
          shape("circle", { cx: at, cy: this.bottom, r: 6 })),
        ...this.rings(this.handle),
      );
    }
    if (this.player.s !== null && this.within(this.player.s)) {
      const at = round(this.x(this.player.s));
      nodes.push(shape("line", { class: "hair walk", x1: at, x2: at, y1: this.top, y2: this.bottom }), ...beads(this, this.player.s));
    }
    if (this.band !== null && this.pointer !== null && Math.abs(this.pointer - this.band) >= DRAG) {
      const [from, to] = [Math.min(this.band, this.pointer), Math.max(this.band, this.pointer)];
      nodes.push(shape("rect", { class: "chosen", x: from, y: this.top, width: to - from, height: this.bottom - this.top }));
    }
    const hair = this.hair();
    this.answers.show(hair !== null ? this.at(hair) : (this.player.s ?? this.handle ?? this.domain[0]));
    if (hair !== null && !this.drag) {
      nodes.push(shape("line", { class: "hair", x1: hair, x2: hair, y1: this.top, y2: this.bottom }), ...this.rings(this.at(hair)));
    }
    return nodes;
  }

  /** Around every curve's point nearest to x. @type {(x: number) => SVGGElement[]} */
  rings(x) {
    return this.near(x).flatMap((spot) =>
      this.drawable(spot.y) ? [coloured(spot.curve.colour, "series", symbol(spot.index, this.x(spot.x), this.y(spot.y), 6.5, "ring"))] : []);
  }

  /** Every curve's measured point nearest to x. @type {(x: number) => Spot[]} */
  near(x) {
    return this.curves().flatMap((curve) => {
      const { index } = curve;
      if (!curve.x.length) return [];
      let j = 0;
      for (let k = 1; k < curve.x.length; k++) if (Math.abs(curve.x[k] - x) < Math.abs(curve.x[j] - x)) j = k;
      return [{ curve, index, x: curve.x[j], y: curve.y[j], low: curve.low?.[j] ?? null, high: curve.high?.[j] ?? null }];
    });
  }

  /** @override */
  tip() {
    const hair = this.hair();
    if (hair === null) {
      this.readout.style.visibility = "hidden";
      return;
    }
    const x = (this.drag && this.handle) ?? this.at(hair);
    const spots = this.near(x);
    const same = spots.every((spot) => spot.x === spots[0].x);
    const head = element("div", "", element("b", "", `${this.unit} = ${this.show(x)}`));
    if (same && spots.length) head.append(spots[0].x === x ? "measured here" : `measured at ${this.show(spots[0].x)}`);
    const lines = spots.map((spot) =>
      element("div", "", swatch(spot.curve, spot.index), element("span", "", spot.curve.name),
        element("span", "value", values(spot) + (same ? "" : ` at ${this.show(spot.x)}`))));
    this.read([head, ...lines], hair, this.pointer === null ? null : this.pointerY, this.bottom);
  }

  /** @override */
  say() {
    const [low, high] = this.domain;
    set(this.grip, { "aria-valuemin": low, "aria-valuemax": high, "aria-valuenow": this.handle ?? low });
    set(this.grip, { "aria-valuetext": this.handle === null ? "nothing picked" : `${this.unit} = ${this.show(this.handle)}` });
    this.status.classList.toggle("idle", this.handle === null);
    if (this.handle === null) {
      put(this.status, `Click, or use the arrow keys, to ${this.data.does}.`);
      return;
    }
    const spots = this.near(this.handle).map((spot) =>
      `${spot.curve.name} ${values(spot)}` + (spot.x === this.handle ? "" : ` (measured at ${this.show(spot.x)})`));
    const pending = this.handle === this.shown || this.drag ? "" : " Enter picks it, Esc clears.";
    put(this.status, `${this.unit} = ${this.show(this.handle)}: ${spots.join("; ")}.${pending}`);
  }

  // -- the person ------------------------------------------------------------------------------------------------------

  /** A step of the arrow keys: a hundredth of the axis, of its leading power when the axis is not 1 long. */
  step() {
    return floorNice((this.domain[1] - this.domain[0]) * (1 + 1e-9)) / 100;
  }

  /** @type {(x: number) => number} */
  tidy(x) {
    const grain = this.step() / 10;
    return Math.min(this.domain[1], Math.max(this.domain[0], Number((Math.round(x / grain) * grain).toPrecision(12))));
  }

  /** @type {(px: number) => number} */
  at(px) {
    const [low, high] = this.domain;
    return this.tidy(low + ((high - low) * (px - this.left)) / (this.right - this.left));
  }

  /** The measured x under the pointer if one is within reach, else the tidy coordinate. @type {(px: number) => number} */
  aim(px) {
    const x = this.at(px);
    const spots = this.near(x).sort((a, b) => Math.abs(a.x - x) - Math.abs(b.x - x));
    return spots.length && Math.abs(this.x(spots[0].x) - px) <= SNAP ? spots[0].x : x;
  }

  /** @type {(x: number) => string} */
  show(x) {
    return plain(x, Math.max(0, 3 - Math.ceil(Math.log10(this.domain[1] - this.domain[0]) - 1e-9)));
  }

  /** @override @param {MouseEvent | null} event */
  hover(event) {
    if (event) {
      const box = this.stage.getBoundingClientRect();
      this.pointer = Math.min(this.right, Math.max(this.left, event.clientX - box.left));
      this.pointerY = event.clientY - box.top;
    } else {
      this.pointer = null;
    }
    if (this.drag && this.pointer !== null) {
      this.handle = this.aim(this.pointer);
      this.walk();
    }
    this.mark();
    this.point(this.pointer === null ? null : this.at(this.pointer));
  }

  /** Where the hairline stands in px: under the pointer, else where a linked picture is pointed at, if that is on the axis. */
  hair() {
    if (this.pointer !== null) return this.pointer;
    return this.linked === null || !this.within(this.linked) ? null : this.x(this.linked);
  }

  /** @type {(event: PointerEvent) => void} */
  press(event) {
    if (event.button !== 0) return;
    this.grip.setPointerCapture(event.pointerId);
    this.player.rest();
    const px = event.clientX - this.stage.getBoundingClientRect().left;
    const held = event.pointerType !== "mouse" || (this.handle !== null && Math.abs(this.x(this.handle) - px) <= HOLD);
    if (held) this.drag = { handle: this.handle };
    else this.band = Math.min(this.right, Math.max(this.left, px));
    this.hover(event);
  }

  /** @type {(event: PointerEvent) => void} */
  release(event) {
    if (!this.drag && this.band === null) return;
    const [from, to] = [this.band, this.pointer];
    const zoomed = from !== null && to !== null && Math.abs(to - from) >= DRAG;
    if (from !== null && to !== null && !zoomed) {
      this.handle = this.aim(to);
      this.walk();
    }
    this.drag = this.band = null;
    clearTimeout(this.clicked);
    if (zoomed) this.zoom.to([this.at(Math.min(from, to)), this.at(Math.max(from, to))]);
    else if (this.zoom.part) this.clicked = window.setTimeout(() => this.commit(this.handle), DOUBLE);
    else this.commit(this.handle);
    this.hover(event.pointerType === "mouse" ? event : null);
  }

  /** A double click: the whole axis again. What its first half marked is taken back. */
  unzoom() {
    if (!this.zoom.part) return;
    clearTimeout(this.clicked);
    this.handle = this.shown;
    this.zoom.to(null);
  }

  cancel() {
    if (this.drag) this.handle = this.drag.handle;
    this.drag = this.band = null;
    this.hover(null);
  }

  /** @override @param {KeyboardEvent} event */
  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [low, high] = this.domain;
    const from = this.handle ?? this.shown ?? low;
    const step = this.step();
    /** @type {Record<string, number>} */
    const places = { ArrowLeft: from - step, ArrowDown: from - step, ArrowRight: from + step, ArrowUp: from + step,
      PageDown: from - 10 * step, PageUp: from + 10 * step, Home: low, End: high };
    const to = places[event.key];
    if (to !== undefined) {
      this.handle = this.tidy(to);
      this.walk();
    }
    else if (event.key === "Enter" && this.handle !== null) this.commit(this.handle);
    else if (event.key === "Escape" && (this.drag || this.band !== null)) this.cancel();
    else if (this.zoom.type(event.key)) this.mark();
    else if (event.key === "Escape") this.commit(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.mark();
  }

  /** @type {(x: number | null) => void} */
  commit(x) {
    this.handle = x;
    if (x === null && this.shown === null) return;
    this.shown = x;
    this.stamp();
    this.mark();
    this.send({ x, at: this.sentAt });
  }
}
