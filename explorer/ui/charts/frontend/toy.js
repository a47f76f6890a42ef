// What the lessons' moving pictures have in common: what to try, sliders, buttons, a line of words, and time that passes.
//
// Nothing goes to Python. What extends Toy says how it is laid out, drawn, moved and put back; numbers are computed in the browser.

import { element, put, set, styled } from "./drawing.js";
import { Frames, still } from "./frames.js";
import { counted } from "./picture.js";

/** @typedef {[number, number]} Pair */
/** @typedef {{ key: string, alt: string, tries: string[] }} Told what every toy is told; tries: what to do with it */
/** @typedef {{ label: string, low: number, high: number, step: number, value: number, words?: (value: number) => string }} Asked of a slider */

const LONGEST = 600; // frames that are computed at once for whoever wants no motion
const FRAME = 1 / 64; // seconds

/** @template {Told} D */
export class Toy {
  wide = 0; // px
  playing = false;
  /** @type {(() => void)[]} */
  resets = []; // of the sliders

  /** @param {Element} parent @param {D} data @param {string} name the class of its style */
  constructor(parent, data, name) {
    this.data = data;
    this.count = counted(data.key, "moves", "moveMs");
    this.main = element("div", "main");
    this.side = element("div", "side");
    this.sliders = element("div", "sliders");
    this.buttons = element("div", "buttons");
    this.status = element("p", "status");
    this.status.setAttribute("aria-live", "polite");
    const tries = element("ul", "tries", ...data.tries.map((one) => element("li", "", one)));
    const what = element("div", "what", element("span", "y-title", "What to try"), tries);
    this.root = element("div", `curve toy ${name}`, what, element("div", "both", this.main, this.side), this.sliders, this.buttons, this.status);
    set(this.root, { role: "group", "aria-label": data.alt });
    parent.appendChild(this.root);
    this.frames = new Frames(this.root, (seconds) => this.frame(seconds));
    this.watch = new ResizeObserver(() => this.root.clientWidth !== this.wide && this.draw());
    this.watch.observe(this.root);
    styled(parent, this.root, () => this.draw());
  }

  leave() {
    if (this.root.isConnected) return; // Streamlit also calls this for a call that newer data overtook
    this.watch.disconnect();
    this.frames.end();
  }

  /** All of it, at the width that there is. */
  draw() {
    if (!this.root.clientWidth) return;
    this.wide = this.root.clientWidth;
    this.layout();
    this.mark();
    this.count.draws++;
  }

  /** The still part. */
  layout() {}

  /** The live part. */
  show() {}

  /** @type {() => string} what it comes to, in words */
  say() {
    return "";
  }

  /** Let time pass; whether it goes on. @type {(seconds: number) => boolean} */
  advance(_seconds) {
    return false;
  }

  /** Put it back. */
  restart() {}

  mark() {
    if (!this.wide) return;
    const start = performance.now();
    this.show();
    put(this.status, this.say());
    this.count.moves++;
    this.count.moveMs = performance.now() - start;
  }

  /** @type {(change: () => void) => void} */
  act(change) {
    change();
    this.mark();
  }

  // -- time --------------------------------------------------------------------------------------------------------

  /** A button that starts and stops it. @type {(label: string) => void} */
  player(label) {
    this.label = label;
    this.play = this.button(label, () => this.toggle());
  }

  toggle() {
    if (still()) {
      for (let k = 0; k < LONGEST && this.advance(FRAME); k++);
      return;
    }
    this.run(!this.playing);
    this.frames.go();
  }

  /** @type {(on: boolean) => void} */
  run(on) {
    this.playing = on;
    if (this.play) put(this.play, on ? "Pause" : (this.label ?? ""));
    this.status.setAttribute("aria-live", on ? "off" : "polite"); // sixty lines a second are not for reading aloud
  }

  /** @type {(seconds: number) => boolean} */
  frame(seconds) {
    if (!this.playing) return false;
    if (!this.advance(seconds)) this.run(false);
    this.mark();
    return this.playing;
  }

  // -- controls ----------------------------------------------------------------------------------------------------

  /** @type {(label: string, act: () => void) => HTMLButtonElement} */
  button(label, act) {
    const made = element("button", "", label);
    made.type = "button";
    made.addEventListener("click", () => this.act(act));
    this.buttons.append(made);
    return made;
  }

  /** The last of the buttons. */
  reset() {
    this.button("Reset", () => {
      this.run(false);
      for (const back of this.resets) back();
      this.restart();
    });
  }

  /** @type {(asked: Asked, changed: (value: number) => void) => void} */
  slider({ label, low, high, step, value, words = String }, changed) {
    const input = element("input");
    set(input, { type: "range", min: low, max: high, step, value });
    const reading = element("output");
    const read = () => {
      const now = words(Number(input.value));
      put(reading, now);
      set(input, { "aria-valuetext": now });
      changed(Number(input.value));
    };
    input.addEventListener("input", () => this.act(read));
    this.resets.push(() => {
      input.value = String(value);
      read();
    });
    this.sliders.append(element("label", "slider", element("span", "", label), input, reading));
    read();
  }
}

/** Draggable along both axes by pointer and arrow keys. @type {(grip: HTMLElement, moved: (event: PointerEvent) => void, nudged: (by: Pair) => void) => void} */
export function drag(grip, moved, nudged) {
  let held = false;
  grip.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = true;
    grip.setPointerCapture(event.pointerId);
    moved(event);
  });
  grip.addEventListener("pointermove", (event) => held && moved(event));
  for (const end of ["pointerup", "pointercancel"]) grip.addEventListener(end, () => (held = false));
  grip.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = event.shiftKey ? 5 : 1;
    /** @type {Record<string, Pair>} */
    const steps = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowDown: [0, -by], ArrowUp: [0, by] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    nudged(step);
  });
}

/** The same numbers from the same seed (mulberry32), normally distributed (Box and Muller). @type {(seed: number) => () => number} */
export function normal(seed) {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
