// Who may look at whom. A mask is a Uint8Array [T * T]: entry i * T + j is 1 where position i may look at position j.

// One rule per mask; `size` is the prefix's length or the window's width, in positions.
export const MASKS = {
  bidirectional: () => true,
  causal: (i, j) => j <= i,
  prefix: (i, j, size) => j <= i || j < size,
  window: (i, j, size) => j <= i && j > i - size,
};

export function maskOf(name, size, T) {
  const may = new Uint8Array(T * T);
  for (let i = 0; i < T; i++) {
    for (let j = 0; j < T; j++) may[i * T + j] = MASKS[name](i, j, size) ? 1 : 0;
  }
  return may;
}

// The positions from which something can reach `position` through so many layers: Uint8Array [T]. What lies outside
// cannot touch the answer there, whatever the weights are; so the best possible answer follows from this alone.
export function reach(may, T, layers, position) {
  let seen = new Uint8Array(T);
  seen[position] = 1;
  for (let layer = 0; layer < layers; layer++) {
    const next = seen.slice();
    for (let i = 0; i < T; i++) {
      for (let j = 0; seen[i] && j < T; j++) next[j] |= may[i * T + j];
    }
    seen = next;
  }
  return seen;
}
