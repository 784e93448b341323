// What a page does without a kernel: an option can be chosen, claims can be filtered, the glass model takes the theme.
"use strict";

// A guess lights its option and opens the answer with what there is to say to it. It is kept in this page alone.
for (const card of document.querySelectorAll("[data-asks]")) {
  const fold = document.querySelector(`details[data-answers="${card.dataset.asks}"]`);
  const note = card.querySelector("[data-note]");
  const inside = card.contains(fold);
  const buttons = [...card.querySelectorAll("li[data-option]")].map((option) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "option";
    button.append(...option.childNodes);
    option.append(button);
    button.addEventListener("click", () => {
      buttons.forEach((one) => one.setAttribute("aria-pressed", one === button));
      for (const said of fold?.querySelectorAll(":scope > p[data-option]") ?? []) {
        said.hidden = said.dataset.option !== option.dataset.option;
      }
      if (fold) fold.open = true;
      note.textContent = `Your guess: ${option.dataset.option}. ${inside ? "" : "The answer further down is open now. "}`;
      note.textContent += "Nothing is recorded on this page.";
    });
    return button;
  });
  note.setAttribute("role", "status");
}

// An address may name a claim or a question of the drill: it opens.
function opened() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.matches("details")) named.open = true;
}
addEventListener("hashchange", opened);
opened();

const filter = document.querySelector(".filter");
if (filter) {
  const claims = [...document.querySelectorAll("details[data-verdict]")];
  filter.hidden = false;
  filter.addEventListener("change", () => {
    const asked = [...filter.querySelectorAll("select")];
    for (const one of claims)
      one.hidden = !asked.every(({ value, dataset }) => one.dataset[dataset.filter].includes(value));
    filter.querySelector("output").value = `${claims.filter((one) => !one.hidden).length} of ${claims.length}`;
  });
}

// The live page stands over a picture of itself. It asks the page around it for the theme as it would ask JupyterLab.
for (const frame of document.querySelectorAll("iframe")) {
  frame.addEventListener("load", () => {
    frame.style.visibility = "visible";
    const high = frame.contentDocument?.documentElement.scrollHeight ?? 0; // a page from a disk tells nobody
    if (high) frame.parentElement.style.minHeight = `${Math.min(1000, Math.max(660, high))}px`;
  });
}
const root = document.documentElement;
const theme = () => (document.body.dataset.jpThemeLight = root.dataset.theme !== "dark");
new MutationObserver(theme).observe(root, { attributeFilter: ["data-theme"] });
theme();
