// BERT's forward pass, as in transformers' BertForMaskedLM. A matrix [rows, columns] is one Float32Array, row by row.

// --- weights ---------------------------------------------------------------------------------------------------
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return exponent ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15) : sign * fraction * 2 ** -24;
}

// Base 85, as Python's base64.b85encode writes it: four bytes in five characters.
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const VALUES = new Map([...DIGITS].map((digit, value) => [digit.charCodeAt(0), value]));

function bytes(text) {
  const out = new DataView(new ArrayBuffer((text.length / 5) * 4));
  for (let i = 0; i < text.length; i += 5) {
    let number = 0;
    for (let n = i; n < i + 5; n++) number = number * 85 + VALUES.get(text.charCodeAt(n));
    out.setUint32((i / 5) * 4, number);
  }
  return new Uint8Array(out.buffer);
}

// Read the weights of one moment: int8, with one fp16 scale before each row.
export function unpack(tensors, moment) {
  const raw = bytes(moment.weights);
  const weights = {};
  let at = 0;
  for (const [name, shape] of tensors) {
    const columns = shape.at(-1);
    const values = (weights[name] = new Float32Array(shape.reduce((a, b) => a * b)));
    for (let i = 0, scale = 0; i < values.length; i++) {
      if (i % columns === 0) scale = half(raw[at++] | (raw[at++] << 8));
      values[i] = ((raw[at++] << 24) >> 24) * scale;
    }
  }
  return weights;
}

// --- the parts of a layer --------------------------------------------------------------------------------------
export function linear(x, T, weight, bias, into) {
  const from = x.length / T;
  const y = new Float32Array(T * into);
  for (let o = 0; o < into; o++) {
    const row = o * from;
    for (let t = 0; t < T; t++) {
      const start = t * from;
      let [a, b, c, d] = [0, 0, 0, 0]; // four sums at once: twice as fast
      for (let i = 0; i < from; i += 4) {
        a += x[start + i] * weight[row + i];
        b += x[start + i + 1] * weight[row + i + 1];
        c += x[start + i + 2] * weight[row + i + 2];
        d += x[start + i + 3] * weight[row + i + 3];
      }
      y[t * into + o] = a + b + c + d + (bias ? bias[o] : 0);
    }
  }
  return y;
}

export function layerNorm(x, T, gain, bias, eps = 1e-12) {
  const width = x.length / T;
  for (let t = 0; t < T; t++) {
    const row = x.subarray(t * width, (t + 1) * width);
    let mean = 0;
    let variance = 0;
    for (const value of row) mean += value / width;
    for (const value of row) variance += (value - mean) ** 2 / width;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < width; i++) row[i] = (row[i] - mean) * scale * gain[i] + (bias ? bias[i] : 0);
  }
  return x;
}

function erf(z) {
  // Abramowitz and Stegun, 7.1.26: off by 1.5e-7 at most
  const t = 1 / (1 + 0.3275911 * Math.abs(z));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(z) * (1 - series * Math.exp(-z * z));
}

export function gelu(x) {
  return x.map((value) => value * 0.5 * (1 + erf(value * Math.SQRT1_2)));
}

export function softmax(scores) {
  const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const raised = scores.map((score) => Math.exp(score - top));
  const sum = raised.reduce((a, b) => a + b, 0);
  return raised.map((value) => value / sum);
}

export function add(x, y) {
  return x.map((value, i) => value + y[i]);
}

// softmax(q k^T / sqrt(d) + mask) v for one head, whose columns of q, k, v and mixed [T, width] begin at `first`.
export function attend(q, k, v, may, T, first, size, mixed) {
  const width = q.length / T;
  const scores = new Float32Array(T * T);
  const attention = new Float32Array(T * T);
  for (let i = 0; i < T; i++) {
    const masked = new Float32Array(T);
    for (let j = 0; j < T; j++) {
      let dot = 0;
      for (let c = first; c < first + size; c++) dot += q[i * width + c] * k[j * width + c];
      scores[i * T + j] = dot / Math.sqrt(size);
      masked[j] = may[i * T + j] ? scores[i * T + j] : -Infinity; // the mask: this line is the switch
    }
    const shares = softmax(masked);
    attention.set(shares, i * T);
    for (let j = 0; j < T; j++) {
      for (let c = first; shares[j] && c < first + size; c++) mixed[i * width + c] += shares[j] * v[j * width + c];
    }
  }
  return { scores, attention };
}

// --- the whole -------------------------------------------------------------------------------------------------
// ids: T token ids. may: who may look at whom. segments: 1 where a token is in segment B. Returns the embedding's three
// parts and their sum, and for each layer the values v [T, width], each head's scores (before the mask) and attention
// [T, T], what the heads pass on, mixed, and the output [T, width].
export function read(shape, weights, ids, may, segments = ids.map(() => 0)) {
  const { width, heads, layers } = shape;
  const T = ids.length;
  const size = width / heads;
  const get = (name) => weights[`bert.${name}`];
  const dense = (x, name, into) => linear(x, T, get(`${name}.weight`), get(`${name}.bias`), into);
  const norm = (x, name) => layerNorm(x, T, get(`${name}.LayerNorm.weight`), get(`${name}.LayerNorm.bias`));
  const rows = (name, numbers) => {
    const table = get(`embeddings.${name}_embeddings.weight`);
    const x = new Float32Array(T * width);
    numbers.forEach((row, t) => x.set(table.subarray(row * width, (row + 1) * width), t * width));
    return x;
  };
  const token = rows("word", ids);
  const segment = rows("token_type", segments);
  const position = rows("position", [...ids.keys()]);
  let x = norm(add(add(token, segment), position), "embeddings");
  const embedding = { token, segment, position, sum: x };
  const found = [];
  for (let layer = 0; layer < layers; layer++) {
    const name = `encoder.layer.${layer}`;
    const [q, k, v] = ["query", "key", "value"].map((part) => dense(x, `${name}.attention.self.${part}`, width));
    const mixed = new Float32Array(T * width);
    const all = Array.from({ length: heads }, (_, head) => attend(q, k, v, may, T, head * size, size, mixed));
    x = norm(add(dense(mixed, `${name}.attention.output.dense`, width), x), `${name}.attention.output`);
    const wide = gelu(dense(x, `${name}.intermediate.dense`, 4 * width));
    x = norm(add(dense(wide, `${name}.output.dense`, width), x), `${name}.output`);
    const [scores, attention] = [all.map((head) => head.scores), all.map((head) => head.attention)];
    found.push({ v, scores, attention, mixed, output: x });
  }
  return { T, shape, embedding, layers: found, output: x };
}

// The head: a logit for each word of the vocabulary at one position.
export function logitsAt(shape, weights, output, position) {
  const x = output.slice(position * shape.width, (position + 1) * shape.width);
  const get = (name) => weights[`cls.predictions.${name}`];
  const y = gelu(linear(x, 1, get("transform.dense.weight"), get("transform.dense.bias"), shape.width));
  layerNorm(y, 1, get("transform.LayerNorm.weight"), get("transform.LayerNorm.bias"));
  return linear(y, 1, weights["bert.embeddings.word_embeddings.weight"], get("bias"), shape.vocabulary.length);
}

// The pooler and the second head: two logits for a pair, "B follows A" and "B is from another story", from [CLS].
export function pairLogits({ width }, weights, output) {
  const dense = (x, name, into) => linear(x, 1, weights[`${name}.weight`], weights[`${name}.bias`], into);
  const pooled = dense(output.slice(0, width), "bert.pooler.dense", width).map(Math.tanh);
  return dense(pooled, "cls.seq_relationship", 2);
}
