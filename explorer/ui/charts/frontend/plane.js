// A plane through weight space, as a map, as a relief or, of three models, as their triangle: what is there, where somebody points, picks or walks, and the switch between the views.
//
// A view draws (`map.js`, `relief.js`, `triangle.js`); all else is here, so that whatever is picked or played stays where it is when the view changes. Hovering touches
// only the small `live` group. Names are untrusted: text nodes.

import { DASHES, element, put, round, set, shape, short, swatch, text } from "./drawing.js";
import { Frames, still } from "./frames.js";
import { along, cellAt, last, scaleOf, valueAt } from "./grid.js";
import { FlatMap } from "./map.js";
import { unpacked } from "./packed.js";
import { keep, Picture } from "./picture.js";
import { Player } from "./player.js";
import { hearRegion, outlined, sayPlace } from "./region.js";
import { Relief } from "./relief.js";
import { Triangle } from "./triangle.js";

/** @typedef {import("./grid.js").Pair} Pair */
/** @typedef {import("./grid.js").Path} Path */
/** @typedef {{ name: string, x: number, y: number }} Marker of a model */
/** @typedef {"map" | "relief" | "triangle"} Kind of view */

/**
 * @typedef {object} Surface
 * @property {Pair[] | null} dots cells that are measured, where others are predicted
 * @property {Marker[]} markers
 * @property {Path[]} paths
 * @property {string[]} colours from the lowest value to the highest, as rgb(r, g, b)
 * @property {boolean} contours
 * @property {string} unit what the paths' s is called
 * @property {string} xTitle
 * @property {string} yTitle
 * @property {string} zTitle
 * @property {string} zName
 * @property {Pair | null} pick where Python has the mark
 * @property {number} height px
 * @property {Kind} view
 * @property {import("./triangle.js").Mixtures | null} mixtures of three models, where they may be seen on their triangle
 * @property {boolean} stage whether it is a relief alone, on which somebody walks along the paths by themselves
 * @property {boolean} tells whether Python hears of a change of view
 */

/**
 * How a plane is drawn.
 * @typedef {object} View
 * @property {() => Element[]} layers what it draws on, from the bottom up
 * @property {() => void} draw the still part
 * @property {(px: number, py: number) => Pair | null} place of the plane under a pixel of the stage
 * @property {(place: Pair) => [number, number]} pixel
 * @property {(path: Path, place: Pair) => Node} bead where a path is pointed at
 * @property {() => void} leave
 * @property {((px: number, py: number) => Node[])} [lines] what stands under a pixel, of a view that has values of its own
 */

/** @typedef {import("./picture.js").Told & import("./grid.js").Grid & Surface} Data */
/** @typedef {Plane} Host of a view */
/** @typedef {{ path: Path, s: number, far: number }} Near place on a path, and how many px from the pointer */

const NEAR = 14; // px within which the pointer is on a path
/** @type {WeakMap<Element, Plane>} */
const planes = new WeakMap();
/** @type {Kind | null} */
let chosen = null; // the view that somebody chose last, for planes whose page does not say

/** @param {import("./picture.js").Call<unknown>} call */
export default function ({ data: told, parentElement, setStateValue }) {
  /** @type {Data} */
  const data = unpacked(told);
  const plane = keep(planes, parentElement, () => new Plane(parentElement, data));
  plane.send = (sent) => setStateValue("pick", sent);
  plane.tellView = (view) => setStateValue("view", view);
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
  /** @type {string} */
  toldView = ""; // what Python said last
  /** @type {(view: string) => void} */
  tellView = () => {};
  /** @type {import("./grid.js").Scale} */
  scale = { span: [0, 1], floor: false, share: Number, value: Number };

  /** @param {Element} parent @param {Data} data */
  constructor(parent, data) {
    super(parent, data, "curve plane", "application");
    this.flat = new FlatMap(this);
    this.relief = new Relief(this);
    this.triangle = new Triangle(this);
    /** @type {View} */
    this.view = this.flat;
    this.stage.prepend(...this.view.layers());
    this.player = new Player(data.unit, () => this.walked());
    this.controls = element("div", "controls", this.player.root, this.relief.controls);
    this.stage.after(this.controls);
    this.frames = new Frames(this.stage, (seconds) => this.step(seconds));
    this.switch = this.buttons();
    this.grip.addEventListener("pointerleave", () => this.hover(null));
    this.grip.addEventListener("click", (event) => this.click(event));
    this.unhear = hearRegion(data.key, (region) => {
      this.region = region;
      this.mark();
    });
  }
  /** @type {import("./region.js").Region | null} */
  region = null; // around a minimum that is pointed at, here or in a picture of minima

  /** The views to choose from. */
  buttons() {
    const group = element("div", "views");
    set(group, { role: "group", "aria-label": "View" });
    for (const [view, label] of /** @type {[Kind, string][]} */ ([["map", "Map"], ["relief", "Relief"], ["triangle", "Triangle"]])) {
      const button = group.appendChild(element("button", "", label));
      button.type = "button";
      button.addEventListener("click", () => this.choose(view));
    }
    this.title.after(group);
    return group;
  }

  /** @override @param {Data} data */
  tell(data) {
    if (data.at >= this.sentAt) this.pick = this.cursor = data.pick;
    const first = this.toldView === "";
    this.data = data;
    this.scale = scaleOf(data);
    if (data.view !== this.toldView) {
      this.toldView = data.view;
      this.show(first && !data.tells && !data.stage && chosen ? chosen : data.view);
    }
    this.switch.hidden = data.stage;
    /** @type {HTMLElement} */ (this.switch.lastElementChild).hidden = !data.mixtures;
    put(this.title, data.zTitle);
    this.player.unit = data.unit;
    this.player.tour = data.stage;
    this.player.tell(data.paths.filter(({ s }) => s.length > 1).map(({ name, s }) => ({ name, from: s[0], to: s[s.length - 1] })));
    super.tell(data);
    if (first && data.stage && !still()) this.player.play();
    this.frames.go();
  }

  /** @override */
  leave() {
    super.leave();
    if (this.root.isConnected) return;
    this.unhear();
    this.frames.end();
    this.relief.end();
  }

  // -- the view ----------------------------------------------------------------------------------------------------------

  /** A person's choice. @type {(view: Kind) => void} */
  choose(view) {
    chosen = view;
    if (this.view === this.of(view)) return;
    this.show(view);
    this.draw();
    this.frames.go();
    if (this.data.tells) this.tellView(view);
  }

  /** @type {(view: Kind) => View} */
  of(view) {
    if (view === "triangle" && this.data.mixtures) return this.triangle;
    return view === "relief" && this.relief.can() ? this.relief : this.flat;
  }

  /** @type {(view: Kind) => void} */
  show(view) {
    const next = this.of(view);
    if (next !== this.view) {
      this.view.leave();
      for (const layer of this.view.layers()) layer.remove();
      this.view = next;
      this.stage.prepend(...next.layers());
    }
    const relief = next === this.relief;
    this.root.classList.toggle("raised", relief);
    this.relief.controls.hidden = !relief;
    [...this.switch.children].forEach((button, k) => {
      set(button, { "aria-pressed": String(next === [this.flat, this.relief, this.triangle][k]) });
      if (k === 1 && !this.relief.can()) set(button, { disabled: "", title: "This browser draws no relief: it has no WebGL 2." });
    });
    const keys = relief ? "Arrow keys turn, plus and minus zoom, Home resets; with Shift, arrow keys move a mark and Enter picks." : "Arrow keys move, Enter picks.";
    this.grip.setAttribute("aria-label", `${this.data.alt} ${keys}`);
  }

  /** One frame of what moves; whether more is to come. @type {(seconds: number) => boolean} */
  step(seconds) {
    const relief = this.view === this.relief;
    const walking = this.player.step(seconds);
    const turning = relief && this.relief.step(seconds);
    if (this.stale || turning) {
      this.stale = false;
      if (relief) this.relief.paint(this.relief.lower);
      this.mark();
    }
    return walking || turning;
  }
  stale = false;

  /** Something is to be drawn with the next frame. */
  stir() {
    this.stale = true;
    this.frames.go();
  }

  /** The walker has moved, or is to move. */
  walked() {
    this.point(this.player.s, true);
    this.stir();
  }

  /** @override @param {number} s */
  follow(s) {
    this.player.follow(s);
    this.stir();
  }

  /** @override */
  place() {
    return this.player.s;
  }

  /** @override */
  ready() {
    return this.player.roads.length > 0;
  }

  // -- the still part ----------------------------------------------------------------------------------------------------

  /** @override */
  background() {
    this.view.draw();
    const { paths, lost, z, dots } = this.data;
    const gone = new Set(lost.map(([i, j]) => `${i} ${j}`));
    const open = z.some((row, j) => row.some((value, i) => value === null && !gone.has(`${i} ${j}`)));
    const said = [...(lost.length ? [entry("lost", dots ? "diverged, here or close by" : "diverged")] : []), ...(open && this.view === this.relief ? [entry("open", "not measured yet")] : [])];
    this.legend.replaceChildren(...paths.map((path, i) => element("li", "", swatch({ ...path, dash: DASHES[i % DASHES.length] }), document.createTextNode(path.name))), ...said);
  }

  /** Where a view puts the plot into the stage, in px. @type {(left: number, top: number, right: number, bottom: number, total: number) => void} */
  lay(left, top, right, bottom, total) {
    this.top = top;
    this.total = total;
    this.stage.style.height = `${total}px`;
    set(this.svg, { width: this.width, height: total });
    Object.assign(this.grip.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
  }
  total = 0; // px of the height

  /** The bar of colours with its numbers. @type {(x: number, top: number, bottom: number, levels: import("./drawing.js").Tick[]) => Node[]} */
  bar(x, top, bottom, levels) {
    const slices = 48;
    const tall = bottom - top;
    const { colours } = this.data;
    /** @type {Node[]} */
    const nodes = Array.from({ length: slices }, (_, k) => {
      const fill = colours[Math.round(((k + 0.5) / slices) * (colours.length - 1))];
      return shape("rect", { x, y: bottom - (tall * (k + 1)) / slices - 0.5, width: 12, height: tall / slices + 1, fill });
    });
    if (this.scale.floor) nodes.push(text("or less", { class: "tick", x, y: bottom + 13 }));
    for (const level of levels) nodes.push(text(level.text, { class: "tick", x: x + 17, y: bottom - tall * this.scale.share(level.at), dy: "0.35em" }));
    return nodes;
  }

  /** Whether the value of a cell is predicted and not measured. @type {(i: number, j: number) => boolean} */
  guessed(i, j) {
    return this.data.dots !== null && !this.data.dots.some(([a, b]) => a === i && b === j);
  }

  /** The value of a cell in words. @type {(value: number, i: number, j: number) => string} */
  words(value, i, j) {
    return this.guessed(i, j) ? `about ${short(Number(value.toPrecision(3)))}, predicted between measured points` : `${short(value)} in this cell`;
  }

  // -- the live part -----------------------------------------------------------------------------------------------------

  /** @override */
  foreground() {
    /** @type {Node[]} */
    const nodes = this.region ? outlined(this.region, this.view) : [];
    if (this.pick) nodes.push(cross(...this.view.pixel(this.pick), "handle"));
    if (this.cursor && this.cursor !== this.pick) nodes.push(cross(...this.view.pixel(this.cursor), "handle moved"));
    const shared = this.linked ?? (this.data.group ? this.player.s : null); // where somebody walks, on the axis that all paths have in common
    const s = this.onPath()?.s ?? (this.pointer ? null : shared);
    const walker = this.walker();
    for (const path of this.data.paths) {
      const place = s === null ? null : along(path, s);
      if (place && path !== walker?.path) nodes.push(this.view.bead(path, place));
    }
    if (walker) nodes.push(this.view.bead(walker.path, walker.place), ...this.flag(walker.path, walker.place));
    return nodes;
  }

  /** The path that somebody walks along, and where they are; where a linked picture points at the path, they are there. */
  walker() {
    if (this.player.s === null) return null;
    const road = this.player.roads[this.player.which];
    const path = this.data.paths.find(({ name }) => name === road?.name);
    const place = path && along(path, (this.player.playing ? null : this.linked) ?? this.player.s);
    return path && place ? { path, place } : null;
  }

  /** The value where somebody walks, beside them. @type {(path: Path, place: Pair) => Node[]} */
  flag(path, place) {
    const [x, y] = this.view.pixel(place);
    const value = valueAt(this.data, place);
    if (Number.isNaN(value)) return [];
    const left = Math.max(60, Math.min(this.width - 60, x));
    return [text(`${this.data.zName.replace(/ *\(.*/, "")} ≈ ${short(Number(value.toPrecision(2)))}`, { class: "over flag", x: round(left), y: round(y + 26), "text-anchor": "middle" })];
  }

  /** @override */
  tip() {
    if (!this.pointer) {
      this.readout.style.visibility = "hidden";
      return;
    }
    const [px, py] = this.pointer;
    const place = this.view.place(px, py);
    if (!place) {
      this.readout.style.visibility = "hidden";
      return;
    }
    const on = this.onPath();
    if (this.view.lines) return this.read(this.view.lines(px, py), px, py, this.total);
    const [x, y] = place;
    const [i, j] = cellAt(this.data, place);
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
    const [i, j] = cellAt(this.data, at);
    const value = this.data.z[j][i];
    put(this.status, `(${short(at[0])}, ${short(at[1])}): ${value === null ? "not measured" : this.words(value, i, j)}.${this.cursor === this.pick ? "" : " Enter picks it."}`);
  }

  /** The path under the pointer, and the nearest place on it. @type {() => Near | null} */
  onPath() {
    if (!this.pointer) return null;
    /** @type {Near | null} */
    let best = null;
    for (const path of this.data.paths) {
      const spots = path.x.map((x, k) => this.view.pixel([x, path.y[k]]));
      for (let k = 1; k < path.x.length; k++) {
        const [[ax, ay], [bx, by]] = [spots[k - 1], spots[k]];
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
    if (event && !(this.view === this.relief && this.relief.orbit.dragged)) {
      const box = this.stage.getBoundingClientRect();
      this.pointer = [event.clientX - box.left, event.clientY - box.top];
    } else {
      this.pointer = null;
      this.frames.go();
    }
    this.mark();
    this.point(this.onPath()?.s ?? null);
    sayPlace(this.data.key, this.pointer && this.view.place(...this.pointer));
  }

  /** @type {(event: MouseEvent) => void} */
  click(event) {
    if (this.view === this.relief && this.relief.orbit.dragged) return;
    this.hover(event);
    const on = this.onPath();
    const place = this.pointer && this.view.place(...this.pointer);
    if (place) this.commit(place, on ? { s: on.s, path: on.path.name } : null);
  }

  /** @override @param {KeyboardEvent} event */
  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.view === this.relief && !event.shiftKey && event.key !== "Enter") {
      if (!this.relief.type(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const [x0, x1, y0, y1] = [this.data.x[0], last(this.data.x), this.data.y[0], last(this.data.y)];
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
    sayPlace(this.data.key, this.cursor);
  }

  /** @type {(place: Pair, on: { s: number, path: string } | null) => void} */
  commit(place, on) {
    this.pick = this.cursor = place;
    this.stamp();
    this.mark();
    this.send({ x: place[0], y: place[1], on, at: this.sentAt });
  }
}

/** @type {(x: number, y: number, className: string) => SVGGElement} */
function cross(x, y, className) {
  return shape("g", { class: className }, shape("path", { d: `M${round(x) - 9} ${round(y)}h18m-9 -9v18`, fill: "none" }), shape("circle", { cx: round(x), cy: round(y), r: 5 }));
}

/** What a pattern of the picture means. @type {(kind: string, words: string) => HTMLLIElement} */
function entry(kind, words) {
  return element("li", "", element("span", `patch ${kind}`), document.createTextNode(words));
}
