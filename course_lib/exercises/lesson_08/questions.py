"""The predictions of lesson 08."""

from course_lib.exercises.questions import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="weights-from-pre-training", lesson=8,
        text="A body that was pre-trained with masked words is loaded into `BertForSequenceClassification`. Which of "
        "the tensors between [CLS] and the answer does the checkpoint bring along?",
        options={"a": "the pooler and the classifier", "b": "the pooler, but not the classifier",
                 "c": "neither: both start from random numbers"},
        because={"a": "Then there would be nothing left to learn but the body.",
                 "b": "That is so where the checkpoint was also trained on next sentences.",
                 "c": "Masked words train neither: the road from [CLS] to the label is new."},
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
        text="Sixteen labelled stories. Without pre-training, a model reads the topic of about a third of new stories "
        "right. And a pre-trained body, fine-tuned on the same sixteen and read at [CLS]?",
        options={"a": "no difference that five seeds could show", "b": "clearly more, but below 70%",
                 "c": "70% or more"},
        because={"a": "Not what one would think after the tags. What the body knows about topics has still to be "
                 "brought to [CLS], and sixteen labels are few for that.",
                 "b": "A part of what the task needs was there before the first label.",
                 "c": "The labels only had to give names to what was there already."},
    ),
    Question(
        name="cls-or-mean", lesson=8,
        text="The pre-trained body is frozen, and a head reads the topic from one vector per story: the one at [CLS], "
        "or the mean of all. Which is better, before any fine-tuning of the body?",
        options={"a": "[CLS], by more than 5 points", "b": "they are within 5 points of each other",
                 "c": "the mean, by more than 5 points"},
        because={"a": "Then [CLS] would sum up the text without ever having been asked to.",
                 "b": "Then [CLS] holds about as much as the other vectors together.",
                 "c": "Nothing in masked-word training asks [CLS] to sum up anything. The words' own vectors had to "
                 "know the topic, to fill gaps."},
    ),
    Question(
        name="question-last", lesson=8,
        text="The passage comes first and the question after it: [CLS] passage [SEP] question [SEP]. How often can a "
        "causal body find the answer, with two possible questions about each passage?",
        options={"a": "as often as with the question first", "b": "at best in half of the cases", "c": "never"},
        because={"a": "Then the words of the passage would know what is going to be asked.",
                 "b": "When the words of the passage are read, the question is in the future: it can only point at one "
                 "of the two answers, always the same.",
                 "c": "Then it would do worse than by answering one question for ever."},
    ),
    Question(
        name="mask-lifted", lesson=8,
        text="A body was pre-trained under the causal mask. For fine-tuning the mask is lifted: the same weights may "
        "now look both ways. Does that help to tell a sentence's kind at its first word?",
        options={"a": "yes, above the best that any causal reader can do", "b": "a little, but not above that line",
                 "c": "no, it gets worse"},
        because={"a": "The weights were never used that way, but a few hundred labels were enough to learn it.",
                 "b": "The weights were never used that way, and the labels are too few to learn it.",
                 "c": "The weights were never used that way, and that broke them."},
    ),
    Question(
        name="who-transfers-early", lesson=8,
        text="Both bodies are fine-tuned on topics after each tenth of their pre-training. Which is ahead at the "
        "*first* moment, after the fewest tokens?",
        options={"a": "the body trained on masked words, two-sided", "b": "the causal body",
                 "c": "neither, by more than the interval"},
        because={"a": "Then looking both ways would pay from the beginning.",
                 "b": "Early on, next words teach more per token (lesson 04). The paper's own figure shows the same.",
                 "c": "Then five seeds cannot tell them apart."},
    ),
)  # fmt: skip
