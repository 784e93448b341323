"""Before a class, on the machine that will be used: `make preflight` (ARGS="--learners 20 --server": they share it).

Every line is one fact. A line that starts with '!' is wrong; the fix follows it, and the exit status is 1.
"""

import argparse
import os
import re
import shutil
import socket
import stat
import sys
import time
import webbrowser
import zipfile
from functools import partial
from pathlib import Path

import joblib
import psutil
from matplotlib import font_manager, ft2font

from course_lib import doctor, places, plots
from course_lib.notes.cards import chinese
from tools import printed
from tools.kit import bake

__all__ = ["KIT", "PORTS", "main", "one_kernel", "projector"]

KIT = bake.CACHE.parent
PORTS = range(8888, 8891)  # JupyterLab takes the next one where the first is taken
PEAK_GB, LAB_GB = 1.0, 0.1  # of a lesson, and of JupyterLab: measured on all lessons, README.md ("For a class")
SCREEN = 1300  # CSS pixels: a lesson with the list of its contents beside it
COLUMNS = 88  # of a line of code in the lessons
LESSON = """
import psutil
from course_lib import experiments, glass, plots, runtime
from course_lib.exercises import panel, predict, reveal
from course_lib.train import evaluation, loop, masking, objectives
import transformers
device = runtime.setup()
shown = plots.bars({"one": [0.2, 0.3]}, ceiling=0.5)
print("bytes", psutil.Process().memory_info().rss)
"""


def main(arguments=None):
    """Print the report and return the exit status: 0 when nothing needs mending."""
    parser = argparse.ArgumentParser(prog="python -m tools.kit.preflight", description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=20, metavar="N", help="how many come (20)")
    parser.add_argument("--server", action="store_true", help="they share this machine: a hub, or one big computer")
    parser.add_argument("--class-cache", metavar="FOLDER", default=os.environ.get("COURSE_CLASS_CACHE", "").strip(),
                        help="the folder that python -m tools.kit.bake filled (COURSE_CLASS_CACHE)")  # fmt: skip
    parser.add_argument("--lessons", nargs="+", type=int, default=[], metavar="N", help="lessons of the class")
    parser.add_argument("--no-open", action="store_true", help="write the projector's page, but do not open it")
    options = parser.parse_args(arguments)
    if options.learners < 1:
        parser.error(f"--learners {options.learners}: give a number, 1 or more")
    os.environ["COURSE_QUIET"] = "1"
    started, n = time.monotonic(), options.learners
    wrong = doctor.report(
        *doctor.MACHINE, doctor.train, partial(_memory, n, options.server),
        partial(_cores, n, options.server), partial(_class_cache, options.class_cache, options.lessons),
        partial(_projector, options.no_open or options.server), *([] if options.server else [_browser, _fonts]),
        _ports, _zips,
    )  # fmt: skip
    last = f"{wrong} to mend: see the lines marked with '!'." if wrong else "All is well. Have a good class."
    print(f"\n{last} ({time.monotonic() - started:.0f} s)")
    return 1 if wrong else 0


def one_kernel():
    """Start a kernel, import what a lesson imports, draw a figure; return (its memory in GB, seconds until then)."""
    from jupyter_client.manager import start_new_kernel

    started, printed_, failed = time.monotonic(), [], []

    def keep(message):
        content = message["content"]
        printed_.append(content.get("text", ""))
        failed.extend([content["evalue"]] if message["msg_type"] == "error" else [])

    manager, client = start_new_kernel(kernel_name="python3", extra_arguments=["--IPKernelApp.log_level=40"])
    try:
        client.execute_interactive(LESSON, timeout=100, output_hook=keep)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if not (found := re.search(r"^bytes (\d+)", "".join(printed_), re.M)):
        raise RuntimeError(f"the kernel could not do what a lesson does: {failed[0] if failed else 'it said nothing'}")
    return int(found[1]) / 1e9, time.monotonic() - started


def _memory(learners, server):
    size, seconds = one_kernel()
    yield "one kernel", f"{size:.2f} GB once a lesson is open, after {seconds:.0f} s"
    each = max(size, PEAK_GB) + LAB_GB
    if not server:
        yield "learners", f"{learners}, each with {each:.1f} GB free on a machine of their own (all on this: --server)"
        return
    free = psutil.virtual_memory().available / 1e9
    fix = f"it is enough for {int(free / each)} at once: close other programs, or take a larger machine"
    yield ("learners", f"{learners} share this machine: {learners * each:.0f} GB at their peak, {free:.0f} GB are free",
           *([fix] if learners * each > free else []))  # fmt: skip


def _cores(learners, server):
    cores = joblib.cpu_count()
    threads = os.environ.get("COURSE_THREADS", "").strip()
    if not server:
        yield "cores", f"{cores} here; one is enough for one learner"
    elif learners > cores and threads != "1":
        yield "cores", f"{cores} for {learners} learners, and COURSE_THREADS is {threads or 'not set'}", (
            "set COURSE_THREADS=1 for everybody: with more threads than cores, each waits for the others"
        )  # fmt: skip
    else:
        yield "cores", f"{cores} for {learners} learners, COURSE_THREADS={threads or 'not set'}"


def _class_cache(named, wanted):
    """Yield whether the class's cache can be read, is nobody else's to write, and has the lessons' models."""
    fill = f"python -m tools.kit.bake --lessons {' '.join(map(str, wanted)) or 4}   (or --hours 2)"
    if not named:
        yield "class cache", f"none: everybody trains for themselves; to have it ready: {fill}"
        return
    cache = Path(named).expanduser()
    if not cache.is_dir():
        yield "class cache", f"{cache} is no folder", fill
        return
    if os.name != "nt" and (loose := [path for path in (cache, *cache.rglob("*"))
                                      if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)]):  # fmt: skip
        yield "class cache", f"others can put models into {loose[0]}", f"chmod -R go-w {cache}"
    there = bake.listed(cache)
    told = ", ".join(f"{number:02d} ({len(models)})" for number, models in sorted(there.items())) or "none"
    missing = sorted(set(wanted) - set(there))
    fix = [f"lesson {missing[0]:02d} is missing, or has changed: {fill} --to {cache}"] if missing else []
    if not there:
        fix = [f"no lesson was run into it: {fill} --to {cache}"]
    yield "class cache", f"{cache}: models of lessons {told}", *fix


def _projector(only_write):
    page = KIT / "projector.html"
    KIT.mkdir(parents=True, exist_ok=True)
    places.write(page, projector())
    display = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    opened = bool(display) and not only_write and webbrowser.open(page.as_uri())
    yield "projector", f"{'is it green there?' if opened else 'open this on the projector:'} {page}"


def projector():
    """Return the page that tells on the projector, in green or red, whether a lesson fits at this size and zoom."""
    figure = plots.bars({"left only": [0.41, 0.44], "both sides": [0.72, 0.75]}, floor=0.2, ceiling=0.9,
                        title="Can the last row read this?").data  # fmt: skip
    code = f"model = BertLMHeadModel(BertConfig(vocab_size={'9' * 12}))  ".ljust(COLUMNS - 1, "#") + "|"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Projector: does a lesson fit?</title><style>
body {{font: 14px/1.5 system-ui, sans-serif; margin: 1em}}
pre {{font: 13px/1.4 Menlo, Consolas, "DejaVu Sans Mono", monospace}}
p.fit {{font-size: 2em; margin: 0; padding: .3em; color: #fff; background: #b00020}} .yes {{display: none}}
@media (min-width: {SCREEN}px) {{ p.fit {{background: #1b7f3b}} .yes {{display: inline}} .no {{display: none}} }}
</style></head><body>
<p class="fit"><span class="yes">Green: a lesson fits.</span><span class="no">Red: too narrow. Make the window as large
as the screen, and the zoom smaller (Ctrl and minus), until this is green.</span> <output id="width"></output></p>
<p>Then walk to the last row. This text, the figure, the Chinese sentence and the code to its last character, a bar,
should be readable from there. If not: let people come nearer, or zoom and close the list of contents.</p>
<p>{chinese("双向注意力能看到两边的词；自回归模型只能看到左边的词。")}</p>
<pre>{code}</pre>
{figure}
<script>
const tell = () => document.querySelector("#width").textContent = `${{innerWidth}} of {SCREEN} pixels`;
addEventListener("resize", tell); tell();
</script></body></html>
"""


def _browser():
    """Yield which browser opens; Chromium is started without a window where playwright is there (`make setup`)."""
    try:
        name = getattr(webbrowser.get(), "name", "") or "the system's own"
    except webbrowser.Error:  # also where there is no display
        name = next(filter(shutil.which, ("firefox", "chromium", "chromium-browser", "google-chrome")), "")
    if printed.pdf([KIT / "projector.html"]):
        yield "browser", f"{name or 'Chromium'}; Chromium starts"
    elif name:
        yield "browser", f"{name} (not started: that takes Chromium, and `make setup` once)"
    else:
        yield "browser", "none found", "install Firefox or Chromium (Debian, Ubuntu: sudo apt install chromium)"


def _fonts():
    if sys.platform in ("win32", "darwin"):  # both bring Chinese fonts
        yield "fonts", "Chinese comes with the system"
        return
    for path in font_manager.findSystemFonts():
        try:
            if ft2font.FT2Font(path).get_char_index(ord("词")):
                yield "fonts", f"Chinese: {Path(path).name}"
                return
        except (OSError, RuntimeError):  # a font that is no font
            continue
    yield "fonts", "no font with Chinese letters", "install one (Debian, Ubuntu: sudo apt install fonts-noto-cjk)"


def _ports():
    free = []
    for port in PORTS:
        with socket.socket() as one:
            if os.name != "nt":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
                free.append(port)
            except OSError:
                continue
    taken = [port for port in PORTS if port not in free]
    value = f"free: {', '.join(map(str, free)) or 'none'}" + f"; taken: {', '.join(map(str, taken))}" * bool(taken)
    fix = f"close the other servers (jupyter server list), or choose one: make lab ARGS=--port={PORTS[-1] + 10}"
    yield "ports", value, *([] if free else [fix])


def _zips():
    """Yield whether the copies for learners have been made, and are whole."""
    found, make = sorted(KIT.rglob("*.zip")), 'make kit ARGS="--hours 2"'
    if damaged := [path.name for path in found if not zipfile.is_zipfile(path) or zipfile.ZipFile(path).testzip()]:
        yield "copies", f"{damaged[0]} is damaged", f"make it again: {make}"
    elif found:
        yield "copies", ", ".join(path.name for path in found)
    else:
        yield "copies", f"no zip for learners in {KIT}", make


if __name__ == "__main__":
    sys.exit(main())
