// The controls: every change goes into the state, and the page is drawn again from it.
import { drawBars, drawSquare, drawTables, say, write } from "./answers.js";
import { drawModel, element, redrawOnResize } from "./arrows.js";
import { drawEmbedding, drawLabels, drawAttention, STEPS } from "./opened.js";
import { data, forward, fromAddress, isWord, LONGEST, open, reading, shape } from "./state.js";
import { shown, sizeOf, state, townWords } from "./state.js";
import { drawTranslation, writeOn } from "./more.js";
import { WALK } from "./walk.js";

const $ = (id) => document.getElementById(id);
const radios = [...document.querySelectorAll("input[name=mask]")];
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
  const sized = ["prefix", "window"].includes(state.mask);
  const T = state.words.length + 2;
  $("sizebox").classList.toggle("off", !sized); // its place stays reserved: nothing moves when the switch turns
  Object.assign($("size"), { min: state.mask === "prefix" ? 0 : 1, max: T });
  $("size").value = $("sizeout").value = sizeOf(state.mask);
  $("sizename").textContent = state.mask === "window" ? "positions seen" : "positions open";
  $("head").value = state.head;
  $("layer").value = state.layer;
  $("moment").value = state.moment;
  $("momentout").value = data.moments[state.moment].name;
  const at = data.stories.findIndex(({ text, hidden }) => text === state.words.join(" ") && state.asked === hidden);
  $("story").value = state.pair === null ? (at < 0 ? "" : at) : `pair ${state.pair}`;
  for (const button of $("steps").children) button.setAttribute("aria-pressed", button.textContent === STEPS[step][0]);
  for (const id of ["labels", "momentbox", "write"]) $(id).classList.toggle("gone", state.pair !== null);
  const kind = state.changes.get(state.asked)?.kind;
  for (const button of $("change").children) button.setAttribute("aria-pressed", button.dataset.kind === kind);
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
$("size").addEventListener("input", ({ target }) => {
  state[state.mask === "window" ? "window" : "prefix"] = Number(target.value);
  draw();
});

const stories = element($("story"), "optgroup", { label: "one sentence: which word is hidden?" });
data.stories.forEach(({ text, hidden }, n) => {
  const words = text.split(" ").map((word, place) => (place === hidden ? "[MASK]" : word));
  element(stories, "option", { value: n }, words.slice(Math.max(0, hidden - 4), hidden + 5).join(" "));
});
element(stories, "option", { value: "" }, "your own");
const pairs = element($("story"), "optgroup", { label: "two segments: does B follow A?" });
data.pair.examples.forEach(({ a, b }, n) => {
  element(
    pairs,
    "option",
    { value: `pair ${n}` },
    `${a.split(" ").slice(-4).join(" ")} | ${b.split(" ").slice(0, 4).join(" ")}`,
  );
});
$("story").addEventListener("change", ({ target: { value } }) => {
  if (value === "") return;
  if (value.startsWith("pair")) state.pair = Number(value.slice(5));
  else open(data.stories[value].text.split(" "), [data.stories[value].hidden]);
  draw();
});
$("tokens").addEventListener("click", ({ target }) => {
  const place = Number(target.dataset.at) - 1;
  if (Number.isNaN(place)) return;
  if (!state.changes.has(place)) state.changes.set(place, { kind: "hidden" });
  else if (place === state.asked && state.changes.size > 1) state.changes.delete(place);
  state.asked = state.changes.has(place) ? place : [...state.changes.keys()][0];
  draw();
});
$("own").addEventListener("change", ({ target }) => {
  const words = target.value.trim().split(/\s+/).filter(Boolean);
  const unknown = words.find((word) => !isWord(word));
  if (unknown)
    $("wrong").textContent = `“${unknown}” is not a word of Tiny Town (its words stand at the end of the page).`;
  else if (!words.length || words.length > LONGEST) $("wrong").textContent = `From 1 to ${LONGEST} words, please.`;
  else {
    $("wrong").textContent = target.value = "";
    open(words, [Math.min(state.asked, words.length - 1)]);
    draw();
  }
});
for (const word of townWords) element($("words"), "option", { value: word });
$("allwords").textContent = townWords.toSorted().join(" ");

// --- heads, layers, training, what is opened -------------------------------------------------------------------------
element($("head"), "option", { value: "all" }, shape.heads === 2 ? "both" : "all, averaged");
for (let head = 0; head < shape.heads; head++) element($("head"), "option", { value: head }, head + 1);
for (let layer = 0; layer < shape.layers; layer++) element($("layer"), "option", { value: layer }, layer + 1);
$("head").addEventListener("change", ({ target }) => {
  state.head = target.value === "all" ? "all" : Number(target.value);
  draw();
});
$("layer").addEventListener("change", ({ target }) => {
  state.layer = Number(target.value);
  draw();
});
$("moment").max = data.moments.length - 1;
$("moment").addEventListener("input", ({ target }) => {
  state.moment = Number(target.value);
  draw();
});
STEPS.forEach(([name], n) => {
  element($("steps"), "button", { type: "button" }, name).addEventListener("click", () => {
    step = n;
    draw();
  });
});
for (const [kind, name] of [
  ["hidden", "hide it: [MASK]"],
  ["replaced", "replace it"],
  ["kept", "keep it, but ask"],
  ["shown", "just show it"],
]) {
  element($("change"), "button", { type: "button", "data-kind": kind }, name).addEventListener("click", () =>
    change(kind),
  );
}
element($("change"), "button", { type: "button" }, "draw a new mask (15%, 80/10/10)").addEventListener(
  "click",
  drawMask,
);
for (const id of ["attend", "sum", "labels"]) $(id).addEventListener("toggle", () => found && draw());

// A mask as BERT draws it: 15% of the words, of which 80% are hidden, 10% replaced and 10% kept. Drawn anew for each
// epoch it is dynamic masking (RoBERTa); kept for all of them, static.
function drawMask() {
  const places = state.words.map((_, place) => [Math.random(), place]).sort(([a], [b]) => a - b);
  const chosen = places.slice(0, Math.max(1, Math.round(0.15 * places.length))).map(([, place]) => place);
  state.changes = new Map(chosen.sort((a, b) => a - b).map((place) => [place, { kind: "hidden" }]));
  for (const place of chosen) {
    const dice = Math.random();
    if (dice >= 0.8)
      state.changes.set(place, { kind: dice < 0.9 ? "replaced" : "kept", word: another(place, dice >= 0.9) });
  }
  state.asked = chosen[0];
  draw();
}

// The word that stands there, or one of the town's that does not.
function another(place, same) {
  const others = townWords.filter((word) => word !== state.words[place] && word !== shown(place));
  return same ? state.words[place] : others[Math.floor(Math.random() * others.length)];
}

function change(kind) {
  const place = state.asked;
  if (kind === "shown") {
    if (state.changes.size > 1) state.changes.delete(place);
    [state.asked] = state.changes.keys();
  } else {
    const word = another(place, kind === "kept");
    state.changes.set(place, kind === "hidden" ? { kind } : { kind, word });
  }
  draw();
}

$("writeon").addEventListener("click", () => {
  writeOn();
  draw();
});
data.translate.forEach(({ source }, n) => element($("source"), "option", { value: n }, source.slice(1, -1).join(" ")));
$("source").addEventListener("change", ({ target }) => drawTranslation(target.value));
$("translate").addEventListener("toggle", () => drawTranslation($("source").value));

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
  $("walkoptions").replaceChildren();
  one.options.forEach((option, n) => {
    element($("walkoptions"), "button", { type: "button" }, option).addEventListener("click", () => answer(n));
  });
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
  [...$("walkoptions").children].forEach((button, n) => {
    button.disabled = true;
    button.classList.toggle("right", n === right);
    button.classList.toggle("chosen", n === chosen);
  });
  $("walkanswer").textContent =
    `${chosen === right ? "Yes." : `You said “${one.options[chosen]}”; it is “${one.options[right]}”.`} ${one.answer(found)}`;
  $("walkscore").textContent = `${walk.right.size} of ${walk.answered.size} guessed`;
}

$("walkstart").addEventListener("click", () => ($("walkbody").hidden ? goTo(0) : endWalk()));
$("walkback").addEventListener("click", () => goTo(walk.at - 1));
$("walknext").addEventListener("click", () => goTo(walk.at + 1));

// --- address, theme --------------------------------------------------------------------------------------------------
const OPENED = { attention: "attend", tokens: "sum", masking: "labels", cache: "write", translation: "translate" }; // a lesson's stage -> the panel that it opens

// JupyterLab's page, where this page is shown in one of its cells; null elsewhere.
function lab() {
  try {
    return window.parent.document.body?.dataset.jpThemeLight ? window.parent.document.body : null;
  } catch {
    return null; // another origin, or a file
  }
}

// In a notebook the page lies hidden over a picture of the same state, and shows itself once it is here.
function uncover() {
  try {
    if (window.frameElement) window.frameElement.style.visibility = "visible";
  } catch {
    return; // another origin: the picture stays
  }
}

function theme(named) {
  const inLab = lab();
  const dark = inLab ? inLab.dataset.jpThemeLight === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = named ?? (dark ? "dark" : "light");
}

function start() {
  const given = fromAddress(location.hash);
  document.documentElement.classList.toggle("embedded", given.has("embed"));
  theme(given.get("theme"));
  uncover();
  for (const [stage, id] of Object.entries(OPENED)) $(id).open = state.stage === stage;
  draw();
  if (given.has("walk")) goTo(Number(given.get("walk")) - 1);
}

$("foot").textContent = data.foot;
window.glass = { data, forward, open, reading, state }; // to be played with in the browser's console, and for the tests
addEventListener("hashchange", start);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
if (lab()) new MutationObserver(() => theme()).observe(lab(), { attributeFilter: ["data-jp-theme-light"] });
redrawOnResize();
start();
