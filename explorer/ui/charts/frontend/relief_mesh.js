// The ground of a relief: heights between measured values, their slopes, and where a ray meets it.
//
// Heights are shares of the scale of colours. Between measured values the ground is straight, as in the cross-sections; between the values of a smooth
// preview, which are predicted anyway, it is a cubic. What diverged is a plateau at the top, and where nothing is known there is a hole.

/** @typedef {import("./grid.js").Pair} Pair */
/** @typedef {import("./relief_camera.js").Ray} Ray */
/** @typedef {import("./relief_camera.js").Spot} Spot */

const FINEST = 193; // points along a side that are wanted; a finer grid stays as it is
const REACH = 0.045; // of the width: how far around a point its surroundings go that shade it
const GRAZE = 0.006; // of the width: what lies less deep under the ground is seen

export const SIZE = 7; // numbers of a vertex: x, y, share, two slopes of the share, how much higher it lies than around it, and a kind
const SIDE = 2; // the kind of a vertex of a side; 1 is that of a diverged one

export class Mesh {
  /**
   * @param {import("./grid.js").Grid} grid
   * @param {(value: number) => number} share
   * @param {boolean} smooth whether the values are a preview's
   */
  constructor(grid, share, smooth) {
    const { x, y, z } = grid;
    const finer = Math.max(1, Math.floor((FINEST - 1) / (Math.max(x.length, y.length) - 1)));
    this.nx = (x.length - 1) * finer + 1;
    this.ny = (y.length - 1) * finer + 1;
    const [wx, wy] = [x[x.length - 1] - x[0], y[y.length - 1] - y[0]];
    this.unit = 2 / Math.max(wx, wy); // of the world, for each of the plane
    this.middle = /** @type {Pair} */ ([x[0] + wx / 2, y[0] + wy / 2]);
    this.ax = (wx * this.unit) / 2; // half the width
    this.ay = (wy * this.unit) / 2;
    this.gone = new Uint8Array(this.nx * this.ny);
    this.rise = new Float32Array(this.nx * this.ny).fill(NaN);
    const coarse = z.map((row) => row.map((value) => (value === null ? NaN : share(value))));
    const lost = z.map((row) => row.map(() => 0));
    for (const [i, j] of grid.lost) [coarse[j][i], lost[j][i]] = [1, 1];
    const at = (/** @type {number} */ i, /** @type {number} */ j) => coarse[j]?.[i] ?? NaN;
    const whole = (/** @type {number} */ i, /** @type {number} */ j) => !(lost[j][i] || lost[j][i + 1] || lost[j + 1]?.[i] || lost[j + 1]?.[i + 1]);
    for (let q = 0; q < this.ny; q++) {
      const [j, v] = step(q, finer, y.length);
      for (let p = 0; p < this.nx; p++) {
        const [i, u] = step(p, finer, x.length);
        const k = q * this.nx + p;
        const flat = straight(straight(at(i, j), at(i + 1, j), u), straight(at(i, j + 1), at(i + 1, j + 1), u), v);
        const rows = smooth ? [-1, 0, 1, 2].map((d) => cubic(at(i - 1, j + d), at(i, j + d), at(i + 1, j + d), at(i + 2, j + d), u)) : [];
        const bent = smooth ? cubic(rows[0], rows[1], rows[2], rows[3], v) : NaN;
        this.rise[k] = Number.isFinite(bent) && whole(i, j) ? Math.min(1, Math.max(0, bent)) : flat;
        this.gone[k] = lost[j + (v > 0.5 ? 1 : 0)]?.[i + (u > 0.5 ? 1 : 0)] ?? 0;
      }
    }
  }

  /** A place of the plane in the world. @type {(place: Pair) => Pair} */
  world([x, y]) {
    return [(x - this.middle[0]) * this.unit, (y - this.middle[1]) * this.unit];
  }

  /** And back. @type {(x: number, y: number) => Pair} */
  plane(x, y) {
    return [x / this.unit + this.middle[0], y / this.unit + this.middle[1]];
  }

  /** The share at a place of the world; NaN outside, and in a hole. @type {(x: number, y: number) => number} */
  share(x, y) {
    const p = ((x + this.ax) / (2 * this.ax)) * (this.nx - 1), q = ((y + this.ay) / (2 * this.ay)) * (this.ny - 1);
    if (!(p >= -1e-6 && q >= -1e-6 && p <= this.nx - 1 + 1e-6 && q <= this.ny - 1 + 1e-6)) return NaN;
    const i = Math.max(0, Math.min(this.nx - 2, Math.floor(p))), j = Math.max(0, Math.min(this.ny - 2, Math.floor(q)));
    const k = j * this.nx + i;
    const { rise, nx } = this;
    return straight(straight(rise[k], rise[k + 1], p - i), straight(rise[k + nx], rise[k + nx + 1], p - i), q - j);
  }

  /** Where a ray first meets the ground, or the floor in a hole; null where it meets neither. @type {(ray: Ray, tall: number) => Pair | null} */
  meet({ eye, to }, tall) {
    const [from, end] = this.inside(eye, to, tall);
    if (from >= end) return null;
    const above = (/** @type {number} */ t) => eye[2] + t * to[2] - (this.share(eye[0] + t * to[0], eye[1] + t * to[1]) || 0) * tall;
    const pace = 1 / this.nx;
    let before = from;
    for (let t = from; t <= end + pace; t += pace) {
      const now = Math.min(t, end);
      if (above(now) <= 1e-9) {
        let [a, b] = [before, now];
        for (let k = 0; k < 20; k++) above((a + b) / 2) > 0 ? (a = (a + b) / 2) : (b = (a + b) / 2);
        return this.plane(eye[0] + b * to[0], eye[1] + b * to[1]);
      }
      before = now;
    }
    return null;
  }

  /** Whether the ground hides a spot from the eye. @type {(spot: Spot, eye: Spot, tall: number) => boolean} */
  hides(spot, eye, tall) {
    const far = Math.hypot(eye[0] - spot[0], eye[1] - spot[1], eye[2] - spot[2]);
    const to = spot.map((at, k) => (eye[k] - at) / far);
    for (let t = 0.03; t < 3; t += 0.03) {
      const [x, y, z] = [spot[0] + t * to[0], spot[1] + t * to[1], spot[2] + t * to[2]];
      if (z > tall || Math.abs(x) > this.ax || Math.abs(y) > this.ay) return false;
      if (z + GRAZE < this.share(x, y) * tall) return true;
    }
    return false;
  }

  /** Where a ray enters the box and leaves it. @type {(eye: Spot, to: Spot, tall: number) => Pair} */
  inside(eye, to, tall) {
    let [from, end] = [0, Infinity];
    const sides = [[-this.ax, this.ax], [-this.ay, this.ay], [0, tall]];
    sides.forEach(([low, high], k) => {
      const ends = [(low - eye[k]) / to[k], (high - eye[k]) / to[k]].sort((a, b) => a - b);
      [from, end] = [Math.max(from, ends[0]), Math.min(end, ends[1])];
    });
    return [from, end];
  }

  /** Those of the ground. */
  vertices() {
    const { nx, ny, rise } = this;
    const found = new Float32Array(nx * ny * SIZE);
    const [sx, sy] = [(2 * this.ax) / (nx - 1), (2 * this.ay) / (ny - 1)];
    const around = blurred(rise, nx, ny, Math.max(1, Math.round(REACH * nx)));
    const slope = (/** @type {number} */ a, /** @type {number} */ here, /** @type {number} */ b, /** @type {number} */ size) =>
      Number.isFinite(a) && Number.isFinite(b) ? (b - a) / (2 * size) : Number.isFinite(b) ? (b - here) / size : Number.isFinite(a) ? (here - a) / size : 0;
    for (let q = 0; q < ny; q++) {
      for (let p = 0; p < nx; p++) {
        const k = q * nx + p;
        const here = rise[k];
        const left = p ? rise[k - 1] : NaN, right = p + 1 < nx ? rise[k + 1] : NaN;
        const below = q ? rise[k - nx] : NaN, above = q + 1 < ny ? rise[k + nx] : NaN;
        const n = SIZE * k;
        found[n] = -this.ax + p * sx;
        found[n + 1] = -this.ay + q * sy;
        found[n + 2] = here;
        found[n + 3] = slope(left, here, right, sx);
        found[n + 4] = slope(below, here, above, sy);
        found[n + 5] = here - around[k];
        found[n + 6] = this.gone[k];
      }
    }
    return found;
  }

  /**
   * What is drawn: the vertices, `SIZE` numbers each, and the triangles between them, from every point and from every other one.
   *
   * Two triangles for each square whose four corners are known. Where the ground ends, a side goes down to the floor; its vertices come after the ground's.
   * @type {() => { vertices: Float32Array, faces: Uint32Array[] }}
   */
  drawn() {
    const ground = this.vertices();
    /** @type {number[]} */
    const sides = [];
    const strides = (this.nx - 1) % 2 || (this.ny - 1) % 2 || this.nx < 65 ? [1, 1] : [1, 2];
    const faces = strides.map((stride) => this.triangles(stride, ground, sides));
    const vertices = new Float32Array(ground.length + sides.length);
    vertices.set(ground);
    vertices.set(sides, ground.length);
    return { vertices, faces };
  }

  /** @type {(stride: number, ground: Float32Array, sides: number[]) => Uint32Array} */
  triangles(stride, ground, sides) {
    const { nx, ny, rise } = this;
    const [across, up] = [Math.floor((nx - 1) / stride), Math.floor((ny - 1) / stride)];
    const known = new Uint8Array((across + 2) * (up + 2)); // of each square, with a border of unknown ones
    for (let q = 0; q < up; q++) {
      for (let p = 0; p < across; p++) {
        const k = (q * nx + p) * stride;
        if (!Number.isNaN(rise[k] + rise[k + stride] + rise[k + nx * stride] + rise[k + nx * stride + stride])) known[(q + 1) * (across + 2) + p + 1] = 1;
      }
    }
    /** @type {number[]} */
    const found = [];
    const side = (/** @type {number} */ from, /** @type {number} */ to) => {
      const first = (ground.length + sides.length) / SIZE;
      for (const [end, share] of [[from, rise[from]], [to, rise[to]], [from, 0], [to, 0]]) {
        sides.push(ground[SIZE * end], ground[SIZE * end + 1], share, 0, 0, 0, SIDE);
      }
      found.push(first, first + 1, first + 2, first + 1, first + 3, first + 2);
    };
    for (let q = 0; q < up; q++) {
      for (let p = 0; p < across; p++) {
        const at = (q + 1) * (across + 2) + p + 1;
        if (!known[at]) continue;
        const a = (q * nx + p) * stride, b = a + stride, c = b + nx * stride, d = a + nx * stride;
        found.push(a, b, c, a, c, d);
        if (!known[at - across - 2]) side(a, b);
        if (!known[at + 1]) side(b, c);
        if (!known[at + across + 2]) side(c, d);
        if (!known[at - 1]) side(d, a);
      }
    }
    return Uint32Array.from(found);
  }
}

/** Of a fine index: the coarse one before it, and the share of the way to the next. @type {(k: number, finer: number, count: number) => Pair} */
function step(k, finer, count) {
  const before = Math.min(count - 2, Math.floor(k / finer));
  return [before, k / finer - before];
}

/** An end that is reached counts alone, so that a hole takes no known value with it. @type {(a: number, b: number, u: number) => number} */
function straight(a, b, u) {
  return u === 0 ? a : u === 1 ? b : a + u * (b - a);
}

/** Through b and c, with slopes from their neighbours (Catmull-Rom); beyond an edge the outer one goes on straight. @type {(a: number, b: number, c: number, d: number, u: number) => number} */
function cubic(a, b, c, d, u) {
  if (Number.isNaN(a)) a = 2 * b - c;
  if (Number.isNaN(d)) d = 2 * c - b;
  if (u === 0) return b;
  return b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)));
}

/** Means over squares of side 2 reach + 1, of what is known there. @type {(values: Float32Array, nx: number, ny: number, reach: number) => Float32Array} */
function blurred(values, nx, ny, reach) {
  const sums = new Float64Array((nx + 1) * (ny + 1)), counts = new Float64Array((nx + 1) * (ny + 1));
  for (let q = 0; q < ny; q++) {
    for (let p = 0; p < nx; p++) {
      const value = values[q * nx + p];
      const [k, up, left] = [(q + 1) * (nx + 1) + p + 1, q * (nx + 1) + p + 1, (q + 1) * (nx + 1) + p];
      const known = Number.isNaN(value) ? 0 : 1;
      sums[k] = sums[up] + sums[left] - sums[up - 1] + (known ? value : 0);
      counts[k] = counts[up] + counts[left] - counts[up - 1] + known;
    }
  }
  const found = new Float32Array(nx * ny);
  for (let q = 0; q < ny; q++) {
    const [y0, y1] = [Math.max(0, q - reach), Math.min(ny, q + reach + 1)];
    for (let p = 0; p < nx; p++) {
      const [x0, x1] = [Math.max(0, p - reach), Math.min(nx, p + reach + 1)];
      const box = (/** @type {Float64Array} */ all) => all[y1 * (nx + 1) + x1] - all[y0 * (nx + 1) + x1] - all[y1 * (nx + 1) + x0] + all[y0 * (nx + 1) + x0];
      found[q * nx + p] = box(sums) / Math.max(1, box(counts));
    }
  }
  return found;
}
