// Two more views: writing word by word with a cache, and an encoder-decoder's cross-attention.
import { $, cleared, element, table } from "./dom.js";
import { maskOf } from "./masks.js";
import { data, idOf, LONGEST, logitsOf, run, shape, SPECIALS, state, vocabulary, weightsNow } from "./state.js";

const SAME = 1e-5; // two vectors that differ by less are one and the same

// --- writing ---------------------------------------------------------------------------------------------------------
function pass(words, mask) {
  const ids = ["[CLS]", ...words, "[SEP]"].map((word) => idOf.get(word));
  return run(shape, weightsNow(), ids, maskOf(mask, 0, ids.length));
}

// How many of the first `count` positions keep their vector in each layer when the text grows?
function kept(before, after, count) {
  const vector = (output, t) => output.subarray(t * shape.width, (t + 1) * shape.width);
  return before.layers.map(({ output }, layer) => {
    const same = (t) => {
      const grown = vector(after.layers[layer].output, t);
      return vector(output, t).every((value, i) => Math.abs(value - grown[i]) < SAME);
    };
    return Array.from({ length: count }, (_, t) => t).filter(same).length;
  });
}

// Append the likeliest next word to the sentence, all of it visible, and tell what changed under each mask.
export function writeOn() {
  const said = $("writesays");
  if (state.words.length >= LONGEST) {
    said.textContent = `The view ends at ${LONGEST} words: choose a shorter sentence.`;
    return;
  }
  const [old, count] = [state.words, state.words.length + 1]; // [CLS] and the words so far
  const scores = logitsOf(shape, weightsNow(), pass(old, "causal").output, count - 1);
  const word = vocabulary[SPECIALS + scores.subarray(SPECIALS).reduce((top, x, i, all) => (x > all[top] ? i : top), 0)];
  state.words = [...old, word];
  const rows = ["causal", "bidirectional"].map((mask) => {
    const numbers = kept(pass(old, mask), pass(state.words, mask), count);
    return [`${mask} mask`, ...numbers.map((same) => `${same} of ${count} kept`)];
  });
  const layers = Array.from({ length: shape.layers }, (_, layer) => `layer ${layer + 1}`);
  table(cleared("writerows"), "Vectors of the text before, when one more word comes", ["", ...layers], rows);
  said.textContent = `“${word}” was appended. Under the causal mask nothing before it changed: keys and values are kept (the KV cache), and one new column is computed. Under the bidirectional mask the new word is seen from everywhere, so what was kept would be stale: all is computed again.`;
}

// --- encoder and decoder ---------------------------------------------------------------------------------------------
export function drawTranslation(n) {
  const { source, target, said, attention } = data.translate[n];
  const right = target.every((word, t) => word === said[t]);
  $("translatesays").textContent =
    `The decoder writes the lower line word by word (${right ? "all of it right" : "not all of it right"}). Each word asks with its query; keys and values come from the encoder's upper line. Arrows: the upper layer's cross-attention. GPT has no encoder, so it has no such layer at all; BERT has no decoder.`;
  const panel = cleared("translaterows");
  const step = 76;
  const wide = step * Math.max(source.length, said.length);
  const size = { viewBox: `0 0 ${wide} 150`, width: wide, height: 150 };
  const picture = element(panel, "svg", { ...size, "aria-hidden": "true" });
  const x = (i) => step * (i + 0.5);
  attention.forEach((line, t) => {
    line.forEach((weight, s) => {
      const style = `stroke-width:${(weight / 14).toFixed(1)};stroke-opacity:${Math.min(1, weight / 80)}`;
      if (weight > 4) element(picture, "line", { x1: x(t), y1: 118, x2: x(s), y2: 32, class: "arrow headall", style });
    });
  });
  source.forEach((word, s) => element(picture, "text", { x: x(s), y: 22, class: "word" }, word));
  said.forEach((word, t) => element(picture, "text", { x: x(t), y: 138, class: "word" }, word));
  const rows = said.map((word, t) => [word, ...attention[t].map((weight) => `${weight}%`)]);
  table(panel, "Attention of each written word (row) to the source (columns)", ["", ...source], rows);
}
