// The few calls by which everything gets onto the page.
const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

export function element(parent, name, attributes = {}, text = null) {
  const svg = parent.namespaceURI === SVG || name === "svg";
  const made = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  parent.append(made);
  return made;
}

export function cleared(id) {
  $(id).replaceChildren();
  return $(id);
}

export function button(parent, text, click, attributes = {}) {
  element(parent, "button", { type: "button", ...attributes }, text).addEventListener("click", click);
}

export function table(parent, caption, head, rows) {
  const made = element(parent, "table");
  element(made, "caption", {}, caption);
  const top = element(element(made, "thead"), "tr");
  const body = element(made, "tbody");
  for (const text of head) element(top, "th", { scope: "col" }, text);
  for (const cells of rows) {
    const row = element(body, "tr");
    cells.forEach((text, n) => element(row, n ? "td" : "th", n ? {} : { scope: "row" }, text));
  }
  return made;
}
