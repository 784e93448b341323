// A vote: hands are counted by buttons or by the options' letters, kept while the window is open, and shown as bars.
const reveal = window.Reveal; // slides.py puts it in front of this
const KEPT = "one-mask-apart votes";
let votes = {};
try {
  votes = JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
} catch {
  // a browser that keeps nothing for files
}

function draw() {
  for (const option of document.querySelectorAll("[data-votes]")) {
    const counts = votes[option.dataset.votes] ?? {};
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const count = counts[option.dataset.option] ?? 0;
    option.querySelector("output").textContent = count;
    option.querySelector("i").style.width = `${(100 * count) / Math.max(all, 1)}%`;
  }
}

function count({ votes: name, option }, step) {
  const counts = (votes[name] ??= {});
  counts[option] = Math.max(0, (counts[option] ?? 0) + step);
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(votes));
  } catch {
    // the count stays on the page
  }
  draw();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-step]");
  if (button) {
    count(button.closest("li").dataset, Number(button.dataset.step));
    button.blur(); // so that the space bar goes on to the next slide
  }
});

const paper = /print-pdf/.test(location.search);
document.body.toggleAttribute("data-busy", paper);
reveal.on("pdf-ready", () => document.body.removeAttribute("data-busy"));
reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0,
  minScale: 0.1,
  maxScale: 4,
  center: false,
  controls: false,
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  plugins: [window.RevealNotes],
});
for (const letter of "abcde") {
  reveal.addKeyBinding(
    {
      keyCode: letter.toUpperCase().charCodeAt(0),
      key: letter.toUpperCase(),
      description: `Vote: one more for ${letter}`,
    },
    () => {
      const option = reveal.getCurrentSlide().querySelector(`.vote [data-option="${letter}"]`);
      if (option) {
        count(option.dataset, 1);
      } else if (letter === "b") {
        reveal.togglePause(); // what reveal.js does at B
      }
    },
  );
}
draw();
