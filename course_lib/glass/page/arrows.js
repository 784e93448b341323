// The model at work: tokens in a row (or down the page), a row of dots for each layer, arrows to what each one attends to.
import { $, cleared, element } from "./dom.js";
import { flow, labels, reading, shape, shown, state } from "./state.js";

const FAINT = 0.02; // thinner arrows are not drawn
const [LEFT, GAP] = [84, 6]; // room for the layers' names; between two tokens

// --- where things stand ------------------------------------------------------------------------------------------
function widthOf(texts) {
  const brush = document.createElement("canvas").getContext("2d");
  const { fontSize, fontFamily } = getComputedStyle(document.body);
  brush.font = `600 ${fontSize} ${fontFamily}`;
  return texts.map((text) => Math.max(38, brush.measureText(text).width + 18));
}

// Along the line where the sentence fits, else down the page. A point is given along the sentence and through the
// layers; `turn` makes it [x, y]. boxes: the tokens'; dot(i, row): a vector's place; ends[i]: where token i ends.
function layout(texts) {
  const needs = widthOf(texts);
  const total = needs.reduce((sum, need) => sum + need + GAP, LEFT);
  const room = $("work").clientWidth - 4;
  $("work").classList.toggle("down", total > room); // gives the model its column, whose width is asked for next
  return total > room ? down(needs, $("glass").clientWidth - 4) : along(needs, (room - LEFT) / (total - LEFT));
}

function along(needs, free) {
  const spread = Math.min(1.35, free);
  const step = Math.max(46, Math.min(innerHeight * 0.088, 88));
  const boxes = [];
  let x = LEFT;
  for (const need of needs) {
    boxes.push({ x, y: 22, width: need * spread, height: 38 });
    x += (need + GAP) * spread;
  }
  const ends = boxes.map((box) => box.x + box.width + (GAP * spread) / 2);
  const dot = (i, row) => [boxes[i].x + boxes[i].width / 2, 86 + step * row];
  const turn = (way, deep) => [way, deep];
  return { flat: true, width: x, height: 112 + step * shape.layers, boxes, ends, dot, turn };
}

function down(needs, room) {
  const wide = Math.min(124, Math.max(...needs));
  const [from, to] = [wide + 78, room - 34];
  const step = Math.max(26, Math.min(34, (innerHeight - 190) / needs.length));
  const boxes = needs.map((_, i) => ({ x: 2, y: 26 + i * step, width: wide, height: step - 4 }));
  const ends = boxes.map(({ y }) => y + step - 2);
  const dot = (i, row) => [from + ((to - from) * row) / shape.layers, boxes[i].y + step / 2 - 2];
  const turn = (way, deep) => [deep, way];
  return { flat: false, width: room, height: 30 + step * needs.length, boxes, ends, dot, turn };
}

// --- drawing -----------------------------------------------------------------------------------------------------
export function drawModel(found) {
  const place = layout(labels());
  const wires = cleared("wires");
  Object.assign($("stage").style, { width: `${place.width}px`, height: `${place.height}px` });
  wires.setAttribute("viewBox", `0 0 ${place.width} ${place.height}`);
  const share = flow(found);
  drawWall(wires, place, found);
  drawNames(wires, place);
  drawArrows(wires, place, found, share);
  drawDots(wires, place, found, share);
  drawTokens(place, found);
}

function drawNames(wires, { flat, dot }) {
  const name = (x, y, text, anchor = "start") =>
    element(wires, "text", { x, y, "text-anchor": anchor, class: "name" }, text);
  if (flat) ["click a word", "to ask for it"].forEach((text, n) => name(0, 38 + 14 * n, text));
  for (let row = 0; row <= shape.layers; row++) {
    const [x, y] = dot(0, row);
    const text = row ? `layer ${row}` : "embedding";
    if (flat) name(0, y + 4, text);
    else if (shape.layers > 2) name(x, 14, row || "embedding", "middle");
    else name(x, 14, text, row === shape.layers ? "end" : "middle");
  }
}

// The wall: what stands beyond it reaches the asked place through no layer.
function drawWall(wires, { flat, turn, width, height, ends }, { from, T }) {
  for (let i = 0; i + 1 < T; i++) {
    if (from[i] === from[i + 1]) continue;
    const [[x1, y1], [x2, y2]] = [turn(ends[i], flat ? 16 : 0), turn(ends[i], flat ? height : width)];
    element(wires, "line", { x1, y1, x2, y2, class: "wall" });
  }
}

function drawArrows(wires, place, { T, layers }, share) {
  const all = state.head === "all"; // the heads are drawn side by side, each in its colour
  layers.forEach(({ attention }, layer) => {
    attention.forEach((shares, head) => {
      if (!all && head !== state.head) return;
      const aside = all ? 5 * (head - (shape.heads - 1) / 2) : 0;
      for (let i = 0; i < T; i++) {
        for (let j = 0; j < T; j++) {
          const weight = share[layer + 1][i] * shares[i * T + j];
          if (weight >= FAINT) drawArrow(wires, place, [i, layer + 1], [j, layer], weight, aside, head);
        }
      }
    });
  });
}

// From a dot, [position, row], to one that it looks at.
function drawArrow(wires, { turn, dot }, upper, lower, weight, aside, head) {
  const near = ([i, row], along, deep) => {
    const [[x, y], [dx, dy]] = [dot(i, row), turn(along + aside, deep)];
    return [x + dx, y + dy];
  };
  const [a, b] = [near(upper, 0, 0), near(lower, 0, 0)];
  const half = turn(b[0] - a[0], b[1] - a[1])[1] / 2; // of the way from row to row
  const d = `M${a}C${near(upper, 0, half)} ${near(lower, 0, -half)} ${b}`;
  const opacity = Math.min(1, 0.1 + 1.3 * weight).toFixed(2);
  const style = `stroke-width:${(0.8 + 7 * weight).toFixed(2)};stroke-opacity:${opacity}`;
  element(wires, "path", { d, class: `arrow head${head}`, style });
  if (weight <= 0.12 || upper[0] === lower[0]) return;
  const size = 5 + 4 * weight; // of the arrow's head
  const points = [near(lower, 0, 9), near(lower, -size, 11 + size), near(lower, size, 11 + size)].join(" ");
  element(wires, "polygon", { points, class: `tip head${head}` });
}

function drawDots(wires, { flat, dot }, { T, at, from }, share) {
  share.forEach((parts, row) => {
    for (let i = 0; i < T; i++) {
      const [cx, cy] = dot(i, row);
      const kind = from[i] ? (parts[i] > 0.012 ? "used" : "idle") : "blind";
      element(wires, "circle", { cx, cy, r: (4 + 7 * Math.sqrt(parts[i])).toFixed(1), class: `dot ${kind}` });
    }
  });
  const [x, y] = dot(at, shape.layers);
  const out = flat ? `M${x} ${y + 13}v8m-5 -4l5 6l5 -6` : `M${x + 12} ${y}h5m-3 -5l6 5l-6 5`;
  element(wires, "path", { d: out, class: "out" });
}

function drawTokens({ boxes }, found) {
  const focused = document.activeElement?.dataset?.at;
  const tokens = cleared("tokens");
  labels().forEach((text, i) => {
    const { kinds, spoken, fixed } = token(text, i, found);
    const made = element(tokens, "button", { type: "button", "data-at": i, "aria-label": spoken }, text);
    const sides = Object.entries({ left: boxes[i].x, top: boxes[i].y, width: boxes[i].width, height: boxes[i].height });
    Object.assign(made.style, Object.fromEntries(sides.map(([side, pixels]) => [side, `${pixels}px`])));
    made.className = kinds.filter(Boolean).join(" ");
    made.disabled = fixed;
    if (focused === String(i)) made.focus({ preventScroll: true });
  });
}

// How a token looks, what a screen reader says of it, and whether it cannot be hidden.
function token(text, i, { at, from, clue, pair, segments }) {
  const special = text === "[CLS]" || text === "[SEP]";
  const change = pair ? null : state.changes.get(i - 1);
  const tells = clue?.place === i - 1 && state.turned;
  const seen = from[i];
  const kinds = [special && "special", segments[i] && "second", i === at && "asked", !seen && "blind", tells && "clue"];
  if (special || pair) return { kinds, spoken: text, fixed: true };
  const spoken = [
    `position ${i}: ${shown(i - 1) ?? "hidden"}`,
    change && change.kind !== "hidden" && change.kind,
    i === at && "asked for",
    !seen && "out of sight of the asked position",
    tells && "the word that tells",
  ];
  return { kinds: [...kinds, change?.kind], spoken: spoken.filter(Boolean).join(", "), fixed: false };
}

export function redrawOnResize() {
  let pending = 0;
  addEventListener("resize", () => {
    clearTimeout(pending);
    pending = setTimeout(() => drawModel(reading()), 80);
  });
}
