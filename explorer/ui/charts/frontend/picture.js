// The life of a picture in the page: made once on its element, told new data, drawn again; and word between linked pictures.

import { element, put, set, shape, styled } from "./drawing.js";

/**
 * What Python tells every picture; a class that extends Picture says what it is told besides.
 * @typedef {object} Told
 * @property {string} key the component's own
 * @property {string} group pictures of one group show where any of them is pointed at
 * @property {number} at ms of the last click that Python has heard of
 * @property {string} alt what there is to see, in words
 * @property {string} caption
 */

/** @typedef {Record<string, number>} Counts for tests: how often, and how many ms it took */
/** @typedef {Window & typeof globalThis & { __explorer?: Record<string, Counts> }} Counting */

/** Somebody points at s of the axis that a group shares, null for nowhere; `walk`: or walks there; `to`: whom alone it is for.
 * @typedef {{ group: string, from: string, s: number | null, walk: boolean, to?: string }} Word */
/** A picture of the group that has come later asks where somebody walks. @typedef {{ group: string, from: string }} Question */

/** How Streamlit calls a component. @template D @typedef {{ data: D, parentElement: Element, setStateValue: (name: string, value: unknown) => void }} Call */

/**
 * The picture that an element keeps: Streamlit calls a component's function again on the same element whenever its data change.
 * @type {<P>(kept: WeakMap<Element, P>, element: Element, make: () => P) => P}
 */
export function keep(kept, parent, make) {
  const found = kept.get(parent) ?? make();
  kept.set(parent, found);
  return found;
}

/** The counters of one picture, kept when it is remounted. @type {(key: string, ...names: string[]) => Counts} */
export function counted(key, ...names) {
  const all = (/** @type {Counting} */ (window).__explorer ??= {});
  const count = (all[key] ??= Object.fromEntries(["mounts", "draws", ...names].map((name) => [name, 0])));
  count.mounts++;
  return count;
}

/**
 * A still part that is drawn when data arrive, and a small live part above it that follows pointer and keys.
 *
 * What extends it says how: background, foreground, tip, say, hover and type.
 * @template {Told} D
 */
export class Picture {
  width = 0; // px of the stage
  top = 0; // px from there to the plot
  /** @type {unknown} */
  pointer = null; // where in the stage it hovers, in px
  /** @type {number | null} */
  linked = null; // where a linked picture is pointed at
  sentAt = 0; // ms of the last click
  asked = false; // whether it has asked where the others of its group stand
  /** @type {(sent: object) => void} */
  send = () => {};

  /** @param {Element} parent @param {D} data @param {string} name the class of its style @param {string} role of what takes pointer and keys */
  constructor(parent, data, name, role) {
    this.data = data;
    this.count = counted(data.key, "hovers", "links", "lastMs", "hoverMs", "linkMs");
    this.title = element("span", "y-title");
    this.legend = element("ul");
    this.svg = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.still = this.svg.appendChild(shape("g"));
    this.live = this.svg.appendChild(shape("g"));
    this.grip = element("div", "grip");
    set(this.grip, { role, tabindex: "0" });
    this.readout = element("div", "readout");
    this.readout.setAttribute("aria-hidden", "true");
    this.stage = element("div", "stage", this.svg, this.grip, this.readout);
    this.status = element("p", "status");
    this.status.setAttribute("aria-live", "polite");
    this.caption = element("p", "caption");
    this.root = element("div", name, element("div", "head", this.title, this.legend), this.stage, this.status, this.caption);
    this.root.setAttribute("role", "figure");
    parent.appendChild(this.root);

    this.grip.addEventListener("pointermove", (event) => this.hover(event));
    this.grip.addEventListener("keydown", (event) => this.type(event));
    this.watch = new ResizeObserver(() => this.stage.clientWidth !== this.width && this.draw());
    this.watch.observe(this.stage);
    const deaf = [hear(HOVER, (/** @type {Word} */ word) => this.heard(word)), hear(ASK, (/** @type {Question} */ question) => this.answer(question))];
    this.deafen = () => deaf.forEach((end) => end());
    styled(parent, this.root, () => this.draw());
  }

  leave() {
    // Streamlit also calls this for a call that newer data overtook, while the element lives on.
    if (this.root.isConnected) return;
    this.watch.disconnect();
    this.deafen();
  }

  /** @type {(data: D) => void} */
  tell(data) {
    this.data = data;
    this.root.setAttribute("aria-label", data.alt);
    put(this.caption, data.caption);
    this.draw();
    if (!this.asked && data.group && this.ready()) {
      this.asked = true;
      broadcast(ASK, { group: data.group, from: data.key });
    }
  }

  draw() {
    if (!this.stage.clientWidth) return;
    const start = performance.now();
    this.width = this.stage.clientWidth;
    this.background();
    this.mark();
    this.count.draws++;
    this.count.lastMs = performance.now() - start;
  }

  mark() {
    const start = performance.now();
    this.live.replaceChildren(...this.foreground());
    this.tip();
    this.say();
    if (this.pointer !== null) {
      this.count.hovers++;
      this.count.hoverMs = performance.now() - start;
    }
  }

  /** Another picture of the group is pointed at where it says. @type {(word: Word) => void} */
  heard({ group, from, s, walk, to }) {
    if (!this.data.group || group !== this.data.group || from === this.data.key || (to !== undefined && to !== this.data.key)) return;
    const start = performance.now();
    this.linked = walk ? null : s;
    if (walk && s !== null) this.follow(s);
    this.mark();
    this.count.linkMs = performance.now() - start;
    this.count.links++;
  }

  /** The others of the group hear where this one is pointed at, or where somebody walks. @type {(s: number | null, walk?: boolean) => void} */
  point(s, walk = false) {
    if (this.data.group) broadcast(HOVER, { group: this.data.group, from: this.data.key, s, walk });
  }

  /** Tell who asks where somebody walks here. @type {(question: Question) => void} */
  answer({ group, from }) {
    const s = this.place();
    if (s !== null && this.data.group && group === this.data.group && from !== this.data.key) broadcast(HOVER, { group, from: this.data.key, s, walk: true, to: from });
  }

  /** Where somebody walks; null where nobody has. @type {() => number | null} */
  place() {
    return null;
  }

  /** Whether it can follow somebody already. */
  ready() {
    return true;
  }

  /** Somebody walks at s of another picture of the group. @type {(s: number) => void} */
  follow(_s) {}

  /**
   * Show lines of text beside x, and above y (at the top where there is none) but no lower than `lowest`.
   * @type {(lines: Node[], x: number, y: number | null, lowest: number) => void}
   */
  read(lines, x, y, lowest) {
    this.readout.replaceChildren(...lines);
    const { offsetWidth: w, offsetHeight: h } = this.readout;
    const beside = x + 14 + w < this.width ? x + 14 : x - 14 - w;
    const above = y === null ? this.top : Math.min(Math.max(0, y - h - 12), lowest - h);
    this.readout.style.transform = `translate(${Math.max(0, beside)}px, ${above}px)`;
    this.readout.style.visibility = "visible";
  }

  /** When a click is made: later than every one before, also by Python's clock. */
  stamp() {
    return (this.sentAt = Math.max(Date.now(), this.sentAt + 1, (this.data.at ?? 0) + 1));
  }

  /** Draw the still part. */
  background() {}

  /** The nodes of the live part. @type {() => Node[]} */
  foreground() {
    return [];
  }

  /** Fill the readout beside the pointer, or hide it. */
  tip() {}

  /** Say in words what is picked. */
  say() {}

  /** The pointer is there, or has left. @type {(event: MouseEvent | null) => void} */
  hover(_event) {}

  /** A key. @type {(event: KeyboardEvent) => void} */
  type(_event) {}
}

// -- linked pictures -----------------------------------------------------------------------------------------------------

const [HOVER, ASK] = ["explorer:hover", "explorer:ask"];

/** Say it to all pictures. @type {(event: string, detail: object) => void} */
export function broadcast(event, detail) {
  window.dispatchEvent(new CustomEvent(event, { detail }));
}

/** Listen to what pictures say; the returned function ends it. @template D @param {string} event @param {(detail: D) => void} listener */
export function hear(event, listener) {
  const on = (/** @type {Event} */ heard) => listener(/** @type {CustomEvent<D>} */ (heard).detail);
  window.addEventListener(event, on);
  return () => window.removeEventListener(event, on);
}
