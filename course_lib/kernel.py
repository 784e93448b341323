"""What the course does in a notebook's kernel: a first cell that says what it waits for, errors in a sentence.

A stop (the ■ button) while torch or transformers is being imported would leave half of them, which no second import
mends: it is held until they are whole. The errors that beginners meet get a sentence, with the traceback folded
beneath; every other error stays as it is, and an error remains an error: the rest of a Run All does not run.
"""

import ast
import errno
import html
import json
import os
import re
import signal
import sys
import threading
from pathlib import Path

__all__ = ["begin", "cut_short", "install", "quiet", "ready", "slip", "unfinished", "whole"]

TOLD = (NameError, KeyboardInterrupt, MemoryError, OSError, RuntimeError, AssertionError, AttributeError, LookupError)
LOADING = "Loading torch and transformers: about ten seconds, the first time more ..."
HELD = "Stopping, as soon as torch and transformers are whole ..."
STOPPED = "Stopped by you. The cells below have not run. Run this cell again to go on."
ABOVE = "menu Run ▸ Run All Above Selected Cell, then this cell again."

unfinished = []  # (model, history) of the last training run, if the user stopped it; see course_lib.train.history
_ran = set()  # cells that went well
_first = {}  # while the first cell imports: what its line is, which handler to restore, whether a stop is held


def quiet():
    """Tell whether progress bars should stay away: nobody watches, or outputs are compared.

    COURSE_QUIET=1 or 0 decides. Otherwise true under pytest (so under nbval), and where neither a terminal nor a
    notebook shows what is printed.
    """
    if wanted := os.environ.get("COURSE_QUIET", "").strip().lower():
        return wanted not in ("0", "false", "no", "off")
    if "PYTEST_VERSION" in os.environ:  # pytest sets it for itself and for the kernels it starts
        return True
    return "ipykernel" not in sys.modules and not sys.stderr.isatty()


def slip(error):
    """Return the error of a learner's slip, of which a notebook shows the message and no line of our own code."""
    error._render_traceback_ = lambda: [f"{type(error).__name__}: {error}"]
    return error


def whole(text):
    """Return text without halves of characters, which no front end can be sent: each is a question mark."""
    return str(text).encode("utf-8", "replace").decode()


def cut_short():
    """Return the name of the last training run if the user stopped it before its end, else None."""
    history = unfinished[0][1] if unfinished else None
    return history.name if history and history.interrupted else None


# --- the first cell
def begin():
    """Show that the big libraries are being loaded, and hold a stop until `ready`, or the end of the cell."""
    if "transformers" in sys.modules or threading.current_thread() is not threading.main_thread():
        return
    from IPython import get_ipython
    from IPython.display import HTML, display

    if (shell := get_ipython()) is None:
        return
    line = None if quiet() else display(HTML(LOADING), display_id=True)

    def hold(*_):
        _first["held"] = True
        if line:
            line.update(HTML(HELD))

    _first.update(line=line, handler=signal.signal(signal.SIGINT, hold), held=False)
    shell.events.register("post_run_cell", _end)


def ready():
    """Let stops through again, and one that was held: raises KeyboardInterrupt."""
    if _end():
        raise slip(KeyboardInterrupt("stopped by you; torch and transformers are loaded. Run the cell again to go on."))


def _end(*_):
    """End the import of the libraries; returns whether a stop was held."""
    if not _first:
        return False
    from IPython import get_ipython
    from IPython.display import HTML

    signal.signal(signal.SIGINT, _first["handler"])
    if _first["line"]:
        _first["line"].update(HTML(""))
    get_ipython().events.unregister("post_run_cell", _end)
    held = _first["held"]
    _first.clear()
    return held


# --- errors
def install():
    """Let IPython tell beginners' errors in a sentence; nothing happens outside IPython, and where it is quiet."""
    ipython = sys.modules.get("IPython")
    if quiet() or ipython is None or (shell := ipython.get_ipython()) is None:
        return
    shell.set_custom_exc(TOLD, _tell)
    if _remember not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _remember)


def _remember(result):
    if result.success:
        _ran.add(result.info.raw_cell)


def _tell(shell, kind, error, trace, tb_offset=None):
    """Show an error: as IPython does, or its name and a sentence with the traceback folded beneath."""
    said = None
    if not hasattr(error, "_render_traceback_"):
        try:
            said = _sentence(shell, error, trace)
        except Exception:  # no error of ours in the place of the learner's
            said = None
    if said is None:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset, running_compiled_code=True)
        return
    stopped = isinstance(error, KeyboardInterrupt)
    error._render_traceback_ = lambda: [said] if stopped else [f"{kind.__name__}: {error}", said]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset, running_compiled_code=True)
    del error._render_traceback_  # %tb shows all of it
    if not stopped:
        _fold(shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset))


def _fold(lines):
    from IPython.display import display

    text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(lines))
    shown = f"<details><summary>the full traceback</summary><pre>{html.escape(text)}</pre></details>"
    display({"text/html": shown, "text/plain": text}, raw=True)


def _sentence(shell, error, trace):
    """Return what a beginner should know about an error, or None."""
    if isinstance(error, KeyboardInterrupt):
        return STOPPED
    if isinstance(error, MemoryError) or re.search(r"out of memory|(can't|cannot) allocate memory", str(error), re.I):
        return ("The memory is full. Close other programs and the kernels of other lessons (■ at the left edge, Shut "
                "Down All). Then menu Kernel ▸ Restart Kernel, and run the lesson from its top.")  # fmt: skip
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return ("The disk is full. Free some space and run the cell again; trained models go where COURSE_CACHE says, "
                "if you set it before JupyterLab starts.")  # fmt: skip
    while trace.tb_next:
        trace = trace.tb_next
    if trace.tb_frame.f_globals is not shell.user_global_ns:
        return None  # raised in a library, not in a cell
    source = shell.user_ns["In"][-1]
    if type(error) is NameError and (letter := re.fullmatch("[a-h]", error.name or "")):
        asked = re.search(rf"\b(guess|answer)\s*=\s*{letter[0]}\b", source)
        if asked:
            return f'The letter needs quotes: {asked[1]}="{letter[0]}".'
    if type(error) is NameError and error.name:
        return _from_a_cell(shell, error.name, source)
    if name := cut_short():
        return (f"The last training ({name}) was stopped early, and this cell builds on one that went to its end. Run "
                "the cell that trains again, then this one.")  # fmt: skip
    if source in _ran and (replaced := _replaced(source)):
        names = ", ".join(f"`{name}`" for name in replaced)
        return f"This cell has run before, and has replaced what it starts from ({names}). Once is enough: {ABOVE}"
    return None


def _from_a_cell(shell, name, source):
    """Say which cell makes a name that is not there; None where no cell of the notebook does."""
    cells = _notebook(shell)
    if cells is None:
        return f"If a cell above makes `{name}`, run that one first: {ABOVE}"
    here = next((n for n, (_, text) in enumerate(cells) if text.strip() == source.strip()), len(cells))
    makers = [(n, heading) for n, (heading, text) in enumerate(cells) if n != here and name in _made(text)]
    if not makers:
        return None  # a typing error: Python itself proposes the nearest name
    n, heading = next(reversed([maker for maker in makers if maker[0] < here]), makers[0])
    under = f"under “{heading}”" if n else "the first of the lesson"
    if n > here:
        return f"`{name}` is made by a cell further down, {under}: run that one first."
    return f"`{name}` comes from a cell above, {under}, that has not run to its end in this kernel: {ABOVE}"


def _notebook(shell):
    """Return the notebook's code cells as saved, [(the heading above, source)], or None where no file is found."""
    named = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
    for file in (Path(named), Path(Path(named).name)):  # the kernel works in the notebook's folder
        if file.suffix == ".ipynb" and file.is_file():
            break
    else:
        return None
    cells, heading = [], ""
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cells.append((heading, shell.transform_cell(source)))  # magics as Python, as in In[]
        elif found := re.findall(r"^#+ +(.+?) *$", re.sub("```.*?```", "", source, flags=re.S), re.M):
            heading = found[-1]
    return cells


def _made(source):
    """Return the names that a cell makes: assigned, imported or defined, not inside functions."""
    try:
        return _bound(ast.parse(source).body)
    except SyntaxError:  # an answer half typed
        return set()


def _bound(nodes):
    left, names = list(nodes), set()
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            left += ast.iter_child_nodes(node)
    return names


def _replaced(source):
    """Return the names that a cell reads before it assigns them itself, which a second run would find changed."""
    made, read = set(), []
    for statement in ast.parse(source).body:
        new, names = _bound([statement]), [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        inside = {name.id for name in names if isinstance(name.ctx, ast.Store)} - new  # of comprehensions
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr):
            again = {statement.target} if isinstance(statement, ast.AugAssign) else set()
            reads = [name.id for name in names if name in again or not isinstance(name.ctx, ast.Store)]
            read += [name for name in reads if name not in made | inside and name not in read]
        made |= new
    return [name for name in read if name in made]
