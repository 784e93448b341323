"""Draw histories, arms and attention masks as figures with alt text; show tables and computed sentences.

Every figure leaves through `figure`: an HTML image whose alt text is required and whose plain text is stable.
The colours (Okabe and Ito's) can be told apart by colour-blind readers, line styles and markers in greyscale.
Nothing here trains a model or reads a file.
"""

from course_lib.plots.arms import bars, differences, interval
from course_lib.plots.curves import curve
from course_lib.plots.graph import graph
from course_lib.plots.heat import heatmap, heatmaps
from course_lib.plots.page import figure, style
from course_lib.plots.tables import markdown, table

__all__ = [
    "bars", "curve", "differences", "figure", "graph", "heatmap", "heatmaps", "interval", "markdown", "style", "table",
]  # fmt: skip
