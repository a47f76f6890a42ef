// A soup poured by hand. The loss of every soup with equal shares was measured; between them it is interpolated, and said to be.
//
// Weights w₁ ≥ w₂ ≥ … are a mixture of the nested soups of the first, the first two, the first three … models, with shares k (w_k − w_{k+1}) / Σw: the loss is
// that mixture of their measured losses. It is linear on each cell of the simplex that these soups are the corners of, and exact at the corners.

import { plain, round, set, shape, short, text, values } from "./drawing.js";
import { Levers } from "./levers.js";
import { Toy } from "./toy.js";

/** @typedef {import("./toy.js").Told & { names: string[], loss: (number | null)[], low: number[], high: number[] }} Measured of the soup whose models are the bits of k + 1 */

const GLASS = 170; // px of the levers
const ROW = 22;

/** @extends {Toy<Measured>} */
export class Pour extends Toy {
  /** @type {number[]} */
  weights = [];

  /** @param {Element} parent @param {Measured} data */
  constructor(parent, data) {
    super(parent, data, "pour");
    this.restart();
    this.svg = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.stage = document.createElement("div");
    this.stage.className = "stage";
    this.stage.append(this.svg);
    const head = Object.assign(document.createElement("div"), { className: "y-title", textContent: "how much of each" });
    this.main.append(head, this.stage);
    this.levers = new Levers(this.stage, { low: 0, high: 1, step: 0.05 }, (change) => this.act(change));
    data.names.forEach((label, k) => this.levers.add({ label, at: () => this.weights[k], move: (to) => (this.weights[k] = to) }));
    this.rows = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.side.append(Object.assign(document.createElement("div"), { className: "y-title", textContent: "test loss (nat)" }), this.rows);
    this.button("All equally", () => this.weights.fill(1));
    this.button("Equal shares of what is in", () => (this.weights = this.weights.map((w) => (w > 0 ? 1 : 0))));
    this.reset();
  }

  /** @override */
  restart() {
    this.weights = this.data.names.map(() => 1);
  }

  /** Its shares of the measured soups, by their bits. @type {() => [number, number][]} */
  parts() {
    const order = this.weights.map((_, k) => k).sort((a, b) => this.weights[b] - this.weights[a]);
    const whole = this.weights.reduce((a, b) => a + b, 0);
    let bits = 0;
    /** @type {[number, number][]} */
    const found = [];
    order.forEach((k, n) => {
      bits |= 1 << k;
      const share = ((n + 1) * (this.weights[k] - (this.weights[order[n + 1]] ?? 0))) / whole;
      if (share > 1e-9) found.push([bits, share]);
    });
    return found;
  }

  /** @type {() => { y: number | null, low: number | null, high: number | null } | null} null of an empty pot; an interval where it was measured */
  soup() {
    const parts = this.parts();
    if (!this.weights.some((w) => w > 0)) return null;
    const { loss, low, high } = this.data;
    if (parts.length === 1) {
      const k = parts[0][0] - 1;
      return { y: loss[k], low: low[k], high: high[k] };
    }
    const lost = parts.some(([bits]) => loss[bits - 1] === null);
    return { y: lost ? null : parts.reduce((sum, [bits, share]) => sum + share * Number(loss[bits - 1]), 0), low: null, high: null };
  }

  /** @override */
  layout() {
    const wide = Math.max(240, this.main.clientWidth);
    const each = wide / this.weights.length;
    this.each = each;
    this.stage.style.height = `${GLASS + 40}px`;
    set(this.svg, { width: wide, height: GLASS + 40 });
    this.levers.lay(this.weights.map((_, k) => [k * each, 6, each, GLASS]));
  }

  /** @override */
  show() {
    const each = this.each ?? 40;
    const whole = this.weights.reduce((a, b) => a + b, 0);
    /** @type {Node[]} */
    const nodes = [];
    this.weights.forEach((w, k) => {
      const x = k * each + 0.2 * each;
      nodes.push(
        shape("rect", { class: "glass", x: round(x), y: 6, width: round(0.6 * each), height: GLASS, rx: 4 }),
        shape("rect", { class: "poured", x: round(x), y: round(6 + GLASS * (1 - w)), width: round(0.6 * each), height: round(GLASS * w), rx: 4 }),
        text(whole > 0 ? `${Math.round((100 * w) / whole)} %` : "0 %", { x: (k + 0.5) * each, y: GLASS + 20, "text-anchor": "middle" }),
        text(this.data.names[k].replace(/^\D*(?=\d)/, ""), { class: "tick", x: (k + 0.5) * each, y: GLASS + 36, "text-anchor": "middle" }));
    });
    this.svg.replaceChildren(...nodes);
    this.bars();
    this.levers.tell();
  }

  bars() {
    const { names, loss } = this.data;
    const wide = Math.max(240, this.side.clientWidth);
    const soup = this.soup();
    const rows = [{ name: "your soup", look: "yours", y: soup?.y ?? null }, ...names.map((name, k) => ({ name, look: "alone", y: loss[(1 << k) - 1] }))];
    const top = loss.reduce((/** @type {number} */ a, b) => Math.max(a, b ?? 0), 0);
    set(this.rows, { width: wide, height: rows.length * ROW + 6 });
    this.rows.replaceChildren(...rows.flatMap(({ name, look, y }, k) => [
      text(name, { x: 76, y: k * ROW + 16, "text-anchor": "end" }),
      shape("rect", { class: look, x: 82, y: k * ROW + 3, width: round(((y ?? 0) / top) * (wide - 150)), height: ROW - 6, rx: 3 }),
      text(y === null ? (k ? "diverged" : "") : short(Number(y.toPrecision(3))), { x: 88 + ((y ?? 0) / top) * (wide - 150), y: k * ROW + 16 }),
    ]));
  }

  /** @override */
  say() {
    const soup = this.soup();
    if (!soup) return "The pot is empty. Drag a bar up.";
    const parts = this.parts();
    if (parts.length === 1) return `Measured on the test samples: ${values(soup)} nat.`;
    return `Interpolated between ${parts.length} measured soups: ${soup.y === null ? "one of them diverged" : `about ${plain(soup.y, 2, false)} nat`}.`;
  }
}
