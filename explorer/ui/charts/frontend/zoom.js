// Which part of an axis is shown: drag over it, press the buttons or plus, minus and 0; a double click shows all of it again.

import { element, set } from "./drawing.js";

/** @typedef {[number, number]} Span */

const TIMES = 2; // closer with each press
const CLOSEST = 1e-4; // of the whole axis

export class Zoom {
  /** @type {Span} */
  whole = [0, 1];
  /** @type {Span | null} */
  part = null;

  /** @param {() => void} changed @param {() => number} middle where the buttons come closer */
  constructor(changed, middle) {
    this.changed = changed;
    this.middle = middle;
    this.root = element("span", "zoom");
    set(this.root, { role: "group", "aria-label": "Zoom" });
    this.buttons = /** @type {[string, string, () => void][]} */ ([
      ["−", "Zoom out", () => this.by(1 / TIMES)], ["+", "Zoom in", () => this.by(TIMES)], ["↔", "Show the whole axis", () => this.to(null)],
    ]).map(([label, name, act]) => {
      const button = this.root.appendChild(element("button", "", label));
      button.type = "button";
      set(button, { "aria-label": name, title: name });
      button.addEventListener("click", act);
      return button;
    });
  }

  /** The axis has these ends; what is shown of it. @type {(whole: Span) => Span} */
  of(whole) {
    this.whole = whole;
    if (this.part) this.part = this.fitted(this.part);
    for (const k of [0, 2]) this.buttons[k].disabled = !this.part;
    return this.part ?? whole;
  }

  /** A part as far as the axis goes; null for all of it. @type {(part: Span) => Span | null} */
  fitted([from, to]) {
    const [low, high] = this.whole;
    const long = Math.max(to - from, CLOSEST * (high - low));
    if (long >= (1 - 1e-9) * (high - low)) return null;
    const start = Math.min(Math.max(from, low), high - long);
    return [start, start + long];
  }

  /** @type {(part: Span | null) => void} */
  to(part) {
    this.part = part && this.fitted(part);
    this.changed();
  }

  /** So many times closer, what is in the middle staying where it is. @type {(times: number) => void} */
  by(times) {
    const [from, to] = this.part ?? this.whole;
    const at = Math.min(Math.max(this.middle(), from), to);
    this.to([at - (at - from) / times, at + (to - at) / times]);
  }

  /** Whether a key was one of its own. @type {(key: string) => boolean} */
  type(key) {
    if (key === "+" || key === "=") this.by(TIMES);
    else if (key === "-" || key === "_") this.by(1 / TIMES);
    else if (key === "0" && this.part) this.to(null);
    else return false;
    return true;
  }
}
