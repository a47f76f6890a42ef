// What all pictures draw with: ticks and texts of numbers, symbols, nodes.

/** @typedef {{ at: number, text: string, lead?: number }} Tick */
/** @typedef {Record<string, string | number>} Attributes */

const SVG = "http://www.w3.org/2000/svg";
export const SYMBOLS = [
  "M-1 0A1 1 0 1 0 1 0A1 1 0 1 0 -1 0Z",
  "M-.9 -.9H.9V.9H-.9Z",
  "M0 -1.2L1.1 .8H-1.1Z",
  "M0 -1.3L1.2 0L0 1.3L-1.2 0Z",
  "M-.4 -1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
  "M0 1.2L1.1 -.8H-1.1Z",
];
/** Of lines without symbols, as DASHES in figures/curve.py. */
export const DASHES = ["none", "9 5", "9 5 2 5", "2 4", "15 6", "15 5 2 5"];

// -- numbers -----------------------------------------------------------------------------------------------------------

/** @type {(rough: number) => number} */
export function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

/** @type {(value: number) => number} */
export function floorNice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead >= 5 ? 5 : lead >= 2 ? 2 : 1) * power;
}

/** @type {(low: number, high: number, step: number) => Tick[]} */
export function ticks(low, high, step) {
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  /** @type {Tick[]} */
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) {
    const at = Number((k * step).toPrecision(12));
    found.push({ at, text: Math.max(Math.abs(low), Math.abs(high)) >= 1e5 || decimals > 5 ? short(at) : plain(at, decimals, false) });
  }
  return found;
}

/** @type {(low: number, high: number, wanted: number) => Tick[]} */
export function logTicks(low, high, wanted) {
  /** @type {(Tick & { lead: number })[]} */
  const found = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const lead of [1, 2, 5]) {
      const at = Number((lead * 10 ** e).toPrecision(12));
      if (at >= low && at <= high) found.push({ at, lead, text: short(at) });
    }
  }
  if (found.length < 2) return ticks(low, high, niceStep((high - low) / wanted)).filter((tick) => tick.at > 0);
  const decades = found.filter((tick) => tick.lead === 1);
  if (found.length <= wanted * 1.6 || decades.length < 2) return found;
  const every = Math.ceil(decades.length / wanted);
  return decades.filter((_, k) => k % every === 0);
}

/** Four significant digits, for values. @type {(value: number) => string} */
export function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = size >= 1e5 || size < 1e-4 ? value.toExponential(2).replace(/\.?0+e\+?/, "e").replace("e+", "e") : String(Number(value.toPrecision(4)));
  return digits.replaceAll("-", "−");
}

/** @type {(value: number, decimals: number, trim?: boolean) => string} */
export function plain(value, decimals, trim = true) {
  const digits = value.toFixed(decimals);
  return (trim && decimals ? digits.replace(/\.?0+$/, "") : digits).replace("-", "−");
}

/** @type {(spot: { y: number | null, low: number | null, high: number | null }) => string} */
export function values({ y, low, high }) {
  if (y === null) return "diverged";
  if (low === null || high === null) return short(y);
  const [shown, from, to] = supported([y, low, high], (high - low) / 2);
  return `${shown} [${from}, ${to}]`;
}

/**
 * With two significant digits of the half-width of their interval; without a width, or one too narrow to be written out, as values.
 * @type {(numbers: number[], half: number) => string[]}
 */
function supported(numbers, half) {
  const places = half > 1e-12 * most(numbers.map(Math.abs)) ? 1 - Math.floor(Math.log10(half)) : Infinity;
  if (places > 7) return numbers.map(short);
  const grain = 10 ** -places;
  const fraction = Math.max(0, places);
  return numbers.map((value) => {
    const rounded = places < 0 ? Math.round(value / grain) * grain : Number(value.toFixed(places));
    return (rounded || 0).toLocaleString("en-US", { minimumFractionDigits: fraction, maximumFractionDigits: fraction }).replace("-", "−");
  });
}

/** Stretches of indices for which `known` holds. @type {(xs: unknown[], known: (j: number) => boolean) => number[][]} */
export function runs(xs, known) {
  /** @type {number[][]} */
  const found = [];
  let open = false;
  xs.forEach((_, j) => {
    if (!known(j)) open = false;
    else if (open) found[found.length - 1].push(j);
    else open = Boolean(found.push([j]));
  });
  return found;
}

/** @type {(list: number[]) => number} */
export const least = (list) => list.reduce((a, b) => Math.min(a, b), Infinity);
/** @type {(list: number[]) => number} */
export const most = (list) => list.reduce((a, b) => Math.max(a, b), -Infinity);
/** @type {(px: number) => number} */
export const round = (px) => Math.round(px * 10) / 10;

// -- nodes -------------------------------------------------------------------------------------------------------------

/** @type {<T extends keyof HTMLElementTagNameMap>(tag: T, className?: string, ...children: (Node | string)[]) => HTMLElementTagNameMap[T]} */
export function element(tag, className = "", ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** @type {<T extends keyof SVGElementTagNameMap>(tag: T, attributes?: Attributes, ...children: Node[]) => SVGElementTagNameMap[T]} */
export function shape(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  set(node, attributes);
  node.append(...children);
  return node;
}

/** @type {(content: string, attributes: Attributes) => SVGTextElement} */
export function text(content, attributes) {
  return shape("text", attributes, document.createTextNode(content));
}

/** @type {(i: number, x: number, y: number, size: number, className: string) => SVGPathElement} */
export function symbol(i, x, y, size, className) {
  const place = `translate(${round(x)} ${round(y)}) scale(${size})`;
  return shape("path", { class: className, d: SYMBOLS[i % SYMBOLS.length], transform: place, "vector-effect": "non-scaling-stroke" });
}

/** Nodes in the colour of a curve or path. @type {(colour: string, className: string, ...children: Node[]) => SVGGElement} */
export function coloured(colour, className, ...children) {
  const group = shape("g", { class: className }, ...children);
  group.style.setProperty("--series", colour);
  return group;
}

/** A curve as it stands in a legend; with i, with its symbol. @type {(curve: { colour: string, ghost?: boolean, dash?: string }, i?: number) => SVGSVGElement} */
export function swatch({ colour, ghost = false, dash = "" }, i) {
  const marks = [shape("path", { class: "line", d: "M0 7H26", ...(dash && { "stroke-dasharray": dash }) }), ...(i === undefined ? [] : [symbol(i, 13, 7, 4, "dot")])];
  return shape("svg", { width: 26, height: 14, "aria-hidden": "true" }, coloured(colour, ghost ? "series ghost" : "series", ...marks));
}

/** @type {(node: Element, attributes: Attributes) => void} */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
}

/** Text that is the same is left alone, so that a screen reader does not say it again. @type {(node: Element, content: string) => void} */
export function put(node, content) {
  if (node.textContent !== content) node.textContent = content;
}

/**
 * Show a picture, drawn once more, when its style sheet is there: before, nothing lies where it belongs, and a click would miss. Streamlit may put a new link
 * in the place of one that is still on its way, and that one then never says that it has come.
 * @type {(parent: Element, root: HTMLElement, draw: () => void) => void}
 */
export function styled(parent, root, draw) {
  const awaited = () => [...parent.querySelectorAll("link")].find((link) => !link.sheet);
  const show = () => {
    watch.disconnect();
    root.style.visibility = "";
    draw();
  };
  const wait = () => {
    const link = awaited();
    if (!link) return show();
    for (const end of ["load", "error"]) link.addEventListener(end, () => link.isConnected && show(), { once: true });
  };
  const watch = new MutationObserver((changes) => changes.some(({ addedNodes }) => [...addedNodes].some(holdsLink)) && wait());
  if (!awaited()) return;
  root.style.visibility = "hidden";
  watch.observe(parent, { childList: true, subtree: true });
  wait();
}

/** @type {(node: Node) => boolean} */
function holdsLink(node) {
  return node instanceof Element && (node.matches("link") || node.querySelector("link") !== null);
}
