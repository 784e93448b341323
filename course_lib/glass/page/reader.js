// The exact reader: what stands at a hidden place, given every visible word. It knows Tiny Town's grammar and adds up
// all stories (forward and backward, Rabiner 1989), so no model can do better on average. As course_lib/town/oracle.py.
//
// A state is a place in a template. A world is one value of each hidden variable (topic, hero, mood). A belief is a
// Float64Array [states * worlds]; words are numbers of the town's vocabulary, null where nothing is seen.

export class ExactReader {
  constructor(grammar) {
    Object.assign(this, { chain: grammar.chain, begins: grammar.start, words: grammar.words, states: [] });
    this.firsts = [];
    this.lasts = [];
    for (const [kind, probability, parts] of grammar.paths) {
      parts.forEach((part, at) => {
        // a slot: which variable decides it (-1: none), and for each of its values the words it may be
        const [variable, choices] = typeof part === "string" ? grammar.slots[part] : [-1, [[part]]];
        if (at === 0) this.firsts.push(this.states.length);
        if (at === parts.length - 1) this.lasts.push(this.states.length);
        this.states.push({ kind, probability, variable, choices });
      });
    }
    this.worlds = [[]];
    for (const size of grammar.sizes) {
      this.worlds = this.worlds.flatMap((world) => Array.from({ length: size }, (_, value) => [...world, value]));
    }
    this.memory = new Map();
    this.allowed = [];
  }

  // P(word | state, world)
  writes(state, world, word) {
    const { variable, choices } = this.states[state];
    const options = choices[variable < 0 ? 0 : world[variable]];
    return options.filter((one) => one === word).length / options.length;
  }

  // For each world, can the word be written in it at all?
  allows(word) {
    this.allowed[word] ??= this.worlds.map((world) => this.states.some((_, s) => this.writes(s, world, word) > 0));
    return this.allowed[word];
  }

  // Multiply by P(what was seen | state, world).
  weigh(belief, worlds, word) {
    if (word === null) return belief;
    const Z = worlds.length;
    const out = new Float64Array(belief.length);
    this.states.forEach((state, s) => {
      if (!state.choices.some((options) => options.includes(word))) return;
      for (let z = 0; z < Z; z++)
        out[s * Z + z] = belief[s * Z + z] && belief[s * Z + z] * this.writes(s, worlds[z], word);
    });
    return out;
  }

  begin(Z) {
    const belief = new Float64Array(this.states.length * Z);
    for (const s of this.firsts) {
      if (this.states[s].kind === this.begins) belief.fill(this.states[s].probability, s * Z, (s + 1) * Z);
    }
    return belief;
  }

  // One word on: to the next place of the template, or from its end to the beginning of the next sentence.
  forward(here, Z) {
    const there = new Float64Array(here.length);
    const K = this.chain.length;
    const ended = new Float64Array(K * Z);
    there.set(here.subarray(0, here.length - Z), Z);
    for (const s of this.lasts) {
      for (let z = 0; z < Z; z++) ended[this.states[s].kind * Z + z] += here[s * Z + z];
    }
    for (const s of this.firsts) {
      const { kind, probability } = this.states[s];
      for (let z = 0; z < Z; z++) {
        let sum = 0;
        for (let before = 0; before < K; before++) sum += this.chain[before][kind] * ended[before * Z + z];
        there[s * Z + z] = sum * probability;
      }
    }
    return there;
  }

  // The transpose of forward, for what is seen on the right.
  backward(there, Z) {
    const here = new Float64Array(there.length);
    const K = this.chain.length;
    const begun = new Float64Array(K * Z);
    here.set(there.subarray(Z));
    for (const s of this.firsts) {
      const { kind, probability } = this.states[s];
      for (let z = 0; z < Z; z++) begun[kind * Z + z] += probability * there[s * Z + z];
    }
    for (const s of this.lasts) {
      for (let z = 0; z < Z; z++) {
        let sum = 0;
        for (let after = 0; after < K; after++) sum += this.chain[this.states[s].kind][after] * begun[after * Z + z];
        here[s * Z + z] = sum;
      }
    }
    return here;
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
    let left = this.begin(Z);
    let right = new Float64Array(this.states.length * Z).fill(1);
    for (let t = 0; t < place && left; t++) left = scaled(this.forward(this.weigh(left, worlds, seen[t]), Z));
    for (let t = seen.length - 1; t > place && right; t--) {
      right = scaled(this.backward(this.weigh(right, worlds, seen[t]), Z));
    }
    if (!left || !right) return null;
    const found = new Float64Array(this.words);
    this.states.forEach(({ variable, choices }, s) => {
      worlds.forEach((world, z) => {
        const mass = left[s * Z + z] * right[s * Z + z];
        const options = choices[variable < 0 ? 0 : world[variable]];
        for (const word of mass ? options : []) found[word] += mass / options.length;
      });
    });
    return normalised(found);
  }
}

function scaled(message) {
  const top = message.reduce((a, b) => Math.max(a, b), 0);
  return top > 0 ? message.map((value) => value / top) : null;
}

function normalised(values) {
  const sum = values.reduce((a, b) => a + b, 0);
  return sum > 0 ? values.map((value) => value / sum) : null;
}
