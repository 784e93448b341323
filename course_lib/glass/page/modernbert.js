// ModernBERT's forward pass, as in transformers' ModernBertForMaskedLM: rotary positions instead of a table, LayerNorm
// before each part, GeGLU, and no bias but the last. Every layer attends to all positions that the mask allows.
import { add, attend, gelu, layerNorm, linear } from "./model.js";

// Turn each pair of numbers (c, c + half) of a head by an angle that grows with the position: x [T, width].
function rotate(x, T, heads, theta) {
  const size = x.length / T / heads;
  const half = size / 2;
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i += size) {
    const position = Math.floor(i / (size * heads));
    for (let c = 0; c < half; c++) {
      const angle = position * theta ** (-c / half);
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const [a, b] = [x[i + c], x[i + c + half]];
      y[i + c] = a * cos - b * sin;
      y[i + c + half] = b * cos + a * sin;
    }
  }
  return y;
}

function geglu(x, T) {
  const inner = x.length / T / 2;
  const half = (first) => {
    const y = new Float32Array(T * inner);
    for (let t = 0; t < T; t++) y.set(x.subarray((2 * t + first) * inner, (2 * t + first + 1) * inner), t * inner);
    return y;
  };
  const gate = half(1);
  return gelu(half(0)).map((value, i) => value * gate[i]);
}

// As `read` for BERT, see model.js.
export function readModern(shape, weights, ids, may) {
  const { width, heads, layers } = shape;
  const { inner, theta, eps } = shape.modern;
  const T = ids.length;
  const get = (name) => weights[`model.${name}.weight`];
  const norm = (x, name) => layerNorm(x.slice(), T, get(name), null, eps);
  const table = get("embeddings.tok_embeddings");
  let x = new Float32Array(T * width);
  ids.forEach((id, t) => x.set(table.subarray(id * width, (id + 1) * width), t * width));
  x = norm(x, "embeddings.norm");
  const embedding = { sum: x };
  const found = [];
  for (let layer = 0; layer < layers; layer++) {
    const name = `layers.${layer}`;
    const into = layer ? norm(x, `${name}.attn_norm`) : x; // the first layer's input has been normalised already
    const all = get(`${name}.attn.Wqkv`);
    const [q, k, v] = [0, 1, 2].map((n) =>
      linear(into, T, all.subarray(n * width * width, (n + 1) * width * width), null, width),
    );
    const [turnedQ, turnedK] = [q, k].map((one) => rotate(one, T, heads, theta));
    const mixed = new Float32Array(T * width);
    const size = width / heads;
    const heard = Array.from({ length: heads }, (_, head) =>
      attend(turnedQ, turnedK, v, may, T, head * size, size, mixed),
    );
    x = add(x, linear(mixed, T, get(`${name}.attn.Wo`), null, width));
    const wide = linear(norm(x, `${name}.mlp_norm`), T, get(`${name}.mlp.Wi`), null, 2 * inner);
    x = add(x, linear(geglu(wide, T), T, get(`${name}.mlp.Wo`), null, width));
    const [scores, attention] = [heard.map((head) => head.scores), heard.map((head) => head.attention)];
    found.push({ v, scores, attention, mixed, output: x });
  }
  return { T, shape, embedding, layers: found, output: norm(x, "final_norm") };
}

// As `logitsAt` for BERT.
export function logitsModern(shape, weights, output, position) {
  const x = output.slice(position * shape.width, (position + 1) * shape.width);
  const y = gelu(linear(x, 1, weights["head.dense.weight"], null, shape.width));
  layerNorm(y, 1, weights["head.norm.weight"], null, shape.modern.eps);
  const table = weights["model.embeddings.tok_embeddings.weight"];
  return linear(y, 1, table, weights["decoder.bias"], shape.vocabulary.length);
}
