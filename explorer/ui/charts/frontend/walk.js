// SGD from two seeds over the landscape of two neurons, the line between them, and a ball with momentum.
//
// Both walkers leave one start with one rate; only their noise differs. It is Gaussian and stands for the draw of the batch.

import { plain, short } from "./drawing.js";
import { Ground, Profile } from "./ground.js";
import { normal, Toy } from "./toy.js";
import { TwoNeurons } from "./two_neurons.js";

/** @typedef {import("./toy.js").Pair} Pair */
/** @typedef {import("./toy.js").Told & import("./ground.js").Shown & { inputs: number[], teacher: Pair, start: Pair, rate: number, noise: number, momentum: number }} Walking */

const PER_SECOND = 40; // steps
const KEPT = 160; // places of a trail
const ALONG = 41; // places on the line

/** @extends {Toy<Walking>} */
export class Walk extends Toy {
  rate = 0;
  noise = 0;
  momentum = 0;
  due = 0; // steps, as time passes
  steps = 0;
  seed = 1;
  /** @type {Pair} */
  speed = [0, 0];
  /** @type {Pair[][]} */
  trails = [[], [], []]; // of A, B and the ball

  /** @param {Element} parent @param {Walking} data */
  constructor(parent, data) {
    super(parent, data, "walk");
    this.net = new TwoNeurons(data.inputs, data.teacher);
    this.ground = new Ground(this.main, data, (change) => this.act(change));
    this.profile = new Profile(this.side, "loss on the line from A to B", "t (0 = A, 1 = B)");
    /** @type {Pair} */
    this.start = [...data.start];
    this.ground.add({ label: "Start", look: "start", at: () => this.start, move: (to) => ((this.start = to), this.begin()) });
    this.slider({ label: "Learning rate", low: 0.01, high: 1, step: 0.01, value: data.rate, words: (v) => plain(v, 2, false) }, (v) => (this.rate = v));
    this.slider({ label: "Noise of the gradient", low: 0, high: 3, step: 0.05, value: data.noise, words: (v) => plain(v, 2, false) }, (v) => (this.noise = v));
    this.slider({ label: "Momentum of the ball", low: 0, high: 0.98, step: 0.01, value: data.momentum, words: (v) => plain(v, 2, false) }, (v) => (this.momentum = v));
    this.player("Run");
    this.button("One step", () => this.step());
    this.button("Two new seeds", () => ((this.seed += 2), this.begin()));
    this.reset();
    this.begin();
  }

  begin() {
    this.steps = 0;
    this.speed = [0, 0];
    this.trails = [0, 1, 2].map(() => [[...this.start]]);
    this.draws = [normal(this.seed), normal(this.seed + 1)];
  }

  /** @override */
  restart() {
    this.start = [...this.data.start];
    this.seed = 1;
    this.begin();
  }

  /** @override */
  advance(/** @type {number} */ seconds) {
    this.due += PER_SECOND * seconds;
    for (; this.due >= 1; this.due--) this.step();
    return true;
  }

  step() {
    this.trails.forEach((trail, k) => {
      const at = trail[trail.length - 1];
      const [du, dv] = this.net.slope(at);
      if (k < 2) {
        const draw = /** @type {(() => number)[]} */ (this.draws)[k];
        trail.push([at[0] - this.rate * (du + this.noise * draw()), at[1] - this.rate * (dv + this.noise * draw())]);
      } else {
        this.speed = [this.momentum * this.speed[0] - this.rate * du, this.momentum * this.speed[1] - this.rate * dv];
        trail.push([at[0] + this.speed[0], at[1] + this.speed[1]]);
      }
      if (trail.length > KEPT) trail.shift();
    });
    this.steps++;
  }

  /** @type {() => Pair[]} where A, B and the ball are */
  places() {
    return this.trails.map((trail) => trail[trail.length - 1]);
  }

  /** @type {() => number[]} the loss on the line from A to B */
  between() {
    const [[ax, ay], [bx, by]] = this.places();
    return Array.from({ length: ALONG }, (_, k) => this.net.loss([ax + ((bx - ax) * k) / (ALONG - 1), ay + ((by - ay) * k) / (ALONG - 1)]));
  }

  /** @override */
  layout() {
    this.ground.fit();
    this.ground.paint((at) => this.net.loss(at));
  }

  /** @override */
  show() {
    const ground = this.ground;
    const [a, b, ball] = this.places();
    const looks = ["one", "two", "ball"];
    const [one, other] = this.data.teacher;
    const minima = [ground.dot([one, other], "goal", 9), ground.dot([other, one], "goal", 9)];
    ground.put(
      [...minima, ground.path([a, b], "between"), ...this.trails.map((trail, k) => ground.path(trail, `trail ${looks[k]}`)), ground.dot(ball, "bead ball", 10), ground.dot(a, "bead one"), ground.dot(b, "bead two")],
      this.steps ? [ground.named("A", a), ground.named("B", b), ground.named("ball", ball)] : [ground.named("start: A, B and the ball", this.start)]);
    this.profile.draw([{ name: "", look: "line one", values: this.between() }], 0.2);
  }

  /** @override */
  say() {
    const [a, b, ball] = this.places().map((at) => short(this.net.loss(at)));
    const line = this.between();
    const height = line.reduce((most, v, k) => Math.max(most, v - line[0] - ((line[line.length - 1] - line[0]) * k) / (line.length - 1)), 0);
    return `Step ${this.steps}, seeds ${this.seed} and ${this.seed + 1}. Loss: A ${a}, B ${b}, the ball ${ball}. Barrier on the line from A to B: ${short(Number(height.toFixed(6)))}.`;
  }
}
