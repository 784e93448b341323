// A walk in ten short steps. Each sets a scene and asks; the answer comes after the guess, with this page's numbers.
import { percent } from "./answers.js";
import { data, open, state, vocabulary } from "./state.js";

const TIME = ["yesterday Nora went to the farm .", 0]; // not the sentence that the page opens with
const WEATHER = ["Clara walked to the garden with her dog . it was wet , so she took her umbrella .", 17];
const last = () => data.moments.length - 1;
const set = (more) => Object.assign(state, { mask: "bidirectional", moment: last(), head: "all" }, more);
const scene =
  ([text, hidden], more = {}) =>
  () => {
    open(text.split(" "), [hidden]);
    set(more);
  };
const sure = (found) =>
  `This model gives the right word ${percent(found.model[found.truth])}, the best possible reader ${percent(found.best[found.truth])}.`;

// scene: put it on screen. ask, options: the question. right: which option. after: change the scene with the answer.
export const WALK = [
  {
    scene: scene(TIME),
    ask: "The first word is hidden; every position may look at every other. Which word is it?",
    options: ["yesterday", "today", "tomorrow"],
    right: 0,
    answer: (found) => `“went” gives it away, and it stands to the right. ${sure(found)}`,
  },
  {
    scene: scene(TIME),
    ask: "With your answer the switch turns to causal, as in GPT: a position sees itself and what stands to its left. How sure can even a perfect reader be then?",
    options: ["still 100%", "about 50%", "about 11%"],
    right: 2,
    after: () => set({ mask: "causal", turned: true }),
    answer: (found) =>
      `To the left there is only [CLS]: any story may begin. ${sure(found)} (A model can be a little above the best here and below it elsewhere: best is meant on average.)`,
  },
  {
    scene: scene(TIME, { mask: "causal", turned: true }),
    ask: "What was changed in the model when you turned the switch?",
    options: ["its weights", "only who may look at whom", "its vocabulary"],
    right: 1,
    answer: () =>
      "One set of weights, trained under all four masks. Only the square below changed: its upper right half went black.",
  },
  {
    scene: scene(TIME, { mask: "causal", turned: true }),
    ask: "“went” is two places to the right. Would more layers let position 1 see it?",
    options: ["yes, in two hops", "no, however many"],
    right: 1,
    answer: () =>
      "Every arrow points straight up or to the left, in every layer. What stands to the right of the wall never crosses it: that is why the first layers cannot cheat for the later ones.",
  },
  {
    scene: scene(["Ben walked to the school with his dog .", 6]),
    ask: "Another hidden word: “Ben walked to the school with [MASK] dog .” Will causal be worse than bidirectional here?",
    options: ["yes", "no"],
    right: 1,
    after: () => set({ mask: "causal", turned: true }),
    answer: (found) =>
      `“Ben” stands to the left and says all there is to know. ${sure(found)} So GPT is not blind: it is blind to the right.`,
  },
  {
    scene: scene(TIME, { mask: "prefix", prefix: 3, turned: true }),
    ask: "A prefix mask opens the first positions to all and keeps the rest causal. Positions 0 to 2 are open. How many must be open until “went” (position 3) is seen?",
    options: ["3", "4", "9"],
    right: 1,
    after: () => set({ mask: "prefix", prefix: 4, turned: true }),
    answer: (found) =>
      `Positions 0, 1, 2 and 3. ${sure(found)} With no position open it is GPT's mask, with all of them BERT's.`,
  },
  {
    scene: scene(["Oscar rode to the station with his cat . the driver smiled at Oscar .", 10], {
      mask: "window",
      window: 3,
      turned: true,
    }),
    ask: "A window of 3: each position sees itself and the two before it. Two layers. How far back can the asked position be reached from?",
    options: ["2 positions", "4 positions", "the whole sentence"],
    right: 1,
    answer: (found) =>
      `Two in the upper layer, and two more below each of those. “station” is further away, so it does not count. ${sure(found)} Long texts are read by stacking such windows.`,
  },
  {
    scene: scene(TIME, { moment: 0 }),
    ask: "The training slider stands at the very beginning. What does an untrained model answer?",
    options: ["nearly every word a little", "always “the”", "nothing"],
    right: 0,
    answer: (found) =>
      `The right word gets ${percent(found.model[found.truth])}, one of ${vocabulary.length} about as much as any. Drag the slider: see which moment brings the answer.`,
  },
  {
    scene: scene(WEATHER),
    ask: "“it was wet , so she took her [MASK] .” A perfect reader is certain. Is this model?",
    options: ["yes, as certain", "no, it guesses among four"],
    right: (found) => (found.model[found.truth] > 0.6 ? 0 : 1),
    answer: (found) =>
      `${sure(found)} ${found.model[found.truth] > 0.6 ? "Slide the training back: this came late." : "It knows what kind of word comes, and not which: a small model does not learn everything that can be learned."}`,
  },
  {
    scene: scene(TIME),
    ask: "In an interview: what separates BERT from GPT?",
    options: [
      "BERT is larger",
      "the attention mask, and with it what can be asked in training",
      "GPT has no encoder, BERT no decoder, and their layers differ",
    ],
    right: 1,
    answer: () =>
      "The layers are nearly the same. BERT's positions see both sides, so words must be hidden to ask for them; GPT's see the left only, so every next word can be asked for, and text can be written word by word.",
  },
];
