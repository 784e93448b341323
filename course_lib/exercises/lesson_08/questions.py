"""The predictions of lesson 08."""

from course_lib.exercises.old import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="weights-from-pre-training", lesson=8,
        text="A backbone that was pre-trained with masked words is loaded into `BertForSequenceClassification`. Which "
        "of the tensors between [CLS] and the answer does the checkpoint bring along?",
        options={"a": "the pooler and the classifier", "b": "the pooler, but not the classifier",
                 "c": "neither: both start from random numbers"},
        because={"a": "Then there would be nothing left to learn but the backbone.",
                 "b": "That is so where the checkpoint was also trained on next sentences.",
                 "c": "Masked words train neither: both layers from [CLS] to the label are new."},
    ),
    Question(
        name="price-by-task", lesson=8,
        text="Two perfect readers, one of them under a causal mask, do three tasks: the topic of a text (judged at its "
        "end), the label of each word (PERSON, PLACE, OBJECT or none), and the kind of each sentence, asked at its "
        "first word. In how many of the three does the causal reader lose more than one answer in a hundred?",
        options={"a": "in all three", "b": "in two", "c": "in one", "d": "in none"},
        because={"a": "Then a causal mask would always cost something.",
                 "b": "Then looking right would help for most tasks.",
                 "c": "Only where the evidence stands to the right of the place where the answer is asked for.",
                 "d": "Then the mask would not matter for understanding at all."},
    ),
    Question(
        name="words-never-labelled", lesson=8,
        text="Taggers learn from sixteen stories. How many of the hundred labelled words (PERSON, PLACE, OBJECT) that "
        "occur in none of the sixteen does the pre-trained one get right?",
        options={"a": "fewer than 40: nobody told it", "b": "40 to 75", "c": "more than 75"},
        because={"a": "Then a word had to be labelled to be known.",
                 "b": "Its vector, or its neighbours, say what kind of word it is: often enough.",
                 "c": "Words that occur in the same places have similar vectors, so a label given to one is a label "
                 "given to all."},
    ),
    Question(
        name="few-labels", lesson=8,
        text="Sixteen labelled stories, the topic read at [CLS]. Compare a model that starts from random weights with "
        "one that starts from the pre-trained backbone. After fine-tuning, how many topics of new stories does the "
        "second one get right?",
        options={"a": "no difference from the first can be seen", "b": "more than the first, but no more than 70%",
                 "c": "more than the first, and more than 70%"},
        because={"a": "Not what one would think after the tags. What the backbone knows about topics has still to be "
                 "brought to [CLS], and sixteen labels are few for that.",
                 "b": "A part of what the task needs was there before the first label.",
                 "c": "The labels only had to give names to what was there already."},
    ),
    Question(
        name="cls-or-mean", lesson=8,
        text="The pre-trained backbone is frozen, and a head reads the topic from one vector per story: the one at "
        "[CLS], or the mean of all. Which is better, before any fine-tuning of the backbone?",
        options={"a": "[CLS]", "b": "no difference that holds with 64 labels and with 256", "c": "the mean"},
        because={"a": "Then [CLS] would sum up the text without ever having been asked to.",
                 "b": "Then it depends on the seed more than on the place.",
                 "c": "Nothing in masked-word training asks [CLS] to sum up anything. The words' own vectors had to "
                 "know the topic, to fill gaps."},
    ),
    Question(
        name="question-last", lesson=8,
        text="The passage comes first and the question after it: [CLS] passage [SEP] question [SEP]. How often can a "
        "causal model find the answer, with two possible questions about each passage?",
        options={"a": "as often as with the question first", "b": "at best in half of the cases", "c": "never"},
        because={"a": "Then the words of the passage would know what is going to be asked.",
                 "b": "When the words of the passage are read, the question is in the future: it can only point at one "
                 "of the two answers, always the same.",
                 "c": "Then it would do worse than by answering one question for ever."},
    ),
    Question(
        name="mask-lifted", lesson=8,
        text="A backbone was pre-trained under the causal mask. For fine-tuning the mask is lifted: the same weights "
        "may now look both ways. Does that help to tell a sentence's kind at its first word?",
        options={"a": "yes, above the best that any causal reader can do",
                 "b": "not above that line", "c": "it gets worse"},
        because={"a": "The weights were never used that way, but a few hundred labels were enough to learn it.",
                 "b": "The weights were never used that way, and the labels are too few to learn it.",
                 "c": "The weights were never used that way, and that broke them."},
    ),
    Question(
        name="who-transfers-early", lesson=8,
        text="Causal and bidirectional backbones are fine-tuned on topics at many moments of their pre-training, the "
        "first before any of it, on random weights. Which one is ahead at that first moment?",
        options={"a": "the bidirectional one", "b": "the causal one", "c": "no difference can be seen"},
        because={"a": "Then seeing both sides would pay before anything is learned.",
                 "b": "It is ahead before it has read a word. So a lead at the next moments is no evidence for what "
                 "next words teach.",
                 "c": "Both start alike. So a lead at a later moment comes from what was read in between."},
    ),
)  # fmt: skip
