// A camera in a person's hand: turned by dragging, by one finger or by arrow keys, brought nearer by two fingers, the wheel, plus and minus.

/** @typedef {import("./relief_camera.js").Camera} Camera */

export class Orbit {
  /** @type {Map<number, { x: number, y: number }>} */
  fingers = new Map();
  dragged = false; // whether the pointer's last press moved it

  /** moved: told of every press and move; shown: whether the grip is the camera's now. @param {HTMLElement} grip @param {Camera} camera @param {() => void} moved @param {() => boolean} shown */
  constructor(grip, camera, moved, shown = () => true) {
    this.grip = grip;
    this.camera = camera;
    this.moved = moved;
    this.shown = shown;
    grip.addEventListener("pointerdown", (event) => this.press(event));
    grip.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) grip.addEventListener(end, (event) => this.fingers.delete(/** @type {PointerEvent} */ (event).pointerId));
    grip.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /** A key; whether it meant something. @type {(key: string) => boolean} */
  type(key) {
    const { camera } = this;
    if (key === "ArrowLeft" || key === "ArrowRight") camera.turn(key === "ArrowLeft" ? -0.1 : 0.1, 0);
    else if (key === "ArrowUp" || key === "ArrowDown") camera.turn(0, key === "ArrowUp" ? 0.08 : -0.08);
    else if (key === "+" || key === "=" || key === "-") camera.nearer(key === "-" ? 1 / 1.15 : 1.15);
    else if (key === "Home") camera.rest();
    else return false;
    this.moved();
    return true;
  }

  /** @type {(event: PointerEvent) => void} */
  press(event) {
    if (!this.shown() || event.button !== 0) return;
    this.grip.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.dragged = false;
    this.moved();
  }

  /** @type {(event: PointerEvent) => void} */
  drag(event) {
    const before = this.fingers.get(event.pointerId);
    if (!this.shown() || !before) return;
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    if (!this.dragged && Math.hypot(dx, dy) < 4) return;
    this.dragged = true;
    const others = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (others.length) {
      const apart = (/** @type {{ x: number, y: number }} */ at) => Math.hypot(at.x - others[0].x, at.y - others[0].y);
      this.camera.nearer(apart({ x: event.clientX, y: event.clientY }) / Math.max(1, apart(before)));
    } else {
      this.camera.turn(-0.008 * dx, 0.006 * dy);
    }
    this.moved();
  }

  /** Only of a picture in use: else it is the page that is to be scrolled. @type {(event: WheelEvent) => void} */
  wheel(event) {
    if (!this.shown() || !(event.ctrlKey || this.grip.matches(":focus"))) return;
    event.preventDefault();
    this.camera.nearer(Math.exp(-0.0015 * event.deltaY));
    this.moved();
  }
}
