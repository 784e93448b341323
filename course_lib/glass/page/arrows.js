// The model at work: tokens in a row (or down the page), a row of dots for each layer, arrows to what each one attends to.
import { flow, labels, attentionOf, reading, shape, shown, state } from "./state.js";

const SVG = "http://www.w3.org/2000/svg";
const FAINT = 0.02; // thinner arrows are not drawn

export function element(parent, name, attributes = {}, text = null) {
  const svg = parent.namespaceURI === SVG || name === "svg";
  const made = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  parent.append(made);
  return made;
}

// --- where things stand ------------------------------------------------------------------------------------------
let measure = null;
function textWidth(text) {
  measure ??= document.createElement("canvas").getContext("2d");
  const { fontSize, fontFamily } = getComputedStyle(document.body);
  measure.font = `600 ${fontSize} ${fontFamily}`;
  return measure.measureText(text).width;
}

// Along the line where the sentence fits, else down the page. dot(i, row) gives the place of a dot.
function layout(texts) {
  const needs = texts.map((text) => Math.max(38, textWidth(text) + 18));
  const left = 84;
  const gap = 6;
  const total = needs.reduce((sum, need) => sum + need + gap, left);
  const work = document.getElementById("work");
  const whole = work.clientWidth - 4;
  const flat = total <= whole;
  work.classList.toggle("down", !flat); // gives the model its column, whose width is asked for next
  const room = flat ? whole : document.getElementById("glass").clientWidth - 4;
  if (flat) {
    const spread = Math.min(1.35, (room - left) / (total - left));
    const step = Math.max(46, Math.min(innerHeight * 0.088, 88));
    let x = left;
    const boxes = needs.map((need) => {
      const box = { x, y: 22, width: need * spread, height: 38 };
      x += (need + gap) * spread;
      return box;
    });
    const dot = (i, row) => [boxes[i].x + boxes[i].width / 2, 86 + step * row];
    return { flat: true, width: x, height: 86 + step * shape.layers + 26, boxes, dot };
  }
  const wide = Math.min(124, Math.max(...needs));
  const from = wide + 78;
  const to = room - 34;
  const step = Math.max(26, Math.min(34, (innerHeight - 190) / texts.length));
  const boxes = texts.map((_, i) => ({ x: 2, y: 26 + i * step, width: wide, height: step - 4 }));
  const dot = (i, row) => [from + ((to - from) * row) / shape.layers, 26 + i * step + step / 2 - 2];
  return { flat: false, width: room, height: 30 + step * texts.length, boxes, dot };
}

// --- drawing -----------------------------------------------------------------------------------------------------
export function drawModel(found) {
  const texts = labels();
  const place = layout(texts);
  const stage = document.getElementById("stage");
  const wires = document.getElementById("wires");
  stage.style.width = `${place.width}px`;
  stage.style.height = `${place.height}px`;
  wires.replaceChildren();
  wires.setAttribute("viewBox", `0 0 ${place.width} ${place.height}`);
  drawWall(wires, place, found);
  drawNames(wires, place);
  const share = flow(found);
  drawArrows(wires, place, found, share);
  drawDots(wires, place, found, share);
  drawTokens(place, found, texts);
}

function drawNames(wires, { flat, dot }) {
  if (flat)
    ["click a word", "to ask for it"].forEach((text, n) =>
      element(wires, "text", { x: 0, y: 38 + 14 * n, class: "name" }, text),
    );
  for (let row = 0; row <= shape.layers; row++) {
    const [x, y] = dot(0, row);
    const name = row ? `layer ${row}` : "embedding";
    const anchor = flat ? "start" : row === shape.layers ? "end" : row ? "middle" : "start";
    const at = flat ? { x: 0, y: y + 4 } : { x: row ? x : x - 40, y: 14 };
    element(wires, "text", { ...at, "text-anchor": anchor, class: "name" }, name);
  }
}

// The wall: what stands beyond it reaches the asked place through no layer.
function drawWall(wires, { flat, width, height, boxes }, { from, T }) {
  for (let i = 0; i + 1 < T; i++) {
    if (from[i] === from[i + 1]) continue;
    const [a, b] = [boxes[i], boxes[i + 1]];
    const x = (a.x + a.width + b.x) / 2;
    const y = (a.y + a.height + b.y) / 2;
    const ends = flat ? { x1: x, x2: x, y1: 16, y2: height } : { x1: 0, x2: width, y1: y, y2: y };
    element(wires, "line", { ...ends, class: "wall" });
  }
}

function drawArrows(wires, { flat, dot }, { T, layers }, share) {
  const both = state.head === "all" && shape.heads === 2; // two heads are drawn side by side in two colours
  const curve = ([a, b], [c, d]) =>
    flat
      ? `M${a} ${b}C${a} ${(b + d) / 2} ${c} ${(b + d) / 2} ${c} ${d}`
      : `M${a} ${b}C${(a + c) / 2} ${b} ${(a + c) / 2} ${d} ${c} ${d}`;
  layers.forEach(({ attention }, layer) => {
    const drawn = both ? attention : [attentionOf(attention)];
    drawn.forEach((shares, head) => {
      const move = both ? 5 * head - 2.5 : 0;
      const colour = both ? head : state.head === "all" ? "all" : state.head % 2;
      for (let i = 0; i < T; i++) {
        for (let j = 0; j < T; j++) {
          const weight = share[layer + 1][i] * shares[i * T + j];
          if (weight < FAINT) continue;
          const [a, b] = [dot(i, layer + 1), dot(j, layer)].map(([x, y]) => (flat ? [x + move, y] : [x, y + move]));
          const style = `stroke-width:${(0.8 + 7 * weight).toFixed(2)};stroke-opacity:${Math.min(1, 0.1 + 1.3 * weight).toFixed(2)}`;
          element(wires, "path", { d: curve(a, b), class: `arrow head${colour}`, style });
          if (weight > 0.12 && i !== j) drawHead(wires, flat, b, `head${colour}`, weight);
        }
      }
    });
  });
}

// An arrow's head at the position that is looked at.
function drawHead(wires, flat, [x, y], colour, weight) {
  const size = 5 + 4 * weight;
  const from = 11;
  const points = flat
    ? [
        [x, y + from - 2],
        [x - size, y + from + size],
        [x + size, y + from + size],
      ]
    : [
        [x + from - 2, y],
        [x + from + size, y - size],
        [x + from + size, y + size],
      ];
  element(wires, "polygon", { points: points.join(" "), class: `tip ${colour}` });
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
  const down = flat ? `M${x} ${y + 13}v8m-5 -4l5 6l5 -6` : `M${x + 12} ${y}h5m-3 -5l6 5l-6 5`;
  element(wires, "path", { d: down, class: "out" });
}

function drawTokens({ boxes }, found, texts) {
  const tokens = document.getElementById("tokens");
  const focused = document.activeElement?.dataset?.at;
  tokens.replaceChildren();
  texts.forEach((text, i) => {
    const { kinds, spoken, fixed } = (found.pair ? pairToken : wordToken)(i, found);
    const button = element(tokens, "button", { type: "button", "data-at": i }, text);
    button.className = Object.keys(kinds)
      .filter((kind) => kinds[kind])
      .join(" ");
    const { x, y, width, height } = boxes[i];
    Object.assign(button.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
    button.disabled = fixed;
    button.setAttribute("aria-label", spoken || text);
    if (focused === String(i)) button.focus({ preventScroll: true });
  });
}

function pairToken(i, { at, from, segments, ids }) {
  const special = ids[i] === ids[0] || ids[i] === ids.at(-1);
  return { fixed: true, kinds: { special, second: segments[i] === 1, asked: i === at, blind: !from[i] } };
}

function wordToken(i, { T, at, from, clue }) {
  const place = i - 1;
  if (i === 0 || i === T - 1) return { fixed: true, kinds: { special: true, blind: !from[i] } };
  const change = state.changes.get(place);
  const hint = clue?.place === place && state.turned;
  const kinds = { [change?.kind ?? "shown"]: true, asked: i === at, blind: !from[i], clue: hint };
  const spoken = [`position ${i}: ${shown(place) ?? "hidden"}`];
  if (change && change.kind !== "hidden") spoken.push(change.kind);
  if (kinds.asked) spoken.push("asked for");
  if (kinds.blind) spoken.push("out of sight of the asked position");
  if (hint) spoken.push("the word that tells");
  return { kinds, spoken: spoken.join(", "), fixed: false };
}

export function redrawOnResize() {
  let pending = 0;
  addEventListener("resize", () => {
    clearTimeout(pending);
    pending = setTimeout(() => state.words.length && drawModel(reading()), 80);
  });
}
