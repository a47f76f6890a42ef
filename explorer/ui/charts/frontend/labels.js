// Where labels stand that name marks of a picture: figures/place_labels.py in the browser, and held to it by a test.

/** @typedef {{ x: number, y: number, w: number, h: number }} Box in px */

export const BAR = 74; // px for a colour bar and its numbers
export const NAMED = 9; // so many markers all have their names

/**
 * Heights in px, one for each wanted height and at least a line apart, as near to the wanted ones as [low, high] allows.
 * @type {(wanted: number[], line: number, low: number, high: number) => number[]}
 */
export function rows(wanted, line, low, high) {
  const order = wanted.map((_, k) => k).sort((a, b) => wanted[a] - wanted[b]);
  /** @type {{ total: number, count: number }[]} */
  const pools = []; // those that touch
  order.forEach((k, place) => {
    const pool = { total: wanted[k] - place * line, count: 1 };
    for (let last = pools.at(-1); last && last.total / last.count > pool.total / pool.count; last = pools.at(-1)) {
      pool.total += last.total;
      pool.count += last.count;
      pools.pop();
    }
    pools.push(pool);
  });
  const last = high - (order.length - 1) * line;
  const levels = pools.flatMap(({ total, count }) => Array(count).fill(Math.max(low, Math.min(last, total / count))));
  /** @type {number[]} */
  const found = [];
  order.forEach((k, place) => (found[k] = levels[place] + place * line));
  return found;
}

/** px between two boxes; negative where they overlap. @type {(a: Box, b: Box) => number} */
export function apart(a, b) {
  return Math.max(b.x - a.x - a.w, a.x - b.x - b.w, b.y - a.y - a.h, a.y - b.y - b.h);
}
