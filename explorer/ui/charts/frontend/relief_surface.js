// The ground of a relief in WebGL 2: the map's colours and contour lines on it, light and shade, stripes where it diverged, and a ball's shadow.

import { SIZE } from "./relief_mesh.js";
import { linked } from "./shaders.js";

/** @typedef {import("./relief_camera.js").Spot} Spot */

const VERTEX = `#version 300 es
layout(location = 0) in vec3 place; // x, y, and the share
layout(location = 1) in vec4 form; // slopes, openness, kind
uniform mat4 camera;
uniform float tall;
out vec3 spot;
out vec3 normal;
out float share;
out float open;
out float kind;
void main() {
  spot = vec3(place.xy, place.z * tall);
  normal = vec3(-form.xy * tall, 1.0);
  share = place.z;
  open = form.z * tall;
  kind = form.w;
  gl_Position = camera * vec4(spot, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D colours;
uniform sampler2D levels; // for every share, the share of the contour line nearest to it
uniform vec3 eye;
uniform vec3 light;
uniform vec4 ball; // where it lies, and its radius; 0 for none
uniform float thick; // px of a contour line
in vec3 spot;
in vec3 normal;
in float share;
in float open;
in float kind;
out vec4 colour;
void main() {
  vec3 up = normalize(normal);
  vec3 view = normalize(eye - spot);
  float side = dot(up, view) < 0.0 ? -1.0 : 1.0; // its underside, seen through a hole
  float day = max(dot(up, light), 0.0);
  vec3 base = texture(colours, vec2(share, 0.5)).rgb;
  float line = texture(levels, vec2(share, 0.5)).r;
  float pace = max(fwidth(share), 1e-6);
  float on = (1.0 - smoothstep(0.5 * thick - 0.5, 0.5 * thick + 0.5, abs(share - line) / pace)) * min(1.0, thick);
  on *= 1.0 - smoothstep(0.02, 0.08, pace); // steep enough, lines would run together
  base = mix(base, vec3(step(share, 0.55)), on * 0.45);
  if (kind > 1.5) { // a side
    colour = vec4(mix(base, vec3(dot(base, vec3(0.33))), 0.25) * 0.62, 1.0);
    return;
  }
  if (kind > 0.5) {
    float stripe = abs(fract((spot.x + spot.y + spot.z) * 12.0) - 0.5);
    base = mix(vec3(0.42), vec3(0.68), smoothstep(0.22, 0.28, stripe));
  }
  float hollow = clamp(1.0 + 1.6 * open, 0.72, 1.12);
  float shine = pow(max(dot(reflect(-light, up), view), 0.0), 28.0) * 0.16;
  vec3 lit = base * (0.5 + 0.14 * up.z + 0.5 * day) * hollow + shine;
  if (ball.w > 0.0) {
    float away = length((spot - ball.xyz) / ball.w);
    lit *= 1.0 - 0.45 * (1.0 - smoothstep(0.5, 1.7, away));
  }
  colour = vec4(side < 0.0 ? 0.55 * lit : lit, 1.0);
}`;

const LIGHT = [-0.55, 0.45, 0.72]; // from the eye: to the left, above, towards it
const FINE = 4096; // shares for which the nearest contour line is looked up

/** What a surface is drawn with each time. @typedef {{ camera: import("./relief_camera.js").Camera, tall: number, ball: { spot: Spot, radius: number } | null, ratio: number, coarse: boolean }} Sight */

export class GroundSurface {
  counts = [0, 0]; // indices of all triangles, and of those between every other point
  /** @type {WebGLProgram | null} */
  program = null;
  /** @type {WebGLVertexArrayObject | null} */
  array = null;
  /** @type {WebGLBuffer | null} */
  points = null;
  /** @type {WebGLTexture[]} */
  textures = [];
  /** @type {Record<string, WebGLUniformLocation | null>} */
  at = {}; // of the uniforms

  /** @param {HTMLCanvasElement} canvas; throws where there is no WebGL 2 */
  constructor(canvas) {
    const slow = software(); // drawn without a graphics card, where smooth edges would take several times as long
    const gl = canvas.getContext("webgl2", { antialias: !slow, powerPreference: "low-power" });
    if (!gl) throw new Error("no WebGL 2");
    this.gl = gl;
    this.slow = slow;
    this.canvas = canvas;
    this.make();
  }

  /** All that lives on the graphics card; made again when it was lost. */
  make() {
    const { gl } = this;
    const program = (this.program = linked(gl, VERTEX, FRAGMENT, "relief"));
    const names = ["camera", "tall", "colours", "levels", "eye", "light", "ball", "thick"];
    this.at = Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]));
    this.array = gl.createVertexArray();
    this.points = gl.createBuffer();
    this.faces = gl.createBuffer();
    this.textures = [gl.createTexture(), gl.createTexture()];
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.points);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 4 * SIZE, 0);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.FLOAT, false, 4 * SIZE, 12);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.faces);
    gl.enable(gl.DEPTH_TEST);
  }

  /**
   * Put the ground there.
   * @type {(mesh: import("./relief_mesh.js").Mesh, colours: Uint8Array, levels: number[]) => void}
   */
  load(mesh, colours, levels) {
    const { gl } = this;
    const { vertices, faces } = mesh.drawn();
    this.counts = faces.map(({ length }) => length);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.points);
    gl.bufferData(gl.ARRAY_BUFFER, vertices, gl.STATIC_DRAW);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, 4 * (faces[0].length + faces[1].length), gl.STATIC_DRAW);
    gl.bufferSubData(gl.ELEMENT_ARRAY_BUFFER, 0, faces[0]);
    gl.bufferSubData(gl.ELEMENT_ARRAY_BUFFER, 4 * faces[0].length, faces[1]);
    this.texture(0, gl.LINEAR);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, colours.length / 4, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours);
    this.texture(1, gl.NEAREST);
    const nearest = Float32Array.from({ length: FINE }, (_, k) => {
      const share = (k + 0.5) / FINE;
      return levels.reduce((best, level) => (Math.abs(level - share) < Math.abs(best - share) ? level : best), -9);
    });
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, FINE, 1, 0, gl.RED, gl.FLOAT, nearest);
  }

  /** @type {(unit: number, filter: number) => void} */
  texture(unit, filter) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, this.textures[unit]);
    for (const [name, value] of [[gl.TEXTURE_MIN_FILTER, filter], [gl.TEXTURE_MAG_FILTER, filter], [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]]) {
      gl.texParameteri(gl.TEXTURE_2D, name, value);
    }
  }

  /** @type {(sight: Sight) => void} */
  draw({ camera, tall, ball, ratio, coarse }) {
    const { gl, at, canvas } = this;
    const [w, h] = [Math.max(1, Math.round(camera.width * ratio)), Math.max(1, Math.round(camera.height * ratio))];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    gl.viewport(0, 0, w, h);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (!this.counts[0]) return;
    gl.useProgram(this.program);
    gl.uniformMatrix4fv(at.camera, false, camera.matrix());
    gl.uniform1f(at.tall, tall);
    gl.uniform1i(at.colours, 0);
    gl.uniform1i(at.levels, 1);
    gl.uniform3fv(at.eye, camera.eye);
    const length = Math.hypot(...LIGHT);
    const light = [0, 1, 2].map((k) => (LIGHT[0] * camera.right[k] + LIGHT[1] * (k === 2 ? 1 : 0) - LIGHT[2] * (k === 2 ? 0 : camera.ahead[k])) / length);
    gl.uniform3fv(at.light, light.map((part) => part / Math.hypot(...light)));
    gl.uniform4fv(at.ball, ball ? [...ball.spot, ball.radius] : [0, 0, 0, 0]);
    gl.uniform1f(at.thick, 1.2 * ratio);
    gl.bindVertexArray(this.array);
    const [all, half] = this.counts;
    gl.drawElements(gl.TRIANGLES, coarse ? half : all, gl.UNSIGNED_INT, coarse ? 4 * all : 0);
  }

  end() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** Whether the processor draws instead of a graphics card. */
function software() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return false;
  const about = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}
