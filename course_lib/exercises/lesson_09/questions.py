"""The predictions of lesson 09."""

from course_lib.exercises.old import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="greedy-stories", lesson=9,
        text="You ask a trained GPT for five stories, and it always takes the most probable next word. How many "
        "different stories do you get?",
        options={"a": "one", "b": "two to four", "c": "five"},
        because={"a": "Nothing is drawn, so nothing differs: the same prompt always gives the same text.",
                 "b": "Then something is drawn after all.", "c": "Then something is drawn at every word."},
    ),
    Question(
        name="tokens-read", lesson=9,
        text="A GPT writes 30 words after [CLS]. Without a cache it reads the whole text anew for every word. How many "
        "times as many tokens does it read as with one?",
        options={"a": "about 2 times", "b": "about 15 times", "c": "about 30 times"},
        because={"a": "Then the text would hardly grow.",
                 "b": "1 + 2 + ... + 30 tokens against 30: half of the length, and it grows with the text.",
                 "c": "That would be so if each of the 30 passes read 30 tokens; the first ones are short."},
    ),
    Question(
        name="bert-cache", lesson=9,
        text="You give BERT (two layers) a sentence, then the same sentence with one more word, and compare the keys "
        "of the old words. In which layers have they changed?",
        options={"a": "in none", "b": "in the second only", "c": "in both"},
        because={"a": "Then BERT could keep a cache like GPT.",
                 "b": "The first layer's keys come from the words alone. But then every old word looks at the new one, "
                 "and from the second layer on all that was kept is out of date.",
                 "c": "Then even the words' own embeddings would depend on the new word."},
    ),
    Question(
        name="colder", lesson=9,
        text="The same GPT writes at temperature 0.3, 0.7, 1.0 and 1.3. At which one is what it writes closest to the "
        "language (the smallest divergence)?",
        options={"a": "0.3: it makes the fewest mistakes", "b": "0.7: a good compromise",
                 "c": "1.0: what it learned, as it is", "d": "1.3: the most varied"},
        because={"a": "Then few errors would outweigh the lost variety.",
                 "b": "Then it would be better to trust the model a little more than it trusts itself.",
                 "c": "Training made the model's own probabilities as close as it could. Colder text has fewer errors, "
                 "but says the likely things too often.",
                 "d": "Then the model would be far too sure of itself."},
    ),
    Question(
        name="product-of-conditionals", lesson=9,
        text="Two words are hidden: '____ Anna ____ to the kitchen .' A *perfect* bidirectional reader gives "
        "P(first | second) and P(second | first). Multiply the two, and add up over all pairs of words. What comes "
        "out?",
        options={"a": "less than 1", "b": "1", "c": "more than 1"},
        because={"a": "Then the product would be too careful.",
                 "b": "Then the product would be a probability.",
                 "c": "Each word gives the other away, so that the same evidence is counted twice. The product is no "
                 "probability, and the reader is perfect: it is not the model's fault."},
    ),
    Question(
        name="bert-writes", lesson=9,
        text="Several BERTs fill rows of masks: trained at 15% masks or at every rate from 0 to 100%, left to right or "
        "in random order, once or with two more rounds. A GPT has read as many words. How often is a sentence of the "
        "best BERT valid, compared with one of the GPT's?",
        options={"a": "less than half as often", "b": "half to nine tenths as often", "c": "about as often"},
        because={"a": "Perfect answers would do, but the answers are harder to learn: any word from any others is many "
                 "more questions than the next word.",
                 "b": "A real gap, but the procedure does most of the work.",
                 "c": "Then nothing but custom leaves writing to decoders."},
    ),
    Question(
        name="new-mapping", lesson=9,
        text="A small GPT has read episodes such as 'a 3 f 7 a 3 ...', each with a mapping of its own. Now it meets a "
        "mapping that no episode had, and no weight is changed. A letter was shown before in this text: how often does "
        "it give the right digit?",
        options={"a": "about 1 in 8, a guess", "b": "more often, but at most 7 times in 10",
                 "c": "more than 7 times in 10"},
        because={"a": "Then it has learned no way to look things up.",
                 "b": "Then it has found half of a way, for instance to name digits that were shown.",
                 "c": "It has not learned a mapping. It has learned to look one up in its context."},
    ),
)  # fmt: skip
