"""Lesson 02's experiments: a pronoun and its name at growing distance, told apart by kind or by order."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import runtime
from course_lib.experiments.definition import Record
from course_lib.experiments.sequence_mixers import SequenceMixer, build

__all__ = ["DISTANCES", "LENGTH", "NAMES", "PRONOUNS", "TASKS", "WORDS", "better_rate", "resolve", "rows", "score",
           "steps_until", "train", "words"]  # fmt: skip

PRONOUNS = {
    "she": ("Anna", "Clara", "Emma", "Julia", "Lena", "Maria", "Nora", "Sara"),
    "he": ("Adam", "Ben", "David", "Jonas", "Leo", "Max", "Paul", "Tom"),
    "it": ("cat", "cow", "dog", "duck", "goat", "horse", "lion", "pig"),
}
NAMES = tuple(name for names in PRONOUNS.values() for name in names)  # a name's place is its answer
FILLERS = (
    "the", "a", "on", "by", "near", "under", "old", "red", "small", "wet", "house", "road", "hill", "tree",
    "and", "or", "with", "from", "over", "today", "often", "here", "very", "quiet",
)  # fmt: skip
WORDS = (*PRONOUNS, *NAMES, *FILLERS)  # a word's place is its id
LENGTH = 64  # words per row
DISTANCES = (1, 4, 5, 8, 16, 24, 32, 40, 41, 60)  # where all readers are asked; 63 is the longest
TEST_FROM, VALIDATION_FROM = 1_000_000, 2_000_000  # a seed draws its held-out rows from here + 100 * seed on
ON_THE_WAY, AT_THE_END = 50, 500  # test rows per distance; to choose a learning rate there are 100 others
TASKS = {"kind": 2, "order": 3}  # what tells the right name from its rivals, and the number of rivals


def rows(
    n: int, generator: torch.Generator, distance: int | None = None, task: str = "kind"
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw rows of filler words with a name and, ``distance`` words after it, the pronoun that stands for it.

    Task 'kind': a name of each of the two other kinds stands anywhere else; the pronoun's kind decides. Task 'order':
    up to three names of the same kind stand before the right one; the last one named is meant. Without ``distance``
    each row has its own, log-uniform over 1..63: as in language, near pairs are common and distant ones rare.
    Returns ids int64 [n, 64], the pronoun's position [n] and the right name [n] (its place in NAMES).
    """
    draw = partial(torch.rand, generator=generator, dtype=torch.float64)
    whole = partial(torch.randint, generator=generator)
    away = torch.full((n,), distance) if distance else (LENGTH ** draw(n)).long()  # [n]
    asked = away + (draw(n) * (LENGTH - away)).long()  # anywhere, as long as the name has a place
    kind, which = whole(3, (n,)), whole(8, (n,))
    ids = whole(len(PRONOUNS) + len(NAMES), len(WORDS), (n, LENGTH))
    each, place = torch.arange(n), torch.arange(LENGTH)
    own = (asked - away)[:, None]
    free = (place < own) if task == "order" else (place != own) & (place != asked[:, None])  # [n, 64]
    chosen, at = torch.where(free, draw(n, LENGTH), -1.0).topk(TASKS[task], dim=1)  # distinct places, [n, rivals]
    kinds = kind[:, None] if task == "order" else (kind[:, None] + torch.tensor([1, 2])) % 3
    rivals = len(PRONOUNS) + 8 * kinds + whole(8, at.shape)
    ids.scatter_(1, at, torch.where(chosen >= 0, rivals, ids.gather(1, at)))  # near the start not all find room
    answer = 8 * kind + which
    ids[each, asked], ids[each, asked - away] = kind, len(PRONOUNS) + answer
    return ids, asked, answer


def words(ids: Tensor) -> list[str]:
    """Spell a row out: ids [T] -> words."""
    return [WORDS[i] for i in ids.tolist()]


def train(
    name: str, seed: int, steps: int, learning_rate: float = 1e-2, task: str = "kind", batch_size: int = 32,
    evaluate=None, every: int = 50,
) -> tuple[SequenceMixer, list[tuple[int, dict]]]:  # fmt: skip
    """Train one of ``sequence_mixers.MIXERS`` on fresh rows; returns it and what ``evaluate`` said [(step, numbers)].

    Adam with a linear warm-up over the first twentieth and a linear decay; gradients are clipped at norm 1.
    """
    runtime.seed_all(seed)
    device = runtime.device()
    model = build(name, len(WORDS), len(NAMES), LENGTH).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min((n + 1) / (steps / 20), 1.02 - n / steps, 1.0))
    generator, seen = torch.Generator().manual_seed(seed), []
    for step in range(1, steps + 1):
        ids, asked, answer = (part.to(device) for part in rows(batch_size, generator, task=task))
        loss = F.cross_entropy(model(ids, asked), answer)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        if evaluate and (step % every == 0 or step == steps):
            seen.append((step, evaluate(model)))
    return model, seen


@torch.no_grad()
def score(
    model: SequenceMixer, task: str = "kind", distances: tuple[int, ...] = DISTANCES, n: int = 100,
    seed: int = TEST_FROM,
) -> dict[str, float]:  # fmt: skip
    """Return {'accuracy at D': share of n held-out pronouns resolved} for each distance, and 'accuracy', their mean."""
    device, found = next(model.parameters()).device, {}
    for distance in distances:
        ids, asked, answer = rows(n, torch.Generator().manual_seed(seed + distance), distance, task)
        guess = model(ids.to(device), asked.to(device)).argmax(dim=-1).cpu()
        found[f"accuracy at {distance}"] = (guess == answer).double().mean().item()
    return found | {"accuracy": sum(found.values()) / len(found)}


def resolve(
    seed: int, reader: str, task: str, steps: int, learning_rate: float, batch_size: int, moments: int
) -> dict[str, list]:
    """Train one reader on pronouns at mixed distances and measure it on the way, on test rows of the seed.

    Returns lists over training: step, tokens and the numbers of :func:`score`; and, the same all along, 'validation
    accuracy', the end's mean on other rows, to choose a learning rate by. The floor is 1 / 8, guessing among the names
    of the pronoun's kind; the ceiling is 1: the right name is always there.
    """
    test, other = TEST_FROM + 100 * seed, VALIDATION_FROM + 100 * seed
    evaluate = partial(score, task=task, n=ON_THE_WAY, seed=test)
    model, seen = train(reader, seed, steps, learning_rate, task, batch_size, evaluate, max(1, steps // moments))
    seen[-1] = steps, score(model, task, n=AT_THE_END, seed=test)
    numbers = {name: [scores[name] for _, scores in seen] for name in seen[0][1]}
    numbers["validation accuracy"] = [score(model, task, seed=other)["accuracy"]] * len(seen)
    passed = [step for step, _ in seen]
    return {"step": passed, "tokens": [step * batch_size * LENGTH for step in passed], **numbers}


def better_rate(record: Record, reader: str) -> str:
    """Return the arm of a reader whose learning rate did better on the validation rows, over all seeds."""
    arms = [arm for arm in record.runs if arm.startswith(f"{reader}, rate ")]
    return max(arms, key=lambda arm: sum(record.final(arm, "validation accuracy")))


def steps_until(record: Record, arm: str, distance: int, share: float = 0.9) -> list[float]:
    """Return for each seed the first step at which this share was right at a distance; inf if it never was."""
    runs = [zip(run["step"], run[f"accuracy at {distance}"], strict=True) for run in record.runs[arm].values()]
    return [next((step for step, right in run if right >= share), float("inf")) for run in runs]
