"""What a check found, and how it is shown."""

import inspect
import textwrap
from dataclasses import dataclass

from course_lib.exercises.compare import brief
from course_lib.notes.cards import Card, inline, plain, pre

__all__ = ["Verdict", "described"]

LEADS = {"right": "Right: ", "not attempted": "Not attempted yet: ", "not yet": "Not yet, because "}


@dataclass(frozen=True)
class Verdict:
    """What a check found: status 'right', 'not attempted' or 'not yet', the reason and what to look at."""

    name: str
    status: str
    message: str
    details: tuple[tuple[str, str], ...] = ()  # (label, text): input, asked for, yours, printed, difference
    mistake: str = ""  # the name of the recognised mistake

    def card(self):
        """Return the verdict for the page, with the same in plain text."""
        lead = LEADS[self.status]
        body, text = f"<b>{lead}</b>{inline(self.message)}", lead + plain(self.message)
        rows = ""
        for label, shown in self.details:
            # no stripes: what is preformatted would stand in a box of the page's colour
            rows += (
                f'<tr style="background:none"><th scope="row" style="text-align:left;vertical-align:top">{label}</th>'
                f'<td style="text-align:left">{inline(shown) if label == "difference" else pre(shown)}</td></tr>'
            )
            text += f"\n  {label}: " + ("\n" + textwrap.indent(shown, "    ") if "\n" in shown else shown)
        body += f"<table>{rows}</table>" if rows else ""
        return Card(body, text, {"not attempted": "open"}.get(self.status, self.status))


def described(reference, args):
    """Return the call as text, name(lengths=[2, 3], T=4); an argument of several lines stands on its own."""
    named = zip(inspect.signature(reference).parameters, args, strict=False)  # some have defaults
    parts = [f"{label}={brief(value)}" for label, value in named]
    if not any("\n" in part for part in parts):
        return f"{reference.__name__}({', '.join(parts)})"
    lines = [part.replace("\n", "\n" + " " * (part.index("=") + 1)) for part in parts]
    return f"{reference.__name__}(\n" + "".join(textwrap.indent(line, "  ") + ",\n" for line in lines) + ")"
