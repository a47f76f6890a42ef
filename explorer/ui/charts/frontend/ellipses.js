// Two quadratic losses of two weights as ellipses: the mean of their minima, the Fisher mean, and the minimum of their sum.
//
// Lᵢ = ½ (θ − μᵢ)ᵀ Hᵢ (θ − μᵢ); the ellipse is where the product is 1, so its half axes are 1/√λ. Fisher takes the diagonals of H₁ and H₂, the minimum of the
// sum all of them: θ = (H₁ + H₂)⁻¹ (H₁μ₁ + H₂μ₂), which for a linear layer is RegMean, H being the Gram matrix of its inputs.

import { plain, shape, short } from "./drawing.js";
import { Ground } from "./ground.js";
import { Toy } from "./toy.js";

/** @typedef {import("./toy.js").Pair} Pair */
/** @typedef {{ at: Pair, along: Pair, across: number }} Ellipse its middle, the tip of its first half axis seen from there, and the length of the second */
/** @typedef {import("./toy.js").Told & import("./ground.js").Shown & { ellipses: [Ellipse, Ellipse] }} Two */
/** @typedef {[number, number, number]} Symmetric h₁₁, h₁₂, h₂₂ */

const THIN = 0.15; // the shortest half axis
const ROUND = 60; // places on an ellipse

/** @extends {Toy<Two>} */
export class Ellipses extends Toy {
  /** @param {Element} parent @param {Two} data */
  constructor(parent, data) {
    super(parent, data, "ellipses");
    this.two = copied(data.ellipses);
    this.ground = new Ground(this.main, data, (change) => this.act(change));
    data.ellipses.forEach((_, k) => {
      const of = () => this.two[k];
      const name = "AB"[k];
      this.ground.add({ label: `Middle of ${name}`, look: `middle m${k}`, at: () => of().at, move: (to) => (of().at = to) });
      this.ground.add({
        label: `First axis of ${name}`,
        look: `tip m${k}`,
        at: () => [of().at[0] + of().along[0], of().at[1] + of().along[1]],
        move: (to) => (of().along = atLeast([to[0] - of().at[0], to[1] - of().at[1]])),
      });
      this.ground.add({
        label: `Second axis of ${name}`,
        look: `tip m${k}`,
        at: () => {
          const [x, y] = unit(of().along);
          return [of().at[0] - y * of().across, of().at[1] + x * of().across];
        },
        move: (to) => {
          const [x, y] = unit(of().along);
          of().across = Math.max(THIN, Math.abs((to[0] - of().at[0]) * -y + (to[1] - of().at[1]) * x));
        },
      });
    });
    this.table = this.side.appendChild(document.createElement("table"));
    this.button("Turn B by 15°", () => {
      const [x, y] = this.two[1].along;
      const [c, s] = [Math.cos(Math.PI / 12), Math.sin(Math.PI / 12)];
      this.two[1].along = [c * x - s * y, s * x + c * y];
    });
    this.button("Along the axes", () => {
      for (const one of this.two) one.along = [Math.hypot(...one.along), 0];
    });
    this.reset();
  }

  /** @override */
  restart() {
    this.two = copied(this.data.ellipses);
  }

  /** @type {() => Symmetric[]} */
  curvatures() {
    return this.two.map(({ along, across }) => {
      const [x, y] = unit(along);
      const [p, q] = [1 / (along[0] ** 2 + along[1] ** 2), 1 / across ** 2];
      return [p * x * x + q * y * y, (p - q) * x * y, p * y * y + q * x * x];
    });
  }

  /** The sum of the two losses. @type {(at: Pair, hs?: Symmetric[]) => number} */
  loss(at, hs = this.curvatures()) {
    return hs.reduce((sum, [a, b, c], k) => {
      const [x, y] = [at[0] - this.two[k].at[0], at[1] - this.two[k].at[1]];
      return sum + (a * x * x + 2 * b * x * y + c * y * y) / 2;
    }, 0);
  }

  /** Where the three ways of merging end. @type {() => { name: string, look: string, at: Pair }[]} */
  merged() {
    const hs = this.curvatures();
    const [m1, m2] = this.two.map(({ at }) => at);
    const [[a1, b1, c1], [a2, b2, c2]] = hs;
    const [a, b, c] = [a1 + a2, b1 + b2, c1 + c2];
    const [u, v] = [a1 * m1[0] + b1 * m1[1] + a2 * m2[0] + b2 * m2[1], b1 * m1[0] + c1 * m1[1] + b2 * m2[0] + c2 * m2[1]];
    const det = a * c - b * b;
    return [
      { name: "mean", look: "mean", at: [(m1[0] + m2[0]) / 2, (m1[1] + m2[1]) / 2] },
      { name: "Fisher mean", look: "fisher", at: [(a1 * m1[0] + a2 * m2[0]) / a, (c1 * m1[1] + c2 * m2[1]) / c] },
      { name: "minimum of the sum", look: "best", at: [(c * u - b * v) / det, (a * v - b * u) / det] },
    ];
  }

  /** @override */
  layout() {
    this.ground.fit();
  }

  /** @override */
  show() {
    const hs = this.curvatures();
    const ground = this.ground;
    ground.paint((at) => this.loss(at, hs));
    const rings = this.two.map(({ at, along, across }, k) => {
      const [x, y] = unit(along);
      const places = Array.from({ length: ROUND + 1 }, (_, i) => {
        const [c, s] = [Math.cos((2 * Math.PI * i) / ROUND), Math.sin((2 * Math.PI * i) / ROUND)];
        return /** @type {Pair} */ ([at[0] + c * along[0] - s * across * y, at[1] + c * along[1] + s * across * x]);
      });
      return ground.path(places, `ring m${k}`);
    });
    const found = this.merged();
    const marks = found.map(({ at, look }) => {
      const [x, y] = [ground.px(at[0]), ground.py(at[1])];
      const d = look === "mean" ? "M-6 -6H6V6H-6Z" : look === "fisher" ? "M0 -8L8 6H-8Z" : "M0 -9L2.5 -2.5L9 0L2.5 2.5L0 9L-2.5 2.5L-9 0L-2.5 -2.5Z";
      return shape("path", { class: `found ${look}`, d, transform: `translate(${x} ${y})` });
    });
    ground.put([ground.path([this.two[0].at, this.two[1].at], "between"), ...rings, ...marks], [ground.named("A", this.two[0].at), ground.named("B", this.two[1].at)]);
    const symbols = ["■", "▲", "✦"];
    this.table.replaceChildren(
      row("th", ["", "place", "sum of the two losses"]),
      ...found.map(({ name, at }, k) => row("td", [`${symbols[k]} ${name}`, `(${plain(at[0], 2, false)}, ${plain(at[1], 2, false)})`, short(Number(this.loss(at, hs).toPrecision(4)))])));
  }

  /** @override */
  say() {
    const hs = this.curvatures();
    const losses = this.merged().map(({ name, at }) => `${name} ${short(Number(this.loss(at, hs).toPrecision(4)))}`);
    return `Sum of the two losses: ${losses.join(", ")}. Off the diagonal: ${hs.map((h, k) => `${"AB"[k]} ${plain(h[1], 2, false)}`).join(", ")}.`;
  }
}

/** @type {(two: [Ellipse, Ellipse]) => [Ellipse, Ellipse]} */
const copied = (two) => structuredClone(two);

/** @type {(v: Pair) => Pair} */
function unit([x, y]) {
  const long = Math.hypot(x, y);
  return [x / long, y / long];
}

/** @type {(v: Pair) => Pair} */
function atLeast(v) {
  const long = Math.hypot(...v);
  if (long >= THIN) return v;
  return long > 0 ? [(v[0] / long) * THIN, (v[1] / long) * THIN] : [THIN, 0];
}

/** @type {(tag: "th" | "td", cells: string[]) => HTMLTableRowElement} */
function row(tag, cells) {
  const made = document.createElement("tr");
  made.append(...cells.map((one) => Object.assign(document.createElement(tag), { textContent: one })));
  return made;
}
