"""Score a candidate of the glass model: how far are its answers from the exact ones, and does it look where it should?

    python -m course_lib.glass.scoring FOLDER...     # writes the score into each folder's recipe.json
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from course_lib.glass.reading import MASKS, View, best_given, read
from course_lib.town.language import TinyTown
from course_lib.train.objectives import EveryMask

__all__ = ["questions", "score"]

QUESTIONS, SEED = 300, 4242  # stories that no training reads
TELLS = 0.3  # how much more a word to the right has to make the answer known, to count as the one that tells


def questions(n: int = QUESTIONS) -> list[View]:
    """Draw sentences of 4 to 30 words, one word of each hidden, with the whole sentence in view."""
    rng, drawn = random.Random(SEED), []
    for story in TinyTown.load().stories(n, seed=SEED):
        words = story.words[: rng.randint(4, 30)]
        drawn.append(View(" ".join(words), rng.randint(1, len(words)), "bidirectional"))
    return drawn


def score(folder: Path, n: int = QUESTIONS) -> dict[str, float]:
    """Return the mean total variation from the exact posterior under each mask, their mean, and 'looks at the clue'.

    The last is the attention that the upper layer's better head gives, from the asked place, to the one word to the
    right that tells most, averaged over the questions that have such a word.
    """
    rng, apart, looks = random.Random(SEED + 1), {mask: [] for mask in MASKS}, []
    for view in questions(n):
        length = len(view.words) + 2
        sizes = {"prefix": rng.randint(0, length), "window": rng.randint(1, min(EveryMask.WIDEST, length))}
        for mask in MASKS:
            found = read(replace(view, mask=mask, size=sizes.get(mask)), folder)
            apart[mask].append(sum(abs(p - found.best[word]) for word, p in found.model.items()) / 2)
            if mask == "bidirectional" and (at := _clue(view, found)) is not None:
                looks.append(found.attentions[-1, :, view.places[0] + 1, at].max())
    means = {mask: round(float(np.mean(values)), 4) for mask, values in apart.items()}
    return means | {
        "mean": round(float(np.mean(list(means.values()))), 4), "looks at the clue": round(float(np.mean(looks)), 3),
        "clues": len(looks), "questions": n,
    }  # fmt: skip


def _clue(view: View, found) -> int | None:
    """Find the position to the right whose word, added to the left side, tells most; None if none tells enough."""
    place, length = view.places[0], len(view.words) + 2
    left = np.arange(length) <= place + 1
    gives = {}
    for at in range(place + 2, length - 1):
        seen = left.copy()
        seen[at] = True
        gives[at] = best_given(view, seen)[found.view.truth]
    most = max(gives, key=gives.get, default=None)
    return most if most and gives[most] > best_given(view, left)[found.view.truth] + TELLS else None


if __name__ == "__main__":
    for name in sys.argv[1:]:
        file = Path(name) / "recipe.json"
        recipe = json.loads(file.read_text("utf-8")) | {"total variation": score(Path(name))}
        file.write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
        print(name, recipe["total variation"], flush=True)
