"""What a format teaches and when: sections of the lessons, breaks between them, and what each section holds."""

import ast
import builtins
import functools
import itertools
import re
import symtable
from dataclasses import dataclass

import nbformat

from course_lib.exercises import lessons as texts
from course_lib.notes import working_copy
from tools.kit.notes import FORMATS, Note, lessons, notes

__all__ = ["Row", "Section", "numbers", "plan", "sections", "short", "taught", "to_run"]

HEADING = re.compile(r"^(#+) (.+)$", re.M)
ADDRESS = re.compile(r"\]\([^)]*\)")  # of a link
WORD = re.compile(r"[^\W\d_]+")
SAME_LESSON = 200  # a break inside a lesson is worth it if stretches become about ten minutes more even


@dataclass(frozen=True)
class Section:
    """A part of a lesson from one heading to the next: its own text, and the numbers of its code cells."""

    lesson: int
    heading: str
    text: str
    code: dict[int, str]  # {number of the cell in the stored notebook: source}

    @property
    def words(self):
        return len(WORD.findall(ADDRESS.sub("]", self.text)))

    def _asked(self, call):
        return re.findall(rf'\b{call}\(\s*"([\w-]+)"', "\n".join(self.code.values()))

    @property
    def predictions(self):
        return [texts.find("predictions", name) for name in self._asked("predict")]

    @property
    def exercises(self):
        return [texts.find("exercises", name) for name in self._asked("reference")]


@dataclass(frozen=True)
class Row:
    """What stands at one time of a format: a section with its note, or something beside the lessons."""

    day: int  # from 1
    start: int  # minutes from the day's beginning
    minutes: int
    what: str  # "Opening", "Break", "Lunch", "Drill", "Closing", or the section's heading
    note: Note | None = None


def short(name):
    """Return a format's name as it stands in names of files: '2h', '2days'."""
    return name.replace(" ", "")


@functools.cache
def sections(lesson):
    """Return a lesson's sections in order: {heading: Section}. A heading below the second level counts with a note."""
    noted, found = {note.section for note in notes(lesson)}, {}
    heading, level = "", 2
    for number, cell in enumerate(nbformat.read(lessons()[lesson], as_version=4).cells):
        if working_copy.INSTRUCTOR in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "code":
            found.setdefault(heading, ([], {}))[1][number] = cell.source
            continue
        before, *rest = HEADING.split(cell.source)
        found.setdefault(heading, ([], {}))[0].append(before)
        for marks, title, text in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            if len(marks) <= max(2, level) or title in noted:
                heading, level = title, len(marks)
            found.setdefault(heading, ([], {}))[0].append(f"{title}\n{text}")
    return {name: Section(lesson, name, "\n".join(text), code) for name, (text, code) in found.items() if name}


def taught(name):
    """Return the notes of all sections that a format has, in order."""
    return [note for lesson in lessons() for note in notes(lesson) if name in note.minutes]


def numbers(name):
    """Return the numbers of the lessons that a format has."""
    return sorted({note.lesson for note in taught(name)})


def _names(source):
    """Return (names that a section takes from before, names that it makes)."""
    used, made = set(), set()
    for statement in ast.parse(source).body:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
        below = [*table.get_children()]
        for child in below:
            below += child.get_children()
        used |= {one.get_name() for one in table.get_symbols() if one.is_referenced()} - made
        used |= {one.get_name() for t in below for one in t.get_symbols() if one.is_global()} - made
        made |= {one.get_name() for one in table.get_symbols() if one.is_assigned() or one.is_imported()}
    return used - set(dir(builtins)), made


def to_run(lesson, name):
    """Return the sections whose cells have to be run: those of the format, and others that make what they use."""
    those = {note.section for note in taught(name) if note.lesson == lesson}
    wanted, run = set(), []
    for section in reversed(sections(lesson).values()):
        used, made = _names("\n".join(section.code.values()))
        if section.heading in those or made & wanted:
            wanted = (wanted - made) | used
            run.append(section)
    return run[::-1]


def _breaks(first, mine, name, count):
    """Return the numbers of the sections before which there is a break, so that the stretches are about equal."""
    starts = [*itertools.accumulate((note.minutes[name] for note in mine), initial=first)]

    def cost(at):
        edges = [0, *(starts[i] for i in at), starts[-1]]
        inside = sum(mine[i - 1].lesson == mine[i].lesson for i in at)
        return sum((b - a) ** 2 for a, b in itertools.pairwise(edges)) + SAME_LESSON * inside

    return min(itertools.combinations(range(1, len(mine)), count), key=cost)


def plan(name):
    """Return the Rows of a format. ValueError: its minutes do not add up to what kit.yaml says."""
    about, all_of_it, rows = FORMATS[name], taught(name), []
    for day in range(1, about["days"] + 1):
        mine = [n for n in all_of_it if about["days"] == 1 or (n.lesson >= about["second_day"]) == (day == 2)]
        first = ("Opening", about["opening"]) if day == 1 else ("Drill", about["morning"])
        pauses = [("Break", n) for n in about["breaks"][day - 1 :: about["days"]]]
        if lunch := about.get("lunch"):
            pauses.insert(len(pauses) // 2, ("Lunch", lunch))
        if len(mine) <= len(pauses):
            raise ValueError(f"{name}: {len(mine)} sections have minutes on day {day}: too few to make a plan of")
        before = _breaks(first[1], mine, name, len(pauses))
        rows.append(Row(day, 0, first[1], first[0]))
        for number, note in enumerate(mine):
            if number in before:
                rows.append(_after(rows, *pauses[before.index(number)]))
            rows.append(_after(rows, note.section, note.minutes[name], note))
    if closing := about.get("closing"):
        rows.append(_after(rows, "Closing", closing))
    planned = sum(row.minutes for row in rows if row.what != "Lunch")
    if planned != about["minutes"]:
        raise ValueError(
            f"{name}: the minutes of its rows add up to {planned}, and tools/kit/kit.yaml says {about['minutes']}. "
            "Mend the notes in the lessons, or what stands there."
        )
    return rows


def _after(rows, what, minutes, note=None):
    return Row(rows[-1].day, rows[-1].start + rows[-1].minutes, minutes, what, note)
