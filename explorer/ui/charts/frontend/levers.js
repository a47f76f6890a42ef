// Values that are dragged up and down: a slider for each, lying invisibly over what is drawn of it.

import { element, plain, set } from "./drawing.js";
import { drag } from "./toy.js";

/** @typedef {{ label: string, at: () => number, move: (to: number) => void }} Lever */

export class Levers {
  /** @type {{ lever: Lever, grip: HTMLElement }[]} */
  all = [];

  /** @param {HTMLElement} stage @param {{ low: number, high: number, step: number }} range @param {(change: () => void) => void} act */
  constructor(stage, range, act) {
    this.stage = stage;
    this.range = range;
    this.act = act;
  }

  /** @type {(lever: Lever) => void} */
  add(lever) {
    const grip = element("div", "lever");
    const { low, high, step } = this.range;
    set(grip, { role: "slider", tabindex: 0, "aria-label": lever.label, "aria-orientation": "vertical", "aria-valuemin": low, "aria-valuemax": high });
    const to = (/** @type {number} */ value) => this.act(() => lever.move(Math.min(high, Math.max(low, Math.round(value / step) * step))));
    const moved = (/** @type {PointerEvent} */ event) => {
      const box = grip.getBoundingClientRect();
      to(high - ((event.clientY - box.top) / box.height) * (high - low));
    };
    drag(grip, moved, ([right, up]) => to(lever.at() + (right + up) * step));
    this.stage.append(grip);
    this.all.push({ lever, grip });
  }

  /** Where each lies, in px: its left, top, width and height. @type {(boxes: number[][]) => void} */
  lay(boxes) {
    this.all.forEach(({ grip }, k) => {
      const [left, top, width, height] = boxes[k].map((px) => `${px}px`);
      Object.assign(grip.style, { left, top, width, height });
    });
  }

  tell() {
    for (const { lever, grip } of this.all) set(grip, { "aria-valuenow": lever.at(), "aria-valuetext": plain(lever.at(), 2) });
  }
}
