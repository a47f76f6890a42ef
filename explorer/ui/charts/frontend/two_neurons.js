// The network f(x) = tanh(w₁x) + tanh(w₂x) that is to imitate one of the same form: its loss, as explorer/lessons/two_neurons.py has it.

/** @typedef {[number, number]} Pair of weights */

export class TwoNeurons {
  /** @param {number[]} inputs @param {Pair} teacher */
  constructor(inputs, teacher) {
    this.inputs = inputs;
    this.wanted = inputs.map((x) => this.output(teacher, x));
  }

  /** @type {(at: Pair, x: number) => number} */
  output([a, b], x) {
    return Math.tanh(a * x) + Math.tanh(b * x);
  }

  /** The mean squared difference. @type {(at: Pair) => number} */
  loss(at) {
    return this.inputs.reduce((sum, x, i) => sum + (this.output(at, x) - this.wanted[i]) ** 2, 0) / this.inputs.length;
  }

  /** Its gradient. @type {(at: Pair) => Pair} */
  slope(at) {
    const along = (/** @type {number} */ w) => this.inputs.reduce((sum, x, i) => sum + 2 * (this.output(at, x) - this.wanted[i]) * (1 - Math.tanh(w * x) ** 2) * x, 0) / this.inputs.length;
    return [along(at[0]), along(at[1])];
  }
}
