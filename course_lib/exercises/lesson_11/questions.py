"""The predictions and quizzes of lesson 11."""

from course_lib.exercises.old import Question, Quiz

__all__ = ["QUESTIONS", "QUIZZES"]

QUESTIONS = (
    Question(
        name="right-as-they-stand", lesson=11,
        text="How many of the notes' claims are right just as they stand?",
        options={"a": "about three quarters", "b": "about half", "c": "about a quarter"},
        because={"a": "Then the notes could be learned by heart.",
                 "b": "Half is a coin toss: one would have to look up each.",
                 "c": "Most of the rest is not plain wrong but imprecise, and that is what an interviewer asks about "
                 "next."},
    ),
    Question(
        name="weakest-chapter", lesson=11,
        text="In which chapter of the notes are most claims plainly wrong?",
        options={"a": "BERT and GPT", "b": "attention in encoders and decoders", "c": "next sentence prediction",
                 "d": "RoBERTa"},
        because={"a": "Then the comparison itself would be the problem.",
                 "b": "One slip, cross-attention in a decoder-only model, spreads over the whole chapter.",
                 "c": "Then its labels, pairs and purpose would be plain wrong and not only imprecise.",
                 "d": "Then dynamic masking would be the least of it."},
    ),
    Question(
        name="gap-at-the-start", lesson=11,
        text="A tiny BERT, a tiny RoBERTa and a tiny GPT have read the same stories for some seconds. In "
        "`____ Clara will go to the farm .` the first word is hidden. Which of them gives the right word, `tomorrow`, "
        "more than half of the probability?",
        options={"a": "all three", "b": "BERT and RoBERTa", "c": "BERT alone", "d": "none"},
        because={"a": "Then the word could be told from what stands before it, and nothing does.",
                 "b": "`will go` stands to the right of the gap, where the GPT does not look in one pass.",
                 "c": "Then leaving out NSP, or cutting words into pieces of bytes, would have cost the RoBERTa "
                 "dearly.",
                 "d": "Then some seconds are too few even for a word that its neighbour gives away."},
    ),
    Question(
        name="which-logit", lesson=11,
        text="The pair head of `BertForPreTraining` returns two logits. Which of them is high where B does follow A?",
        options={"a": "the first, label 0", "b": "the second, label 1, as the notes say"},
        because={"a": "0 means next, in Google's code and in transformers.",
                 "b": "Then the notes would be right about the label."},
    ),
    Question(
        name="pooler-of-roberta", lesson=11,
        text="You open the file of a RoBERTa, trained on masked words, with `RobertaModel`, whose class has a pooler. "
        "Twice, and you compare the pooled output of one sentence. What do you get?",
        options={"a": "the same vector twice", "b": "two different vectors", "c": "an error at loading"},
        because={"a": "Then a pooler is in the file.",
                 "b": "The file has no pooler, so each opening draws a random one. Nothing fails; a line in the log "
                 "says so.",
                 "c": "Then nobody could make this mistake."},
    ),
    Question(
        name="rank-of-attention", lesson=11,
        text="\"Causal attention matrices have full rank, bidirectional ones are of low rank; that is why decoders "
        "won.\" Take random queries and keys and look at the two attention matrices. What do you see?",
        options={"a": "the bidirectional matrix has lower rank",
                 "b": "both have full rank, and the bidirectional one is closer to losing it",
                 "c": "both have full rank, and the causal one is closer to losing it"},
        because={"a": "Then the argument would at least begin well.",
                 "b": "Then the argument would be overstated, and still point the right way.",
                 "c": "The softmax lifts the rank of both. In the causal matrix some words keep little weight for "
                 "themselves, and the product of those weights is its determinant."},
    ),
    Question(
        name="reach-of-an-order", lesson=11,
        text="Under a sliding window, a second layer reaches further than the mask of one (lesson 03). A mask that "
        "follows a random order of the words, as XLNet's: does a second layer reach further here?",
        options={"a": "yes, each layer adds something", "b": "no, the reach is the mask"},
        because={"a": "Then some word would see, over a detour, one that comes later in the order.",
                 "b": "Whoever came before somebody who came before me came before me: an order is closed under "
                 "detours."},
    ),
)  # fmt: skip

QUIZZES = (
    Quiz(
        name="electra-signal", lesson=11,
        text="ELECTRA replaces some tokens by plausible ones and asks of each token whether it is the original. Which "
        "difference from BERT explains most of its gain, by the paper's own ablation?",
        options={"a": "no [MASK] in the input, which fine-tuning never sees", "b": "an answer is asked for at every "
                 "token, not at 15% of them", "c": "two networks instead of one"},
        answer="b",
        because={"a": "That mismatch costs little: removing it alone gains a fraction of a point (ELECTRA, Table 5).",
                 "b": "Masked language modelling with a loss at all tokens closes most of the gap (ELECTRA, Table 5).",
                 "c": "The generator is thrown away after pre-training."},
    ),
    Quiz(
        name="t5-kind", lesson=11,
        text="T5 hides spans of the input and writes them out. Which attentions does it have?",
        options={"a": "self-attention only, as it is trained like BERT", "b": "bidirectional self-attention, "
                 "causal self-attention and cross-attention", "c": "causal self-attention only, as it writes"},
        answer="b",
        because={"a": "The corrupted text is read by an encoder, but the spans are written by a decoder.",
                 "b": "It is an encoder-decoder: the objective does not decide the architecture.",
                 "c": "The input is read both ways before the first word is written."},
    ),
)  # fmt: skip
