"""The predictions and quizzes of lesson 02."""

from course_lib.exercises.old import Question, Quiz

__all__ = ["QUESTIONS", "QUIZZES"]

QUESTIONS = (
    Question(
        name="silent-values", lesson=2,
        text="*barks* gives two thirds of its weight to *dog*. Now we fill the **value** matrix with zeros and leave "
        "the query and key matrices as they are. What happens at *barks*?",
        options={"a": "the weights change and the output stays", "b": "the weights stay and the output is zero",
                 "c": "nothing: the weights decide what it gets"},
        because={"a": "Then the weights would depend on the values.",
                 "b": "Queries and keys decide who is looked at; what arrives is values alone.",
                 "c": "Then the words themselves would be summed, and not their values."},
    ),
    Question(
        name="without-scaling", lesson=2,
        text="A random query meets 32 random keys of width 1024. Without dividing by the square root of the width, how "
        "much of the weight goes to the single best key, on average?",
        options={"a": "about 1/32, as much as to any other", "b": "about a third", "c": "nearly all"},
        because={"a": "Then the width would not matter.", "b": "Then the softmax would still be soft.",
                 "c": "Scores of this width spread over dozens of points, and each point multiplies the weight by e."},
    ),
    Question(
        name="shuffled-words", lesson=2,
        text="A BERT without position embeddings, with two layers and random weights, reads *the dog near the cats "
        "barks* and *the cats near the dog barks*. How far apart are its two vectors for *barks*?",
        options={"a": "far: another animal stands next to *barks*", "b": "a little",
                 "c": "not at all, apart from rounding"},
        because={"a": "Then attention alone would know the order of the words.",
                 "b": "Then some order would leak in.",
                 "c": "Attention sums over a *set* of words. In both sentences the set is the same."},
    ),
    Question(
        name="untrained-influence", lesson=2,
        text="An LSTM before any training, as PyTorch starts it: its forget gate has a bias of 0. How strongly does "
        "the word 60 places back move its answer, compared with the word just before?",
        options={"a": "about as strongly", "b": "about 60 times more weakly",
                 "c": "more than a million times more weakly"},
        because={"a": "Then nothing would get lost on the way.", "b": "Then each step would take off the same amount.",
                 "c": "Each step multiplies by a factor below one, and there are 60 steps."},
    ),
    Question(
        name="learns-sixty", lesson=2,
        text="Readers of about the same size, equally many training steps, each with the better of two learning rates. "
        "Which get at least 9 of 10 pronouns right when the name stands 60 words before?",
        options={"a": "bidirectional attention only", "b": "both kinds of attention",
                 "c": "both kinds of attention and the LSTM", "d": "these and the dilated convolutions"},
        because={"a": "Then the causal mask would take the distant word away.",
                 "b": "Towards the past, causal attention has the same path of one step.",
                 "c": "The LSTM can keep a name in mind for 60 words, once it has learned to.",
                 "d": "Then the convolutions would see further than their structure allows."},
    ),
    Question(
        name="quadratic-from", lesson=2,
        text="'Attention is quadratic.' BERT-base is 768 wide and reads up to 512 tokens. From which length on do the "
        "products that grow with the square of the length outweigh the projections of the same layer?",
        options={"a": "from about 30 tokens", "b": "from about 300 tokens", "c": "beyond what BERT can read"},
        because={"a": "Then nearly every sentence would pay mostly for its scores.",
                 "b": "Then the longer half of BERT's rows would pay mostly for its scores.",
                 "c": "The projections grow with the square of the *width*, and BERT is wider than it is long."},
    ),
)  # fmt: skip

QUIZZES = (
    Quiz(
        name="weights-explain", lesson=2,
        text="A head gives a weight of 0.9 to one word. May you conclude that this word decided the output?",
        options={"a": "yes: the output is nine tenths that word",
                 "b": "no: it is nine tenths that word's value in this head, which may be small, and there are other "
                 "heads, layers and the residual"},
        answer="b",
        because={"a": "What is summed are values; if this word's value is close to zero, nothing of it arrives.",
                 "b": "Weights say where a head looked. What got through is another question."},
    ),
)  # fmt: skip
