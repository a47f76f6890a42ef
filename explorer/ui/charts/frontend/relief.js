// The relief of a plane: its values as ground in light and shade, with walls, pins of models and draped paths; to be turned, tilted and zoomed.
//
// The ground alone is drawn by the graphics card. Walls lie behind it and all else before it, as nodes: text stays crisp, and no name hides in the ground.
// What of a path or a pin is behind a hill is drawn faintly.

import { coloured, element, niceStep, put, round, runs, set, shape, symbol, text, ticks } from "./drawing.js";
import { still } from "./frames.js";
import { along, last, levelsOf } from "./grid.js";
import { apart, BAR, NAMED } from "./labels.js";
import { Orbit } from "./orbit.js";
import { Camera } from "./relief_camera.js";
import { Mesh } from "./relief_mesh.js";
import { GroundSurface } from "./relief_surface.js";
import { walls } from "./relief_walls.js";

/** @typedef {import("./grid.js").Pair} Pair */
/** @typedef {import("./relief_camera.js").Spot} Spot */

const TALL = 0.72; // of the world, which is 2 wide
const PIN = 0.2; // how far a model's mark stands above the ground
const LIFT = 0.012; // and a path
const BALL = 0.05;
const STEPS = 160; // pieces that a path is drawn in
const TURN = 0.13; // radians a second
const SWAY = 0.4, SWING = 0.4; // of a relief on a stage, to either side, and how fast
const SLOW = 1 / 28; // seconds a frame, beyond which it is drawn in fewer pixels while it moves

/** A view as plane.js says. */
export class Relief {
  camera = new Camera();
  /** @type {Mesh | null} */
  mesh = null;
  /** @type {GroundSurface | null} */
  surface = null;
  /** @type {unknown} */
  loaded = null; // the data that the mesh is made of
  turning = !still();
  lower = 1; // share of the pixels while it moves
  pace = 0; // seconds a frame
  exaggeration = 1;
  timer = 0;
  phase = 0; // of the swaying
  /** @type {Map<string, number>} */
  widths = new Map(); // of names, in px
  /** @type {{ path: import("./grid.js").Path, spots: Spot[] }[]} */
  tracks = [];
  /** @type {Pair[][]} */
  holes = [];
  /** @type {boolean | null} */
  able = null;
  slider = element("input");
  times = element("output", "", "1×");
  turner = element("button", "", "Turn");
  /** @type {Pair} */
  size = [1, 1]; // px of the picture without the bar of colours
  /** @type {Node[]} */
  scale = []; // the bar of colours

  /** @param {import("./plane.js").Host} plane */
  constructor(plane) {
    this.plane = plane;
    this.canvas = element("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.behind = shape("svg", { "aria-hidden": "true", focusable: "false", class: "behind" });
    const stripes = shape("path", { d: "M-2 2L2 -2M0 8L8 0M6 10L10 6", class: "axis" });
    const pattern = shape("pattern", { id: "relief-hole", width: 8, height: 8, patternUnits: "userSpaceOnUse" }, stripes);
    this.ground = shape("g");
    this.behind.append(shape("defs", {}, pattern), this.ground);
    this.gradient = shape("radialGradient", { id: "relief-ball", cx: "0.38", cy: "0.32", r: "0.75" },
      shape("stop", { offset: 0, "stop-color": "#fff", "stop-opacity": 0.95 }),
      shape("stop", { offset: 0.35, "stop-color": "#fff", "stop-opacity": 0.12 }),
      shape("stop", { offset: 1, "stop-color": "#000", "stop-opacity": 0.5 }));
    plane.svg.prepend(shape("defs", {}, this.gradient));
    this.controls = this.bar();
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.surface?.make();
      this.loaded = null;
      plane.draw();
    });
    this.orbit = new Orbit(plane.grip, this.camera, () => this.touched(), () => plane.view === this);
  }

  /** Whether this browser draws one. */
  can() {
    if (this.able === null) {
      try {
        this.surface = new GroundSurface(this.canvas);
        if (this.surface.slow) this.lower = 0.75;
        this.able = true;
      } catch {
        this.able = false;
      }
    }
    return this.able;
  }

  layers() {
    return [this.behind, this.canvas];
  }

  /** Height, turning, and back to the first view. */
  bar() {
    set(this.slider, { type: "range", min: 0.25, max: 3, step: 0.05, value: 1, "aria-label": "Exaggeration of the height" });
    this.slider.addEventListener("input", () => {
      this.exaggeration = Number(this.slider.value);
      put(this.times, `${this.slider.value}×`);
      this.touched();
    });
    this.turner.type = "button";
    this.turner.addEventListener("click", () => {
      this.turning = !this.turning;
      this.plane.stir();
    });
    const reset = element("button", "", "Reset view");
    reset.type = "button";
    reset.addEventListener("click", () => this.type("Home"));
    return element("div", "relief-bar", element("label", "", "Height", this.slider, this.times), this.turner, reset);
  }

  leave() {
    clearTimeout(this.timer);
    this.orbit.fingers.clear();
  }

  end() {
    this.leave();
    this.surface?.end();
  }

  // -- drawing -----------------------------------------------------------------------------------------------------------

  get tall() {
    return TALL * this.exaggeration;
  }

  draw() {
    const { plane } = this;
    const { data, scale, width } = plane;
    const right = Math.max(200, width - (data.stage ? 0 : BAR));
    const height = Math.round(Math.min(data.height, Math.max(300, right * 0.7)));
    plane.lay(0, 0, right, height, height);
    Object.assign(this.canvas.style, { left: "0", top: "0", width: `${right}px`, height: `${height}px` });
    set(this.behind, { width, height });
    if (this.loaded !== data) this.load();
    this.size = /** @type {Pair} */ ([right, height]);
    const levels = levelsOf(scale, data.log, Math.max(3, Math.floor((height - 90) / 42)));
    this.scale = data.stage ? [] : plane.bar(right + 14, 40, height - 50, levels);
    this.paint(1);
  }

  load() {
    const { data, scale } = this.plane;
    const mesh = (this.mesh = new Mesh(data, scale.share, data.dots !== null));
    this.loaded = data;
    const colours = new Uint8Array(data.colours.flatMap((colour) => [...(colour.match(/\d+/g) ?? []).slice(0, 3).map(Number), 255]));
    const levels = levelsOf(scale, data.log, 11).map(({ at }) => scale.share(at));
    this.surface?.load(mesh, colours, data.contours ? levels.filter((share) => share > 1e-6 && share < 1 - 1e-6) : []);
    this.tracks = data.paths.map((path) => {
      const [from, to] = [path.s[0], last(path.s)];
      const places = Array.from({ length: STEPS + 1 }, (_, k) => along(path, from + ((to - from) * k) / STEPS)).filter((place) => place !== null);
      return { path, spots: places.map((place) => this.on(place)) };
    });
    this.holes = holes(data, mesh);
  }

  /** A place of the plane on the ground, with its share as the height; in a hole, on the floor. @type {(place: Pair) => Spot} */
  on(place) {
    const mesh = /** @type {Mesh} */ (this.mesh);
    const [x, y] = mesh.world(place);
    return [x, y, mesh.share(x, y) || 0];
  }

  /** At its height in the world, and so much above. @type {(spot: Spot, above?: number) => Spot} */
  raised([x, y, share], above = 0) {
    return [x, y, share * this.tall + above];
  }

  /** Draw all that depends on where the eye is. @type {(share: number) => void} share: of the pixels */
  paint(share) {
    const { mesh, plane, camera, tall } = this;
    if (!mesh) return;
    clearTimeout(this.timer);
    if (share < 1) this.timer = setTimeout(() => this.paint(1), 250);
    camera.fit(this.size[0], this.size[1], [0, 0, tall * 0.42], Math.hypot(mesh.ax, mesh.ay), tall);
    const { data } = plane;
    const axis = (/** @type {number[]} */ xs, /** @type {number} */ k) =>
      ticks(xs[0], last(xs), niceStep((last(data.x) - data.x[0]) / 5)).map(({ at, text }) => ({ at: (at - mesh.middle[k]) * mesh.unit, text }));
    const heights = levelsOf(plane.scale, data.log, 6).map(({ at, text }) => ({ at: plane.scale.share(at) * tall, text }));
    const box = { ax: mesh.ax, ay: mesh.ay, tall, x: axis(data.x, 0), y: axis(data.y, 1), z: heights, xTitle: data.stage ? "" : data.xTitle, yTitle: data.stage ? "" : data.yTitle, zTitle: data.zName, holes: this.holes };
    const { behind, numbers } = walls(camera, box);
    this.ground.replaceChildren(...behind);
    this.shade(share);
    plane.still.replaceChildren(...this.scale, ...numbers, ...this.paths());
    this.pins();
    plane.count.frames = (plane.count.frames ?? 0) + 1;
  }

  /** The ground itself. @type {(share: number) => void} */
  shade(share) {
    const walker = this.plane.walker();
    const spot = walker && this.raised(this.on(walker.place), BALL * 0.7);
    const slow = this.surface?.slow && share === 1; // no smoothing of edges, so that more pixels have to do it
    const ratio = Math.min(2, (window.devicePixelRatio || 1) * (slow ? 1.5 : share));
    this.surface?.draw({ camera: this.camera, tall: this.tall, ball: spot && { spot, radius: BALL }, ratio, coarse: share < 0.8 });
  }

  /** The paths, faint where a hill is before them. @type {() => Node[]} */
  paths() {
    return this.tracks.map(({ path, spots }) => {
      const raised = spots.map((spot) => this.raised(spot, LIFT));
      const pixels = raised.map((spot) => this.camera.pixel(spot).slice(0, 2).map(round).join(" "));
      const hidden = raised.map((spot) => this.hides(spot));
      const group = coloured(path.colour, "series");
      for (const [name, wanted] of /** @type {[string, boolean][]} */ ([["faint", true], ["line", false]])) {
        for (const run of runs(pixels, (k) => hidden[k] === wanted)) {
          const d = `M${run.map((k) => pixels[k]).concat(pixels[last(run) + 1] ?? []).join("L")}`;
          if (!wanted) group.append(shape("path", { class: "halo", d }));
          group.append(shape("path", { class: name, d }));
        }
      }
      return group;
    });
  }

  /** @type {(spot: Spot) => boolean} */
  hides(spot) {
    return this.mesh?.hides(spot, this.camera.eye, this.tall) ?? false;
  }

  /** Models as pins: a foot on the ground, a stem, a mark, and above it the name, where it covers no other. */
  pins() {
    const { plane, camera } = this;
    const { markers } = plane.data;
    const few = markers.length <= NAMED;
    const stands = markers.map((marker, i) => {
      const spot = this.on([marker.x, marker.y]);
      return { marker, i, foot: this.raised(spot, 0.01), head: camera.pixel(this.raised(spot, few ? PIN : 0.02)) };
    });
    /** @type {import("./labels.js").Box[]} */
    const taken = stands.map(({ head }) => ({ x: head[0] - 7, y: head[1] - 7, w: 14, h: 14 }));
    for (const { marker, i, foot, head } of stands.sort((a, b) => b.head[2] - a.head[2])) {
      const [fx, fy] = camera.pixel(foot);
      const hidden = this.hides(foot);
      plane.still.append(
        shape("path", { class: hidden ? "stem faint" : "stem", d: `M${round(fx)} ${round(fy)}L${round(head[0])} ${round(head[1])}` }),
        shape("ellipse", { class: hidden ? "foot faint" : "foot", cx: round(fx), cy: round(fy), rx: 3.5, ry: 2.2 }),
        symbol(i, head[0], head[1], 6, "corner"));
      if (!few && i !== 0 && i !== markers.length - 1) continue;
      const label = plane.still.appendChild(text(marker.name, { class: "over pin" }));
      const w = this.widths.get(marker.name) ?? /** @type {SVGTextElement} */ (label).getComputedTextLength();
      if (w) this.widths.set(marker.name, w);
      const x = Math.max(2, Math.min(this.size[0] - w - 2, head[0] - w / 2));
      const rows = [0, 1, 2, 3, 4, 5, 6].map((k) => ({ x, y: Math.max(1, head[1] - 25 - 16 * k), w, h: 15 }));
      const boxes = [rows[0], { ...rows[0], x: head[0] + 11, y: head[1] - 8 }, { ...rows[0], x: head[0] - 11 - w, y: head[1] - 8 }, ...rows.slice(1)];
      const within = boxes.filter((box) => box.x >= 0 && box.x + w <= this.size[0]);
      const place = within.find((box) => !taken.some((other) => apart(box, other) < 0)) ?? rows[0];
      taken.push(place);
      set(label, { x: round(place.x), y: round(place.y + 12) });
      if (head[1] - place.y > 40) plane.still.append(shape("path", { class: "stem", d: `M${round(head[0])} ${round(head[1] - 8)}V${round(place.y + 16)}` }));
    }
  }

  // -- places --------------------------------------------------------------------------------------------------------------

  /** @type {(px: number, py: number) => Pair | null} */
  place(px, py) {
    return this.mesh?.meet(this.camera.ray(px, py), this.tall) ?? null;
  }

  /** @type {(place: Pair) => [number, number]} */
  pixel(place) {
    const [x, y] = this.camera.pixel(this.raised(this.on(place), LIFT));
    return [x, y];
  }

  /** A ball that lies on the ground. @type {(path: import("./grid.js").Path, place: Pair) => Node} */
  bead(path, place) {
    const spot = this.raised(this.on(place), BALL * 0.8);
    const [cx, cy, depth] = this.camera.pixel(spot);
    const r = Math.max(6, (BALL * this.camera.pixelsAt(depth)));
    const at = { cx: round(cx), cy: round(cy), r: round(r) };
    return coloured(path.colour, this.hides(spot) ? "series ball faint" : "series ball", shape("circle", { class: "bead", ...at }), shape("circle", { fill: "url(#relief-ball)", ...at }));
  }

  // -- the person ----------------------------------------------------------------------------------------------------------

  /** One frame: turn on, and draw if anything has moved; whether it goes on. @type {(seconds: number) => boolean} */
  step(seconds) {
    const turns = this.turning && this.plane.pointer === null && !this.orbit.fingers.size;
    if (turns && this.plane.data.stage) {
      this.phase += SWING * seconds;
      this.camera.turn(-SWAY * SWING * seconds * Math.cos(this.phase), 0);
    } else if (turns) {
      this.camera.turn(TURN * seconds, 0);
    }
    if (seconds) {
      this.pace = this.pace ? 0.8 * this.pace + 0.2 * seconds : seconds;
      if (this.pace > SLOW) this.lower = Math.max(0.5, this.lower * 0.9);
    }
    set(this.turner, { "aria-pressed": String(this.turning) });
    return turns;
  }

  /** Somebody has taken it in hand. */
  touched() {
    this.turning = false;
    this.plane.stir();
  }

  /** A key; whether it meant something. @type {(key: string) => boolean} */
  type(key) {
    return this.orbit.type(key);
  }
}

/** Outlines on the floor, in the world, of stretches of cells of which nothing is known. @type {(data: import("./plane.js").Data, mesh: Mesh) => Pair[][]} */
function holes(data, mesh) {
  const { x, y, z, lost } = data;
  const gone = new Set(lost.map(([i, j]) => j * x.length + i));
  const [hx, hy] = [(mesh.ax / (x.length - 1)), (mesh.ay / (y.length - 1))];
  return z.flatMap((row, j) =>
    runs(row, (i) => row[i] === null && !gone.has(j * x.length + i)).map((run) => {
      const [[x0, y0], [x1]] = [mesh.world([x[run[0]], y[j]]), mesh.world([x[last(run)], y[j]])];
      const [left, right] = [Math.max(-mesh.ax, x0 - hx), Math.min(mesh.ax, x1 + hx)];
      const [low, high] = [Math.max(-mesh.ay, y0 - hy), Math.min(mesh.ay, y0 + hy)];
      return /** @type {Pair[]} */ ([[left, low], [right, low], [right, high], [left, high]]);
    }));
}
