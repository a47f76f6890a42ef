// A Bézier curve with one bend over a landscape of two weights, L = m (w v − 1)²: pulled by hand, or trained for the mean loss on the curve.

import { plain, short } from "./drawing.js";
import { Ground, Profile } from "./ground.js";
import { Toy } from "./toy.js";

/** @typedef {import("./toy.js").Pair} Pair */
/** @typedef {import("./toy.js").Told & import("./ground.js").Shown & { mean: number, ends: [Pair, Pair], bend: Pair }} Bent mean: m of the loss */

const PLACES = 61; // on the curve, evenly in t
const DOWN = 1.5; // rate of its training
const DONE = 1e-4; // size of the gradient at which it rests
const DESCENTS = 90; // steps a second

/** @extends {Toy<Bent>} */
export class Bend extends Toy {
  due = 0;
  trained = 0; // steps

  /** @param {Element} parent @param {Bent} data */
  constructor(parent, data) {
    super(parent, data, "bend");
    /** @type {Pair} */
    this.at = [...data.bend];
    this.ground = new Ground(this.main, data, (change) => this.act(change));
    this.profile = new Profile(this.side, "loss on the way from A to B", "t (0 = A, 1 = B)");
    const move = (/** @type {Pair} */ to) => ((this.at = to), (this.trained = 0));
    this.ground.add({ label: "Bend", look: "bend", at: () => this.at, move });
    this.player("Train the bend");
    this.button("Straight", () => (this.run(false), move([(data.ends[0][0] + data.ends[1][0]) / 2, (data.ends[0][1] + data.ends[1][1]) / 2])));
    this.reset();
  }

  /** @override */
  restart() {
    this.at = [...this.data.bend];
    this.trained = 0;
  }

  /** @type {(at: Pair) => number} */
  loss([w, v]) {
    return this.data.mean * (w * v - 1) ** 2;
  }

  /** @type {(t: number, bend?: Pair) => Pair} */
  place(t, [x, y] = this.at) {
    const [[ax, ay], [bx, by]] = this.data.ends;
    return [(1 - t) ** 2 * ax + 2 * t * (1 - t) * x + t * t * bx, (1 - t) ** 2 * ay + 2 * t * (1 - t) * y + t * t * by];
  }

  /** @override */
  advance(/** @type {number} */ seconds) {
    for (this.due += DESCENTS * seconds; this.due >= 1; this.due--) if (!this.descend()) return false;
    return true;
  }

  /** One step of gradient descent; whether it still moves. */
  descend() {
    let [dx, dy] = [0, 0];
    for (const t of TIMES) {
      const [w, v] = this.place(t);
      const off = (2 * t * (1 - t) * 2 * this.data.mean * (w * v - 1)) / PLACES;
      [dx, dy] = [dx + off * v, dy + off * w];
    }
    this.at = this.ground.inside([this.at[0] - DOWN * dx, this.at[1] - DOWN * dy]);
    this.trained++;
    return Math.hypot(dx, dy) > DONE;
  }

  /** @override */
  layout() {
    this.ground.fit();
    this.ground.paint((at) => this.loss(at));
  }

  /** @type {() => number[][]} the losses on the curve and on the straight line */
  losses() {
    const [[ax, ay], [bx, by]] = this.data.ends;
    return [TIMES.map((t) => this.loss(this.place(t))), TIMES.map((t) => this.loss([ax + t * (bx - ax), ay + t * (by - ay)]))];
  }

  /** @override */
  show() {
    const ground = this.ground;
    const [a, b] = this.data.ends;
    const curve = TIMES.map((t) => this.place(t));
    const valley = Array.from({ length: 121 }, (_, k) => 3 ** (k / 60 - 1)).map((s) => /** @type {Pair} */ ([s * Math.sqrt(a[0] * b[0]), s ** -1 / Math.sqrt(a[0] * b[0])]));
    ground.put(
      [ground.path(valley, "valley"), ground.path([a, this.at, b], "pull"), ground.path([a, b], "between"), ground.path(curve, "trail two"), ground.dot(a, "bead one"), ground.dot(b, "bead one")],
      [ground.named("A", a), ground.named("B", b), ground.named("bend", this.at)]);
    const [bent, straight] = this.losses();
    this.profile.draw([{ name: "curve", look: "line two", values: bent }, { name: "straight line", look: "line dashed", values: straight }], 0.01);
  }

  /** @override */
  say() {
    const [bent, straight] = this.losses().map((values) => values.reduce((a, b) => Math.max(a, b), 0));
    const mean = this.losses()[0].reduce((a, b) => a + b, 0) / PLACES;
    const steps = this.trained ? ` after ${this.trained} steps of training` : "";
    return `Bend (${plain(this.at[0], 2)}, ${plain(this.at[1], 2)})${steps}: the highest loss on the curve is ${short(bent)}, the mean ${short(mean)}. On the straight line the highest is ${short(straight)}.`;
  }
}

const TIMES = Array.from({ length: PLACES }, (_, k) => k / (PLACES - 1));
