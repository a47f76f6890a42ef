// What moves by itself: called once a frame with the seconds since the last, as long as it says that it goes on and somebody can see it.

export class Frames {
  id = 0; // of the frame that is to come
  last = 0; // ms of the one before
  busy = false;
  seen = true;

  /** @param {Element} element that is watched @param {(seconds: number) => boolean} step whether it goes on */
  constructor(element, step) {
    this.step = step;
    this.watch = new IntersectionObserver((entries) => {
      this.seen = entries[entries.length - 1].isIntersecting;
      if (this.seen) this.go();
    });
    this.watch.observe(element);
  }

  go() {
    if (this.id || this.busy || !this.seen) return;
    this.last = 0;
    this.id = requestAnimationFrame((now) => this.frame(now));
  }

  /** @type {(now: number) => void} */
  frame(now) {
    const seconds = this.last ? Math.min(0.1, (now - this.last) / 1000) : 0;
    this.last = now;
    this.id = 0;
    this.busy = true; // what moves now is drawn by this very step
    const on = this.step(seconds);
    this.busy = false;
    if (on && this.seen) this.id = requestAnimationFrame((next) => this.frame(next));
  }

  end() {
    cancelAnimationFrame(this.id);
    this.id = 0;
    this.seen = false;
    this.watch.disconnect();
  }
}

/** Whether a person asked their system for less motion. */
export function still() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
