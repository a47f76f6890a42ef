// The lessons' moving pictures, by their names.

import { Bend } from "./bend.js";
import { Ellipses } from "./ellipses.js";
import { keep } from "./picture.js";
import { Pour } from "./pour.js";
import { Vote } from "./vote.js";
import { Walk } from "./walk.js";

/** @typedef {{ draw: () => void, leave: () => void }} Drawn */

/** @type {Record<string, new (parent: Element, data: any) => Drawn>} */
const KINDS = { walk: Walk, bend: Bend, ellipses: Ellipses, pour: Pour, vote: Vote };
/** @type {WeakMap<Element, Drawn>} */
const drawn = new WeakMap();

/** @param {import("./picture.js").Call<import("./toy.js").Told & { kind: string }>} call */
export default function ({ data, parentElement }) {
  const toy = keep(drawn, parentElement, () => new KINDS[data.kind](parentElement, data));
  toy.draw();
  return () => toy.leave();
}
