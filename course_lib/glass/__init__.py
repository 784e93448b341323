"""The glass model: one sentence, one trained model, one switch, to be looked at while it works.

    from course_lib import glass
    glass.show("tomorrow Ben will go to the school .", hidden=1, mask="causal")

shows the live page where scripts may run, and always a picture of the same state.
"""

from course_lib.glass.reading import load, read
from course_lib.glass.shown import drawn, show, show_pair

__all__ = ["drawn", "load", "read", "show", "show_pair"]
