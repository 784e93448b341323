"""A question whose options can be clicked, where a kernel runs; elsewhere the same question as a card to read."""

from IPython import get_ipython

from course_lib.notes.cards import Card, inline, plain

__all__ = ["Asked"]


class Asked(Card):
    """A question with its options and a note below; in a notebook each option has a button.

    on_click: a function from the letter to what the note then says. chosen: the letter that is lit. The plain text
    stays as it was made, so that strict nbval compares it.
    """

    def __init__(self, title, question, note, on_click, chosen=None, kind="note"):
        self.asked, self.note, self.on_click = f"<b>{title}:</b> {inline(question.text)}", note, on_click
        self.options, self.chosen = question.options, chosen
        rows = "".join(f"<li><b>{letter})</b> {inline(text)}</li>" for letter, text in question.options.items())
        listed = f'<ul style="list-style:none;padding-left:1em;margin:0.3em 0">{rows}</ul>'
        lines = [f"{title}: {plain(question.text)}"]
        lines += [f"  {letter}) {plain(text)}" for letter, text in question.options.items()]
        super().__init__(f"{self.asked}{listed}<i>{inline(note)}</i>", "\n".join([*lines, plain(note)]), kind)

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {"text/plain": self.text, "text/html": self.data}
        return self._buttons()._repr_mimebundle_() | bundle if hasattr(get_ipython(), "kernel") else bundle

    def _buttons(self):
        """Return the question as widgets: a button for each option, and a note that a click changes."""
        import ipywidgets as widgets  # a third of a second

        note = widgets.HTML(f"<i>{inline(self.note)}</i>")

        def clicked(button):
            note.value = f"<i>{inline(self.on_click(button.description))}</i>"
            light(button.description)

        def light(chosen):
            for letter, button in buttons.items():
                button.button_style = "primary" if letter == chosen else ""

        buttons = {
            letter: widgets.Button(description=letter, tooltip=f"{letter}) {plain(text)}", layout={"width": "3em"})
            for letter, text in self.options.items()
        }
        light(self.chosen)
        for button in buttons.values():
            button.on_click(clicked)
        wide = {"flex": "1 1 0", "min_width": "0"}  # a long option wraps beside its button
        rows = [
            widgets.HBox([buttons[letter], widgets.HTML(inline(text), layout=wide)])
            for letter, text in self.options.items()
        ]
        return widgets.VBox([widgets.HTML(self.asked), *rows, note], layout={"padding": "0 0.9em"})
