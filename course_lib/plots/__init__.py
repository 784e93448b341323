"""Draw records, histories, arms and attention masks as figures with alt text; show tables and computed sentences.

Every figure leaves through `figure`: an HTML image whose alt text is required and whose plain text is stable. An arm
keeps its colour, line style and marker through the whole course (`colours`). Nothing here trains or reads a file.
"""

from course_lib.plots.bars import bars, differences, interval
from course_lib.plots.curves import against, curve
from course_lib.plots.figure import figure, style
from course_lib.plots.graph import graph
from course_lib.plots.heat import heatmap, heatmaps
from course_lib.plots.records import along, averages, contrasts, curves, effects, ends, held, means, share, spelled
from course_lib.plots.tables import markdown, table

__all__ = [
    "against", "along", "averages", "bars", "contrasts", "curve", "curves", "differences", "effects", "ends", "figure",
    "graph", "heatmap", "heatmaps", "held", "interval", "markdown", "means", "share", "spelled", "style", "table",
]  # fmt: skip
