// The answers: the model's bars beside the best possible ones, a sentence that reads them, the mask as a square, and
// everything once more as tables.
import { $, cleared, element, table } from "./dom.js";
import { attentionOf, english, labels, shape, shown, sized, sizeOf, SPECIALS, state, vocabulary } from "./state.js";

const SHOWN = 5; // bars before "all others"
const MISSED = 0.2; // a best answer this far above the model's is called "not learned"

export function percent(p) {
  if (p > 0.995 && p < 1 - 1e-9) return ">99%";
  return p > 0 && p < 0.005 ? "<1%" : `${Math.round(100 * p)}%`;
}

// --- bars --------------------------------------------------------------------------------------------------------
// One row for each answer: its name, what the model gives, what the exact reader gives, what it would give with both
// sides in view, and whether it is right. The same answers in the same order under every mask: nothing may jump.
function answers({ model, best, both, left, truth, pair }) {
  const ghost = state.turned && state.mask !== "bidirectional" ? both : null;
  if (pair) {
    return ["follows", "does not follow"].map((name, i) => {
      return [name, model[i], best?.[i], ghost?.[i], pair.follows === (i === 0)];
    });
  }
  const worth = (id) => Math.max(both?.[id] ?? 0, left?.[id] ?? 0);
  const order = vocabulary.map((_, id) => id).slice(SPECIALS);
  order.sort((a, b) => (b === truth) - (a === truth) || worth(b) - worth(a) || model[b] - model[a]);
  const ids = order.slice(0, SHOWN);
  const rest = (values) => values && Math.max(0, 1 - ids.reduce((sum, id) => sum + values[id], 0));
  const rows = ids.map((id) => [vocabulary[id], model[id], best?.[id], ghost?.[id], id === truth]);
  return [...rows, ["all others", rest(model), rest(best), rest(ghost), false]];
}

export function drawBars(found) {
  const rows = answers(found);
  if ($("bars").children.length !== rows.length) cleared("bars").append(...rows.map(emptyBar));
  rows.forEach(([word, ours, exact, other, right], n) => {
    const bar = $("bars").children[n];
    const [name, track, numbers] = bar.children;
    bar.className = `bar${right ? " truth" : ""}${n === SHOWN ? " rest" : ""}`;
    name.textContent = word;
    [other, ours, exact].forEach((value, i) => {
      track.children[i].style.width = `${100 * (value ?? 0)}%`;
      track.children[i].classList.toggle("off", !(value > 0.002));
    });
    numbers.children[0].textContent = percent(ours);
    numbers.children[1].textContent = found.best ? percent(exact) : "–";
  });
  $("asks").textContent = found.pair
    ? "Does B follow A? Asked at [CLS]"
    : `Which ${english ? "piece" : "word"} stands at position ${state.asked + 1}?`;
  const ghosts = rows.some((row) => row[3] != null);
  $("ghost").classList.toggle("off", !ghosts);
}

function emptyBar() {
  const bar = document.createElement("div");
  element(bar, "span", { class: "word" });
  const track = element(bar, "span", { class: "track" });
  const numbers = element(bar, "span", { class: "numbers" });
  for (const part of ["ghost", "model", "best"]) element(track, "i", { class: part });
  for (const part of ["model", "best"]) element(numbers, "b", { class: part });
  return bar;
}

// --- the sentence that reads them ----------------------------------------------------------------------------------
// Text in which {model ...}, {best ...} and {clue ...} are set off.
export function say(found) {
  if (found.pair) return sayPair(found);
  if (english) return sayEnglish(found);
  const { model, best, both, left, truth, at, clue } = found;
  const word = vocabulary[truth];
  const ours = `{model ${percent(model[truth])}}`;
  const most = best ? `{best ${percent(best[truth])}}` : "nothing";
  const change = state.changes.get(state.asked);
  if (change && change.kind !== "hidden") {
    return `Position ${at} shows “${change.word}” and is asked for all the same, so a model cannot trust what it sees. This one was trained with [MASK] alone. It gives “${word}” ${ours}; the other words alone would allow ${most}.`;
  }
  if (!best) {
    return "No story of Tiny Town reads like this, so there is no exact answer. The model gives one anyway: that is what models do.";
  }
  if (!both) {
    return `What stands to the left is possible, the whole sentence is not. The left allows “${word}” ${most}; this model gives ${ours}.`;
  }
  const apart = (p, q) => p.reduce((sum, value, id) => sum + Math.abs(value - q[id]) / 2, 0);
  if (["bidirectional", "causal"].includes(state.mask) && apart(both, left) < 0.02) {
    return `Bidirectional or causal, it is the same here: the words to the left say all there is to know. A perfect reader gives “${word}” ${most}, this model ${ours}.`;
  }
  const hint = clue ? `{clue “${shown(clue.place)}”}` : "what stands to the right";
  if (state.mask === "bidirectional") {
    const tells = clue && both[truth] > 0.9 ? "gives it away" : "helps";
    const missed = best[truth] - model[truth] > MISSED ? " This it has not learned." : "";
    const next = state.turned ? "" : " Before you turn the switch to causal: what will happen to the bars?";
    return `Position ${at} sees the whole sentence. ${clue ? hint : "The right side"} ${tells}: a perfect reader gives “${word}” ${most}, this model ${ours}.${missed}${next}`;
  }
  if (apart(best, both) < 0.02) {
    return `${sees(found)} Nothing that tells is lost: a perfect reader gives “${word}” ${most}, as with the whole sentence; this model ${ours}.`;
  }
  const lost =
    clue && !found.from[clue.place + 1] ? `It cannot see ${hint}, so even` : "Something that tells is out of sight:";
  const same =
    state.mask === "causal"
      ? " No weight has changed, only the mask. In return a causal model can write, word by word."
      : "";
  return `${sees(found)} ${lost} a perfect reader gives “${word}” only ${most}; this model ${ours}.${same}`;
}

function sayEnglish({ model, best, both, truth, at }) {
  const word = `“${vocabulary[truth]}”`;
  const [ours, often] = [`{model ${percent(model[truth])}}`, `{best ${percent(best[truth])}}`];
  if (state.mask === "bidirectional") {
    const next = state.turned ? "" : " Before you turn the switch to causal: what will happen to the bars?";
    return `Position ${at} sees the whole text. This model gives ${word} ${ours}, word frequencies ${often}. The best possible answer nobody knows: English has no grammar that could be added up, as Tiny Town has.${next}`;
  }
  const sight = at ? "itself and what stands to its left" : "nothing but itself";
  return `Asked as GPT is: position ${at} sees ${sight}, and names the piece that comes next. It gives ${word} ${ours}, word frequencies ${often}; with both sides in view this model gave ${percent(both[truth])}. No weight has changed, only the mask, and with it the place that is asked.`;
}

function sees({ at, from }) {
  if (state.mask === "causal")
    return `Position ${at} sees ${at > 1 ? "itself and what stands to its left" : "nothing but itself and [CLS]"}.`;
  if (state.mask === "window") {
    return `A window of ${state.window} in each of ${shape.layers} layers: ${from.filter(Boolean).length} positions reach position ${at}.`;
  }
  const place = at < state.prefix ? "is one of them" : "stands behind them and sees its left";
  return `The first ${state.prefix} positions are open to all; position ${at} ${place}.`;
}

function sayPair({ model, best, pair }) {
  const ours = `{model ${percent(model[0])}}`;
  const right = pair.follows ? "B does follow A" : "B does not follow it";
  if (!best)
    return `What [CLS] can see here was not worked out by the exact reader. This model says “B follows A” ${ours}; ${right}.`;
  const blind =
    state.mask === "causal"
      ? "[CLS] stands first and sees only itself: nothing can be told from it. That is why GPT is asked at the last token. "
      : "";
  return `${blind}A perfect reader gives “B follows A” {best ${percent(best[0])}}, this model ${ours}; in truth ${right}. The numbers come from [CLS] alone, through the pooler.`;
}

export function write(parent, text) {
  parent.replaceChildren();
  text.split(/\{(model|best|clue) ([^}]*)\}/).forEach((piece, n, all) => {
    if (n % 3 === 0) parent.append(piece);
    else if (n % 3 === 2) element(parent, "b", { class: all[n - 1] }, piece);
  });
}

// --- the mask as a square ----------------------------------------------------------------------------------------------
const box = (x, y, size) => ({ x, y, width: size, height: size, rx: size / 8 });

export function drawSquare({ T, at, may, layers }) {
  const square = cleared("square");
  const cell = 100 / T;
  const weights = attentionOf(layers[state.layer].attention);
  const named = T <= 13;
  square.setAttribute("viewBox", named ? "-26 -1 127 102" : "-1 -1 102 102");
  labels().forEach((text, row) => {
    if (named)
      element(square, "text", { x: -2, y: (row + 0.68) * cell, class: "name" }, text.replace("␣", "").slice(0, 9));
  });
  for (let n = 0; n < T * T; n++) {
    const place = box((n % T) * cell, Math.floor(n / T) * cell, cell * 0.92);
    const opacity = may[n] ? (0.14 + 0.86 * weights[n]).toFixed(3) : 1;
    element(square, "rect", { ...place, class: may[n] ? "may" : "shut", "fill-opacity": opacity });
  }
  element(square, "rect", { x: -0.6, y: at * cell - 0.6, width: 101, height: cell + 0.4, class: "row" });
  const open = may.slice(at * T, (at + 1) * T).filter(Boolean).length;
  const told = `a row attends to the columns. Row ${at} may attend to ${open} of ${T}.`;
  square.setAttribute("aria-label", `The ${state.mask} mask, ${T} by ${T}: ${told}`);
  $("squarename").textContent = `Blue: how much (layer ${state.layer + 1}); black: not.`;
}

// --- everything as tables, for screen readers and for copying ----------------------------------------------------------
export function drawTables({ T, at, may, layers }) {
  const tables = cleared("tables");
  const bars = [...$("bars").children].map(({ children: [word, , numbers] }) => {
    return [word, ...numbers.children].map((one) => one.textContent);
  });
  table(
    tables,
    `Answers at position ${at}`,
    ["word", "this model", english ? "word frequencies" : "best possible"],
    bars,
  );
  const rows = labels().map((text, j) => {
    const weights = layers.map(({ attention }) => percent(attentionOf(attention)[at * T + j]));
    const label = state.changes.has(j - 1) ? state.words[j - 1] : "−100";
    return [j, text, may[at * T + j] ? "yes" : "no", ...weights, label];
  });
  const size = sized() ? ` of ${sizeOf(state.mask)}` : "";
  const names = layers.map((_, layer) => `attention in layer ${layer + 1}`);
  const head = ["position", `token (${T})`, "may be looked at", ...names, "label"];
  table(tables, `Attention of position ${at}, ${state.mask} mask${size}`, head, rows);
}
