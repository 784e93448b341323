"""The exact best score on Tiny Town: what a perfect reader would predict.

A story is a hidden Markov chain: the hidden state is a place in a template together with the
story's topic, hero and mood. The forward algorithm gives ``P(word | words before it)``, forward and
backward together ``P(word | all other visible words)`` (Rabiner 1989, section III). No model can
beat these numbers on average, so the course draws them as the *ceiling*.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from course_lib.town.language import Sentence, TinyTown

__all__ = ["Oracle", "NEGATIVES"]

NEGATIVES = ("other document", "same document", "swapped")


class Oracle:
    """Exact inference for a :class:`~course_lib.town.language.TinyTown`.

    Words are read from the start of a story. S is the number of states (places in templates), Z the
    number of combinations of hidden variables, V the vocabulary. Probabilities are float64.
    """

    def __init__(self, town: TinyTown):
        self.town = town
        self.vocabulary = town.vocabulary
        self.word_id = {word: i for i, word in enumerate(self.vocabulary)}
        self._grid = tuple(len(options) for options in town.variables.values())  # e.g. (8, 12, 2)
        self._kinds = list(town.chain)
        self._chain = np.array([[town.chain[k].get(after, 0.0) for after in self._kinds] for k in self._kinds])
        parts = [(p, path, at) for path in town.paths for at, p in enumerate(path.parts)]
        self._S, self._Z = len(parts), int(np.prod(self._grid))
        self._starts = np.array([s for s, (_, _, at) in enumerate(parts) if at == 0])
        self._ends = np.array([s for s, (_, path, at) in enumerate(parts) if at == len(path.parts) - 1])
        self._kind_of = np.array([self._kinds.index(path.kind) for _, path, _ in parts])
        self._path_probability = np.array([path.probability for _, path, _ in parts])
        is_kind = np.arange(len(self._kinds))[:, None] == self._kind_of  # [K, S]
        self._ends_by_kind = is_kind[:, self._ends].astype(float)
        self._starts_by_kind = is_kind[:, self._starts] * self._path_probability[self._starts]
        self._build_emissions([part for part, _, _ in parts])

    def _build_emissions(self, parts: list[str]) -> None:
        """Tabulate P(word | state, hidden variables), by word and by the variable that decides it."""
        names, V = list(self.town.variables), len(self.vocabulary)
        self._tables: dict[str | None, tuple[np.ndarray, np.ndarray]] = {}  # variable -> (states, [n, values, V])
        by_variable: dict[str | None, list[tuple[int, np.ndarray]]] = {}
        dense = np.zeros((self._S, self._Z, V), dtype=np.float32 if self._S * self._Z * V > 1e8 else np.float64)
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
            dense[state] = table[index]
        for variable, rows in by_variable.items():
            self._tables[variable] = (np.array([s for s, _ in rows]), np.stack([t for _, t in rows]))
        self._states_of = [np.flatnonzero(dense[:, :, v].any(axis=1)) for v in range(V)]
        self._emission = [dense[states, :, v].astype(np.float64) for v, states in enumerate(self._states_of)]

    # One step of the chain -------------------------------------------------------------------------

    def _first(self) -> np.ndarray:
        """Distribution over (state, hidden variables) before any word: [S, Z], sums to 1."""
        first = np.zeros((self._S, self._Z))
        starts = self._starts[self._kind_of[self._starts] == self._kinds.index(self.town.start)]
        first[starts] = self._path_probability[starts, None] / self._Z
        return first

    def _step(self, here: np.ndarray) -> np.ndarray:
        """Move every state one word on: [S, Z] -> [S, Z]."""
        there = np.empty_like(here)
        there[1:] = here[:-1]
        finished = self._ends_by_kind @ here[self._ends]  # [K, Z]
        following = (self._chain.T @ finished)[self._kind_of[self._starts]]
        there[self._starts] = following * self._path_probability[self._starts, None]
        return there

    def _step_back(self, there: np.ndarray) -> np.ndarray:
        """The transpose of :meth:`_step`, for messages from the right: [S, Z] -> [S, Z]."""
        here = np.empty_like(there)
        here[:-1] = there[1:]
        beginning = self._starts_by_kind @ there[self._starts]  # [K, Z]
        here[self._ends] = (self._chain @ beginning)[self._kind_of[self._ends]]
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

    def _likelihood(self, state: int, word: str) -> np.ndarray | float:
        """P(word | one state, hidden variables): [Z], or 0 where the state cannot write the word."""
        v = self._id(word)
        row = np.searchsorted(self._states_of[v], state)
        found = row < len(self._states_of[v]) and self._states_of[v][row] == state
        return self._emission[v][row] if found else 0.0

    def _to_words(self, beliefs: np.ndarray) -> np.ndarray:
        """Turn beliefs over states [N, S, Z] into distributions over words [N, V]."""
        names, out = list(self.town.variables), 0.0
        beliefs = beliefs.reshape(len(beliefs), self._S, *self._grid)
        for variable, (states, table) in self._tables.items():
            keep = names.index(variable) + 2 if variable else None
            marginal = beliefs[:, states].sum(axis=tuple(a for a in (2, 3, 4) if a != keep))
            out = out + marginal.reshape(len(beliefs), -1) @ table.reshape(-1, len(self.vocabulary))
        return out / out.sum(axis=1, keepdims=True)

    def _possible(self, words: Sequence[str | None]) -> np.ndarray:
        """Indices of the hidden variables' values under which every visible word can be written."""
        possible = np.ones(self._Z, dtype=bool)
        for word in words:
            if word in self.word_id:
                possible &= self._emission[self.word_id[word]].any(axis=0)
        return np.flatnonzero(possible)

    def _forward(
        self, words: Sequence[str | None], noise: float = 0.0, z: np.ndarray | None = None
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], float]:
        """Beliefs before each word is read, and log P(words) in nats.

        A belief is a pair (z, [S, len(z)]): the hidden variables that are still possible and their distribution.
        """
        z = np.arange(self._Z) if z is None else z
        beliefs, log_probability, belief = [], 0.0, self._first()[:, z]
        for at, word in enumerate(words):
            beliefs.append((z, belief))
            weighed = self._weigh(belief, word, noise, z)
            total = weighed.sum()
            if total <= 0:
                said = " ".join(w or "[MASK]" for w in words[: at + 1])
                raise ValueError(f"No story of this town begins like this: {said!r} (word {at} is impossible).")
            log_probability += np.log(total)
            alive = weighed.any(axis=0)
            if alive.sum() < len(z):  # ruled out for good: carry on with what is still possible
                z, weighed = z[alive], weighed[:, alive]
            belief = self._step(weighed / total)
        return beliefs, float(log_probability)

    def _spread(self, beliefs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Lay beliefs out over all hidden variables: [N, S, Z]."""
        out = np.zeros((len(beliefs), self._S, self._Z))
        for row, (z, belief) in enumerate(beliefs):
            out[row][:, z] = belief
        return out

    def _backward(self, words: Sequence[str | None], noise: float = 0.0, z=slice(None)) -> list[np.ndarray]:
        """For each place, how well each state [S, Z] explains the words after it (scaled to a maximum of 1)."""
        messages = [np.ones((self._S, self._Z))[:, z]]
        for word in reversed(words[1:]):
            message = self._step_back(self._weigh(messages[-1], word, noise, z))
            messages.append(message / message.max())
        return messages[::-1]

    # What the course asks ----------------------------------------------------------------------------

    def log_prob(self, words: Sentence) -> float:
        """Compute log P(words) in nats, for words from the start of a story."""
        return self._forward(words)[1]

    def next_word(self, words: Sentence) -> np.ndarray:
        """Compute P(word t | words before t) for every t: float64 [T, V]. The causal reader's ceiling."""
        return self._to_words(self._spread(self._forward(words)[0])) if words else np.zeros((0, len(self.vocabulary)))

    def fill(self, words: Sentence, hidden: Sequence[int], left_only: bool = False) -> np.ndarray:
        """Compute P(word | all visible words) at each hidden place: float64 [len(hidden), V].

        All places of ``hidden`` are hidden at once. With ``left_only`` the reader sees only the
        visible words to the left of each place, as under a causal mask.
        """
        return self.restore([None if t in set(hidden) else w for t, w in enumerate(words)], hidden, left_only)

    def restore(
        self, observed: Sequence[str | None], at: Sequence[int], left_only: bool = False,
        rate: float = 0.15, random: float = 0.0, keep: float = 0.0,
    ) -> np.ndarray:  # fmt: skip
        """Compute P(original word | a corrupted text) at the selected places: float64 [len(at), V].

        ``observed`` holds None for [MASK]. ``rate`` is the share of words selected, of which
        ``random`` were replaced by a uniformly drawn word and ``keep`` left as they were (BERT, appendix
        A.1: 0.15, 0.1, 0.1). The reader does not know which other visible words were replaced, but
        does know that the places in ``at`` were selected, as training with a loss there teaches.
        """
        wrong = [t for t in at if not 0 <= t < len(observed)]
        if wrong:
            raise ValueError(f"Places {wrong} lie outside the text of {len(observed)} words.")
        if len(at) == 0:
            return np.zeros((0, len(self.vocabulary)))
        if not 0 < rate < 1 or random < 0 or keep < 0 or random + keep > 1:
            raise ValueError(
                f"rate={rate} must lie between 0 and 1; random={random} and keep={keep} are two shares of the "
                "selected words, sum <= 1."
            )
        seen = [t for t in at if observed[t] is not None]
        if seen and random == keep == 0:
            raise ValueError(
                f"{observed[seen[0]]!r} at place {seen[0]} was selected, yet is visible: hide it (None), or say how "
                "words were corrupted, e.g. random=0.1, keep=0.1."
            )
        noise = rate * random / (1 - rate + rate * (random + keep))  # P(replaced | visible)
        # What the words to the right rule out may be left out of the sum, but only a two-sided reader sees it.
        z = np.arange(self._Z) if left_only or noise else self._possible(observed)
        if len(z) == 0:
            self._forward(observed)  # raises, and names the first impossible word
        beliefs = self._forward(observed, noise, z)[0]
        chosen = self._spread([beliefs[t] for t in at])
        if not left_only:
            after = self._backward(observed, noise, z)
            for row, t in enumerate(at):
                chosen[row][:, z] *= after[t]
        out = self._to_words(chosen)
        for row, t in enumerate(at):
            if observed[t] is not None:  # selected, yet visible: kept, or replaced by chance
                channel = np.full(len(self.vocabulary), random / len(self.vocabulary))
                channel[self.word_id[observed[t]]] += keep
                out[row] = out[row] * channel / (out[row] * channel).sum()
        return out

    def follows(
        self, a: list[Sentence], b: list[Sentence], negative: str, sentences: int = 6, matched: bool = False
    ) -> float:
        """Compute P(b follows a), 0..1, when half of all pairs are neighbours and half are of one negative kind.

        ``a`` and ``b`` are runs of sentences out of stories of ``sentences`` sentences, every place
        equally likely. ``negative``: 'other document' (NSP), 'same document' (not the next run), or
        'swapped' (b, then a: sentence order prediction, ALBERT section 3.1). With ``matched``, a and b of another
        document come from the places that they have in neighbours (``packing.balanced_pairs``).
        """
        if negative not in NEGATIVES:
            raise ValueError(f"negative={negative!r} is unknown; choose one of {NEGATIVES}.")
        n, m = len(a), len(b)
        if not n or not m:
            raise ValueError(f"a has {n} and b {m} sentences: each needs at least one sentence.")
        if n + m > sentences:
            raise ValueError(f"{n} + {m} sentences do not fit into stories of {sentences}.")
        kind = np.zeros((sentences, len(self._kinds)))  # P(kind) at each place of a story
        kind[0, self._kinds.index(self.town.start)] = 1
        for i in range(1, sentences):
            kind[i] = kind[i - 1] @ self._chain
        A, B = self._run(a), self._run(b)  # [K first, K last, Z]
        steps = [np.linalg.matrix_power(self._chain, gap) for gap in range(sentences + 1)]

        def joined(first, second, gap):  # P(first, second | place i), `gap` sentences between them
            ended = np.einsum("k,klz->lz", kind[i], first)
            return ((steps[gap + 1].T @ ended) * second.sum(axis=1)).sum() / self._Z

        following, swapped, same = [], [], []
        for i in range(sentences - n - m + 1):
            following.append(joined(A, B, 0))
            swapped.append(joined(B, A, 0))
            same += [joined(A, B, gap) for gap in range(1, sentences - n - m - i + 1)]
            same += [joined(B, A, gap) for gap in range(sentences - n - m - i + 1)]
        positive = np.mean(following)
        if negative == "other document":
            before, after = (n, m) if matched else (0, 0)  # sentences that a neighbour needs
            alone = [
                np.mean([(kind[i] @ run.sum(axis=1)).sum() / self._Z for i in range(first, end)])
                for run, first, end in ((A, 0, sentences - n - after + 1), (B, before, sentences - m + 1))
            ]
            contrast = alone[0] * alone[1]
        else:
            contrast = np.mean(swapped if negative == "swapped" else same)
        if positive + contrast == 0:
            raise ValueError("Neither order of these sentences is possible in this town.")
        return float(positive / (positive + contrast))

    def _run(self, sentences: list[Sentence]) -> np.ndarray:
        """P(sentences | kind of the first, hidden variables), split by the kind of the last: [K, K, Z]."""
        K, out = len(self._kinds), None
        for sentence in sentences:
            _ = [self._id(word) for word in sentence]  # an unknown word is a mistake, not an unlikely sentence
            likelihood = np.zeros((K, self._Z))
            for start, end in zip(self._starts, self._ends, strict=True):
                if end - start == len(sentence) - 1:
                    product = np.full(self._Z, self._path_probability[start])
                    for state, word in enumerate(sentence, start):
                        product = product * self._likelihood(state, word)
                    likelihood[self._kind_of[start]] += product
            one = np.einsum("kz,kl->klz", likelihood, np.eye(K))
            out = one if out is None else np.einsum("klz,lm,mnz->knz", out, self._chain, one)
        return out
