// What is on screen, and what follows from it: the model's answer, the best possible answer, and who was looked at.
import { cut } from "./bpe.js";
import { $ } from "./dom.js";
import { MASKS, maskOf, reach } from "./masks.js";
import { logitsAt, pairLogits, read, softmax, unpack } from "./model.js";
import { logitsModern, readModern } from "./modernbert.js";
import { ExactReader } from "./reader.js";

export const data = JSON.parse($("data").textContent);
export const shape = data.model;
export const vocabulary = shape.vocabulary;
export const english = Boolean(data.merges); // real English: pieces of words, two masks, no exact reader
export const LONGEST = 30; // words, or pieces
export const SPECIALS = 5; // [PAD] [UNK] [CLS] [SEP] [MASK]: the town's words come after them
export const masksHere = Object.keys(MASKS).slice(0, english ? 2 : 4);
export const townWords = vocabulary.slice(SPECIALS);
export const idOf = new Map(vocabulary.map((word, id) => [word, id]));
const reader = english ? null : new ExactReader(data.grammar);
const ranks = new Map(data.merges?.map((pair, rank) => [pair, rank]));
const often = data.frequencies && Float64Array.from(data.frequencies);

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

// The model's pass over ids, and its logits at one position.
export const run = english ? readModern : read;
export const logitsOf = english ? logitsModern : logitsAt;

// A text as the model reads it: the town's words, others left out; or the pieces of any English.
export function parse(text) {
  return english ? cut(text, ranks) : text.split(/\s+/).filter(isWord);
}

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

// The model's forward pass on what is shown, and its answer at the asked position; a pair is judged from [CLS]. English
// under the causal mask is asked as in training: at the position before, for the next piece.
export function forward(mask = state.mask) {
  const pair = data.pair.examples[state.pair];
  const at = pair ? 0 : state.asked + 1 - Number(english && mask === "causal");
  const ids = labels().map((word) => idOf.get(word));
  const may = maskOf(mask, sizeOf(mask), ids.length);
  const from = reach(may, ids.length, shape.layers, at);
  const model = pair ? data.pair.model : shape;
  const weights = pair ? (data.pair.unpacked ??= unpack(model.tensors, data.pair)) : weightsNow();
  const second = pair ? pair.a.split(" ").length + 2 : ids.length; // where B begins
  const segments = ids.map((_, t) => Number(t >= second));
  const found = run(model, weights, ids, may, segments);
  const logits = pair ? pairLogits(model, weights, found.output) : logitsOf(model, weights, found.output, at);
  return { ...found, ids, may, at, from, pair, segments, logits, model: softmax(Float64Array.from(logits)) };
}

// The same with the exact answers beside it: from the same words, from both sides, and from the left. `truth` is the id
// of the word that was there. A pair's are worked out beforehand, for all of it or, where [CLS] is blind, for nothing.
// English has none: there word frequencies stand for `best`, and this model's own answers for `both` and `left`.
export function reading() {
  if (english) return readingEnglish();
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

let latest = ["", {}]; // the latest text's two passes: what is drawn differently need not be computed again

function readingEnglish() {
  const key = `${state.asked} ${labels().join(" ")}`;
  if (latest[0] !== key) latest = [key, Object.fromEntries(masksHere.map((mask) => [mask, forward(mask)]))];
  const [found, truth] = [latest[1][state.mask], idOf.get(state.words[state.asked])];
  return {
    ...found,
    truth,
    both: latest[1].bidirectional.model,
    left: latest[1].causal.model,
    clue: null,
    best: often,
  };
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
  const words = parse(given.get("text") ?? "");
  if (words.length) open(words, (given.get("hide") ?? "0").split(",").map(Number));
  else open(data.stories[0].text.split(" "), [data.stories[0].hidden]);
  if (masksHere.includes(given.get("mask"))) state.mask = given.get("mask");
  state.prefix = number("prefix", 0, LONGEST + 2, state.prefix);
  state.window = number("window", 1, LONGEST + 2, state.window);
  state.stage = given.get("stage") ?? state.stage;
  state.pair = number("pair", 0, data.pair.examples.length - 1, null);
  state.turned ||= state.mask !== "bidirectional";
  return given;
}
