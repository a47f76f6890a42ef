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
    this.slider.addEventListener("input", () => {
      this.playing = false;
      this.stand(Number(this.slider.value) / 1000);
    });
    this.choice.addEventListener("change", () => this.take(this.choice.selectedIndex));
  }

  /** @type {(roads: Road[]) => void} */
  tell(roads) {
    if (JSON.stringify(roads) !== JSON.stringify(this.roads)) {
      this.roads = roads;
      this.choice.replaceChildren(...roads.map(({ name }) => element("option", "", name)));
      if (this.which >= roads.length) [this.which, this.s, this.playing] = [0, null, false];
    }
    this.root.hidden = !roads.length;
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
    const road = this.roads[this.which];
    if (!road) return;
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
