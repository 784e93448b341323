"""Measure the library against its peers, and how cost grows: `python -m tools.bench`; README.md explains the method."""

import course_lib  # noqa: F401  before torch, which every contender imports: idle threads wait in the same way for all
