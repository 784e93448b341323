"""Two panels of widgets for a running JupyterLab: search the claims, and go through the drill.

Each is a convenience beside functions that do the same on any page (`claims.search`, `drill.ask`): widgets show
nothing in a static page, so a panel says what to call instead.
"""

from IPython.display import display

from course_lib.exercises import drill
from course_lib.exercises.show import inline
from course_lib.notes import claims

__all__ = ["drill_panel", "search_panel"]


def search_panel():
    """Show a search box with filters by verdict and lesson over the claims; returns its top widget."""
    import ipywidgets as widgets

    words = widgets.Text(placeholder="cross, NSP-0, 双向 ...", description="search")
    verdict = widgets.Dropdown(options=[("any", None), *zip(claims.VERDICTS, claims.VERDICTS, strict=True)],
                               description="verdict")  # fmt: skip
    lesson = widgets.Dropdown(options=[("any", None), *((name, name) for name in claims.LESSONS)], description="lesson")
    found = widgets.HTML()

    def redraw(_=None):
        found.value = claims.search(words.value, verdict.value, lesson.value).data if _asked() else ""

    def _asked():  # all 73 at once stand elsewhere
        return words.value.strip() or verdict.value or lesson.value

    for knob in (words, verdict, lesson):
        knob.observe(redraw, "value")
    return _live(widgets.VBox([widgets.HBox([words, verdict, lesson]), found]), "claims.search")


def drill_panel():
    """Show the question that you know least, a field for your answer, its points to tick; returns its top widget."""
    import ipywidgets as widgets

    wide = widgets.Layout(width="95%")
    question, points, ticks = widgets.HTML(), widgets.HTML(), widgets.HBox()
    answer = widgets.Textarea(placeholder="your answer, in any language", layout=wide)
    show, keep, following = (widgets.Button(description=text) for text in ("show the points", "keep marks", "next"))
    now = {"prompt": None}

    def start(_=None):
        now["prompt"] = prompt = drill.weakest(besides=now["prompt"])
        question.value = f"<b>{prompt.id}</b> {inline(prompt.en)}<br>{inline(prompt.zh)}"
        answer.value = points.value = ""
        ticks.children = ()
        keep.disabled, following.disabled = True, False

    def reveal(_=None):
        prompt = now["prompt"]
        points.value = drill.points_html(prompt) + "Which of these did you say?"
        ticks.children = tuple(
            widgets.Checkbox(description=str(n), indent=False, layout=widgets.Layout(width="4em"))
            for n in range(1, len(prompt.points) + 1)
        )
        keep.disabled = False

    def mark(_=None):
        said = [n for n, tick in enumerate(ticks.children, 1) if tick.value]
        drill.keep(now["prompt"], said, answer.value)
        points.value = drill.points_html(now["prompt"], said) + f"Kept: {len(said)} of {len(ticks.children)}."
        keep.disabled = True

    for button, action in ((show, reveal), (keep, mark), (following, start)):
        button.on_click(action)
    start()
    return _live(widgets.VBox([question, answer, widgets.HBox([show, keep, following]), points, ticks]), "drill.ask")


def _live(widget, function):
    """Show a widget where a kernel runs, and elsewhere one line that is the same on every page."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    static = f"A panel appears here when a kernel is running; on a static page, {function}(...) does the same."
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": static}, raw=True)
    return widget
