"""Turn text into token ids: WordPiece (BERT) and byte-level BPE (RoBERTa, GPT-2), trained offline.

Every function returns a real `transformers` tokenizer, which `save_pretrained`, `AutoTokenizer` and
`transformers.pipeline` accept unchanged.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import BertTokenizer, PreTrainedTokenizerBase, RobertaTokenizer

from course_lib import runtime

__all__ = ["SPECIAL_TOKENS", "encode_documents", "require_special_tokens", "train_byte_bpe", "train_wordpiece",
           "word_tokenizer"]  # fmt: skip

# the order gives the ids 0 to 4; RoBERTa's <s> and </s> stand for [CLS] and [SEP], and begin and end a text
SPECIAL_TOKENS = {
    "bert": {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
             "mask_token": "[MASK]"},
    "roberta": {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>",
                "mask_token": "<mask>"},
}
LONGEST = 1_000_000_000  # no length limit: the model's own limit is checked where rows are packed
MOST_UNKNOWN = 0.05  # share of unknown tokens without a word about it


def word_tokenizer(vocabulary: Iterable[str]) -> BertTokenizer:
    """Make a WordPiece tokenizer with one token per word; letters keep their case.

    [PAD] [UNK] [CLS] [SEP] [MASK] have the ids 0 to 4 and the words follow in sorted order.
    Any other word becomes [UNK], whole.
    """
    if isinstance(vocabulary, str):
        raise TypeError(f"vocabulary={vocabulary!r:.60} must be a list of words, e.g. ['Anna', 'the', '.']")
    words = sorted(set(vocabulary))
    specials = list(SPECIAL_TOKENS["bert"].values())
    tokenizer = _bert({token: index for index, token in enumerate(specials + words)}, lowercase=False)
    for word in words:
        if word in specials or tokenizer.tokenize(word, split_special_tokens=True) != [word]:
            raise ValueError(f"the word {word!r} cannot be a single token: WordPiece splits words at spaces, "
                             "punctuation and Chinese characters; spell it as letters and digits only")
    return tokenizer


def train_wordpiece(texts: Iterable[str], vocab_size: int = 4000, lowercase: bool = True) -> BertTokenizer:
    """Train WordPiece on texts (or a Corpus) and return a BERT tokenizer of at most `vocab_size` tokens.

    The same texts give the same ids in every process. Characters that do not fit become [UNK], as do words of more than
    100 letters (scripts without spaces, such as Thai, need train_byte_bpe). `lowercase` drops accents, as BERT's
    uncased models do. The most frequent pair is merged first, as in Hugging Face's trainer; Google's is unpublished.
    """
    texts = _texts(texts)
    splitter = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    splitter.normalizer = _bert({"[UNK]": 0}, lowercase).backend_tokenizer.normalizer
    words = Counter(word for text in texts
                    for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(
                        splitter.normalizer.normalize_str(text)))
    specials = list(SPECIAL_TOKENS["bert"].values())
    characters, continuations = _alphabet(words, vocab_size - len(specials))
    # The trainer numbers the pieces '##c' in the order of a randomly seeded hash map, and breaks ties between
    # pairs by these numbers, so each process would learn another vocabulary. Declaring them all as special
    # tokens fixes their numbers; the trained pieces then go into a fresh model in which they are ordinary.
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=2, show_progress=False,
        special_tokens=specials + characters + ["##" + character for character in continuations])
    splitter.normalizer, splitter.pre_tokenizer = None, pre_tokenizers.WhitespaceSplit()
    kept = set(characters)  # a word with any other character is [UNK] as a whole, so it teaches nothing
    splitter.train_from_iterator(
        (" ".join([word] * n) for word, n in words.items() if kept.issuperset(word)), trainer)
    learned = splitter.get_vocab()
    return _bert({token: index for index, token in enumerate(sorted(learned, key=learned.get))}, lowercase)


def _alphabet(words: Counter, room: int) -> tuple[list[str], list[str]]:
    """Return the characters that get a piece 'c', and of them those that also get a piece '##c'.

    The most frequent come first, ties by character, until `room` pieces are used. Rare ones may stay out,
    but if that lost more than one in a hundred characters of the text, `room` is an error.
    """
    counts, inside = Counter(), set()
    for word, n in words.items():
        inside.update(word[1:])
        for character in word:
            counts[character] += n
    characters, left = [], room
    for character in sorted(counts, key=lambda character: (-counts[character], character)):
        cost = 2 if character in inside else 1
        if cost <= left:
            left -= cost
            characters.append(character)
    if sum(counts[character] for character in characters) < 0.99 * counts.total():
        raise ValueError(f"vocab_size={room + len(SPECIAL_TOKENS['bert'])} is too small for the characters of these "
                         "texts alone; ask for more, e.g. vocab_size=4000")  # fmt: skip
    return sorted(characters), sorted(inside.intersection(characters))


def train_byte_bpe(texts: Iterable[str], vocab_size: int = 4000) -> RobertaTokenizer:
    """Train byte-level BPE on texts (or a Corpus) and return a RoBERTa tokenizer of at most `vocab_size`.

    All 256 bytes are in the vocabulary, so any text of any script has ids and decodes to itself, and
    <unk> never occurs (GPT-2 paper, section 2.2; RoBERTa paper, section 4.4).
    """
    texts = _texts(texts)
    specials = list(SPECIAL_TOKENS["roberta"].values())
    smallest = len(specials) + 256
    if vocab_size < smallest:
        raise ValueError(f"vocab_size={vocab_size} is too small: 256 bytes and the special tokens "
                         f"need {smallest}; ask for that or more, e.g. vocab_size=4000")
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, show_progress=False, special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    trained = json.loads(backend.to_str())["model"]
    merges = [tuple(pair) for pair in trained["merges"]]
    return RobertaTokenizer(
        vocab=trained["vocab"], merges=merges, add_prefix_space=False, model_max_length=LONGEST,
        clean_up_tokenization_spaces=False, mask_token=AddedToken("<mask>", lstrip=True, special=True))


def encode_documents(tokenizer: PreTrainedTokenizerBase, corpus) -> list[list[list[int]]]:
    """Return document -> sentence -> ids, without special tokens, for a Corpus or a list of documents.

    Each sentence is encoded alone. Text that looks like a special token, as in a file that explains
    '[MASK]', is encoded as the ordinary characters it is.
    """
    documents = getattr(corpus, "documents", corpus)
    if isinstance(documents, str) or any(isinstance(document, str) for document in documents):
        raise TypeError("give a Corpus or a list of documents, each a list of sentences: [['One.', 'Two.']]")
    distinct = list(dict.fromkeys(sentence for document in documents for sentence in document))
    if not distinct:
        return [[] for _ in documents]
    encoded = tokenizer(distinct, add_special_tokens=False, split_special_tokens=True, truncation=False,
                        return_attention_mask=False, return_token_type_ids=False, verbose=False)
    ids = dict(zip(distinct, encoded["input_ids"], strict=True))
    unknown = sum(found.count(tokenizer.unk_token_id) for found in encoded["input_ids"])
    if unknown > MOST_UNKNOWN * sum(map(len, encoded["input_ids"])):
        runtime.warn(f"this {type(tokenizer).__name__} does not know {unknown} words of these texts: a model sees "
                     f"{tokenizer.unk_token} in their place; train one on texts of this kind, or with "
                     "train_byte_bpe(texts), which takes every script as it is")  # fmt: skip
    # copies, so that a caller who changes one sentence does not change its twins
    return [[list(ids[sentence]) for sentence in document] for document in documents]


def require_special_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ValueError unless the vocabulary has all the tokens that packing and masking need."""
    roles = ("pad_token", "cls_token", "sep_token", "mask_token")
    missing = [role for role in roles if getattr(tokenizer, role) not in tokenizer.get_vocab()]
    if missing:
        raise ValueError(
            f"this {type(tokenizer).__name__} has no {', '.join(missing)}, which masking and packing need; make it by "
            "word_tokenizer, train_wordpiece or train_byte_bpe, or add what is missing before making the model: "
            f"tokenizer.add_special_tokens({{{missing[0]!r}: {SPECIAL_TOKENS['bert'][missing[0]]!r}}})"
        )


def _texts(texts: Iterable[str]) -> list[str]:
    documents = getattr(texts, "documents", None)
    if documents is not None:
        return [sentence for document in documents for sentence in document]
    if isinstance(texts, str):
        raise TypeError(f"texts={texts!r:.60} is one string; give a list of texts, or a Corpus")
    return list(texts)


def _bert(vocab: dict[str, int], lowercase: bool) -> BertTokenizer:
    # vocab=, never vocab_file=: the latter is accepted and maps every word to [UNK]
    return BertTokenizer(vocab=vocab, do_lower_case=lowercase, model_max_length=LONGEST,
                         clean_up_tokenization_spaces=False, **SPECIAL_TOKENS["bert"])
