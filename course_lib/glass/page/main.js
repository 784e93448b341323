// The controls: every change goes into the state, and the page is drawn again from it.
import { drawBars, drawSquare, drawTables, say, write } from "./answers.js";
import { drawModel, redrawOnResize } from "./arrows.js";
import { $, button, cleared, element } from "./dom.js";
import { drawTranslation, writeOn } from "./more.js";
import { drawAttention, drawEmbedding, drawLabels, STEPS } from "./opened.js";
import {
  data,
  english,
  forward,
  fromAddress,
  isWord,
  LONGEST,
  masksHere,
  open,
  parse,
  reading,
  shape,
} from "./state.js";
import { shown, sized, sizeOf, state, townWords } from "./state.js";
import { WALK } from "./walk.js";

if (english) document.documentElement.dataset.language = "english";
for (const [id, text] of Object.entries(data.texts ?? {})) $(id).textContent = text;
if (english) $("own").placeholder = `any English, up to ${LONGEST} pieces`;
const radios = [...document.querySelectorAll("input[name=mask]")].filter(({ value }) => masksHere.includes(value));
let found = null;
let step = STEPS.length - 1;

function draw() {
  found = reading();
  drawModel(found);
  drawBars(found);
  drawSquare(found);
  drawTables(found);
  write($("caption"), say(found));
  if ($("attend").open) drawAttention(found, step);
  if ($("sum").open) drawEmbedding(found);
  if ($("labels").open) drawLabels();
  showControls();
}

function showControls() {
  for (const radio of radios) radio.checked = radio.value === state.mask;
  $("sizebox").classList.toggle("off", !sized()); // its place stays reserved: nothing moves when the switch turns
  Object.assign($("size"), { min: state.mask === "prefix" ? 0 : 1, max: state.words.length + 2 });
  $("size").value = $("sizeout").value = sizeOf(state.mask);
  $("sizename").textContent = state.mask === "window" ? "positions seen" : "positions open";
  for (const id of ["head", "layer", "moment"]) $(id).value = state[id];
  $("momentout").value = data.moments[state.moment].name;
  const at = data.stories.findIndex(({ text, hidden }) => text === state.words.join(" ") && state.asked === hidden);
  $("story").value = state.pair === null ? (at < 0 ? "" : at) : `pair ${state.pair}`;
  for (const id of ["labels", "momentbox", "write"]) $(id).classList.toggle("gone", state.pair !== null);
  const kind = state.changes.get(state.asked)?.kind;
  [...$("steps").children].forEach((one, n) => one.setAttribute("aria-pressed", n === step));
  for (const one of $("change").children) one.setAttribute("aria-pressed", one.dataset.kind === kind);
}

// When a control is used: put what it says into the state, and draw.
function on(id, event, change) {
  $(id).addEventListener(event, ({ target }) => {
    change(target);
    draw();
  });
}

// --- mask, sentence, tokens ----------------------------------------------------------------------------------------
function turn(mask) {
  // a prefix starts just long enough to show the asked place the word that tells: moving it back closes the view
  if (mask === "prefix" && state.mask !== mask) state.prefix = (found.clue?.place ?? state.asked) + 2;
  Object.assign(state, { mask, turned: true });
  draw();
}

for (const radio of radios) radio.addEventListener("change", () => turn(radio.value));
document.addEventListener("keydown", (event) => {
  if (event.key !== "m" || event.target.id === "own" || event.ctrlKey || event.metaKey || event.altKey) return;
  turn(radios[(radios.findIndex((radio) => radio.value === state.mask) + 1) % radios.length].value);
});
on("size", "input", ({ value }) => (state[state.mask === "window" ? "window" : "prefix"] = Number(value)));

const stories = element($("story"), "optgroup", { label: "one sentence: which word is hidden?" });
data.stories.forEach(({ text, hidden }, n) => {
  const words = text.split(" ").map((word, place) => (place === hidden ? word.replace(/[^␣].*/, "[MASK]") : word));
  const near = words.slice(Math.max(0, hidden - 4), hidden + 5).join(english ? "" : " ");
  element(stories, "option", { value: n }, near.replaceAll("␣", " "));
});
element(stories, "option", { value: "" }, "your own");
const pairs = element($("story"), "optgroup", { label: "two segments: does B follow A?", class: "town" });
data.pair.examples.forEach(({ a, b }, n) => {
  const [end, start] = [a.split(" ").slice(-4).join(" "), b.split(" ").slice(0, 4).join(" ")];
  element(pairs, "option", { value: `pair ${n}` }, `${end} | ${start}`);
});
on("story", "change", ({ value }) => {
  const { text, hidden } = data.stories[value] ?? {};
  if (text) open(text.split(" "), [hidden]);
  else if (value) state.pair = Number(value.replace("pair ", ""));
});
on("tokens", "click", ({ dataset }) => {
  if (dataset.at === undefined) return;
  const place = Number(dataset.at) - 1;
  if (english) open(state.words, [place]);
  else if (!state.changes.has(place)) hide(place);
  else if (place === state.asked) show(place);
  else state.asked = place;
});
on("own", "change", (input) => {
  const words = english ? parse(input.value.trim()) : input.value.trim().split(/\s+/).filter(Boolean);
  const unknown = words.find((word) => !isWord(word));
  const fits = words.length > 0 && words.length <= LONGEST;
  $("wrong").textContent = fits ? "" : `From 1 to ${LONGEST} ${english ? "pieces" : "words"}, please.`;
  if (unknown)
    $("wrong").textContent = `“${unknown}” is not a word of Tiny Town (its words stand at the end of the page).`;
  if (unknown || !fits) return;
  input.value = "";
  open(words, [Math.min(state.asked, words.length - 1)]);
});
if (!english) {
  for (const word of townWords) element($("words"), "option", { value: word });
  $("allwords").textContent = townWords.toSorted().join(" ");
}

// --- heads, layers, training -------------------------------------------------------------------------------------
element($("head"), "option", { value: "all" }, shape.heads > 2 ? "all" : "both");
for (let head = 0; head < shape.heads; head++) element($("head"), "option", { value: head }, head + 1);
for (let layer = 0; layer < shape.layers; layer++) element($("layer"), "option", { value: layer }, layer + 1);
$("moment").max = data.moments.length - 1;
on("head", "change", ({ value }) => (state.head = value === "all" ? value : Number(value)));
on("layer", "change", ({ value }) => (state.layer = Number(value)));
on("moment", "input", ({ value }) => (state.moment = Number(value)));

// --- what is opened ------------------------------------------------------------------------------------------------
for (const id of ["attend", "sum", "labels"]) $(id).addEventListener("toggle", () => found && draw());
STEPS.forEach(([name], n) => button($("steps"), name, () => (step = n)));
const KINDS = { hidden: "hide it: [MASK]", replaced: "replace it", kept: "keep it, but ask", shown: "just show it" };
for (const [kind, name] of Object.entries(KINDS)) {
  button($("change"), name, () => (kind === "shown" ? show(state.asked) : hide(state.asked, kind)), {
    "data-kind": kind,
  });
}
button($("change"), "draw a new mask (15%, 80/10/10)", drawMask);
for (const id of ["steps", "change"]) on(id, "click", () => {}); // after its buttons have acted
on("writeon", "click", writeOn);
data.translate.forEach(({ source }, n) => element($("source"), "option", { value: n }, source.slice(1, -1).join(" ")));
$("source").addEventListener("change", ({ target }) => drawTranslation(target.value));
$("translate").addEventListener("toggle", () => drawTranslation($("source").value));

// Ask for a word: hidden, replaced by another, or kept as it is.
function hide(place, kind = "hidden") {
  const others = townWords.filter((word) => word !== state.words[place] && word !== shown(place));
  const word = kind === "kept" ? state.words[place] : others[Math.floor(Math.random() * others.length)];
  state.changes.set(place, kind === "hidden" ? { kind } : { kind, word });
  state.asked = place;
}

// Ask for it no longer; one word is always asked for.
function show(place) {
  if (state.changes.size > 1) state.changes.delete(place);
  [state.asked] = state.changes.keys();
}

// A mask as BERT draws it: 15% of the words, of which 80% are hidden, 10% replaced and 10% kept. Drawn anew for each
// epoch it is dynamic masking (RoBERTa); kept for all of them, static.
function drawMask() {
  const places = state.words.map((_, place) => [Math.random(), place]).sort(([a], [b]) => a - b);
  const chosen = places.slice(0, Math.max(1, Math.round(0.15 * places.length))).map(([, place]) => place);
  state.changes = new Map();
  for (const place of chosen.sort((a, b) => a - b)) {
    const dice = Math.random();
    hide(place, dice < 0.8 ? "hidden" : dice < 0.9 ? "replaced" : "kept");
  }
  state.asked = chosen[0];
}

// --- the walk --------------------------------------------------------------------------------------------------------
const walk = { at: 0, right: new Set(), answered: new Set() };

function goTo(at) {
  walk.at = Math.max(0, Math.min(WALK.length - 1, at));
  const one = WALK[walk.at];
  one.scene();
  draw();
  $("walkbody").hidden = false;
  $("walkstart").textContent = "End the walk";
  $("work").classList.add("guessing"); // the answers stay away until there is a guess
  $("walkask").textContent = `${walk.at + 1} of ${WALK.length}. ${one.ask}`;
  $("walkanswer").textContent = "";
  const options = cleared("walkoptions");
  one.options.forEach((option, n) => button(options, option, () => answer(n)));
  $("walkback").disabled = walk.at === 0;
  $("walknext").disabled = walk.at === WALK.length - 1;
  $("walkask").focus({ preventScroll: true });
}

function endWalk() {
  $("walkbody").hidden = true;
  $("walkstart").textContent = "A walk in ten questions";
  $("work").classList.remove("guessing");
}

function answer(chosen) {
  const one = WALK[walk.at];
  $("work").classList.remove("guessing");
  one.after?.();
  draw();
  const right = typeof one.right === "function" ? one.right(found) : one.right;
  if (!walk.answered.has(walk.at) && chosen === right) walk.right.add(walk.at);
  walk.answered.add(walk.at);
  [...$("walkoptions").children].forEach((option, n) => {
    option.disabled = true;
    option.classList.toggle("right", n === right);
    option.classList.toggle("chosen", n === chosen);
  });
  const said = chosen === right ? "Yes." : `You said “${one.options[chosen]}”; it is “${one.options[right]}”.`;
  $("walkanswer").textContent = `${said} ${one.answer(found)}`;
  $("walkscore").textContent = `${walk.right.size} of ${walk.answered.size} guessed`;
}

$("walkstart").addEventListener("click", () => ($("walkbody").hidden ? goTo(0) : endWalk()));
$("walkback").addEventListener("click", () => goTo(walk.at - 1));
$("walknext").addEventListener("click", () => goTo(walk.at + 1));

// --- address, theme --------------------------------------------------------------------------------------------------
// a lesson's stage -> the panel that it opens
const OPENED = { attention: "attend", tokens: "sum", masking: "labels", cache: "write", translation: "translate" };

// What a page around this one gives, by `ask`; undefined where there is none, or another origin's, or a file's.
function around(ask) {
  try {
    return ask() ?? undefined;
  } catch {
    return undefined;
  }
}

function theme() {
  const lab = around(() => window.parent.document.body.dataset.jpThemeLight); // JupyterLab's
  const dark = lab ? lab === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function start() {
  const given = fromAddress(location.hash);
  const frame = around(() => window.frameElement);
  document.documentElement.classList.toggle("embedded", given.has("embed"));
  theme();
  if (frame) frame.style.visibility = "visible"; // in a notebook it lies hidden over a picture of the same state
  for (const [stage, id] of Object.entries(OPENED)) $(id).open = state.stage === stage;
  draw();
  if (given.has("walk")) goTo(Number(given.get("walk")) - 1);
}

$("foot").textContent = data.foot;
window.glass = { data, forward, open, parse, reading, state }; // to be played with in the browser's console, and for the tests
addEventListener("hashchange", start);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme);
const lab = around(() => window.parent.document.body.dataset.jpThemeLight && window.parent.document.body);
if (lab) new MutationObserver(theme).observe(lab, { attributeFilter: ["data-jp-theme-light"] });
redrawOnResize();
start();
