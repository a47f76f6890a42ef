// A plane through weight space: measured values as cells of colour with contour lines, and on top of them models and paths.
//
// The colours are painted once on a canvas; hovering touches only the small `live` group. Distances are true: one unit is as long to the right as it is
// upwards. A cell that is not measured yet shows its nearest measured neighbour, paler; one that diverged is hatched. In a smooth preview colours run into
// one another, and a dot marks each measured place. Names are untrusted: text nodes.

import { coloured, DASHES, element, least, logTicks, most, niceStep, put, round, set, shape, short, swatch, symbol, text, ticks } from "./drawing.js";
import { keep, Picture } from "./picture.js";

/** @typedef {[number, number]} Pair */

/** @typedef {{ name: string, x: number, y: number }} Marker of a model */

/** @typedef {{ name: string, colour: string, s: number[], x: number[], y: number[] }} Path with its own coordinate s */

/**
 * @typedef {object} Surface
 * @property {number[]} x of the columns, in order
 * @property {number[]} y of the rows
 * @property {(number | null)[][]} z a row for every y; null where nothing is known
 * @property {Pair[]} lost cells [i, j] that diverged
 * @property {Pair[] | null} dots cells that are measured, where others are predicted
 * @property {Marker[]} markers
 * @property {Path[]} paths
 * @property {string[]} colours from the lowest value to the highest
 * @property {boolean} contours
 * @property {boolean} log
 * @property {Pair | null} span the values of the first and last colour
 * @property {string} unit what the paths' s is called
 * @property {string} xTitle
 * @property {string} yTitle
 * @property {string} zTitle
 * @property {string} zName
 * @property {Pair | null} pick where Python has the mark
 * @property {number} height px
 */

/** @typedef {import("./picture.js").Told & Surface} Data */
/** @typedef {{ path: Path, s: number, far: number }} Near place on a path, and how many px from the pointer */
/** @typedef {{ x: number, y: number, w: number, h: number }} Box in px */

const NEAR = 14; // px within which the pointer is on a path
const BAR = 74; // px for the colour bar and its numbers
const DECADES = 4; // of a logarithmic scale, from the highest value downwards; what is lower has the lowest colour
const NAMED = 9; // so many markers all have their names
/** @type {WeakMap<Element, Plane>} */
const planes = new WeakMap();

/** @param {import("./picture.js").Call<Data>} call */
export default function ({ data, parentElement, setStateValue }) {
  const plane = keep(planes, parentElement, () => new Plane(parentElement, data));
  plane.send = (sent) => setStateValue("pick", sent);
  plane.tell(data);
  return () => plane.leave();
}

/** @extends {Picture<Data>} */
class Plane extends Picture {
  /** @type {Pair | null} */
  pick = null; // what Python was told of last, or told us
  /** @type {Pair | null} */
  cursor = null; // of the keyboard
  /** @override @type {Pair | null} */
  pointer = null;
  left = 0;
  right = 0;
  bottom = 0;
  total = 0; // px of the height
  /** @type {[number, number, number, number]} */
  domain = [0, 1, 0, 1]; // from, to along x; from, to along y
  /** @type {Pair} */
  span = [0, 1];
  floor = false; // whether a value lies below it
  /** @type {import("./drawing.js").Tick[]} */
  levels = [];
  px = (/** @type {number} */ value) => value;
  py = (/** @type {number} */ value) => value;
  ux = (/** @type {number} */ px) => px;
  uy = (/** @type {number} */ px) => px;
  share = (/** @type {number} */ value) => value; // of the span

  /** @param {Element} parent @param {Data} data */
  constructor(parent, data) {
    super(parent, data, "curve plane", "application");
    this.canvas = element("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.stage.prepend(this.canvas);
    this.grip.addEventListener("pointerleave", () => this.hover(null));
    this.grip.addEventListener("click", (event) => this.click(event));
  }

  /** @override @param {Data} data */
  tell(data) {
    if (data.at >= this.sentAt) this.pick = this.cursor = data.pick;
    this.grip.setAttribute("aria-label", `${data.alt} Arrow keys move, Enter picks.`);
    put(this.title, data.zTitle);
    super.tell(data);
  }

  // -- the still part ----------------------------------------------------------------------------------------------------

  /** @override */
  background() {
    this.frame();
    this.paint();
    this.overlay();
  }

  frame() {
    const { x, y, height } = this.data;
    const half = (/** @type {number[]} */ axis) => (axis.length > 1 ? (last(axis) - axis[0]) / (axis.length - 1) / 2 : 0.5);
    const [hx, hy] = [half(x), half(y)];
    const [x0, x1, y0, y1] = [x[0] - hx, last(x) + hx, y[0] - hy, last(y) + hy];
    this.left = 52;
    this.top = 8;
    const room = Math.max(80, this.width - this.left - BAR);
    const scale = Math.min(room / (x1 - x0), Math.max(80, height - this.top - 44) / (y1 - y0));
    this.right = this.left + scale * (x1 - x0);
    this.bottom = this.top + scale * (y1 - y0);
    this.domain = [x0, x1, y0, y1];
    this.px = (value) => this.left + scale * (value - x0);
    this.py = (value) => this.bottom - scale * (value - y0);
    this.ux = (px) => x0 + (px - this.left) / scale;
    this.uy = (px) => y0 + (this.bottom - px) / scale;
    this.total = this.bottom + 40;
    this.stage.style.height = `${this.total}px`;
    set(this.svg, { width: this.width, height: this.total });
    Object.assign(this.grip.style, {
      left: `${this.left}px`, top: `${this.top}px`, width: `${this.right - this.left}px`, height: `${this.bottom - this.top}px`,
    });
    const values = this.data.z.flat().filter((value) => value !== null);
    let [low, high] = this.data.span ?? (values.length ? [least(values), most(values)] : [0, 1]);
    if (this.data.log) [low, high] = high > 0 ? [Math.max(low, high / 10 ** DECADES), high] : [0.1, 1];
    if (low === high) [low, high] = [low - Math.abs(low || 1) / 2, high + Math.abs(high || 1) / 2];
    this.span = [low, high];
    const up = this.data.log ? (/** @type {number} */ value) => Math.log10(Math.max(value, low)) : Number;
    this.share = (value) => Math.min(1, Math.max(0, (up(value) - up(low)) / (up(high) - up(low))));
    this.floor = values.some((value) => value < low);
    const wanted = Math.max(3, Math.floor((this.bottom - this.top) / 42));
    this.levels = (this.data.log ? logTicks(low, high, wanted) : ticks(low, high, niceStep((high - low) / wanted))).filter((t) => t.at >= low && t.at <= high);
  }

  paint() {
    const { x, y, z, lost, log } = this.data;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const [w, h] = [this.right - this.left, this.bottom - this.top];
    Object.assign(this.canvas, { width: Math.max(1, Math.round(w * ratio)), height: Math.max(1, Math.round(h * ratio)) });
    Object.assign(this.canvas.style, { left: `${this.left}px`, top: `${this.top}px`, width: `${w}px`, height: `${h}px` });
    const paper = context(this.canvas);
    paper.scale(ratio, ratio);
    /** @type {[number, number, number][]} */
    const known = [];
    z.forEach((row, j) => row.forEach((value, i) => value !== null && known.push([i, j, value])));
    const gone = new Set(lost.map(([i, j]) => j * x.length + i));
    const edge = (/** @type {number[]} */ axis, /** @type {number} */ k) =>
      k === 0 ? axis[0] - (axis[1] - axis[0]) / 2 : k === axis.length ? last(axis) + (last(axis) - axis[k - 2]) / 2 : (axis[k - 1] + axis[k]) / 2;
    const xs = Array.from({ length: x.length + 1 }, (_, i) => this.px(edge(x, i)) - this.left);
    const ys = Array.from({ length: y.length + 1 }, (_, j) => this.py(edge(y, j)) - this.top);
    const preview = this.data.dots && known.length > this.data.dots.length;
    if (preview) this.blend(paper, w, h);
    for (let j = 0; j < y.length; j++) {
      for (let i = 0; i < x.length; i++) {
        /** @type {[number, number, number, number]} */
        const box = [xs[i] - 0.3, ys[j + 1] - 0.3, xs[i + 1] - xs[i] + 0.6, ys[j] - ys[j + 1] + 0.6];
        if (gone.has(j * x.length + i)) {
          hatch(paper, box);
          continue;
        }
        if (preview) continue;
        const measured = z[j][i];
        if (measured === null && !known.length) continue;
        paper.globalAlpha = measured === null ? 0.55 : 1;
        paper.fillStyle = this.colour(measured ?? nearest(known, i, j));
        paper.fillRect(...box);
      }
    }
    paper.globalAlpha = 1;
    if (this.data.contours && known.length === x.length * y.length - lost.length) {
      paper.lineWidth = 1;
      paper.font = "11px sans-serif";
      paper.textAlign = "center";
      /** @type {Pair[]} */
      const written = [];
      for (const level of this.levels) {
        paper.strokeStyle = this.share(level.at) > 0.55 ? "rgb(0 0 0 / 55%)" : "rgb(255 255 255 / 60%)";
        paper.beginPath();
        const pieces = contour(x, y, z, level.at, log, this.span[0]);
        for (const [a, b] of pieces) {
          paper.moveTo(this.px(a[0]) - this.left, this.py(a[1]) - this.top);
          paper.lineTo(this.px(b[0]) - this.left, this.py(b[1]) - this.top);
        }
        paper.stroke();
        if (pieces.length < 6) continue;
        paper.fillStyle = paper.strokeStyle;
        /** @type {Pair[]} */
        const places = pieces.map(([a]) => [this.px(a[0]) - this.left, this.py(a[1]) - this.top]);
        const free = places.filter(([u, v]) => u > 24 && u < this.right - this.left - 24 && v > 12 && v < this.bottom - this.top - 8
          && written.every(([w, q]) => Math.abs(u - w) > 44 || Math.abs(v - q) > 16));
        const at = free[free.length >> 1];
        if (!at) continue;
        written.push(at);
        paper.fillText(level.text, at[0], at[1] - 3);
      }
    }
    if (preview) {
      for (const [i, j] of this.data.dots ?? []) {
        const value = z[j][i];
        if (value === null) continue;
        paper.fillStyle = this.share(value) > 0.55 ? "rgb(0 0 0 / 35%)" : "rgb(255 255 255 / 45%)";
        paper.fillRect((xs[i] + xs[i + 1]) / 2 - 0.75, (ys[j] + ys[j + 1]) / 2 - 0.75, 1.5, 1.5);
      }
    }
  }

  /**
   * Colours that run from the middle of one cell to that of the next.
   * @type {(paper: CanvasRenderingContext2D, w: number, h: number) => void}
   */
  blend(paper, w, h) {
    const { x, y, z } = this.data;
    const small = element("canvas");
    Object.assign(small, { width: x.length, height: y.length });
    const dab = context(small);
    z.forEach((row, j) => row.forEach((value, i) => {
      if (value === null) return;
      dab.fillStyle = this.colour(value);
      dab.fillRect(i, y.length - 1 - j, 1, 1);
    }));
    paper.imageSmoothingQuality = "high";
    paper.drawImage(small, 0, 0, w, h);
  }

  /** Whether the value of a cell is predicted and not measured. @type {(i: number, j: number) => boolean} */
  guessed(i, j) {
    return this.data.dots !== null && !this.data.dots.some(([a, b]) => a === i && b === j);
  }

  /** The value of a cell in words. @type {(value: number, i: number, j: number) => string} */
  words(value, i, j) {
    return this.guessed(i, j) ? `about ${short(Number(value.toPrecision(3)))}, predicted between measured points` : `${short(value)} in this cell`;
  }

  /** @type {(value: number) => string} */
  colour(value) {
    const { colours } = this.data;
    return colours[Math.round(this.share(value) * (colours.length - 1))];
  }

  overlay() {
    const { markers, paths, xTitle, yTitle, colours } = this.data;
    const [x0, x1, y0, y1] = this.domain;
    /** @type {Node[]} */
    const nodes = [shape("rect", { class: "axis", fill: "none", x: this.left, y: this.top, width: this.right - this.left, height: this.bottom - this.top })];
    const step = niceStep((x1 - x0) / Math.max(3, Math.floor((this.right - this.left) / 60)));
    for (const tick of ticks(x0, x1, step)) {
      nodes.push(shape("line", { class: "axis", x1: this.px(tick.at), x2: this.px(tick.at), y1: this.bottom, y2: this.bottom + 4 }));
      nodes.push(text(tick.text, { class: "tick", x: this.px(tick.at), y: this.bottom + 17, "text-anchor": "middle" }));
    }
    for (const tick of ticks(y0, y1, step)) {
      nodes.push(shape("line", { class: "axis", x1: this.left - 4, x2: this.left, y1: this.py(tick.at), y2: this.py(tick.at) }));
      nodes.push(text(tick.text, { class: "tick", x: this.left - 7, y: this.py(tick.at), dy: "0.35em", "text-anchor": "end" }));
    }
    nodes.push(text(xTitle, { x: (this.left + this.right) / 2, y: this.bottom + 34, "text-anchor": "middle" }));
    const middle = (this.top + this.bottom) / 2;
    nodes.push(text(yTitle, { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${round(middle)})` }));

    const bar = this.right + 14;
    const slices = 48;
    const tall = this.bottom - this.top;
    for (let k = 0; k < slices; k++) {
      const shade = colours[Math.round(((k + 0.5) / slices) * (colours.length - 1))];
      nodes.push(shape("rect", { x: bar, y: this.bottom - (tall * (k + 1)) / slices - 0.5, width: 12, height: tall / slices + 1, fill: shade }));
    }
    if (this.floor) nodes.push(text("or less", { class: "tick", x: bar, y: this.bottom + 13 }));
    for (const level of this.levels) {
      nodes.push(text(level.text, { class: "tick", x: bar + 17, y: this.bottom - tall * this.share(level.at), dy: "0.35em" }));
    }

    paths.forEach((path, i) => {
      const d = `M${path.x.map((value, k) => `${round(this.px(value))} ${round(this.py(path.y[k]))}`).join("L")}`;
      nodes.push(coloured(path.colour, "series", shape("path", { class: "halo", d }), shape("path", { class: "line", d, "stroke-dasharray": DASHES[i % DASHES.length] })));
    });
    markers.forEach((marker, i) => nodes.push(symbol(i, this.px(marker.x), this.py(marker.y), 6, "corner")));
    if (!this.data.z.some((row) => row.some((value) => value !== null))) {
      nodes.push(text("No point is measured yet", { x: (this.left + this.right) / 2, y: middle, "text-anchor": "middle" }));
    }
    this.still.replaceChildren(...nodes);
    this.names(markers);
    this.legend.replaceChildren(...paths.map((path, i) => element("li", "", swatch({ ...path, dash: DASHES[i % DASHES.length] }), document.createTextNode(path.name))));
  }

  /**
   * A marker's name stands above it, else where it covers neither a name nor a marker: below, beside, or, of a few, in a row further off.
   * @type {(markers: Marker[]) => void}
   */
  names(markers) {
    const taken = markers.map((marker) => ({ x: this.px(marker.x) - 7, y: this.py(marker.y) - 7, w: 14, h: 14 }));
    for (const marker of markers) {
      const [cx, cy] = [this.px(marker.x), this.py(marker.y)];
      const label = this.still.appendChild(text(marker.name, { class: "over" }));
      const [w, h] = [label.getComputedTextLength(), 15];
      const rows = [0, 1, 2, 3, 4, 5].flatMap((k) => [[cx - w / 2, cy - 10 - h * (k + 1)], [cx - w / 2, cy + 10 + h * k]]);
      const boxes = [...rows.slice(0, 2), [cx + 11, cy - h / 2], [cx - 11 - w, cy - h / 2], ...rows.slice(2)].map(([x, y]) => ({
        x: Math.max(this.left + 2, Math.min(x, this.right - 2 - w)), y: Math.max(this.top + 1, Math.min(y, this.bottom - 1 - h)), w, h,
      }));
      const few = markers.length <= NAMED;
      const box = (few ? boxes : boxes.slice(0, 4)).find((box) => !taken.some((other) => apart(box, other) < 0)) ?? (few ? boxes[0] : null);
      if (!box) {
        label.remove(); // it stands in the table of the models
        continue;
      }
      taken.push(box);
      set(label, { x: round(box.x), y: round(box.y + h - 3) });
    }
  }

  // -- the live part -----------------------------------------------------------------------------------------------------

  /** @override */
  foreground() {
    const nodes = [];
    if (this.pick) nodes.push(cross(this.px(this.pick[0]), this.py(this.pick[1]), "handle"));
    if (this.cursor && this.cursor !== this.pick) nodes.push(cross(this.px(this.cursor[0]), this.py(this.cursor[1]), "handle moved"));
    const s = this.onPath()?.s ?? (this.pointer ? null : this.linked);
    if (s === null) return nodes;
    for (const path of this.data.paths) {
      const place = along(path, s);
      if (place) nodes.push(coloured(path.colour, "series", shape("circle", { class: "bead", cx: round(this.px(place[0])), cy: round(this.py(place[1])), r: 7 })));
    }
    return nodes;
  }

  /** @override */
  tip() {
    if (!this.pointer) {
      this.readout.style.visibility = "hidden";
      return;
    }
    const [px, py] = this.pointer;
    const on = this.onPath();
    const [x, y] = [this.ux(px), this.uy(py)];
    const [i, j] = this.cell(x, y);
    const value = this.data.z[j][i];
    const lost = this.data.lost.some(([a, b]) => a === i && b === j);
    const lines = [element("div", "", element("b", "", `(${short(x)}, ${short(y)})`))];
    lines.push(element("div", "", value === null ? (lost ? (this.data.dots ? "diverged here or close by" : "diverged here") : "not measured here yet") : `${this.data.zName}: ${this.words(value, i, j)}`));
    if (on) lines.push(element("div", "", swatch(on.path), `${on.path.name}: ${this.data.unit} = ${short(Number(on.s.toFixed(3)))}`));
    this.read(lines, px, py, this.total);
  }

  /** @override */
  say() {
    const at = this.cursor ?? this.pick;
    this.status.classList.toggle("idle", !at);
    if (!at) {
      put(this.status, "Click to see the model at a place of the plane.");
      return;
    }
    const [i, j] = this.cell(...at);
    const value = this.data.z[j][i];
    put(this.status, `(${short(at[0])}, ${short(at[1])}): ${value === null ? "not measured" : this.words(value, i, j)}.${this.cursor === this.pick ? "" : " Enter picks it."}`);
  }

  /** The cell a place lies in. @type {(x: number, y: number) => Pair} */
  cell(x, y) {
    const closest = (/** @type {number[]} */ axis, /** @type {number} */ value) => axis.reduce((best, v, k) => (Math.abs(v - value) < Math.abs(axis[best] - value) ? k : best), 0);
    return [closest(this.data.x, x), closest(this.data.y, y)];
  }

  /** The path under the pointer, and the nearest place on it. @type {() => Near | null} */
  onPath() {
    if (!this.pointer) return null;
    /** @type {Near | null} */
    let best = null;
    for (const path of this.data.paths) {
      for (let k = 1; k < path.x.length; k++) {
        const [ax, ay, bx, by] = [this.px(path.x[k - 1]), this.py(path.y[k - 1]), this.px(path.x[k]), this.py(path.y[k])];
        const [dx, dy] = [bx - ax, by - ay];
        const u = Math.min(1, Math.max(0, ((this.pointer[0] - ax) * dx + (this.pointer[1] - ay) * dy) / (dx * dx + dy * dy || 1)));
        const far = Math.hypot(ax + u * dx - this.pointer[0], ay + u * dy - this.pointer[1]);
        if (far < (best?.far ?? NEAR)) best = { far, path, s: path.s[k - 1] + u * (path.s[k] - path.s[k - 1]) };
      }
    }
    return best;
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
    this.mark();
    this.point(this.onPath()?.s ?? null);
  }

  /** @type {(event: MouseEvent) => void} */
  click(event) {
    this.hover(event);
    const on = this.onPath();
    if (this.pointer) this.commit([this.ux(this.pointer[0]), this.uy(this.pointer[1])], on ? { s: on.s, path: on.path.name } : null);
  }

  /** @override @param {KeyboardEvent} event */
  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [x0, x1, y0, y1] = this.domain;
    const step = (x1 - x0) / 50;
    const [x, y] = this.cursor ?? [(x0 + x1) / 2, (y0 + y1) / 2];
    /** @type {Record<string, Pair>} */
    const places = { ArrowLeft: [x - step, y], ArrowRight: [x + step, y], ArrowDown: [x, y - step], ArrowUp: [x, y + step] };
    const to = places[event.key];
    if (to) this.cursor = [Math.min(x1, Math.max(x0, to[0])), Math.min(y1, Math.max(y0, to[1]))];
    else if (event.key === "Enter" && this.cursor) this.commit(this.cursor, null);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.mark();
  }

  /** @type {(place: Pair, on: { s: number, path: string } | null) => void} */
  commit(place, on) {
    this.pick = this.cursor = place;
    this.stamp();
    this.mark();
    this.send({ x: place[0], y: place[1], on, at: this.sentAt });
  }
}

/** @type {(list: number[]) => number} */
const last = (list) => list[list.length - 1];

/** @type {(canvas: HTMLCanvasElement) => CanvasRenderingContext2D} */
const context = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** The value of the known cell nearest to [i, j]. @type {(known: [number, number, number][], i: number, j: number) => number} */
function nearest(known, i, j) {
  let [best, value] = [Infinity, NaN];
  for (const [a, b, v] of known) {
    const far = (a - i) ** 2 + (b - j) ** 2;
    if (far < best) [best, value] = [far, v];
  }
  return value;
}

/** Where a path is at s: [x, y], null beyond its ends. @type {(path: Path, s: number) => Pair | null} */
function along(path, s) {
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
 * @type {(x: number[], y: number[], z: (number | null)[][], level: number, log: boolean, low: number) => [Pair, Pair][]}
 */
function contour(x, y, z, level, log, low) {
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

/** @type {(paper: CanvasRenderingContext2D, box: [number, number, number, number]) => void} */
function hatch(paper, [x, y, w, h]) {
  paper.save();
  paper.beginPath();
  paper.rect(x, y, w, h);
  paper.clip();
  paper.strokeStyle = "rgb(128 128 128 / 80%)";
  for (let k = -h; k < w; k += 6) {
    paper.moveTo(x + k, y + h);
    paper.lineTo(x + k + h, y);
  }
  paper.stroke();
  paper.restore();
}

/** @type {(x: number, y: number, className: string) => SVGGElement} */
function cross(x, y, className) {
  return shape("g", { class: className }, shape("path", { d: `M${round(x) - 9} ${round(y)}h18m-9 -9v18`, fill: "none" }), shape("circle", { cx: round(x), cy: round(y), r: 5 }));
}

/** px between two boxes; negative where they overlap. @type {(a: Box, b: Box) => number} */
function apart(a, b) {
  return Math.max(b.x - a.x - a.w, a.x - b.x - b.w, b.y - a.y - a.h, a.y - b.y - b.h);
}
