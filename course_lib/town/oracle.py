"""The exact best score on Tiny Town: what a perfect reader would predict.

A story is a hidden Markov chain: the hidden state is a place in a template together with the story's topic, hero and
mood. The forward algorithm gives ``P(word | words before it)``, forward and backward together ``P(word | all other
visible words)`` (Rabiner 1989, section III). No model can beat these numbers on average, so the course draws them as
the *ceiling*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from course_lib.town.language import Sentence, TinyTown

__all__ = ["Oracle", "NEGATIVES"]

NEGATIVES = ("other document", "same document", "swapped")


class Oracle:
    """Exact inference for a :class:`~course_lib.town.language.TinyTown`.

    Words are read from the start of a story. S is the number of states (places in templates), Z the number of
    combinations of hidden variables, K of kinds of sentences, V the vocabulary. Probabilities are float64.
    """

    def __init__(self, town: TinyTown):
        self.town = town
        self.vocabulary = town.vocabulary
        self.word_id = {word: i for i, word in enumerate(self.vocabulary)}
        self._grid = tuple(len(options) for options in town.variables.values())  # e.g. (8, 12, 2)
        self._kinds = list(town.chain)
        self._chain = np.array([[town.chain[k].get(after, 0.0) for after in self._kinds] for k in self._kinds])
        self._first_kind = np.eye(len(self._kinds))[self._kinds.index(town.start)]  # P(kind of the first sentence), [K]
        parts = [(p, path, at) for path in town.paths for at, p in enumerate(path.parts)]
        self._S, self._Z = len(parts), int(np.prod(self._grid))
        self._starts = np.array([s for s, (_, _, at) in enumerate(parts) if at == 0])
        self._ends = np.array([s for s, (_, path, at) in enumerate(parts) if at == len(path.parts) - 1])
        self._chosen = np.array([path.probability for path in town.paths])  # P(path | kind)
        kind_of = np.array([self._kinds.index(path.kind) for path in town.paths])
        self._is_kind = (np.arange(len(self._kinds))[:, None] == kind_of).astype(float)  # [K, paths]
        self._build_emissions([part for part, _, _ in parts])

    def _build_emissions(self, parts: list[str]) -> None:
        """Tabulate P(word | state, hidden variables), by word and by the variable that decides it."""
        names, V = list(self.town.variables), len(self.vocabulary)
        by_variable: dict[str | None, list[tuple[int, np.ndarray]]] = {}
        by_word: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(V)]
        for state, part in enumerate(parts):
            variable = self.town.slots[part[1:-1]][0] if part.startswith("{") else None
            options = self.town.variables[variable] if variable else [None]
            table = np.zeros((len(options), V))
            for row, value in enumerate(options):
                words = self.town.choices(part, {variable: value} if variable else {})
                for word in words:
                    table[row, self.word_id[word]] += 1 / len(words)
            by_variable.setdefault(variable, []).append((state, table))
            index = np.indices(self._grid)[names.index(variable)].ravel() if variable else np.zeros(self._Z, int)
            for v in np.flatnonzero(table.any(axis=0)):
                by_word[v].append((state, table[index, v]))
        # variable -> (states, [n, values, V]); word -> its states [n] and P(word | state, hidden variables) [n, Z]
        self._tables = {name: tuple(map(np.array, zip(*rows, strict=True))) for name, rows in by_variable.items()}
        self._states_of = [np.array([s for s, _ in rows], int) for rows in by_word]
        self._emission = [np.array([p for _, p in rows]).reshape(-1, self._Z) for rows in by_word]

    def _first(self) -> np.ndarray:
        """Distribution over (state, hidden variables) before any word: [S, Z], sums to 1."""
        first = np.zeros((self._S, self._Z))
        first[self._starts] = (self._first_kind @ self._is_kind * self._chosen)[:, None] / self._Z
        return first

    def _step(self, here: np.ndarray) -> np.ndarray:
        """Move every state one word on: [S, Z] -> [S, Z]."""
        there = np.empty_like(here)
        there[1:] = here[:-1]
        finished = self._is_kind @ here[self._ends]  # [K, Z]
        there[self._starts] = self._is_kind.T @ (self._chain.T @ finished) * self._chosen[:, None]
        return there

    def _step_back(self, there: np.ndarray) -> np.ndarray:
        """The transpose of :meth:`_step`, for messages from the right: [S, Z] -> [S, Z]."""
        here = np.empty_like(there)
        here[:-1] = there[1:]
        beginning = (self._is_kind * self._chosen) @ there[self._starts]  # [K, Z]
        here[self._ends] = self._is_kind.T @ (self._chain @ beginning)
        return here

    def _id(self, word: str) -> int:
        if word not in self.word_id:
            raise ValueError(f"{word!r} is not a word of this town; its vocabulary has {len(self.word_id)} words.")
        return self.word_id[word]

    def _weigh(self, belief: np.ndarray, word: str | None, noise: float = 0.0, z=slice(None)) -> np.ndarray:
        """Multiply a belief [S, Z] by P(observed word | state); ``None`` is a hidden word and says nothing."""
        if word is None:
            return belief
        v = self._id(word)
        states = self._states_of[v]
        weighed = belief * (noise / len(self.vocabulary)) if noise else np.zeros_like(belief)
        weighed[states] += (1 - noise) * belief[states] * self._emission[v][:, z]
        return weighed

    def _to_words(self, beliefs: np.ndarray) -> np.ndarray:
        """Turn beliefs over states [N, S, Z] into distributions over words [N, V]."""
        names, out = list(self.town.variables), 0.0
        beliefs = beliefs.reshape(len(beliefs), self._S, *self._grid)
        for variable, (states, table) in self._tables.items():
            keep = names.index(variable) + 2 if variable else None
            marginal = beliefs[:, states].sum(axis=tuple(a for a in (2, 3, 4) if a != keep))
            table = table.reshape(-1, len(self.vocabulary))
            out = out + marginal.reshape(len(beliefs), len(table)) @ table
        return out / out.sum(axis=1, keepdims=True)

    def _possible(self, words: Sequence[str | None]) -> np.ndarray:
        """Indices of the hidden variables' values under which every visible word can be written."""
        seen = [self._emission[self.word_id[word]].any(axis=0) for word in words if word in self.word_id]
        return np.flatnonzero(np.all([np.ones(self._Z, dtype=bool), *seen], axis=0))

    def _forward(self, words: Sequence[str | None], at: Sequence[int] = (), noise: float = 0.0, z=None):
        """Beliefs before each word of ``at`` is read [len(at), S, Z], each with sum 1, and log P(words) in nats."""
        z = np.arange(self._Z) if z is None else z  # the hidden variables that are still possible: what was ruled out
        log_probability, belief = 0.0, self._first()[:, z]  # by a word is left out of the sums that follow
        beliefs = np.zeros((len(at), self._S, self._Z))
        for t, word in enumerate(words):
            for row in [row for row, place in enumerate(at) if place == t]:
                beliefs[row][:, z] = belief
            weighed = self._weigh(belief, word, noise, z)
            total = weighed.sum()
            if total <= 0:
                said = " ".join(w or "[MASK]" for w in words[: t + 1])
                raise ValueError(f"No story of this town begins like this: {said!r} (word {t} is impossible).")
            log_probability += np.log(total)
            alive = weighed.any(axis=0)
            if not alive.all():
                z, weighed = z[alive], weighed[:, alive]
            belief = self._step(weighed / total)
        return beliefs, float(log_probability)

    def _backward(self, words: Sequence[str | None], noise: float, z: np.ndarray) -> list[np.ndarray]:
        """For each place, how well each state [S, Z] explains the words after it (scaled to a maximum of 1)."""
        messages = [np.ones((self._S, len(z)))]
        for word in reversed(words[1:]):
            message = self._step_back(self._weigh(messages[-1], word, noise, z))
            messages.append(message / message.max())
        return messages[::-1]

    def _around(self, words: Sequence[str | None], at: Sequence[int], left_only: bool, noise: float = 0) -> np.ndarray:
        """Beliefs at the places ``at`` given the visible words around each: [len(at), S, Z], up to a factor."""
        # What the words to the right rule out may be left out of the sum, but only a two-sided reader sees it.
        z = np.arange(self._Z) if left_only or noise else self._possible(words)
        beliefs, _ = self._forward(words, at, noise, z if len(z) else None)  # if empty: names the impossible word
        if not left_only:
            after = self._backward(words, noise, z)
            for row, t in enumerate(at):
                beliefs[row][:, z] *= after[t]
        return beliefs

    def log_prob(self, words: Sentence) -> float:
        """Compute log P(words) in nats, for words from the start of a story."""
        return self._forward(words)[1]

    def next_word(self, words: Sentence) -> np.ndarray:
        """Compute P(word t | words before t) for every t: float64 [T, V]. The causal reader's ceiling."""
        return self._to_words(self._forward(words, range(len(words)))[0])

    def fill(self, words: Sentence, hidden: Sequence[int], left_only: bool = False) -> np.ndarray:
        """Compute P(word | all visible words) at each hidden place: float64 [len(hidden), V].

        All places of ``hidden`` are hidden at once. With ``left_only`` the reader sees only the visible words to the
        left of each place, as under a causal mask.
        """
        return self.restore([None if t in set(hidden) else w for t, w in enumerate(words)], hidden, left_only)

    def restore(
        self, observed: Sequence[str | None], at: Sequence[int], left_only: bool = False,
        rate: float = 0.15, random: float = 0.0, keep: float = 0.0,
    ) -> np.ndarray:  # fmt: skip
        """Compute P(original word | a corrupted text) at the selected places: float64 [len(at), V].

        ``observed`` holds None for [MASK]. ``rate`` is the share of words selected, of which ``random`` were replaced
        by a uniformly drawn word and ``keep`` left as they were (BERT, appendix A.1: 0.15, 0.1, 0.1). The reader does
        not know which other visible words were replaced, but does know that the places in ``at`` were selected, as
        training with a loss there teaches.
        """
        if wrong := [t for t in at if not 0 <= t < len(observed)]:
            raise ValueError(f"Places {wrong} lie outside the text of {len(observed)} words.")
        seen = [row for row, t in enumerate(at) if observed[t] is not None]  # selected, yet visible
        if seen and random == keep == 0:
            raise ValueError(f"{observed[at[seen[0]]]!r} at place {at[seen[0]]} was selected, yet is visible: hide it "
                             "(None), or say how words were corrupted, e.g. random=0.1, keep=0.1.")  # fmt: skip
        noise = rate * random / (1 - rate + rate * (random + keep))  # P(replaced | visible)
        out = self._to_words(self._around(observed, at, left_only, noise))
        for row in seen:  # kept, or replaced by chance
            channel = np.full(len(self.vocabulary), random / len(self.vocabulary))
            channel[self._id(observed[at[row]])] += keep
            out[row] = out[row] * channel / (out[row] * channel).sum()
        return out

    def posterior(self, words: Sentence, variable: str) -> np.ndarray:
        """Compute P(value | words) of a hidden variable, 'topic', 'hero' or 'mood': float64 [values].

        Nothing is hidden, so a causal reader at the last word knows as much as a two-sided one.
        """
        axis = list(self.town.variables).index(variable)
        belief = self._forward([*words, None], [len(words)])[0][0]  # [S, Z], before the word after the last
        found = np.moveaxis(belief.sum(axis=0).reshape(self._grid), axis, 0)
        return found.reshape(len(found), -1).sum(axis=1)

    def word_labels(
        self, words: Sentence, label: Callable[[str, Sequence[str | None], Sequence[str]], list[str]],
        left_only: bool = False,
    ) -> list[dict[str, float]]:  # fmt: skip
        """Compute P(label | words) for each word: {label: probability}, one dict per word.

        ``label(kind, slots, parts)`` names the labels along one template, given its kind of sentence, the slot of each
        of its parts (None for a fixed word) and the parts. With ``left_only`` the reader at a word has seen it and the
        words to its left, as under a causal mask.
        """
        names = [name for path in self.town.paths for name in label(path.kind, path.slots, path.parts)]  # [S]
        out = []
        for belief, word in zip(self._around(words, range(len(words)), left_only), words, strict=True):
            found = dict.fromkeys(names, 0.0)
            for name, p in zip(names, self._weigh(belief, word).sum(axis=1), strict=True):
                found[name] += p
            out.append({name: p / sum(found.values()) for name, p in found.items()})
        return out

    def follows(self, a: list[Sentence], b: list[Sentence], negative: str, sentences: int = 6, matched=False) -> float:
        """Compute P(b follows a), 0..1, when half of all pairs are neighbours and half are of one negative kind.

        ``a`` and ``b`` are runs of sentences out of stories of ``sentences`` sentences, every place equally likely.
        ``negative``: 'other document' (NSP), 'same document' (not the next run), or 'swapped' (b, then a: sentence
        order prediction, ALBERT section 3.1). With ``matched``, a and b of another document come from the places that
        they have in neighbours (``packing.balanced_pairs``).
        """
        n, m = len(a), len(b)
        if not n or not m or n + m > sentences:
            raise ValueError(f"{n} + {m} sentences do not fit into stories of {sentences}: each side needs at least "
                             "one sentence.")  # fmt: skip
        steps = [np.linalg.matrix_power(self._chain, gap) for gap in range(sentences + 1)]
        kind = [self._first_kind @ step for step in steps]  # P(kind) at each place of a story
        A, B = self._run(a), self._run(b)  # [K first, K last, Z]

        def joined(first, second, i, gap=0):  # P(first at place i, second after it), `gap` sentences between them
            ended = np.einsum("k,klz->lz", kind[i], first)
            return ((steps[gap + 1].T @ ended) * second.sum(axis=1)).sum() / self._Z

        def alone(run, places):
            return np.mean([(kind[i] @ run.sum(axis=1)).sum() / self._Z for i in places])

        free = sentences - n - m  # sentences outside both runs
        positive = np.mean([joined(A, B, i) for i in range(free + 1)])
        if negative == "other document":
            before, after = (n, m) if matched else (0, 0)  # sentences that a neighbour needs
            contrast = alone(A, range(sentences - n - after + 1)) * alone(B, range(before, sentences - m + 1))
        elif negative == "swapped":
            contrast = np.mean([joined(B, A, i) for i in range(free + 1)])
        else:
            apart = [joined(A, B, i, gap) for i in range(free + 1) for gap in range(1, free - i + 1)]
            contrast = np.mean(apart + [joined(B, A, i, gap) for i in range(free + 1) for gap in range(free - i + 1)])
        if positive + contrast == 0:
            raise ValueError("Neither order of these sentences is possible in this town.")
        return float(positive / (positive + contrast))

    def _run(self, sentences: list[Sentence]) -> np.ndarray:
        """P(sentences | kind of the first, hidden variables), split by the kind of the last: [K, K, Z]."""
        out = None
        for sentence in sentences:
            said = np.ones((self._S, self._Z))  # P(the words read so far | the state before, after: on one path)
            for word in sentence[:-1]:
                said[1:] = self._weigh(said, word)[:-1]
            fits = (self._ends - self._starts == len(sentence) - 1)[:, None]
            likelihood = (self._is_kind * self._chosen) @ (self._weigh(said, sentence[-1])[self._ends] * fits)  # [K, Z]
            one = np.einsum("kz,kl->klz", likelihood, np.eye(len(self._kinds)))
            out = one if out is None else np.einsum("klz,lm,mnz->knz", out, self._chain, one)
        return out
