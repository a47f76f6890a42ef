// The map of a plane: measured values as cells of colour with contour lines, and on top of them models and paths.
//
// The colours are painted once on a canvas. Distances are true: one unit is as long to the right as it is upwards. A cell that is not measured yet shows
// its nearest measured neighbour, paler; one that diverged is hatched. In a smooth preview colours run into one another, and a dot marks each measured place.

import { coloured, DASHES, element, niceStep, round, set, shape, symbol, text, ticks } from "./drawing.js";
import { contours, filled, last, levelsOf } from "./grid.js";
import { apart, BAR, NAMED } from "./labels.js";

/** @typedef {import("./grid.js").Pair} Pair */

/** A view as plane.js says. */
export class FlatMap {
  left = 52;
  right = 0;
  top = 8;
  bottom = 0;
  /** @type {[number, number, number, number]} */
  domain = [0, 1, 0, 1]; // from, to along x; from, to along y
  /** @type {import("./drawing.js").Tick[]} */
  levels = [];
  px = (/** @type {number} */ value) => value;
  py = (/** @type {number} */ value) => value;
  /** @type {(px: number, py: number) => Pair} */
  place = (px, py) => [px, py];

  /** @param {import("./plane.js").Host} plane */
  constructor(plane) {
    this.plane = plane;
    this.canvas = element("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
  }

  /** What it draws on, from the bottom up. */
  layers() {
    return [this.canvas];
  }

  get data() {
    return this.plane.data;
  }

  /** @type {(value: number) => number} */
  share(value) {
    return this.plane.scale.share(value);
  }

  draw() {
    this.frame();
    this.paint();
    this.overlay();
  }

  /** @type {(place: Pair) => [number, number]} */
  pixel([x, y]) {
    return [this.px(x), this.py(y)];
  }

  /** A path's place where somebody points at it. @type {(path: import("./grid.js").Path, place: Pair) => Node} */
  bead(path, place) {
    const [cx, cy] = this.pixel(place);
    return coloured(path.colour, "series", shape("circle", { class: "bead", cx: round(cx), cy: round(cy), r: 7 }));
  }

  leave() {}

  frame() {
    const { x, y, height } = this.data;
    const half = (/** @type {number[]} */ axis) => (axis.length > 1 ? (last(axis) - axis[0]) / (axis.length - 1) / 2 : 0.5);
    const [hx, hy] = [half(x), half(y)];
    const [x0, x1, y0, y1] = [x[0] - hx, last(x) + hx, y[0] - hy, last(y) + hy];
    const room = Math.max(80, this.plane.width - this.left - BAR);
    const scale = Math.min(room / (x1 - x0), Math.max(80, height - this.top - 44) / (y1 - y0));
    this.right = this.left + scale * (x1 - x0);
    this.bottom = this.top + scale * (y1 - y0);
    this.domain = [x0, x1, y0, y1];
    this.px = (value) => this.left + scale * (value - x0);
    this.py = (value) => this.bottom - scale * (value - y0);
    this.place = (px, py) => [x0 + (px - this.left) / scale, y0 + (this.bottom - py) / scale];
    this.plane.lay(this.left, this.top, this.right, this.bottom, this.bottom + 40);
    this.levels = levelsOf(this.plane.scale, this.data.log, Math.max(3, Math.floor((this.bottom - this.top) / 42)));
  }

  paint() {
    const { x, y, z, lost } = this.data;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const [w, h] = [this.right - this.left, this.bottom - this.top];
    Object.assign(this.canvas, { width: Math.max(1, Math.round(w * ratio)), height: Math.max(1, Math.round(h * ratio)) });
    Object.assign(this.canvas.style, { left: `${this.left}px`, top: `${this.top}px`, width: `${w}px`, height: `${h}px` });
    const paper = context(this.canvas);
    paper.scale(ratio, ratio);
    let known = 0;
    for (const row of z) for (const value of row) if (value !== null) known++;
    const gone = new Set(lost.map(([i, j]) => j * x.length + i));
    const edge = (/** @type {number[]} */ axis, /** @type {number} */ k) =>
      k === 0 ? axis[0] - (axis[1] - axis[0]) / 2 : k === axis.length ? last(axis) + (last(axis) - axis[k - 2]) / 2 : (axis[k - 1] + axis[k]) / 2;
    const xs = Array.from({ length: x.length + 1 }, (_, i) => this.px(edge(x, i)) - this.left);
    const ys = Array.from({ length: y.length + 1 }, (_, j) => this.py(edge(y, j)) - this.top);
    const preview = this.data.dots && known > this.data.dots.length;
    const whole = known < x.length * y.length && !preview ? filled(z) : z;
    paper.imageSmoothingEnabled = preview !== null && preview;
    paper.imageSmoothingQuality = "high";
    if (known) paper.drawImage(this.cells(whole, gone), 0, 0, w, h);
    for (const k of gone) {
      const [i, j] = [k % x.length, Math.floor(k / x.length)];
      hatch(paper, [xs[i] - 0.3, ys[j + 1] - 0.3, xs[i + 1] - xs[i] + 0.6, ys[j] - ys[j + 1] + 0.6]);
    }
    if (this.data.contours && known === x.length * y.length - lost.length) {
      paper.lineWidth = 1;
      paper.font = "11px sans-serif";
      paper.textAlign = "center";
      /** @type {Pair[]} */
      const written = [];
      const lines = contours(this.data, this.levels.map(({ at }) => at), this.plane.scale.span[0]);
      for (const [k, level] of this.levels.entries()) {
        paper.strokeStyle = this.share(level.at) > 0.55 ? "rgb(0 0 0 / 55%)" : "rgb(255 255 255 / 60%)";
        paper.beginPath();
        const pieces = lines[k];
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
   * A pixel for each cell: paler where its value is another's, and nothing where there is none.
   * @type {(values: (number | null)[][], gone: Set<number>) => HTMLCanvasElement}
   */
  cells(values, gone) {
    const { x, y, z, colours } = this.data;
    const shades = colours.map((colour) => (colour.match(/\d+/g) ?? []).slice(0, 3).map(Number));
    const small = element("canvas");
    Object.assign(small, { width: x.length, height: y.length });
    const dab = context(small);
    const dots = dab.createImageData(x.length, y.length);
    for (let j = 0; j < y.length; j++) {
      for (let i = 0; i < x.length; i++) {
        const value = values[j][i];
        if (value === null || gone.has(j * x.length + i)) continue;
        const at = 4 * ((y.length - 1 - j) * x.length + i);
        dots.data.set(shades[Math.round(this.share(value) * (shades.length - 1))], at);
        dots.data[at + 3] = z[j][i] === null ? 140 : 255;
      }
    }
    dab.putImageData(dots, 0, 0);
    return small;
  }

  overlay() {
    const { markers, paths, xTitle, yTitle } = this.data;
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

    nodes.push(...this.plane.bar(this.right + 14, this.top, this.bottom, this.levels));

    paths.forEach((path, i) => {
      const d = `M${path.x.map((value, k) => `${round(this.px(value))} ${round(this.py(path.y[k]))}`).join("L")}`;
      nodes.push(coloured(path.colour, "series", shape("path", { class: "halo", d }), shape("path", { class: "line", d, "stroke-dasharray": DASHES[i % DASHES.length] })));
    });
    markers.forEach((marker, i) => nodes.push(symbol(i, this.px(marker.x), this.py(marker.y), 6, "corner")));
    if (!this.data.z.some((row) => row.some((value) => value !== null))) {
      nodes.push(text("No point is measured yet", { x: (this.left + this.right) / 2, y: middle, "text-anchor": "middle" }));
    }
    this.plane.still.replaceChildren(...nodes);
    this.names(markers);
  }

  /**
   * A marker's name stands above it, else where it covers neither a name nor a marker: below, beside, or, of a few, in a row further off.
   * @type {(markers: import("./plane.js").Marker[]) => void}
   */
  names(markers) {
    const taken = markers.map((marker) => ({ x: this.px(marker.x) - 7, y: this.py(marker.y) - 7, w: 14, h: 14 }));
    for (const marker of markers) {
      const [cx, cy] = [this.px(marker.x), this.py(marker.y)];
      const label = this.plane.still.appendChild(text(marker.name, { class: "over" }));
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
}

/** @type {(canvas: HTMLCanvasElement) => CanvasRenderingContext2D} */
const context = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

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
