// What is on screen, and what follows from it: the model's answer, the best possible answer, and who was looked at.
import { $ } from "./dom.js";
import { MASKS, maskOf, reach } from "./masks.js";
import { logitsAt, pairLogits, read, softmax, unpack } from "./model.js";
import { ExactReader } from "./reader.js";

export const data = JSON.parse($("data").textContent);
export const shape = data.model;
export const vocabulary = shape.vocabulary;
export const LONGEST = 30; // words
export const SPECIALS = 5; // [PAD] [UNK] [CLS] [SEP] [MASK]: the town's words come after them
export const townWords = vocabulary.slice(SPECIALS);
export const idOf = new Map(vocabulary.map((word, id) => [word, id]));
const reader = new ExactReader(data.grammar);

// changes: place -> what was done to it: { kind: "hidden" | "replaced" | "kept", word }, all of them asked for.
export const state = {
  words: [],
  changes: new Map(),
  asked: 0,
  mask: "bidirectional",
  prefix: 2,
  window: 3,
  head: "all",
  layer: shape.layers - 1,
  moment: data.moments.length - 1,
  turned: false,
  pair: null, // which of the pairs of segments is shown instead of a sentence
  stage: "switch",
};

export const isWord = (word) => idOf.get(word) >= SPECIALS;
export const sized = () => ["prefix", "window"].includes(state.mask);
export const sizeOf = (mask) => (mask === "prefix" ? state.prefix : state.window);

export function weightsNow() {
  const moment = data.moments[state.moment];
  return (moment.unpacked ??= unpack(shape.tensors, moment));
}

// The word that stands in the model's input at a place; null for [MASK].
export function shown(place) {
  const change = state.changes.get(place);
  return change ? (change.kind === "hidden" ? null : change.word) : state.words[place];
}

export function labels() {
  const pair = data.pair.examples[state.pair];
  if (pair) return ["[CLS]", ...pair.a.split(" "), "[SEP]", ...pair.b.split(" "), "[SEP]"];
  return ["[CLS]", ...state.words.map((_, place) => shown(place) ?? "[MASK]"), "[SEP]"];
}

// The best possible answer at the asked place under a mask, from what can reach it: P over the vocabulary, or null.
function best(mask, size, also = null) {
  const T = state.words.length + 2;
  const from = reach(maskOf(mask, size, T), T, shape.layers, state.asked + 1);
  const seen = state.words.map((word, place) => {
    const visible = (from[place + 1] || place === also) && place !== state.asked && shown(place) !== null;
    return visible ? idOf.get(shown(place)) - SPECIALS : null;
  });
  const found = reader.fill(seen, state.asked);
  return found && Float64Array.from(vocabulary, (_, id) => (id < SPECIALS ? 0 : found[id - SPECIALS]));
}

// Which one visible word on the right, added to the left side alone, says most about the asked place?
function clue(truth, both, left) {
  if (!both || !left || both[truth] < left[truth] + 0.02) return null;
  let most = null;
  for (let place = state.asked + 1; place < state.words.length; place++) {
    if (shown(place) === null) continue;
    const found = best("causal", 0, place);
    if (found && found[truth] > (most?.gives ?? left[truth] + 0.02) + 1e-6) most = { place, gives: found[truth] };
  }
  return most;
}

// The model's forward pass on what is shown, and its answer at the asked position; a pair is judged from [CLS].
export function forward() {
  const pair = data.pair.examples[state.pair];
  const at = pair ? 0 : state.asked + 1;
  const ids = labels().map((word) => idOf.get(word));
  const may = maskOf(state.mask, sizeOf(state.mask), ids.length);
  const from = reach(may, ids.length, shape.layers, at);
  const model = pair ? data.pair.model : shape;
  const weights = pair ? (data.pair.unpacked ??= unpack(model.tensors, data.pair)) : weightsNow();
  const second = pair ? pair.a.split(" ").length + 2 : ids.length; // where B begins
  const segments = ids.map((_, t) => Number(t >= second));
  const found = read(model, weights, ids, may, segments);
  const logits = pair ? pairLogits(model, weights, found.output) : logitsAt(model, weights, found.output, at);
  return { ...found, ids, may, at, from, pair, segments, logits, model: softmax(Float64Array.from(logits)) };
}

// The same with the exact answers beside it: from the same words, from both sides, and from the left. `truth` is the id
// of the word that was there. A pair's are worked out beforehand, for all of it or, where [CLS] is blind, for nothing.
export function reading() {
  const found = forward();
  if (found.pair) {
    const both = [found.pair.exact, 1 - found.pair.exact];
    const seen = found.from.filter(Boolean).length;
    return { ...found, both, best: seen === found.T ? both : seen === 1 ? [0.5, 0.5] : null };
  }
  const truth = idOf.get(state.words[state.asked]);
  const [both, left] = [best("bidirectional", 0), best("causal", 0)];
  return { ...found, truth, both, left, clue: clue(truth, both, left), best: best(state.mask, sizeOf(state.mask)) };
}

// What each position passes on to the asked place: attention and residual, half and half. A list of Float64Array [T],
// one for each row of dots, the embedding first.
export function flow({ T, at, layers }) {
  const share = [Float64Array.from({ length: T }, (_, i) => Number(i === at))];
  for (const { attention } of layers.toReversed()) {
    const shares = attentionOf(attention);
    const below = new Float64Array(T);
    share[0].forEach((part, i) => {
      for (let j = 0; part && j < T; j++) below[j] += part * (0.5 * shares[i * T + j] + 0.5 * Number(i === j));
    });
    share.unshift(below);
  }
  return share;
}

// One head's attention weights, or the mean of all.
export function attentionOf(attention) {
  if (state.head !== "all") return attention[state.head];
  return attention[0].map((_, i) => attention.reduce((sum, one) => sum + one[i] / attention.length, 0));
}

export function open(words, hidden) {
  const places = hidden.filter((place) => place >= 0 && place < words.length);
  state.pair = null;
  state.words = words.slice(0, LONGEST);
  state.changes = new Map((places.length ? places : [0]).map((place) => [place, { kind: "hidden" }]));
  [state.asked] = state.changes.keys();
}

// The address, as glass.show writes it: #text=tomorrow Ben will go .&hide=0&mask=prefix&prefix=4&stage=mask
export function fromAddress(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, "").replace(/\+/g, "%2B"));
  const number = (name, low, high, otherwise) => {
    const value = Math.round(Number(given.get(name) ?? NaN));
    return Number.isNaN(value) ? otherwise : Math.min(high, Math.max(low, value));
  };
  const words = (given.get("text") ?? "").split(/\s+/).filter(isWord);
  if (words.length) open(words, (given.get("hide") ?? "0").split(",").map(Number));
  else open(data.stories[0].text.split(" "), [data.stories[0].hidden]);
  if (Object.hasOwn(MASKS, given.get("mask") ?? "")) state.mask = given.get("mask");
  state.prefix = number("prefix", 0, LONGEST + 2, state.prefix);
  state.window = number("window", 1, LONGEST + 2, state.window);
  state.stage = given.get("stage") ?? state.stage;
  state.pair = number("pair", 0, data.pair.examples.length - 1, null);
  state.turned ||= state.mask !== "bidirectional";
  return given;
}
