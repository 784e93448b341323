"""The predictions of lesson 10."""

from course_lib.exercises.old import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="who-has-cross", lesson=10,
        text="GPT-2, the published twelve layers. How many of its tensors belong to cross-attention?",
        options={"a": "none", "b": "eight per layer", "c": "some, in the later layers only"},
        because={"a": "There is no second stream of tokens that it could look at.",
                 "b": "That is what it would get if one asked for it.",
                 "c": "All twelve layers are built alike."},
    ),
    Question(
        name="shuffled-states", lesson=10,
        text="The encoder has read a sentence: one vector per word. Before the decoder looks at them, the vectors are "
        "shuffled. What becomes of the translation?",
        options={"a": "the same words in another order", "b": "nothing changes: it stays right",
                 "c": "word salad"},
        because={"a": "Then the decoder would read the vectors from first to last.",
                 "b": "Cross-attention is a weighted sum, and a sum has no order. Where a word stood is written inside "
                 "its vector.",
                 "c": "Then the place of a vector in the list would tell the decoder something."},
    ),
    Question(
        name="blind-decoder", lesson=10,
        text="The encoder's output is replaced by zeros. What does the decoder write for twenty different sentences?",
        options={"a": "twenty different sentences", "b": "one and the same sentence, twenty times", "c": "nothing"},
        because={"a": "Then something about the source would still reach it.",
                 "b": "Nothing about the source reaches it any more, so it writes what it would write for any source.",
                 "c": "It is still a language model of its own language."},
    ),
    Question(
        name="best-alignment", lesson=10,
        text="Nobody told the model which word translates which. For how many target words does the best of its "
        "cross-attention heads look most at the source word that is being translated?",
        options={"a": "no more than chance", "b": "several times chance, but many look elsewhere",
                 "c": "nearly all (over 90 of 100)"},
        because={"a": "Then it would find its words in some other way.",
                 "b": "It fetches a word from where it stands, and something more: the ending depends on the word "
                 "after it.",
                 "c": "Then one head would do the whole translation."},
    ),
    Question(
        name="one-vector", lesson=10,
        text="The decoder may look at one vector only, that of [CLS], as in the first neural translators. The same "
        "training, the same number of weights. How many sentences come out right, compared with the full view?",
        options={"a": "more than half as many", "b": "a tenth to a half", "c": "less than a tenth"},
        because={"a": "Then one vector would carry a sentence nearly as well as many do.",
                 "b": "One vector carries a sentence some of the time, and much less often than one vector per word.",
                 "c": "Everything about the sentence has to fit into one vector, and after this training it does not."},
    ),
    Question(
        name="who-reads-best", lesson=10,
        text="Three models of the same pairs, with the same training: an encoder-decoder, one stack that reads the "
        "source from both sides (prefix mask), and one stack that is causal everywhere. Who comes last?",
        options={"a": "encoder-decoder", "b": "prefix mask", "c": "causal mask",
                 "d": "the last two cannot be told apart"},
        because={"a": "Twice the weights did not help it here.",
                 "b": "Reading the source from both sides did not help here.",
                 "c": "A source word that may not look at the words after it has to be looked up again later.",
                 "d": "The interval of their difference includes zero."},
    ),
    Question(
        name="far-agreement", lesson=10,
        text="Now a dialect in which the **last** word of a clause decides all its endings. The same two masks: which "
        "one gets more sentences right?",
        options={"a": "the prefix mask", "b": "they cannot be told apart", "c": "the causal mask"},
        because={"a": "Under the causal mask no source word but the last can know its ending.",
                 "b": "The interval of the difference includes zero.",
                 "c": "Then not knowing what comes would be of use."},
    ),
    Question(
        name="warm-encoder", lesson=10,
        text="Few pairs to learn from. One encoder starts from a BERT that has read Tiny Town, the other from random "
        "numbers. Whose translations have more right words?",
        options={"a": "the one that starts from BERT", "b": "they cannot be told apart",
                 "c": "the one that starts from random"},
        because={"a": "What the BERT knows about the source language need not be learned from the pairs.",
                 "b": "The interval of the difference includes zero.",
                 "c": "The start from BERT is a handicap here. The controls below ask what it is about it."},
    ),
)  # fmt: skip
