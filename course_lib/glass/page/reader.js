// The exact reader: what stands at a hidden place, given every visible word. It knows Tiny Town's grammar and adds up
// all stories (forward and backward, Rabiner 1989), so no model can do better on average. As course_lib/town/oracle.py.
//
// A state is a place in a template. A world is one value of each hidden variable (topic, hero, mood). A belief is a
// Float64Array [states * worlds]; words are numbers of the town's vocabulary, null where nothing is seen.

export class ExactReader {
  constructor({ chain, start, words, paths, slots, sizes }) {
    this.words = words;
    this.states = paths.flatMap(([kind, probability, parts]) =>
      parts.map((part, at) => {
        // a slot: which variable decides it (-1: none), and for each of its values the words it may be
        const [variable, choices] = typeof part === "string" ? slots[part] : [-1, [[part]]];
        return { kind, probability, variable, choices, first: at === 0, last: at === parts.length - 1 };
      }),
    );
    this.begin = this.states.map(({ first, kind, probability }) => (first && kind === start ? probability : 0));
    // one word on: to the next place of the template, or from its end to the beginning of the next sentence
    this.steps = this.states.flatMap((from, a) => {
      if (!from.last) return [[a, a + 1, 1]];
      return this.states.map((to, b) => [a, b, to.first ? chain[from.kind][to.kind] * to.probability : 0]);
    });
    this.steps = this.steps.filter(([, , probability]) => probability > 0);
    this.worlds = sizes.reduce(
      (worlds, size) => worlds.flatMap((world) => Array.from({ length: size }, (_, value) => [...world, value])),
      [[]],
    );
    this.allowed = [];
    this.memory = new Map();
  }

  // The words that a state may write in a world, all equally likely.
  options({ variable, choices }, world) {
    return choices[variable < 0 ? 0 : world[variable]];
  }

  // For each world, can the word be written in it at all?
  allows(word) {
    this.allowed[word] ??= this.worlds.map((world) =>
      this.states.some((state) => this.options(state, world).includes(word)),
    );
    return this.allowed[word];
  }

  // Multiply by P(what was seen | state, world).
  weigh(belief, worlds, word) {
    if (word === null) return belief;
    return belief.map((mass, i) => {
      if (mass === 0) return 0;
      const options = this.options(this.states[Math.floor(i / worlds.length)], worlds[i % worlds.length]);
      return (mass * options.filter((one) => one === word).length) / options.length;
    });
  }

  // One word on; backwards, for what is seen on the right, the same steps the other way round.
  move(belief, Z, backwards) {
    const moved = new Float64Array(belief.length);
    for (const [a, b, probability] of this.steps) {
      const [from, to] = backwards ? [b * Z, a * Z] : [a * Z, b * Z];
      for (let z = 0; z < Z; z++) moved[to + z] += probability * belief[from + z];
    }
    return moved;
  }

  // P(word at place | the words of `seen`): Float64Array over the town's words; null if no story reads like this.
  fill(seen, place) {
    const key = `${seen}@${place}`;
    if (!this.memory.has(key)) this.memory.set(key, this.#fill(seen, place));
    return this.memory.get(key);
  }

  #fill(seen, place) {
    const visible = [...new Set(seen.filter((word) => word !== null))];
    const worlds = this.worlds.filter((_, z) => visible.every((word) => this.allows(word)[z]));
    const Z = worlds.length;
    let left = Float64Array.from({ length: this.states.length * Z }, (_, i) => this.begin[Math.floor(i / Z)]);
    let right = new Float64Array(left.length).fill(1);
    for (let t = 0; t < place && left; t++) {
      left = scaled(this.move(this.weigh(left, worlds, seen[t]), Z, false), Math.max);
    }
    for (let t = seen.length - 1; t > place && right; t--) {
      right = scaled(this.move(this.weigh(right, worlds, seen[t]), Z, true), Math.max);
    }
    if (!left || !right) return null;
    const found = new Float64Array(this.words);
    this.states.forEach((state, s) => {
      worlds.forEach((world, z) => {
        const mass = left[s * Z + z] * right[s * Z + z];
        const options = this.options(state, world);
        for (const word of mass ? options : []) found[word] += mass / options.length;
      });
    });
    return scaled(found, (a, b) => a + b);
  }
}

// Divide by the largest value, or by the sum; null where all are zero.
function scaled(values, by) {
  const whole = values.reduce((a, b) => by(a, b), 0);
  return whole > 0 ? values.map((value) => value / whole) : null;
}
