// The search: every section of the website that holds all words. English words match from their start, Chinese anywhere.
"use strict";
const field = document.getElementById("search-words");
const results = document.getElementById("search-results");
const MOST = 40;

// A word of the query as a pattern: "masked" and "masks" find "mask" too.
function pattern(word) {
  const stem = /^[a-z]{5,}$/.test(word) ? word.replace(/(?:ing|ed|es|s)$/, "") : word;
  const safe = stem.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(/^\w/.test(word) ? `(?<![\\w])${safe}` : safe, "gi");
}

function find(query) {
  const words = query.toLowerCase().match(/[\u3400-\u9fff]+|[^\s\u3400-\u9fff]+/g) ?? [];
  const patterns = words.map(pattern);
  const scored = window.SEARCH_INDEX.map((entry) => {
    const [, title, heading, text] = entry;
    const each = patterns.map((one) => {
      const count = (where) => where.match(one)?.length ?? 0;
      return 20 * count(heading) + 5 * count(title) + Math.min(10, count(text));
    });
    return { entry, score: each.length && Math.min(...each) > 0 ? each.reduce((a, b) => a + b) : 0 };
  });
  return [scored.filter((one) => one.score).sort((a, b) => b.score - a.score), patterns];
}

// The text around the first word that was found, with every word marked.
function excerpt(text, patterns) {
  const line = document.createElement("p");
  const first = Math.max(0, Math.min(...patterns.map((one) => text.search(one)).filter((at) => at >= 0)));
  const from = Number.isFinite(first) ? Math.max(0, first - 60) : 0;
  const shown = `${from ? "… " : ""}${text.slice(from, from + 220)}${text.length > from + 220 ? " …" : ""}`;
  const all = new RegExp(patterns.map((one) => one.source).join("|"), "gi");
  let at = 0;
  for (const found of shown.matchAll(all)) {
    const mark = document.createElement("mark");
    mark.textContent = found[0];
    line.append(shown.slice(at, found.index), mark);
    at = found.index + found[0].length;
  }
  line.append(shown.slice(at));
  return line;
}

function show() {
  const query = field.value.trim();
  const [found, patterns] = query ? find(query) : [[], []];
  const items = found.slice(0, MOST).map(({ entry: [address, title, heading, text] }) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = address; // the search stands at the top of the website
    link.textContent = heading === title ? title : `${heading} · ${title}`;
    item.append(link, excerpt(text, patterns));
    return item;
  });
  results.replaceChildren(...items);
  const more = found.length > MOST ? `, the best ${MOST} shown` : "";
  document.getElementById("search-count").textContent = query
    ? `${found.length} ${found.length === 1 ? "section" : "sections"} found${more}`
    : "";
}

field.value = new URLSearchParams(location.search).get("q") ?? "";
field.addEventListener("input", show);
field.form.addEventListener("submit", (event) => event.preventDefault());
field.focus();
show();
