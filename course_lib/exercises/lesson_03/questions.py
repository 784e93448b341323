"""The predictions and quizzes of lesson 03."""

from course_lib.exercises.questions import Question, Quiz

__all__ = ["QUESTIONS", "QUIZZES"]

QUESTIONS = (
    Question(
        name="pad-content",
        lesson=3,
        text="The last two of six tokens are padding, and the padding mask is on. We replace the padding "
        "by other "
        "words. Which outputs move?",
        options={"a": "none: padding is masked", "b": "only those of the padding itself", "c": "all six"},
        because={
            "a": "The mask would have had to stop the padding from computing anything at all.",
            "b": "The mask closes columns, not rows: nobody reads the padding, but the padding still reads.",
            "c": "Then the mask has not hidden a thing, and we should look for the reason.",
        },
    ),
    Question(
        name="mask-after-softmax",
        lesson=3,
        text="Let us take a short cut: softmax first, then set the weights of the future to 0. Now the "
        "last token is "
        "replaced. Does the output of the first position move?",
        options={"a": "no: its weight on that token is exactly 0", "b": "yes"},
        because={
            "a": "A weight of 0 is 0, and nothing else of the last token gets through.",
            "b": "The last token's score is still in the denominator, so it scales every weight that is "
            "left.",
        },
    ),
    Question(
        name="one-layer-two-masks",
        lesson=3,
        text="One model of **one** layer, the same weights, once under the bidirectional and once under the "
        "causal mask. "
        "At which position are the two outputs the same?",
        options={"a": "at none", "b": "at the first", "c": "at the last", "d": "at all"},
        because={
            "a": "Then even a position that may look everywhere in both cases would have to differ.",
            "b": "Under the causal mask the first position is left with itself, which changes it most of "
            "all.",
            "c": "The last row of the causal mask is all open: for that position nothing has changed.",
            "d": "Then the mask would make no difference.",
        },
    ),
    Question(
        name="bool-mask",
        lesson=3,
        text="We hand the causal mask to BERT as booleans, True = may look, and use eager attention. What "
        "happens?",
        options={
            "a": "an error about the dtype",
            "b": "it works: the library converts it",
            "c": "it runs, and the future is visible",
        },
        because={
            "a": "A loud refusal, and nobody is misled.",
            "b": "The booleans were turned into 0 and a hugely negative number on the way.",
            "c": "True is added as 1 and False as 0. No error, no warning: only a test can tell.",
        },
    ),
    Question(
        name="right-padding-scores",
        lesson=3,
        text="GPT-2, three padding tokens on the **right** of a sentence, and we forget the attention mask. "
        "Are the scores "
        "of the sentence's own words spoilt?",
        options={"a": "yes, padding has to be masked", "b": "no, they stay the same"},
        because={
            "a": "Then the real words must have read the padding.",
            "b": "Everything on the right is the future, and the causal mask already hides the future.",
        },
    ),
    Question(
        name="noise-loss",
        lesson=3,
        text="Two decoders learn to predict the next token of pure noise: every token is drawn at random "
        "from V. One "
        "has a hole in its mask and sees the future. Where does **its** training loss end?",
        options={
            "a": "at ln V: nobody can predict noise",
            "b": "somewhat below ln V",
            "c": "near zero",
        },
        because={
            "a": "The hole would then have gone unused.",
            "b": "It has found the leak and does not yet copy perfectly.",
            "c": "It does not predict: it reads the answer off the next position. Too good to be true is a "
            "test result.",
        },
    ),
)

QUIZZES = (
    Quiz(
        name="window-reach",
        lesson=3,
        text="A sliding window of 3 (itself and two before), in 4 layers. How many positions back can the "
        "top layer's "
        "output be influenced from?",
        options={"a": "2", "b": "8", "c": "12"},
        answer="b",
        because={
            "a": "That is one layer. The second layer reads outputs that have themselves looked 2 back.",
            "b": "Each layer hops 2 further back: 4 times 2. This is how a short window reads a long text.",
            "c": "A window of 3 counts the position itself: each layer hops only 2 back.",
        },
    ),
    Quiz(
        name="parallel-training",
        lesson=3,
        text="An interviewer says: 'Encoders train faster because all positions are computed in parallel.' "
        "You answer:",
        options={
            "a": "right: a decoder has to wait for its previous word",
            "b": "decoders train in parallel just as well; they are sequential only when they generate",
            "c": "right, because the causal mask makes each step cheaper",
        },
        answer="b",
        because={
            "a": "Only when generating. In training the previous words are already there: they are the text.",
            "b": "The causal mask is what makes it possible: one pass gives every position its own honest "
            "prediction.",
            "c": "The statement is about waiting, not about the cost of a step; and training does not wait.",
        },
    ),
)
