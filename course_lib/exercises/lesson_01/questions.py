"""The predictions of lesson 01."""

from course_lib.exercises.old import Question

__all__ = ["QUESTIONS"]

QUESTIONS = (
    Question(
        name="new-word", lesson=1,
        text="The word *rereading* does not stand on our page, but all of its letters do. What does a WordPiece "
        "tokenizer that was trained on the page make of it?",
        options={"a": "[UNK]: it has never seen the word", "b": "a few pieces that it knows", "c": "one token"},
        because={"a": "Then every new word would be lost, which is what subwords are there to prevent.",
                 "b": "Any word can be put together from pieces, as long as its letters are known.",
                 "c": "Only words that were frequent enough have a token of their own."},
    ),
    Question(
        name="emoji", lesson=1,
        text="Both tokenizers have learned from an English page without any emoji. What do they make of 🙂?",
        options={"a": "both: an unknown token", "b": "WordPiece an unknown token, byte-level BPE four tokens",
                 "c": "both find some pieces for it"},
        because={"a": "Then byte-level BPE would have an unknown token too.",
                 "b": "The emoji is four bytes in UTF-8, and every byte is in the vocabulary from the start.",
                 "c": "WordPiece has no piece for a character that it has not seen."},
    ),
    Question(
        name="last-separator", lesson=1,
        text="BERT reads [CLS] A [SEP] B [SEP]. Each token has a segment, 0 or 1. Which segment has the *first* [SEP]?",
        options={"a": "0, like A", "b": "1, like B", "c": "neither: special tokens have no segment"},
        because={"a": "A separator ends the segment that it follows: 0 for the first, 1 for the last.",
                 "b": "Then B would begin with its separator instead of ending with it.",
                 "c": "Every position gets a segment vector, special or not."},
    ),
    Question(
        name="fixed-length", lesson=1,
        text="The notes say that an encoder's input has a fixed length. The same BERT is given rows of 3, 7 and 12 "
        "tokens. What happens?",
        options={"a": "an error for all but one length", "b": "it reads all three, and returns 3, 7 and 12 vectors",
                 "c": "it reads all three, and returns one vector each"},
        because={"a": "Then the length would be part of the architecture.",
                 "b": "The weights do not know the length. Only the table of positions sets a maximum.",
                 "c": "One vector per token comes out; a single one is made afterwards, if a task wants it."},
    ),
    Question(
        name="bigger-vocabulary", lesson=1,
        text="On real text the vocabulary grows from 1,000 to 8,000 tokens. What happens to the number of tokens per "
        "word on new text?",
        options={"a": "it falls, and more slowly with each doubling", "b": "it falls to one token per word",
                 "c": "it grows: more tokens to choose from"},
        because={"a": "Frequent words get their own token first; what is left are rarer and rarer words.",
                 "b": "Then there would be no new words in new text.",
                 "c": "More and longer pieces mean that fewer of them are needed."},
    ),
)  # fmt: skip
