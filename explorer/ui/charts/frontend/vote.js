// TIES on a few weights: trim the small changes of each model, elect a sign for each weight, and average the changes that have it.

import { plain, round, set, shape, text } from "./drawing.js";
import { Levers } from "./levers.js";
import { Toy } from "./toy.js";

/** @typedef {import("./toy.js").Told & { names: string[], changes: number[][], kept: number }} Voting changes: (models, weights) from the base, between −1 and 1; kept: of each model */

const TALL = 190; // px of the changes
const RESULT = 120; // px of what comes out
const SIGNS = 30;
const LEFT = 84;
const SECONDS = 1.6; // for each of the three steps
const STEPS = ["before", "trimmed", "sign elected", "merged"];

/** @extends {Toy<Voting>} */
export class Vote extends Toy {
  step = 3; // of STEPS, and how far from the one to the next
  keep = 1;
  /** @type {number[][]} */
  changes = [];
  each = 60; // px of a weight

  /** @param {Element} parent @param {Voting} data */
  constructor(parent, data) {
    super(parent, data, "vote");
    this.svg = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.stage = document.createElement("div");
    this.stage.className = "stage";
    this.stage.append(this.svg);
    this.main.append(this.stage);
    this.restart();
    this.levers = new Levers(this.stage, { low: -1, high: 1, step: 0.05 }, (change) => this.act(change));
    data.changes.forEach((row, m) => row.forEach((_, w) => this.levers.add({ label: `Change of weight ${w + 1} in ${data.names[m]}`, at: () => this.changes[m][w], move: (to) => (this.changes[m][w] = Number(to.toFixed(2))) })));
    const n = data.changes[0].length;
    this.slider({ label: "Changes kept of each model", low: 1, high: n, step: 1, value: data.kept, words: (k) => `${k} of ${n}` }, (k) => (this.keep = k));
    this.player("Play");
    this.button("Next step", () => (this.step = this.step >= 3 ? 0 : Math.floor(this.step) + 1));
    this.reset();
  }

  /** @override */
  restart() {
    this.changes = this.data.changes.map((row) => [...row]);
    this.step = 3;
  }

  /** @override */
  toggle() {
    if (!this.playing && this.step >= 3) this.step = 0;
    super.toggle();
  }

  /** @override */
  advance(/** @type {number} */ seconds) {
    this.step = Math.min(3, this.step + seconds / SECONDS);
    return this.step < 3;
  }

  /** Whether each change stays: the largest of a model, the earlier of two that are equal. @type {() => boolean[][]} */
  kept() {
    return this.changes.map((row) => {
      const order = row.map((_, w) => w).sort((a, b) => Math.abs(row[b]) - Math.abs(row[a]) || a - b);
      const first = new Set(order.slice(0, this.keep));
      return row.map((_, w) => first.has(w));
    });
  }

  /** For each weight the elected sign (0: the votes are equal), the mean of what has it, and the mean of all changes. */
  merged() {
    const kept = this.kept();
    return this.changes[0].map((_, w) => {
      const all = this.changes.map((row) => row[w]);
      const left = all.filter((_, m) => kept[m][w]);
      const mass = left.reduce((a, b) => a + b, 0);
      const sign = Math.abs(mass) < 1e-9 ? 0 : Math.sign(mass);
      const agree = left.filter((change) => sign && Math.sign(change) === sign);
      return { sign, ties: agree.length ? agree.reduce((a, b) => a + b, 0) / agree.length : 0, mean: all.reduce((a, b) => a + b, 0) / all.length };
    });
  }

  /** @override */
  layout() {
    const wide = Math.max(300, this.main.clientWidth);
    this.each = (wide - LEFT) / this.changes[0].length;
    this.stage.style.height = `${TALL + SIGNS + RESULT + 24}px`;
    set(this.svg, { width: wide, height: TALL + SIGNS + RESULT + 24 });
    this.levers.lay(this.changes.flatMap((row, m) => row.map((_, w) => [this.left(w, m) - this.each / 9, 6, this.each / 4.5, TALL])));
  }

  /** px of a model's arrow. @type {(weight: number, model: number) => number} */
  left(weight, model) {
    return LEFT + this.each * (weight + 0.25 + 0.25 * model);
  }

  /** @override */
  show() {
    const [kept, found] = [this.kept(), this.merged()];
    const passed = (/** @type {number} */ k) => Math.min(1, Math.max(0, this.step - k)); // how much of a step is over
    const middle = 6 + TALL / 2;
    const low = TALL + SIGNS + RESULT / 2;
    /** @type {Node[]} */
    const nodes = [
      shape("line", { class: "axis", x1: LEFT, x2: LEFT + this.each * found.length, y1: middle, y2: middle }),
      shape("line", { class: "axis", x1: LEFT, x2: LEFT + this.each * found.length, y1: low, y2: low }),
      text("changes", { x: 4, y: middle, dy: "0.35em" }), text("sign", { x: 4, y: TALL + 24 }), text("TIES", { class: "named", x: 4, y: low - 8 }), text("mean (hollow)", { x: 4, y: low + 12 }),
    ];
    this.changes.forEach((row, m) => row.forEach((change, w) => {
      const [x, stays, agrees] = [this.left(w, m), kept[m][w], Math.sign(change) === found[w].sign];
      const gone = stays ? 0 : passed(0);
      const shown = 1 - 0.8 * (stays && !agrees ? passed(1) : 0);
      if (gone < 1) nodes.push(arrow(x, middle, change * (TALL / 2) * (1 - gone), `m${m}`, shown));
      if (gone) nodes.push(shape("path", { class: "trimmed", d: `M${round(x)} ${round(middle)}V${round(middle - change * (TALL / 2))}` }));
      nodes.push(text("ABC"[m], { class: "tick", x, y: change > 0 ? middle + 14 : middle - 6, "text-anchor": "middle" }));
    }));
    found.forEach(({ sign, ties, mean }, w) => {
      const x = LEFT + this.each * (w + 0.5);
      const tall = (/** @type {number} */ value) => (value * RESULT) / 2;
      nodes.push(text(`weight ${w + 1}`, { class: "tick", x, y: TALL + SIGNS + RESULT + 20, "text-anchor": "middle" }));
      nodes.push(text(sign ? (sign > 0 ? "+" : "−") : "none", { class: "sign", x, y: TALL + 26, "text-anchor": "middle", opacity: passed(1) }));
      nodes.push(bar(x - 0.2 * this.each, low, tall(ties) * passed(2), 0.2 * this.each, "ties"), bar(x + 0.04 * this.each, low, tall(mean), 0.2 * this.each, "plain"));
    });
    this.svg.replaceChildren(...nodes);
    this.levers.tell();
  }

  /** @override */
  say() {
    const found = this.merged();
    const list = (/** @type {number[]} */ of) => of.map((v) => plain(v, 2, false)).join(", ");
    const signs = found.map(({ sign }) => (sign ? (sign > 0 ? "+" : "−") : "none")).join(" ");
    return `${STEPS[Math.floor(this.step)][0].toUpperCase()}${STEPS[Math.floor(this.step)].slice(1)}. Elected: ${signs}. TIES: ${list(found.map((f) => f.ties))}. Mean of all: ${list(found.map((f) => f.mean))}.`;
  }
}

/** @type {(x: number, from: number, up: number, look: string, opacity: number) => SVGPathElement} */
function arrow(x, from, up, look, opacity) {
  const tip = from - up;
  const head = Math.min(7, Math.abs(up)) * Math.sign(up);
  return shape("path", { class: `arrow ${look}`, opacity, d: `M${round(x)} ${round(from)}V${round(tip)}M${round(x - 5)} ${round(tip + head)}L${round(x)} ${round(tip)}L${round(x + 5)} ${round(tip + head)}` });
}

/** @type {(x: number, from: number, up: number, wide: number, look: string) => SVGRectElement} */
const bar = (x, from, up, wide, look) => shape("rect", { class: look, x: round(x), y: round(up > 0 ? from - up : from), width: round(wide), height: round(Math.abs(up)) });
