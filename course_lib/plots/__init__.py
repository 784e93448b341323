"""Draw records, histories, arms and attention masks as figures with alt text; show tables and computed sentences.

Every figure leaves through `figure`: an HTML image, a PNG, and an alt text that is made from what is drawn, so that no
cell spells out a result; its plain text is stable. An arm keeps its colour, line style and marker through the whole
course (`colours`). Nothing here trains or reads a file.
"""

from course_lib.plots.bars import bars, differences, forest, interval
from course_lib.plots.curves import against, curve
from course_lib.plots.figure import figure, style
from course_lib.plots.findings import averages, by_seed, contrasts, expected, held, means, said, shares, spelled, until
from course_lib.plots.graph import graph
from course_lib.plots.heat import heatmap, heatmaps
from course_lib.plots.parts import parts
from course_lib.plots.paths import paths
from course_lib.plots.records import along, curves, effects, ends, grid, ways
from course_lib.plots.tables import beside, markdown, table

__all__ = [
    "against", "along", "averages", "bars", "beside", "by_seed", "contrasts", "curve", "curves", "differences",
    "effects", "ends", "expected", "figure", "forest", "graph", "grid", "heatmap", "heatmaps", "held", "interval",
    "markdown", "means", "parts", "paths", "said", "shares", "spelled", "style", "table", "until", "ways",
]  # fmt: skip
