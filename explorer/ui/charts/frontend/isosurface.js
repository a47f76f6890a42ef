// Where a function on a grid of three coordinates has one value: triangles by marching tetrahedra, and how they are drawn in WebGL 2.
//
// Each cube of the grid is six tetrahedra around one of its diagonals, in each of which the function is straight: cubes that touch agree on their common side,
// so there are no cracks and no ambiguous cases. Doi & Koide 1991, "An Efficient Method of Triangulating Equi-Valued Surfaces by Using Tetrahedral Cells".

import { linked } from "./shaders.js";

/** @typedef {[number, number, number]} Spot */
/** Values by x, then y, then z; NaN where nothing is known. @typedef {{ n: Spot, values: Float32Array }} Block */

const CORNERS = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]];
const TETRAHEDRA = [[0, 5, 1, 6], [0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6]];

/**
 * Triangles, of nine numbers each: places in steps of the grid. What is below the level lies behind them. A cube with an unknown corner has none.
 * @type {(block: Block, level: number) => Float32Array}
 */
export function isosurface({ n: [nx, ny, nz], values }, level) {
  /** @type {number[]} */
  const found = [];
  const spots = CORNERS.map(() => /** @type {Spot} */ ([0, 0, 0]));
  const v = new Float64Array(8);
  for (let i = 0; i + 1 < nx; i++) {
    for (let j = 0; j + 1 < ny; j++) {
      for (let k = 0; k + 1 < nz; k++) {
        let below = 0, known = true;
        CORNERS.forEach(([a, b, c], m) => {
          spots[m] = [i + a, j + b, k + c];
          v[m] = values[((i + a) * ny + j + b) * nz + k + c] - level;
          if (v[m] < 0) below++;
          if (Number.isNaN(v[m])) known = false;
        });
        if (!known || below === 0 || below === 8) continue;
        for (const four of TETRAHEDRA) {
          const low = four.filter((m) => v[m] < 0), high = four.filter((m) => v[m] >= 0);
          if (!low.length || !high.length) continue;
          const cut = (/** @type {number} */ a, /** @type {number} */ b) => {
            const t = v[a] / (v[a] - v[b]);
            return spots[a].map((at, axis) => at + t * (spots[b][axis] - at));
          };
          if (low.length === 1) found.push(...high.flatMap((b) => cut(low[0], b)));
          else if (high.length === 1) found.push(...low.flatMap((a) => cut(a, high[0])));
          else {
            const [p, q, r, s] = [cut(low[0], high[0]), cut(low[0], high[1]), cut(low[1], high[1]), cut(low[1], high[0])];
            found.push(...p, ...q, ...r, ...p, ...r, ...s);
          }
        }
      }
    }
  }
  return new Float32Array(found);
}

/** Which way the values rise at a place, in steps of the grid; not of length 1. @type {(block: Block, place: Spot) => Spot} */
export function rising({ n, values }, place) {
  const at = (/** @type {Spot} */ spot) => {
    const [i, j, k] = spot.map((value, axis) => Math.min(n[axis] - 1, Math.max(0, Math.round(value))));
    return values[(i * n[1] + j) * n[2] + k];
  };
  /** @type {Spot} */
  const slope = [0, 0, 0];
  const base = place.map((value, axis) => Math.min(n[axis] - 2, Math.max(0, Math.floor(value))));
  for (let m = 0; m < 8; m++) {
    const corner = /** @type {Spot} */ (base.map((value, axis) => value + CORNERS[m][axis]));
    const weight = corner.reduce((product, value, axis) => product * Math.max(0, 1 - Math.abs(place[axis] - value)), 1);
    if (!weight) continue;
    for (let axis = 0; axis < 3; axis++) {
      const [up, down] = [1, -1].map((by) => /** @type {Spot} */ (corner.map((value, other) => (other === axis ? value + by : value))));
      const rise = at(up) - at(down);
      if (Number.isFinite(rise)) slope[axis] += weight * rise;
    }
  }
  return slope;
}

const VERTEX = `#version 300 es
layout(location = 0) in vec3 place;
layout(location = 1) in vec3 rise;
uniform mat4 camera;
out vec3 spot;
out vec3 normal;
void main() {
  spot = place;
  normal = rise;
  gl_Position = camera * vec4(place, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
uniform vec3 eye;
uniform vec3 light;
uniform vec3 paint;
in vec3 spot;
in vec3 normal;
out vec4 colour;
void main() {
  vec3 view = normalize(eye - spot);
  vec3 up = normalize(normal + 1e-6 * view);
  float side = dot(up, view);
  vec3 facing = side < 0.0 ? -up : up;
  float day = max(dot(facing, light), 0.0);
  float shine = pow(max(dot(reflect(-light, facing), view), 0.0), 24.0) * 0.2;
  colour = vec4((side < 0.0 ? 0.6 : 1.0) * (paint * (0.42 + 0.6 * day) + shine), 1.0);
}`;
const LIGHT = [-0.55, 0.45, 0.72]; // from the eye, as a relief's

export class IsoRenderer {
  count = 0; // vertices

  /** @param {HTMLCanvasElement} canvas; throws where there is no WebGL 2 */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: true, powerPreference: "low-power" });
    if (!gl) throw new Error("no WebGL 2");
    this.gl = gl;
    this.canvas = canvas;
    this.make();
  }

  /** All that lives on the graphics card; made again when it was lost. */
  make() {
    const { gl } = this;
    this.program = linked(gl, VERTEX, FRAGMENT, "isosurface");
    this.points = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.points);
    for (const at of [0, 1]) {
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, 3, gl.FLOAT, false, 24, 12 * at);
    }
    gl.enable(gl.DEPTH_TEST);
  }

  /** Of six numbers each: a place of the world, and which way is up there. @type {(vertices: Float32Array) => void} */
  load(vertices) {
    this.count = vertices.length / 6;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, /** @type {WebGLBuffer} */ (this.points));
    this.gl.bufferData(this.gl.ARRAY_BUFFER, vertices, this.gl.STATIC_DRAW);
  }

  /** @type {(camera: import("./relief_camera.js").Camera, paint: Spot) => void} paint: shares of red, green and blue */
  draw(camera, paint) {
    const { gl, canvas } = this;
    const program = /** @type {WebGLProgram} */ (this.program);
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const [w, h] = [Math.max(1, Math.round(camera.width * ratio)), Math.max(1, Math.round(camera.height * ratio))];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    gl.viewport(0, 0, w, h);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!this.count) return;
    gl.useProgram(program);
    const at = (/** @type {string} */ name) => gl.getUniformLocation(program, name);
    gl.uniformMatrix4fv(at("camera"), false, camera.matrix());
    gl.uniform3fv(at("eye"), camera.eye);
    gl.uniform3fv(at("paint"), paint);
    const light = [0, 1, 2].map((k) => LIGHT[0] * camera.right[k] + LIGHT[1] * camera.up[k] - LIGHT[2] * camera.ahead[k]);
    gl.uniform3fv(at("light"), light.map((part) => part / Math.hypot(...light)));
    gl.drawArrays(gl.TRIANGLES, 0, this.count);
  }

  end() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
