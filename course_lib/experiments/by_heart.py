"""A small text read many times: who learns it by heart, who predicts each next word, or who fills in masked ones?"""

from __future__ import annotations

import functools

from torch import Tensor
from transformers import PreTrainedModel

from course_lib.experiments import materials, world
from course_lib.experiments.materials import ASKED, Material, Plan
from course_lib.model import bodies
from course_lib.train import evaluation
from course_lib.train.evaluation import HeldOut
from course_lib.train.masking import Masking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM

__all__ = ["reread"]

READ = 500  # rows of the training text that are asked about
FRESH = 32_000  # rows of Tiny Town where none is read twice
BACKBONES = {"tiny town": bodies.tiny_bert}  # of English: ModernBERT


def reread(
    seed: int, corpus: str, task: str, steps: int, batch_size: int, learning_rate: float,
    rows: int | None = None, share: float = 1.0,
) -> Plan:  # fmt: skip
    """Read ``rows`` rows of a corpus again and again (all of it without) and ask about them and about new text.

    ``task``: 'masked' words, masks drawn anew each time; 'causal', the next word at a ``share`` of the places; or
    'both' in turn. One backbone for all. Numbers: 'fill' and 'next word', each 'new nats' and 'read nats' and their
    difference, 'gap nats'; next words under the causal mask. Constants, in town: the 'ceiling' of each question, on the
    very rows. Raises KeyError for another task.
    """
    data, read = _texts(seed, corpus, rows)
    masked, causal = MaskedLM(Masking.of(data.tokenizer)), world.under_causal_mask(CausalLM.of(data.tokenizer, share))
    goal = {"masked": masked, "causal": causal, "both": BothMasks(masked, CausalLM.of(data.tokenizer))}[task]
    questions = {}
    for part, text in (("new", data.held_out), ("read", read[:READ])):
        questions[f"fill {part}"] = HeldOut(text, data.fill().objective)
        questions[f"next word {part}"] = HeldOut(text, world.under_causal_mask(data.next_word().objective))

    def measure(model: PreTrainedModel) -> dict[str, float]:
        found = {f"{name} nats": question.score(model).loss for name, question in questions.items()}
        return found | {f"{name} gap nats": found[f"{name} new nats"] - found[f"{name} read nats"]
                        for name in ("fill", "next word")}  # fmt: skip

    build = functools.partial(BACKBONES.get(corpus, bodies.modern_bert), data.tokenizer)
    return Plan(build, read, goal, measure, steps, batch_size, learning_rate, _ceilings(seed, corpus, rows))


def _texts(seed: int, corpus: str, rows: int | None) -> tuple[Material, Tensor]:
    """Return a corpus with its new text, and the rows to read, int64 [rows, 32]."""
    if corpus == "tiny town":
        data = materials.material(rows=rows or FRESH, held_out=ASKED, seed=seed)
    else:
        data = world.english(corpus, seed)
    return data, data.rows[:rows]


@functools.lru_cache(maxsize=4)
def _ceilings(seed: int, corpus: str, rows: int | None) -> dict[str, float]:
    """Compute what no reader can beat who knows the language alone, on the very rows; English has none."""
    data, read = _texts(seed, corpus, rows)
    if data.oracle is None:
        return {}
    found = {}
    for part, text in (("new", data.held_out), ("read", read[:READ])):
        fill, following = (HeldOut(text, asked.objective) for asked in (data.fill(), data.next_word()))
        found[f"ceiling fill {part} nats"] = evaluation.ceiling(data.oracle, data.tokenizer, fill).loss
        best = evaluation.next_word_ceiling(data.oracle, data.tokenizer, following)
        found[f"ceiling next word {part} nats"] = best.loss
    return found
