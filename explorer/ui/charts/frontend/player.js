// Play and scrub along paths: a button, a slider, and, of several paths, which one. Where it stands is told to whoever draws it.

import { element, plain, put, set } from "./drawing.js";

/** @typedef {{ name: string, from: number, to: number }} Road to walk along, with the ends of its own coordinate */

const SECONDS = 5; // from end to end
const PAUSE = 1.2; // seconds at the end of a road before the next

export class Player {
  /** @type {Road[]} */
  roads = [];
  which = 0;
  /** @type {number | null} */
  s = null; // where it stands; null before it is used
  playing = false;
  tour = false; // whether one road leads on to the next, and the last to the first
  rested = 0; // seconds at the end

  /** @param {string} unit what s is called @param {() => void} moved */
  constructor(unit, moved) {
    this.unit = unit;
    this.moved = moved;
    this.button = element("button", "play");
    this.button.type = "button";
    this.slider = element("input");
    set(this.slider, { type: "range", min: 0, max: 1000, value: 0 });
    this.reading = element("output");
    this.choice = element("select");
    this.choice.setAttribute("aria-label", "Path to walk along");
    this.root = element("div", "player", this.button, this.slider, this.reading, this.choice);
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.slider.addEventListener("keydown", (event) => this.type(event));
    this.slider.addEventListener("input", () => {
      this.playing = false;
      this.stand(Number(this.slider.value) / 1000);
    });
    this.choice.addEventListener("change", () => this.take(this.choice.selectedIndex));
  }

  /** kept: whether its place is kept while there is no road yet. @type {(roads: Road[], kept?: boolean) => void} */
  tell(roads, kept = false) {
    if (JSON.stringify(roads) !== JSON.stringify(this.roads)) {
      this.roads = roads;
      this.choice.replaceChildren(...roads.map(({ name }) => element("option", "", name)));
      if (this.which >= roads.length) [this.which, this.s, this.playing] = [0, null, false];
    }
    this.root.hidden = !roads.length && !kept;
    for (const part of [this.button, this.slider]) part.disabled = !roads.length;
    this.choice.hidden = roads.length < 2;
    this.show();
  }

  /** @type {(which: number) => void} */
  take(which) {
    this.which = which;
    this.stand(0);
  }

  /** @type {(share: number) => void} */
  stand(share) {
    const { from, to } = this.roads[this.which];
    this.s = from + share * (to - from);
    this.show();
    this.moved();
  }

  /** How far along the road, 0 to 1. */
  share() {
    const road = this.roads[this.which];
    return this.s === null || !road ? 0 : (this.s - road.from) / (road.to - road.from || 1);
  }

  play() {
    if (!this.roads.length) return;
    this.playing = true;
    this.rested = 0;
    this.stand(this.share() >= 1 ? 0 : this.share());
  }

  pause() {
    this.playing = false;
    this.show();
    this.moved();
  }

  /** Stop where it is: somebody takes hold of the picture. */
  rest() {
    if (this.playing) this.pause();
  }

  /** Stand where somebody else walks, as far as the road goes. @type {(s: number) => void} */
  follow(s) {
    const road = this.roads[this.which];
    if (!road) return;
    this.playing = false;
    this.s = Math.min(Math.max(s, Math.min(road.from, road.to)), Math.max(road.from, road.to));
    this.show();
  }

  /** Arrow keys go by a hundredth of the road. @type {(event: KeyboardEvent) => void} */
  type(event) {
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
    const by = steps[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey || !this.roads.length) return;
    event.preventDefault();
    event.stopPropagation();
    this.playing = false;
    this.stand(Math.min(1, Math.max(0, Math.round(100 * this.share() + by) / 100)));
  }

  /** Go on by so many seconds; whether there is more to go. @type {(seconds: number) => boolean} */
  step(seconds) {
    if (!this.playing) return false;
    const share = this.share();
    if (share < 1) this.stand(Math.min(1, share + seconds / SECONDS));
    else if (!this.tour) this.pause();
    else if ((this.rested += seconds) > PAUSE) {
      this.rested = 0;
      this.take((this.which + 1) % this.roads.length);
    }
    return this.playing;
  }

  show() {
    const road = this.roads[this.which] ?? { name: "the curve", from: 0, to: 1 };
    const share = this.share();
    this.slider.value = String(Math.round(1000 * share));
    if (this.choice.selectedIndex !== this.which) this.choice.selectedIndex = this.which;
    put(this.button, this.playing ? "❚❚" : "▶");
    set(this.button, { "aria-label": this.playing ? "Pause" : `Play along ${road.name}`, title: this.playing ? "Pause" : `Play along ${road.name}` });
    const s = plain(this.s ?? road.from, 2, false);
    set(this.slider, { "aria-label": `Place on ${road.name}`, "aria-valuetext": `${this.unit} = ${s}` });
    put(this.reading, `${this.unit} = ${s}`);
  }
}
