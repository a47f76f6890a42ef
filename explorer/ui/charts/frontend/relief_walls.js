// The box of a relief: a floor and the two walls at its back, with lines and numbers; the edges that face the eye carry the numbers.

import { round, shape, text } from "./drawing.js";

/** @typedef {import("./relief_camera.js").Spot} Spot */
/** @typedef {import("./grid.js").Pair} Pair */
/** @typedef {{ at: number, text: string }} Mark of an axis, in the world's units */

/**
 * @typedef {object} Box
 * @property {number} ax half its width
 * @property {number} ay half its depth
 * @property {number} tall
 * @property {Mark[]} x
 * @property {Mark[]} y
 * @property {Mark[]} z
 * @property {string} xTitle
 * @property {string} yTitle
 * @property {string} zTitle
 * @property {Pair[][]} holes outlines on the floor where nothing is measured
 */

const CLOSE = 22; // px between two numbers of an axis
const AWAY = 15; // px from an edge to its numbers
const TITLE = 40; // px from an edge to its title

/**
 * What lies behind the ground, and the numbers around it.
 * @type {(camera: import("./relief_camera.js").Camera, box: Box) => { behind: Node[], numbers: Node[] }}
 */
export function walls(camera, box) {
  const { ax, ay, tall } = box;
  const [fx, fy] = [camera.eye[0] - camera.target[0] < 0 ? -ax : ax, camera.eye[1] - camera.target[1] < 0 ? -ay : ay]; // the sides in front
  /** @type {(a: Spot, b: Spot, name: string) => SVGElement} */
  const line = (a, b, name) => {
    const [p, q] = [camera.pixel(a), camera.pixel(b)];
    return shape("line", { class: name, x1: round(p[0]), y1: round(p[1]), x2: round(q[0]), y2: round(q[1]) });
  };
  /** @type {(spots: Spot[], name: string) => SVGElement} */
  const area = (spots, name) => shape("path", { class: name, d: outline(camera, spots) });
  const behind = [
    area([[-ax, -ay, 0], [ax, -ay, 0], [ax, ay, 0], [-ax, ay, 0]], "wall floor"),
    area([[-fx, -ay, 0], [-fx, ay, 0], [-fx, ay, tall], [-fx, -ay, tall]], "wall"),
    area([[-ax, -fy, 0], [ax, -fy, 0], [ax, -fy, tall], [-ax, -fy, tall]], "wall"),
  ];
  if (box.holes.length) {
    const d = box.holes.map((hole) => outline(camera, hole.map(([x, y]) => /** @type {Spot} */ ([x, y, 0])))).join("");
    behind.push(shape("path", { class: "hole", d, fill: "url(#relief-hole)" }));
  }
  for (const { at } of box.x) behind.push(line([at, -ay, 0], [at, ay, 0], "rule"), line([at, -fy, 0], [at, -fy, tall], "rule"));
  for (const { at } of box.y) behind.push(line([-ax, at, 0], [ax, at, 0], "rule"), line([-fx, at, 0], [-fx, at, tall], "rule"));
  for (const { at } of box.z) behind.push(line([-fx, -ay, at], [-fx, ay, at], "rule"), line([-ax, -fy, at], [ax, -fy, at], "rule"));
  // The upright edge with the numbers is the one of the two between a wall and the open that stands further to the left.
  const edge = camera.pixel([fx, -fy, 0])[0] < camera.pixel([-fx, fy, 0])[0] ? [fx, -fy] : [-fx, fy];
  const numbers = [
    ...axis(camera, box.x, box.xTitle, (at) => [at, fy, 0], [ax, fy], -ax),
    ...axis(camera, box.y, box.yTitle, (at) => [fx, at, 0], [fx, ay], -ay),
    ...axis(camera, box.z, box.zTitle, (at) => [edge[0], edge[1], at], null, 0, tall),
  ];
  return { behind, numbers };
}

/**
 * The numbers along an edge, away from the box, and its title.
 * @type {(camera: import("./relief_camera.js").Camera, marks: Mark[], title: string, spot: (at: number) => Spot, end: Pair | null, low: number, tall?: number) => Node[]}
 */
function axis(camera, marks, title, spot, end, low, tall = 0) {
  const upright = end === null;
  const [a, b] = [camera.pixel(spot(low)), camera.pixel(spot(upright ? tall : -low))];
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  if (length < 50) return []; // seen from its end, or from above
  const middle = camera.pixel([0, 0, camera.target[2] * (upright ? 1 : 0)]);
  let [nx, ny] = [-(b[1] - a[1]) / length, (b[0] - a[0]) / length];
  if (nx * ((a[0] + b[0]) / 2 - middle[0]) + ny * ((a[1] + b[1]) / 2 - middle[1]) < 0) [nx, ny] = [-nx, -ny];
  /** @type {Node[]} */
  const nodes = [];
  const every = Math.max(1, Math.ceil((CLOSE * (marks.length - 1)) / length));
  let widest = 0;
  marks.forEach(({ at, text: content }, k) => {
    if (k % every) return;
    const [x, y] = camera.pixel(spot(at));
    const anchor = nx > 0.35 ? "start" : nx < -0.35 ? "end" : "middle";
    widest = Math.max(widest, content.length);
    nodes.push(
      shape("line", { class: "axis", x1: round(x), y1: round(y), x2: round(x + 5 * nx), y2: round(y + 5 * ny) }),
      text(content, { class: "tick over", x: round(x + AWAY * nx * (anchor === "middle" ? 1 : 0.6)), y: round(y + AWAY * ny), dy: "0.35em", "text-anchor": anchor }));
  });
  const away = TITLE + (upright ? 7 * Math.max(0, widest - 3) : 0);
  const [x, y] = [(a[0] + b[0]) / 2 + away * nx, (a[1] + b[1]) / 2 + away * ny];
  let angle = (Math.atan2(b[1] - a[1], b[0] - a[0]) * 180) / Math.PI;
  if (angle > 90 || angle <= -90) angle += angle > 0 ? -180 : 180;
  if (upright) angle = -90;
  nodes.push(shape("line", { class: "axis", x1: round(a[0]), y1: round(a[1]), x2: round(b[0]), y2: round(b[1]) }));
  if (length > 6.5 * title.length * 0.8) nodes.push(text(title, { class: "over", x: round(x), y: round(y), dy: "0.35em", "text-anchor": "middle", transform: `rotate(${round(angle)} ${round(x)} ${round(y)})` }));
  return nodes;
}

/** @type {(camera: import("./relief_camera.js").Camera, spots: Spot[]) => string} */
function outline(camera, spots) {
  return `M${spots.map((spot) => camera.pixel(spot).slice(0, 2).map(round).join(" ")).join("L")}Z`;
}
