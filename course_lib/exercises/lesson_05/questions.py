"""The predictions and quizzes of lesson 05."""

from course_lib.exercises.old import Question, Quiz

__all__ = ["QUESTIONS", "QUIZZES"]

QUESTIONS = (
    Question(
        name="masks-in-a-thousand", lesson=5,
        text="BERT masks 15%. Of 1,000 tokens of text, how many does the model see as [MASK]?",
        options={"a": "150", "b": "120", "c": "100"},
        because={"a": "Then all selected tokens would be hidden.",
                 "b": "150 are selected and asked for, but only 80% of them are hidden.",
                 "c": "Then only two thirds of the selected tokens would be hidden."},
    ),
    Question(
        name="empty-rows", lesson=5,
        text="The collator of `transformers` tosses a coin for each token. In how many of 1,000 rows of 30 words is "
        "no word selected at all, so that the row teaches nothing?",
        options={"a": "in none: 15% of 30 is 4 or 5", "b": "in 5 to 10", "c": "in about 150"},
        because={"a": "Only a fixed count could promise that.",
                 "b": "Thirty coins that all fall on the side of 85%: rare, but not impossible.",
                 "c": "Then a row would have about two chances only."},
    ),
    Question(
        name="mean-before-mask", lesson=5,
        text="A training script averages the loss over all positions, and multiplies by the mask afterwards. What "
        "does its author see?",
        options={"a": "an error message", "b": "a loss that looks too high to be true",
                 "c": "a loss that falls, faster than the right one"},
        because={"a": "Nothing crashes: a number times a mask, divided by the mask's sum, is that number.",
                 "b": "At first it looks much like the right one.",
                 "c": "Most of its positions only have to be copied, and that is learned quickly: a splendid number "
                 "that says little about hidden words."},
    ),
    Question(
        name="head-at-visible-words", lesson=5,
        text="A model was trained with every selected word hidden (100/0/0): nobody ever asked it about a word that it "
        "sees. Ask it now. How often is its best guess the word that stands there?",
        options={"a": "nearly always: to copy is easy", "b": "in 20% to 80% of the places",
                 "c": "in less than 20% of the places"},
        because={"a": "What nobody asked for came about by itself.",
                 "b": "Often, but not always: it was never rewarded for saying what it sees. What it makes of the word "
                 "in view, the next table shows.",
                 "c": "Nothing in the training rewards it, and so the output forgets the word."},
    ),
    Question(
        name="wrong-word", lesson=5,
        text="In the text stands a word that does not belong there. What does a model trained with 80/10/10 say at its "
        "place?",
        options={"a": "mostly the wrong word that it sees", "b": "mostly the word that was there before",
                 "c": "mostly a third word"},
        because={"a": "It trusts what it sees: in training most of what it sees is right.",
                 "b": "The 10% that are replaced teach it to doubt a word that does not fit.",
                 "c": "It notices that something is wrong, and cannot say what was there."},
    ),
    Question(
        name="which-rate", lesson=5,
        text="Four models read the same number of words; of each row of 30, 2, 5, 13 or 19 words are selected (7, 17, "
        "43 and 63%; 17% is BERT's rate as counted in such rows). All are then asked about the same hidden words of a "
        "held-out text, 5 of 30. Which are behind the one trained at 17%, beyond noise?",
        options={"a": "only the one with fewer questions, 7%", "b": "only one or both with more hidden, 43% or 63%",
                 "c": "some on either side: 17% is the best", "d": "none: no difference can be seen"},
        because={"a": "Too few questions cost more than a poor context.",
                 "b": "A poor context costs more than few questions.",
                 "c": "BERT's choice, and the rate at which all were tested.",
                 "d": "These seeds do not tell them apart. That does not prove that there is no difference."},
    ),
    Question(
        name="frozen-or-tuned", lesson=5,
        text="Models pre-trained with 80/10/10 and with 100/0/0 learn to tag words from few labelled rows: once "
        "frozen under a new head, once fine-tuned as a whole. Where does a difference show beyond noise (a 95% "
        "interval over the seeds that leaves out zero)?",
        options={"a": "in both cases", "b": "only frozen", "c": "only fine-tuned", "d": "in neither"},
        because={"a": "Whether it is larger when frozen is a question of its own: read the last column of the table.",
                 "b": "Whether it is larger than when fine-tuned is a question of its own: read the last column.",
                 "c": "The opposite of BERT's Table 8. Whether it is really larger than when frozen, the last column "
                 "says.",
                 "d": "Five seeds of a tiny model do not show it here. That does not prove that there is none."},
    ),
    Question(
        name="sibling-pieces", lesson=5,
        text="One piece of a split word is hidden, and the other pieces stay in view. A reader who knows only a list "
        "of words with their counts looks at these pieces and at nothing else. How often does it guess the hidden "
        "piece?",
        options={"a": "in less than 20% of the cases", "b": "in 20% to 60%", "c": "in more than 60%"},
        because={"a": "Then the pieces of a word would hardly depend on each other.",
                 "b": "The siblings leave a few words to choose from.",
                 "c": "The siblings nearly always leave a single word: such a question is answered by spelling."},
    ),
)  # fmt: skip

QUIZZES = (
    Quiz(
        name="why-ten-same", lesson=5,
        text="Why are 10% of the selected tokens left as they are?",
        options={"a": "to save computing time", "b": "so that the head is also asked about right words that it sees",
                 "c": "so that there are fewer [MASK] at fine-tuning"},
        answer="b",
        because={"a": "A kept token costs as much as a hidden one: the loss is taken there too.",
                 "b": "Without them a visible, selected word would always be a wrong one. In the authors' words, they "
                 "bias the representation towards the observed word (BERT, appendix A.1).",
                 "c": "At fine-tuning there are no [MASK] at all."},
    ),
    Quiz(
        name="losses-at-two-rates", lesson=5,
        text="A colleague trained with 40% masked and reports a loss of 2.1 nats; yours, with 15%, is 1.7. Whose model "
        "is better?",
        options={"a": "yours", "b": "the colleague's", "c": "these two numbers cannot tell"},
        answer="c",
        because={"a": "With more words hidden the question is harder, for a perfect reader too.",
                 "b": "Possible, but nothing here shows it.",
                 "c": "Ask both about the same hidden words."},
    ),
)  # fmt: skip
