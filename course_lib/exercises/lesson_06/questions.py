"""The predictions of lesson 06."""

from course_lib.exercises.old import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="share-of-negatives", lesson=6,
        text="The original BERT code tosses a fair coin for each pair: next, or from another document. Rows are short "
        "here, so that a chunk of text is often a single sentence. What share of the pairs are negatives?",
        options={"a": "half, within a few percent", "b": "clearly more than half", "c": "clearly fewer than half"},
        because={"a": "The coin is all that decides.",
                 "b": "A chunk of one sentence cannot be split into A and B, so it becomes a negative without a toss. "
                 "Compare a model with the larger class, not with one half.",
                 "c": "Then negatives would be thrown away."},
    ),
    Question(
        name="flipped-labels", lesson=6,
        text="A model trained with the labels of transformers (0 = next) is scored with the labels of the notes "
        "(1 = next). Its accuracy was p. What is it now?",
        options={"a": "p: the labels have names, the numbers do not matter", "b": "one half: pure chance",
                 "c": "1 - p"},
        because={"a": "The score compares numbers.", "b": "A model at chance would give that, a good one does not.",
                 "c": "Every right answer has become a wrong one. The better the model, the worse it looks; below "
                 "chance is never bad luck, it is a flipped label."},
    ),
    Question(
        name="gradient-of-the-pooler", lesson=6,
        text="One backward pass of the masked-words loss through a `BertForPreTraining`. What is the gradient of the "
        "pooler, the layer between [CLS] and the pair's two scores?",
        options={"a": "small, but not zero: everything is connected", "b": "none at all"},
        because={"a": "Then masked words would train the pooler too.",
                 "b": "No masked word is predicted through the pooler. What is saved as 'the sentence vector' of a "
                 "model that was trained without NSP has never been trained."},
    ),
    Question(
        name="shared-words", lesson=6,
        text="Real English, pairs from Python's documentation, negatives from another document. A score without any "
        "network weighs the words that A and B share and knows no order. How often does it rank a true pair above "
        "a false one?",
        options={"a": "about half the time: next means more than shared words", "b": "in 60 to 79 of 100 cases",
                 "c": "in 80 of 100 cases or more"},
        because={"a": "Then topic would tell little here.",
                 "b": "Topic alone gets a good part of the task.",
                 "c": "Most of the task is 'are these from the same document?', and counting words answers that."},
    ),
    Question(
        name="which-is-learned-first", lesson=6,
        text="Two tiny BERTs start from random weights and get a few thousand pairs each, both tasks with a perfect "
        "reader's score well above chance. One learns to reject B from another document, the other to reject A and B "
        "swapped. Which leaves chance?",
        options={"a": "the one with other documents, the easier task", "b": "the one with swapped pairs", "c": "both",
                 "d": "neither"},
        because={"a": "As in ALBERT's table, where that task is the easier one.",
                 "b": "Order shows in single words here: how a story begins, how it ends. To see that two texts have "
                 "one topic, one must compare them, and that is harder to learn from nothing.",
                 "c": "Both can be learned at this length.", "d": "Then both need more text."},
    ),
    Question(
        name="trained-on-documents", lesson=6,
        text="A model that was trained with negatives from other documents is shown two halves of one story, in the "
        "right order or swapped. What does it do?",
        options={"a": "it tells them apart about as well as it tells documents apart", "b": "it is at chance, or close",
                 "c": "it gets most of them wrong"},
        because={"a": "Then it would have learned order as well.",
                 "b": "Right or swapped, the two halves share whatever it has learned to look for.",
                 "c": "Then it would prefer the wrong order."},
    ),
    Question(
        name="what-was-learned", lesson=6,
        text="Five models trained with negatives from other documents end at accuracies far apart, all below the exact "
        "reader's. Other documents differ in topic, hero (a she or a he) and mood. Which clue have all five learned?",
        options={"a": "topic or name: they also see through two heroes of one pronoun",
                 "b": "she or he: all reject one she and one he, not all reject two of one pronoun",
                 "c": "none: what one has learned, another has not"},
        because={"a": "Then the pronouns would make no difference.",
                 "b": "It is a frequent clue with two values only, quick to learn, and enough to lower the loss. Some "
                 "models stop there for a while, whatever the texts are about; others have gone on to the next clue.",
                 "c": "Then each would have its own negatives that it lets pass."},
    ),
    Question(
        name="nsp-left-to-right", lesson=6,
        text="The same model under the causal mask, the pair judged from its last token. Does it learn next sentence "
        "prediction?",
        options={"a": "no: NSP needs bidirectional attention", "b": "yes, clearly above chance"},
        because={"a": "At this length it did not.",
                 "b": "Its last token has read all of A and all of B, and that is all the task needs."},
    ),
    Question(
        name="raw-cls", lesson=6,
        text="A model that was trained on masked words only. Take the vectors at [CLS] of two unrelated texts. How "
        "large is their cosine, on average?",
        options={"a": "near 0, as for two random directions", "b": "0.3 or more"},
        because={"a": "Then a high cosine would mean something.",
                 "b": "A high cosine is normal here, whatever the texts say. Compare it with that of related texts, "
                 "not with 0."},
    ),
)  # fmt: skip
