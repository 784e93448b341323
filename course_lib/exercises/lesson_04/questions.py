"""The predictions of lesson 04."""

from course_lib.exercises.questions import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="same-weights", lesson=4,
        text="The same weights run with the two-sided and with the causal mask. Both models have two layers. At which "
        "positions are their outputs equal?",
        options={"a": "at all positions", "b": "only at the last position, which sees everything either way",
                 "c": "at no position"},
        because={"a": "Then the mask would change nothing at all.",
                 "b": "The last position saw the same words, and they had seen the same before.",
                 "c": "In the first layer the last position does see the same; but in the second it reads neighbours "
                 "that have by then read different things."},
    ),
    Question(
        name="two-sided-next-word", lesson=4,
        text="A two-sided body is trained to predict the next word, as GPT is. What happens to its loss?",
        options={"a": "it ends near the exact entropy, like GPT's", "b": "it falls far below the exact entropy",
                 "c": "it stays at the floor"},
        because={"a": "Then the mask would not matter for this objective.",
                 "b": "The answer stands in the input, one position to the right: the model copies it and learns "
                 "nothing about language.",
                 "c": "Then nothing at all was learned."},
    ),
    Question(
        name="cost-of-the-mask", lesson=4,
        text="15% of the words of a Tiny Town story are hidden. A perfect reader may look left and right, another "
        "perfect reader only left. How many more of the hidden words does the first one get right?",
        options={"a": "at most 5 of 100", "b": "6 to 14 of 100", "c": "15 of 100 or more"},
        because={"a": "Then the right context would hardly matter here.",
                 "b": "A real, moderate gap.", "c": "In this language much of what decides a word stands after it."},
    ),
    Question(
        name="two-perplexities", lesson=4,
        text="Two perfect readers of the same language: one fills masked words (it sees both sides), the other "
        "predicts next words. Whose perplexity is lower?",
        options={"a": "equal: the language has one entropy", "b": "the one that fills gaps",
                 "c": "the one that predicts next words"},
        because={"a": "Then the two numbers could be compared.",
                 "b": "Its question is easier. Both are perfect, so the lower number says nothing about who is better.",
                 "c": "Then guessing ahead would be easier than filling gaps."},
    ),
    Question(
        name="faster-learner", lesson=4,
        text="Three models read the same number of words: masked (asked at 15%), causal (asked at every word) and "
        "causal asked at a random 15%. Which has come furthest from its floor to its ceiling?",
        options={"a": "masked, 15%", "b": "causal, every word", "c": "causal, 15%"},
        because={"a": "Then two-sided context would outweigh the denser signal.",
                 "b": "How much of that is owed to its many questions, the third arm tells.",
                 "c": "Then fewer questions would teach more."},
    ),
    Question(
        name="both-masks", lesson=4,
        text="One set of weights is trained under both masks in turn, with the same number of words in all. What "
        "becomes of it?",
        options={"a": "it keeps most of what each specialist can do",
                 "b": "it fails at one or both",
                 "c": "it beats both specialists"},
        because={"a": "One body can serve under both masks, although each objective got only half of the words.",
                 "b": "The two objectives got in each other's way here.",
                 "c": "The two objectives help each other more than the halved time costs."},
    ),
    Question(
        name="passes-to-train", lesson=4,
        text="A decoder learns from a sentence of 30 words. How many runs through the model does that take?",
        options={"a": "30, one word after the other", "b": "one"},
        because={"a": "Then earlier outputs would change when words are added.",
                 "b": "Under the causal mask no output depends on later words, so all 30 questions are asked at once."},
    ),
)  # fmt: skip
