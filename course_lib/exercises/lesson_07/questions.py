"""The predictions of lesson 07."""

from course_lib.exercises.old import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="same-size", lesson=7,
        text="RoBERTa-base keeps BERT-base's architecture. How many more parameters does it have?",
        options={"a": "none: the architecture is the same", "b": "about 15 million", "c": "about 85 million"},
        because={"a": "Then every part would have the same size.",
                 "b": "The twelve layers are equal to the last number; the larger vocabulary needs a larger table.",
                 "c": "Then it would be nearly two models of that size."},
    ),
    Question(
        name="masks-in-forty-epochs", lesson=7,
        text="One row of text is read in 40 epochs. How many different masks does it meet, as BERT's authors prepared "
        "their data and as RoBERTa's train?",
        options={"a": "1 with BERT, 10 with RoBERTa", "b": "10 with BERT, 40 with RoBERTa",
                 "c": "1 with BERT, 40 with RoBERTa"},
        because={"a": "So the notes have it.",
                 "b": "Ten copies, each met about four times, are BERT's own preprocessing: the baseline that RoBERTa "
                 "compares with. RoBERTa draws a new mask whenever the row is fed.",
                 "c": "That would be so if BERT's data had been masked once."},
    ),
    Question(
        name="one-mask-memorised", lesson=7,
        text="A small text is read 40 times, always with the same mask. What does the loss on held-out rows do?",
        options={"a": "it falls to the end, a little more slowly than with dynamic masks",
                 "b": "it falls, then rises again", "c": "it never falls"},
        because={"a": "Then one mask would be about as good as many.",
                 "b": "The model has learned its own rows' answers by heart, and every further epoch makes it surer of "
                 "them.",
                 "c": "Then nothing general would be learned from one mask."},
    ),
    Question(
        name="worst-format", lesson=7,
        text="Four input formats, equal numbers of tokens. Which one does worst on a word when three sentences before "
        "it are in view?",
        options={"a": "SEGMENT-PAIR + NSP", "b": "SENTENCE-PAIR + NSP", "c": "FULL-SENTENCES", "d": "DOC-SENTENCES"},
        because={"a": "BERT's own format costs most.", "b": "It has never seen more than two sentences at once.",
                 "c": "Text that crosses document borders costs most.",
                 "d": "Rows that end with their document cost most."},
    ),
    Question(
        name="larger-batch", lesson=7,
        text="The same text is read once, with 512 rows per step instead of 32 and the same learning rate. How does "
        "the held-out loss at the end compare?",
        options={"a": "lower: each gradient is more precise", "b": "no difference can be seen: it is the same text",
                 "c": "higher: there are fewer steps"},
        because={"a": "Precision was worth more than the number of steps.",
                 "b": "Then steps and precision would balance.",
                 "c": "Sixteen times fewer steps of the same size do not get as far, however precise they are."},
    ),
    Question(
        name="when-gradients-agree", lesson=7,
        text="Two batches of 32 different rows each propose a direction for the next step. When do they agree more?",
        options={"a": "before training, when the model knows nothing",
                 "b": "after training, when the model knows a lot"},
        because={"a": "At first every batch says the same, such as which words are frequent, and 32 rows are plenty. "
                 "Later the directions are mostly noise, and averaging over more rows pays.",
                 "b": "Then large batches would be most useful at the very beginning."},
    ),
    Question(
        name="more-steps-same-text", lesson=7,
        text="200 rows of text are repeated, with new masks each time. Training goes on for twice as many steps. What "
        "happens to the held-out loss?",
        options={"a": "it ends lower", "b": "no gain can be seen"},
        because={"a": "Then longer training would replace more text.",
                 "b": "New masks on the same words cannot make new sentences; what 200 rows can teach was learned."},
    ),
    Question(
        name="better-tokenizer", lesson=7,
        text="Two readers of the same size read the same real text, one in word pieces, one in byte-level BPE, with "
        "vocabularies of the same size. Who needs fewer bits for each character of new text?",
        options={"a": "word pieces", "b": "byte-level BPE", "c": "no difference is seen"},
        because={"a": "The tokenizer that can write anything pays a little for it. RoBERTa's authors saw that too, and "
                 "chose it all the same.",
                 "b": "Then the universal encoding would even be the better one.",
                 "c": "Then the universal encoding would come for free."},
    ),
)  # fmt: skip
