// The answers: the model's bars beside the best possible ones, a sentence that reads them, the mask as a square, and
// everything once more as tables.
import { element } from "./arrows.js";
import { labels, lookOf, shape, shown, sizeOf, SPECIALS, state, vocabulary } from "./state.js";

const SHOWN = 5; // bars before "all others"
const MISSED = 0.2; // a best answer this far above the model's is called "not learned"

export function percent(p) {
  if (p > 0.995 && p < 1 - 1e-9) return ">99%";
  return p > 0 && p < 0.005 ? "<1%" : `${Math.round(100 * p)}%`;
}

// --- bars --------------------------------------------------------------------------------------------------------
export function drawBars(found) {
  const { model, best, both, left, truth, at } = found;
  const ghost = state.turned && state.mask !== "bidirectional" ? both : null;
  // the same words in the same order under every mask: nothing may jump when the switch turns
  const worth = (id) => Math.max(both?.[id] ?? 0, left?.[id] ?? 0);
  const order = vocabulary
    .map((_, id) => id)
    .slice(SPECIALS)
    .sort((a, b) => (b === truth) - (a === truth) || worth(b) - worth(a) || model[b] - model[a]);
  const ids = order.slice(0, SHOWN);
  const rest = (values) => values && Math.max(0, 1 - ids.reduce((sum, id) => sum + values[id], 0));
  const rows = ids.map((id) => [vocabulary[id], model[id], best?.[id], ghost?.[id], id === truth]);
  rows.push(["all others", rest(model), rest(best), rest(ghost), false]);
  const bars = document.getElementById("bars");
  if (bars.children.length !== rows.length) bars.replaceChildren(...rows.map(emptyBar));
  rows.forEach(([word, ours, exact, other, right], n) => {
    const bar = bars.children[n],
      [name, track, numbers] = bar.children;
    bar.className = `bar${right ? " truth" : ""}${n === SHOWN ? " rest" : ""}`;
    name.textContent = word;
    [other, ours, exact].forEach((value, i) => (track.children[i].style.width = `${100 * (value ?? 0)}%`));
    numbers.children[0].textContent = percent(ours);
    numbers.children[1].textContent = best ? percent(exact) : "–";
  });
  document.getElementById("asks").textContent = `Which word stands at position ${at}?`;
  document.getElementById("ghost").classList.toggle("off", !ghost);
}

function emptyBar() {
  const bar = document.createElement("div");
  element(bar, "span", { class: "word" });
  const track = element(bar, "span", { class: "track" });
  for (const part of ["ghost", "model", "best"]) element(track, "i", { class: part });
  const numbers = element(bar, "span", { class: "numbers" });
  element(numbers, "b", { class: "model" });
  element(numbers, "b", { class: "best" });
  return bar;
}

// --- the sentence that reads them ----------------------------------------------------------------------------------
// A list of pieces: text, or [kind, text] for what is set off.
export function say(found) {
  const { model, best, both, left, truth, at, from, clue } = found,
    word = vocabulary[truth];
  const change = state.changes.get(state.asked),
    ours = ["model", percent(model[truth])];
  if (change && change.kind !== "hidden") {
    return [
      `Position ${at} shows “${change.word}” and is asked for all the same: a model trained so cannot trust what `,
      `it sees. This one was trained with [MASK] alone. It gives “${word}” `,
      ours,
      "; the other words alone would allow ",
      ["best", best ? percent(best[truth]) : "nothing"],
      ".",
    ];
  }
  if (!best)
    return [
      "No story of Tiny Town reads like this, so there is no best answer. The model gives one anyway: that is what models do.",
    ];
  const most = ["best", percent(best[truth])];
  if (!both)
    return [
      `What stands to the left is possible, the whole sentence is not. The left allows “${word}” `,
      most,
      "; this model gives ",
      ours,
      ".",
    ];
  const gap = both.reduce((sum, p, id) => sum + Math.abs(p - left[id]) / 2, 0);
  if (gap < 0.02)
    return [
      `The switch changes nothing here: the words to the left say all there is to know. Best possible for “${word}”, under either mask: `,
      most,
      "; this model: ",
      ours,
      ".",
    ];
  const hint = clue ? ["clue", `“${shown(clue.place)}”`] : null;
  if (from.every(Boolean)) {
    const tells = hint && both[truth] > 0.9 ? " gives it away: " : " helps: ";
    return [
      `Position ${at} sees the whole sentence. `,
      hint ?? "The right side",
      tells,
      `the best possible reader gives “${word}” `,
      most,
      ", this model ",
      ours,
      ".",
      best[truth] - model[truth] > MISSED ? " This it has not learned." : "",
    ];
  }
  const sees = {
    causal: at === 1 ? "sees nothing but itself and [CLS]" : "sees only itself and what stands to its left",
    prefix:
      at < state.prefix
        ? `is one of the ${state.prefix} positions that are open to all`
        : `stands behind the open ${state.prefix}`,
    window: `sees the ${state.window} latest positions, and in ${shape.layers} layers what they saw`,
  };
  const lost = !hint || !from[clue.place + 1];
  return [
    `Position ${at} ${sees[state.mask] ?? ""}. `,
    ...(lost
      ? ["It cannot see ", hint ?? "what helps", ", so even a perfect reader gives "]
      : [hint, " is in sight, and a perfect reader gives "]),
    `“${word}” `,
    lost ? "only " : "",
    most,
    "; this model ",
    ours,
    state.mask === "causal" ? ". No weight has changed, only the mask." : ".",
  ];
}

export function write(parent, pieces) {
  parent.replaceChildren();
  for (const piece of pieces) {
    if (typeof piece === "string") parent.append(piece);
    else element(parent, "b", { class: piece[0] }, piece[1]);
  }
}

// --- the mask as a square ----------------------------------------------------------------------------------------------
export function drawSquare({ T, at, may, layers }) {
  const square = document.getElementById("square"),
    cell = 100 / T,
    look = lookOf(layers[state.layer].looks);
  square.setAttribute("viewBox", "-1 -1 102 102");
  square.replaceChildren();
  for (let n = 0; n < T * T; n++) {
    const x = (n % T) * cell,
      y = Math.floor(n / T) * cell;
    const opacity = may[n] ? (0.14 + 0.86 * look[n]).toFixed(3) : 1;
    element(square, "rect", {
      x,
      y,
      width: cell * 0.92,
      height: cell * 0.92,
      rx: cell * 0.12,
      class: may[n] ? "may" : "shut",
      "fill-opacity": opacity,
    });
  }
  element(square, "rect", { x: -0.6, y: at * cell - 0.6, width: 101, height: cell + 0.4, class: "row" });
  const open = may.slice(at * T, (at + 1) * T).filter(Boolean).length;
  square.setAttribute(
    "aria-label",
    `The ${state.mask} mask, ${T} by ${T}: a row looks, a column is looked at. Row ${at} may look at ${open} of ${T}.`,
  );
  document.getElementById("squarename").textContent = `Blue: how much, in layer ${state.layer + 1}. Black: may not.`;
}

// --- everything as tables, for screen readers and for copying ----------------------------------------------------------
export function drawTables({ T, at, ids, may, layers }) {
  const tables = document.getElementById("tables");
  tables.replaceChildren();
  const bars = [...document.getElementById("bars").children].map(({ children: [word, , numbers] }) => [
    word.textContent,
    ...[...numbers.children].map((number) => number.textContent),
  ]);
  table(tables, `Answers at position ${at}`, ["word", "this model", "best possible"], bars);
  const rows = labels().map((text, j) => [
    j,
    text,
    may[at * T + j] ? "yes" : "no",
    ...layers.map(({ looks }) => percent(lookOf(looks)[at * T + j])),
    state.changes.has(j - 1) ? state.words[j - 1] : "−100",
  ]);
  const size = ["prefix", "window"].includes(state.mask) ? ` of ${sizeOf(state.mask)}` : "";
  table(
    tables,
    `Position ${at} looks, ${state.mask} mask${size}`,
    [
      "position",
      `token (${ids.length})`,
      "may be looked at",
      ...layers.map((_, layer) => `looks in layer ${layer + 1}`),
      "label",
    ],
    rows,
  );
}

export function table(parent, caption, head, rows) {
  const made = element(parent, "table");
  element(made, "caption", {}, caption);
  const top = element(element(made, "thead"), "tr"),
    body = element(made, "tbody");
  for (const text of head) element(top, "th", { scope: "col" }, text);
  for (const cells of rows) {
    const row = element(body, "tr");
    cells.forEach((text, n) => element(row, n ? "td" : "th", n ? {} : { scope: "row" }, text));
  }
  return made;
}
