"""How long does the glass model take for one sentence of 32 tokens? In a real browser, on one core.

    python -m tools.bench.page [--save]      # after `make browser-test`, which installs the browser

The goal is 16 ms for a forward pass: then a slider feels like a slider. --save writes tools/bench/glass.json.
"""

import argparse
import json
import os
import platform
import shutil
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOAL = 16  # milliseconds
MEASURE = """() => {
    const { data, open, reading, forward, state } = window.glass, times = { forward: [], everything: [] };
    const words = "Ben walked to the school with his dog . he saw an essay on the table .".split(" ");
    open([...words, ...words.slice(0, 12)], [11]);
    for (const mask of ["bidirectional", "causal"]) {
        state.mask = mask;
        for (let i = 0; i < 60; i++) {
            let started = performance.now();
            forward();
            times.forward.push(performance.now() - started);
            started = performance.now();
            reading();
            times.everything.push(performance.now() - started);
        }
    }
    const median = (all) => all.slice(20).sort((a, b) => a - b)[Math.floor((all.length - 20) / 2)];
    return { forward: median(times.forward), everything: median(times.everything), width: data.model.width };
}"""


def main(arguments=None) -> int:
    """Measure, print and return 0 if the goal is met, 1 if not, 2 without a browser."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.page", description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="write tools/bench/glass.json")
    options = parser.parse_args(arguments)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("Not measured: `make browser-test` installs the browser that this needs.")
        return 2
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=alone)
        page = browser.new_page()
        page.goto((HERE.parent.parent / "one-mask-apart.html").as_uri())
        page.wait_for_selector("#bars .bar", state="attached")
        numbers = page.evaluate(MEASURE)
        version = browser.version
        browser.close()
    good = numbers["forward"] <= GOAL
    print(f"32 tokens, width {numbers['width']}, median of 100: forward pass {numbers['forward']:.1f} ms (goal {GOAL} "
          f"ms), with the exact reader {numbers['everything']:.1f} ms. Chromium {version}.")  # fmt: skip
    if options.save:
        machine = {"date": time.strftime("%Y-%m-%d"), "chromium": version, "machine": platform.machine()}
        (HERE / "glass.json").write_text(json.dumps(machine | numbers, indent=1) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
