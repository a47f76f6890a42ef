// The eye of a relief: it circles a target, and takes places of the world to pixels and pixels to rays.
//
// The world is right-handed with its height along z. Angles in radians, distances in units of the world.

/** @typedef {[number, number, number]} Spot of the world: x, y, height */
/** @typedef {{ eye: Spot, to: Spot }} Ray from the eye, `to` of length 1 */

export const REST = { azimuth: -0.75, elevation: 0.72, zoom: 1 }; // how a relief is first seen
const FIELD = 0.5; // of view, upwards
const FILLS_X = 0.88, FILLS_Y = 0.9; // of the picture; the rest is for numbers
const LOWEST = 0.06, HIGHEST = 1.55;

/** @type {(a: Spot, b: Spot) => number} */
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

export class Camera {
  azimuth = REST.azimuth;
  elevation = REST.elevation;
  zoom = REST.zoom;
  /** @type {Spot} */
  target = [0, 0, 0];
  far = 5; // from the target at zoom 1
  width = 1; // px of the picture
  height = 1;
  /** @type {Spot} */
  eye = [1, 0, 0];
  /** @type {Spot} */
  right = [0, 1, 0];
  /** @type {Spot} */
  up = [0, 0, 1];
  /** @type {Spot} */
  ahead = [-1, 0, 0];

  rest() {
    Object.assign(this, REST);
  }

  /** @type {(azimuth: number, elevation: number) => void} */
  turn(azimuth, elevation) {
    this.azimuth = (this.azimuth + azimuth) % (2 * Math.PI);
    this.elevation = Math.min(HIGHEST, Math.max(LOWEST, this.elevation + elevation));
  }

  /** @type {(factor: number) => void} */
  nearer(factor) {
    this.zoom = Math.min(6, Math.max(0.5, this.zoom * factor));
  }

  /**
   * Stand so far off that a box around the target fits into the picture, however it is turned.
   * @type {(width: number, height: number, target: Spot, around: number, tall: number) => void}
   */
  fit(width, height, target, around, tall) {
    Object.assign(this, { width, height, target });
    const [ca, sa, ce, se] = [Math.cos(this.azimuth), Math.sin(this.azimuth), Math.cos(this.elevation), Math.sin(this.elevation)];
    const reach = Math.tan(FIELD / 2);
    const [across, upwards] = [around / (FILLS_X * reach * (width / height)), (around * se + (tall / 2) * ce) / (FILLS_Y * reach)];
    this.far = Math.max(across, upwards) + 0.4 * around * ce;
    this.ahead = [-ce * ca, -ce * sa, -se];
    this.right = [-sa, ca, 0];
    this.up = [-se * ca, -se * sa, ce];
    const back = this.far / this.zoom;
    this.eye = [target[0] - back * this.ahead[0], target[1] - back * this.ahead[1], target[2] - back * this.ahead[2]];
  }

  /** [x, y] in px, and how far in front of the eye. @type {(spot: Spot) => [number, number, number]} */
  pixel(spot) {
    /** @type {Spot} */
    const from = [spot[0] - this.eye[0], spot[1] - this.eye[1], spot[2] - this.eye[2]];
    const depth = Math.max(1e-6, dot(from, this.ahead));
    const scale = this.pixelsAt(depth);
    return [this.width / 2 + scale * dot(from, this.right), this.height / 2 - scale * dot(from, this.up), depth];
  }

  /** px of a unit of the world so far in front of the eye. @type {(depth: number) => number} */
  pixelsAt(depth) {
    return this.height / 2 / Math.tan(FIELD / 2) / depth;
  }

  /** @type {(px: number, py: number) => Ray} */
  ray(px, py) {
    const reach = Math.tan(FIELD / 2) / (this.height / 2);
    const [a, b] = [(px - this.width / 2) * reach, (this.height / 2 - py) * reach];
    const length = Math.hypot(1, a, b);
    const to = [0, 1, 2].map((k) => (this.ahead[k] + a * this.right[k] + b * this.up[k]) / length);
    return { eye: this.eye, to: /** @type {Spot} */ (to) };
  }

  /** From the world to clip space, by columns. */
  matrix() {
    const tall = 1 / Math.tan(FIELD / 2), wide = (tall * this.height) / this.width;
    const near = 0.02, far = 100;
    const [r, u, a] = [this.right, this.up, this.ahead];
    const [er, eu, ea] = [-dot(r, this.eye), -dot(u, this.eye), -dot(a, this.eye)];
    const [k, q] = [(far + near) / (far - near), (-2 * far * near) / (far - near)];
    return new Float32Array([
      wide * r[0], tall * u[0], k * a[0], a[0],
      wide * r[1], tall * u[1], k * a[1], a[1],
      wide * r[2], tall * u[2], k * a[2], a[2],
      wide * er, tall * eu, k * ea + q, ea,
    ]);
  }
}
