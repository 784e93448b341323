"""Draw boxes joined by arrows: what comes before what."""

from matplotlib.figure import Figure

from course_lib.plots.colours import INK, PALE, STYLES
from course_lib.plots.figure import figure, legible, style
from course_lib.plots.words import described

__all__ = ["graph"]


def graph(boxes, arrows, *, alt=None):
    """Draw named boxes at given places, and arrows between them.

    boxes: {name: (x, y, text)}, x to the right and y downwards, in steps of one; arrows: [(name, name)], from the
    first to the second.
    """
    with style():
        fig = Figure(figsize=(9.4, 3.6), layout="constrained")
        ax = fig.add_subplot()
        frame = {"boxstyle": "round,pad=0.45", "facecolor": "#EAF4FB", "edgecolor": STYLES["blue"][0], "linewidth": 1.2}
        drawn = {
            name: ax.text(x, -y, legible(text), ha="center", va="center", fontsize=10.5, color=INK, bbox=frame)
            for name, (x, y, text) in boxes.items()
        }
        xs, ys = ([box[axis] for box in boxes.values()] for axis in (0, 1))
        ax.set_xlim(min(xs) - 0.6, max(xs) + 0.6)
        ax.set_ylim(-max(ys) - 0.6, -min(ys) + 0.6)
        ax.axis("off")
        fig.canvas.draw()  # the boxes get their sizes: arrows begin and end at their edges
        for start, end in arrows:
            ax.annotate(
                "", boxes[end][:1] + (-boxes[end][1],), boxes[start][:1] + (-boxes[start][1],),
                arrowprops={"arrowstyle": "-|>", "color": PALE, "linewidth": 1.4,
                            "patchA": drawn[start].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch()},
            )  # fmt: skip
        said = [(" ".join(text.split()), "") for *_, text in boxes.values()]
        return figure(fig, *described(alt, f"{len(boxes)} boxes joined by {len(arrows)} arrows", None, said))
