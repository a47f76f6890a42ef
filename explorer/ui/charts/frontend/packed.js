// What a plane is told, out of bytes: the app sends all of it as one array, a notebook the values alone (`figures/told.py` is the other side).

/** @typedef {[number, number]} Pair */

const LOST = 1, GUESS = 2; // kinds of cells

/**
 * With the values as rows and the cells by their kind, as views read them.
 * @template D
 * @param {unknown} told
 * @returns {D}
 */
export function unpacked(told) {
  const whole = told instanceof Uint8Array ? opened(told) : { .../** @type {Record<string, unknown>} */ (told) };
  const { x, y, preview } = /** @type {{ x: number[], y: number[], preview: boolean }} */ (/** @type {unknown} */ (whole));
  const values = new Float32Array(copied(whole.z));
  const kinds = new Uint8Array(copied(whole.kinds));
  const z = y.map((_, j) => Array.from(values.subarray(j * x.length, (j + 1) * x.length), (value) => (Number.isNaN(value) ? null : value)));
  const cells = (/** @type {(kind: number) => number} */ wanted) => {
    /** @type {Pair[]} */
    const found = [];
    kinds.forEach((kind, k) => wanted(kind) && found.push([k % x.length, Math.floor(k / x.length)]));
    return found;
  };
  const dots = preview ? cells((kind) => Number(!(kind & GUESS))) : null;
  return /** @type {D} */ ({ ...whole, z, lost: cells((kind) => kind & LOST), dots });
}

/** @type {(bytes: Uint8Array) => Record<string, unknown>} */
function opened(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  for (const name in told) {
    if (!told[name]?.bytes) continue;
    const [from, size] = told[name].bytes;
    told[name] = bytes.subarray(4 + length + from, 4 + length + from + size);
  }
  return told;
}

/** A buffer of its own, which begins where numbers may. @type {(part: unknown) => ArrayBuffer} */
function copied(part) {
  const { buffer, byteOffset, byteLength } = /** @type {DataView} */ (part);
  return /** @type {ArrayBuffer} */ (buffer.slice(byteOffset, byteOffset + byteLength));
}
