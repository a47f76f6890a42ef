// What the models along a curve answer: one frame for each measured place, shown where somebody stands. A confusion matrix, and the samples whose answers change.
//
// All frames are here, so moving asks nobody. What a frame changes are the shades of cells and a few texts: every place and size stays.

import { element, put, set, shape, short, text } from "./drawing.js";

/** @typedef {{ high: number, wide: number, deep: number, bytes: string }} Image of bytes row by row, in base64 */

/**
 * @typedef {object} Sample
 * @property {number} index in its split
 * @property {number | null} true class
 * @property {Image | null} image
 * @property {string | null} text
 * @property {(number | null)[] | null} said the class that each frame gives it
 * @property {(number | null)[]} loss
 */

/**
 * @typedef {object} Answered
 * @property {string} title whose answers they are
 * @property {number[]} x of the frames, in order; none while they are worked out
 * @property {string[] | null} classes
 * @property {number} of samples
 * @property {(number | null)[] | null} wrong
 * @property {{ width: number, bytes: string } | null} counts of all confusion matrices, rows true, so many bytes each, in base64
 * @property {Sample[]} samples
 */

const CLASSES_NAMED = 14; // so many classes all have their names
const LETTERS = 10; // of a class's name beside the matrix
const SIDE = 190; // px of a matrix, about

export class Answers {
  /** @type {Answered | null} */
  data = null;
  frame = -1;
  /** @type {Uint8Array | Uint16Array | Uint32Array} */
  counts = new Uint8Array();
  /** @type {SVGRectElement[]} */
  cells = [];
  /** @type {{ tile: HTMLElement, said: HTMLElement }[]} */
  tiles = [];

  constructor() {
    this.title = element("div", "y-title");
    this.matrix = shape("svg", { "aria-hidden": "true", focusable: "false" });
    this.words = element("p", "words");
    this.samples = element("ul", "samples");
    this.root = element("div", "answers", this.title, this.matrix, element("div", "beside", this.words, this.samples));
    this.root.hidden = true;
  }

  /** unit: what x is called. @type {(data: Answered | null, unit: string) => void} */
  tell(data, unit) {
    this.unit = unit;
    this.root.hidden = !data;
    if (JSON.stringify(data) === JSON.stringify(this.data)) return;
    this.data = data;
    this.frame = -1;
    if (!data) return;
    put(this.title, data.title);
    this.root.classList.toggle("pending", !data.x.length);
    this.counts = unpacked(data.counts);
    this.lay(data);
    this.tiles = data.samples.map((sample) => this.tile(sample));
    this.samples.replaceChildren(...this.tiles.map(({ tile }) => tile));
    if (!data.x.length) put(this.words, "Working out what the models along the path answer…");
  }

  /** The cells of the matrix and the names beside them. @type {(data: Answered) => void} */
  lay({ counts, classes }) {
    this.cells = [];
    this.matrix.replaceChildren();
    this.matrix.style.display = counts ? "" : "none";
    if (!counts || !classes) return;
    const c = classes.length;
    const step = Math.ceil(c / CLASSES_NAMED);
    const names = classes.map((name) => (name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name));
    const longest = Math.max(...names.map((name) => name.length));
    const [cell, room] = [Math.max(4, Math.floor(SIDE / c)), 10 + 7 * longest];
    const [left, side, tall] = [16 + room, cell * c, longest > 2 ? room : 18];
    set(this.matrix, { width: left + side + 2, height: side + tall + 20 });
    for (let i = 0; i < c; i++) {
      for (let j = 0; j < c; j++) {
        this.cells.push(shape("rect", { class: i === j ? "right" : "wrong", x: left + j * cell, y: 1 + i * cell, width: cell - 1, height: cell - 1 }));
      }
    }
    const labels = names.flatMap((name, k) => {
      if (k % step) return [];
      const [x, y] = [left + (k + 0.5) * cell, side + 5];
      /** @type {Record<string, string>} */
      const turned = longest > 2 ? { transform: `rotate(-90 ${x} ${y})`, "text-anchor": "end", dy: "0.35em" } : { "text-anchor": "middle", dy: "0.75em" };
      return [text(name, { class: "tick", x: left - 5, y: 1 + (k + 0.5) * cell, dy: "0.35em", "text-anchor": "end" }), text(name, { class: "tick", x, y, ...turned })];
    });
    labels.push(text("answer", { class: "tick", x: left + side / 2, y: side + tall + 16, "text-anchor": "middle" }));
    labels.push(text("true class", { class: "tick", x: 11, y: side / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${side / 2})` }));
    this.matrix.append(...this.cells, ...labels);
  }

  /** @type {(sample: Sample) => { tile: HTMLElement, said: HTMLElement }} */
  tile(sample) {
    const said = element("span", "said");
    const seen = sample.image ? picture(sample.image) : sample.text ? element("q", "", sample.text) : element("span", "number", `sample ${sample.index}`);
    const known = sample.true === null ? [] : [element("span", "", this.name(sample.true))];
    const tile = element("li", sample.text && !sample.image ? "long" : "", seen, ...known, said);
    tile.title = `Sample ${sample.index} of the split`;
    return { tile, said };
  }

  /** @type {(k: number) => string} */
  name(k) {
    return this.data?.classes?.[k] ?? String(k);
  }

  /** The frame nearest to x. @type {(x: number) => void} */
  show(x) {
    const { data } = this;
    if (!data?.x.length) return;
    let k = 0;
    for (let j = 1; j < data.x.length; j++) if (Math.abs(data.x[j] - x) < Math.abs(data.x[k] - x)) k = j;
    if (k === this.frame) return;
    this.frame = k;
    const worst = this.shade(k);
    const lead = `${this.unit} = ${short(Number(data.x[k].toFixed(3)))}`;
    const wrong = data.wrong?.[k];
    if (!data.wrong) put(this.words, `${lead}. The samples whose loss changes most along the path:`);
    else if (wrong === null || wrong === undefined) put(this.words, `${lead}: the outputs are not finite, so there is no answer.`);
    else put(this.words, `${lead}: ${wrong} of ${data.of} wrong (${short(Number(((100 * wrong) / data.of).toPrecision(3)))} %)${worst}.`);
    this.tiles.forEach(({ tile, said }, i) => {
      const { said: answers, true: truth, loss } = data.samples[i];
      const answer = answers?.[k];
      const right = answer === truth;
      tile.classList.toggle("right", answers !== null && right);
      tile.classList.toggle("wrong", answers !== null && !right);
      if (answers === null) put(said, loss[k] === null ? "diverged" : `loss ${short(Number(Number(loss[k]).toPrecision(3)))}`);
      else put(said, answer === null || answer === undefined ? "no answer" : `${right ? "✓" : "✗"} ${this.name(answer)}`);
    });
  }

  /** Colour the matrix of a frame; what it confuses most often, in words. @type {(k: number) => string} */
  shade(k) {
    const c = Math.round(Math.sqrt(this.cells.length));
    if (!c) return "";
    const counts = this.counts.subarray(k * c * c, (k + 1) * c * c);
    let [most, at] = [0, -1];
    for (let i = 0; i < c; i++) {
      let total = 0;
      for (const count of counts.subarray(i * c, (i + 1) * c)) total += count;
      for (let j = 0; j < c; j++) {
        const count = counts[i * c + j];
        if (i !== j && count > most) [most, at] = [count, i * c + j];
        this.cells[i * c + j].style.opacity = String(count ? Math.round(100 * Math.max(0.12, Math.sqrt(count / total))) / 100 : 0.06);
      }
    }
    return at < 0 ? "" : `, most often ${this.name(Math.floor(at / c))} taken for ${this.name(at % c)} (${most} ×)`;
  }
}

/** @type {(counts: Answered["counts"]) => Uint8Array | Uint16Array | Uint32Array} */
function unpacked(counts) {
  if (!counts) return new Uint8Array();
  const { buffer } = bytes(counts.bytes);
  return counts.width === 1 ? new Uint8Array(buffer) : counts.width === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
}

/** @type {(image: Image) => HTMLCanvasElement} */
function picture({ high, wide, deep, bytes: packed }) {
  const canvas = element("canvas");
  Object.assign(canvas, { width: wide, height: high });
  canvas.setAttribute("aria-hidden", "true");
  const paper = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = paper.createImageData(wide, high);
  const given = bytes(packed);
  for (let k = 0; k < wide * high; k++) {
    for (let part = 0; part < 3; part++) pixels.data[4 * k + part] = given[deep * k + (deep === 1 ? 0 : part)];
    pixels.data[4 * k + 3] = 255;
  }
  paper.putImageData(pixels, 0, 0);
  return canvas;
}

/** @type {(packed: string) => Uint8Array<ArrayBuffer>} */
const bytes = (packed) => Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
