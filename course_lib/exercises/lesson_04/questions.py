"""The predictions of lesson 04."""

from course_lib.exercises.old import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="same-weights", lesson=4,
        text="The same weights run with the bidirectional and with the causal mask. Both models have two layers. At "
        "which positions are their outputs equal?",
        options={"a": "at all positions", "b": "only at the last position, which sees everything either way",
                 "c": "at no position"},
        because={"a": "Then the mask would change nothing at all.",
                 "b": "The last position saw the same words, and they had seen the same before.",
                 "c": "In the first layer the last position does see the same; but in the second it reads neighbours "
                 "that have by then read different things."},
    ),
    Question(
        name="two-sided-next-word", lesson=4,
        text="A bidirectional model is trained to predict the next word, as GPT is. What happens to its loss?",
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
        name="gap-for-a-causal-model", lesson=4,
        text="In `____ Clara will go to the farm .` a causal model, trained on next words alone, gives `tomorrow` "
        "about a tenth of the probability: the gap is the first word that it predicts. Can the same weights give it "
        "more than half?",
        options={"a": "no: what stands to the right is out of their reach",
                 "b": "only after further training, on texts with gaps",
                 "c": "yes, without any training"},
        because={"a": "Then the weights would know nothing about which texts are likely.",
                 "b": "Further training makes it cheaper (fill-in-the-middle), but it was not needed.",
                 "c": "They give the probability of a whole text. Compare the texts that each candidate makes."},
    ),
    Question(
        name="faster-learner", lesson=4,
        text="Four models read the same texts: masked (asked about 15%) with two sides or with the left one, and "
        "causal, asked at a random 15% or at every word. Which is the first to go 90% of the way from its floor to "
        "its ceiling?",
        options={"a": "masked, two-sided", "b": "masked, left-only", "c": "causal, 15%", "d": "causal, every word",
                 "e": "the first two of them cannot be told apart"},
        because={"a": "Then the clues on two sides would outweigh everything else.",
                 "b": "Then two sides would be a burden, and gaps an easier school than next words.",
                 "c": "Then fewer questions would teach more.",
                 "d": "How much of that is owed to its many questions, the three others tell.",
                 "e": "Their difference is within what seeds and texts do."},
    ),
    Question(
        name="both-masks", lesson=4,
        text="One set of weights is trained under both masks in turn, with the same number of words in all. What "
        "becomes of it?",
        options={"a": "it keeps most of what each specialist can do",
                 "b": "it fails at one or both",
                 "c": "it beats both specialists"},
        because={"a": "One set of weights can serve under both masks, although each objective got only half of the "
                 "words.",
                 "b": "The two objectives got in each other's way here.",
                 "c": "The two objectives help each other more than the halved time costs."},
    ),
    Question(
        name="passes-to-train", lesson=4,
        text="A decoder is trained on a row of 30 words. What does it take to ask for every next word of the row?",
        options={"a": "30 passes, each over one word more", "b": "one pass over the row",
                 "c": "30 passes over the whole row, each asking at another place"},
        because={"a": "Then earlier outputs would change when words are added.",
                 "b": "Under the causal mask no output depends on later words, so all 30 questions are asked at once.",
                 "c": "Then a pass would give only one prediction."},
    ),
)  # fmt: skip
