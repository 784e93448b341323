// Opened up: one position's attention, step by step with its numbers; the three embeddings and their sum; what was done to
// each token and what is asked for. Drawn only while its panel is open.
import { $, cleared, element, table } from "./dom.js";
import { labels, state } from "./state.js";

const signed = (x) => (x === -Infinity ? "−∞" : x.toFixed(2).replace("-", "−"));

// Five steps of attention: how many of the table's columns each one shows.
export const STEPS = [
  ["Score", "The query of the position that attends, times the key of each position: q · k. Large where they fit."],
  ["Scale", "Divided by √d, so that wide heads do not make the softmax hard from the start."],
  ["Mask", "Minus infinity is added where this position may not look. This column is all that the switch changes."],
  [
    "Softmax",
    "Raised to powers of e and divided by their sum: shares that add up to one, none where the mask said no.",
  ],
  ["Sum", "Each position's value times its share, added up: the vector that this head passes on."],
];

export function drawAttention({ T, shape, at, may, layers }, step) {
  const head = state.head === "all" ? 0 : state.head;
  const layer = layers[state.layer];
  const size = shape.width / shape.heads;
  const part = (rows, i) => rows.subarray(i * shape.width + head * size, i * shape.width + (head + 1) * size);
  const shares = layer.attention[head].subarray(at * T, (at + 1) * T);
  const names = ["q · k", "÷ √d", "+ mask", "softmax", "share × value"].slice(0, step + 1);
  const rows = labels().map((text, j) => {
    const score = layer.scores[head][at * T + j];
    const numbers = [score * Math.sqrt(size), score, may[at * T + j] ? score : -Infinity].map(signed);
    return [`${j} ${text}`, ...[...numbers, shares[j].toFixed(3), ""].slice(0, step + 1)];
  });
  const last = step === STEPS.length - 1;
  if (last) rows.push(["added up", "", "", "", "1.000", ""]);
  const title = `Layer ${state.layer + 1}, head ${head + 1}: attention of position ${at} to each position (d = ${size})`;
  const made = table(cleared("attendrows"), title, ["position", ...names], rows);
  [...made.tBodies[0].rows].forEach((row, j) => {
    const value = j < T ? part(layer.v, j).map((one) => shares[j] * one) : part(layer.mixed, at);
    if (last) strip(row.lastChild, value, 1.5);
  });
  $("step").textContent = `${step + 1}. ${STEPS[step][0]}. ${STEPS[step][1]}`;
}

export function drawEmbedding({ shape, embedding }) {
  const heads = ["", "token embedding", "segment embedding", "position embedding", "their sum, normalised"];
  const rows = labels().map((text, t) => [`${t} ${text}`, "", "", "", ""]);
  const title = `What each position starts from: vectors of ${shape.width} numbers`;
  const made = table(cleared("sumrows"), title, heads, rows);
  [...made.tBodies[0].rows].forEach((row, t) => {
    ["token", "segment", "position", "sum"].forEach((name, n) => {
      const values = embedding[name].subarray(t * shape.width, (t + 1) * shape.width);
      strip(row.children[n + 1], values, Math.max(...values.map(Math.abs)) || 1);
    });
  });
}

// A vector as a strip of cells: blue above zero, orange below, stronger where larger.
function strip(parent, values, top) {
  const large = [...values.keys()].sort((i, j) => Math.abs(values[j]) - Math.abs(values[i])).slice(0, 3);
  const told = large.map((i) => `number ${i}: ${values[i].toFixed(2)}`).join(", ");
  const spoken = { role: "img", "aria-label": `${values.length} numbers; largest: ${told}` };
  const canvas = element(parent, "canvas", { width: values.length, height: 1, class: "strip", ...spoken });
  const brush = canvas.getContext("2d");
  const picture = brush.createImageData(values.length, 1);
  values.forEach((value, i) => {
    const colour = value > 0 ? [11, 98, 196] : [196, 98, 11];
    picture.data.set([...colour, Math.min(255, (255 * Math.abs(value)) / top)], 4 * i);
  });
  brush.putImageData(picture, 0, 0);
}

// BERT's labels: the token that was there where something is asked for, -100 ("not asked") everywhere else.
export function drawLabels() {
  const kinds = { hidden: "hidden by [MASK]", replaced: "replaced by another word", kept: "kept, but asked for" };
  const rows = labels().map((text, j) => {
    const change = state.changes.get(j - 1);
    return [j, text, change ? kinds[change.kind] : "shown", change ? state.words[j - 1] : "−100"];
  });
  const head = ["position", "input", "what was done", "label"];
  table(cleared("labelrows"), "What the model is given, and what it is asked for", head, rows);
}
