"""Turn text into token ids: WordPiece (BERT) and byte-level BPE (RoBERTa, GPT-2), trained offline.

Every function returns a real `transformers` tokenizer, which `save_pretrained`, `AutoTokenizer` and
`transformers.pipeline` accept unchanged.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import urllib.request
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import constants as hub
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase, RobertaTokenizer

from course_lib import runtime
from course_lib.text import unknown

__all__ = ["SPECIAL_TOKENS", "encode_documents", "load_tokenizer", "require_special_tokens",
           "train_byte_bpe", "train_wordpiece", "word_tokenizer"]

# the order gives the ids 0 to 4; RoBERTa's <s> and </s> stand for [CLS] and [SEP], and begin and end a text
SPECIAL_TOKENS = {
    "bert": {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
             "mask_token": "[MASK]"},
    "roberta": {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>",
                "mask_token": "<mask>"},
}
LONGEST = 1_000_000_000  # no length limit: the model's own limit is checked where rows are packed
BYTES = "train_byte_bpe(texts) takes every script as it is"


def word_tokenizer(vocabulary: Iterable[str]) -> BertTokenizer:
    """Make a WordPiece tokenizer with one token per word; letters keep their case.

    [PAD] [UNK] [CLS] [SEP] [MASK] have the ids 0 to 4 and the words follow in sorted order.
    Any other word becomes [UNK], whole.
    """
    if isinstance(vocabulary, str):
        raise TypeError(f"vocabulary={vocabulary!r:.60} must be a list of words, e.g. ['Anna', 'the', '.']")
    words = sorted(set(vocabulary))
    if not words:
        raise ValueError("vocabulary=[] is empty; give at least one word, e.g. TinyTown.load().vocabulary")
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
    100 letters: ValueError when that is more than unknown.MOST_LOST of the text, as it may be in Thai. `lowercase`
    drops accents, as BERT's uncased models do; a warning when that takes vowel signs and the like from a script.
    The pieces are merged most frequent pair first, as in Hugging Face's trainer; Google's is not published.
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
    if (share := unknown.untrainable(words, kept)) > unknown.MOST_LOST:
        raise ValueError(f"WordPiece would make [UNK] of {share:.0%} of these texts: words of more than "
                         f"{unknown.LONGEST_WORD} letters (as in scripts without spaces), or with letters too rare for "
                         f"the vocabulary; {BYTES}, or raise vocab_size if it is the latter")
    if lowercase and (share := unknown.dropped_marks(texts)) > unknown.MOST_LOST:
        runtime.warn(f"lowercase=True drops accents, and here also {share:.0%} of the letters: vowel signs or sound "
                     f"marks, without which these are other words; lowercase=False keeps them, and {BYTES}")
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
    used = needed = covered = 0
    characters = []
    for character in sorted(counts, key=lambda character: (-counts[character], character)):
        cost = 2 if character in inside else 1
        if covered < 0.99 * counts.total():
            needed, covered = needed + cost, covered + counts[character]
        if used + cost <= room:
            used += cost
            characters.append(character)
    if room < needed:
        few = len(SPECIAL_TOKENS["bert"])
        raise ValueError(f"vocab_size={room + few} is too small: the characters of these texts alone need "
                         f"{needed + few}; ask for more, e.g. vocab_size={max(1000, 4 * needed)}")
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
    if (share := unknown.unknown_letters(tokenizer, ids)) > unknown.MOST_LOST:
        runtime.warn(f"{share:.0%} of the letters are in words that this {type(tokenizer).__name__} does not know: a "
                     f"model sees {tokenizer.unk_token} in their place; train one on texts of this kind ({BYTES})")
    # copies, so that a caller who changes one sentence does not change its twins
    return [[list(ids[sentence]) for sentence in document] for document in documents]


def require_special_tokens(
        tokenizer: PreTrainedTokenizerBase,
        roles: Iterable[str] = ("pad_token", "cls_token", "sep_token", "mask_token")) -> None:
    """Raise ValueError unless the vocabulary has a token of its own for each role, e.g. 'mask_token'."""
    roles, vocabulary, name = list(roles), tokenizer.get_vocab(), type(tokenizer).__name__
    known = [*SPECIAL_TOKENS["bert"], "bos_token", "eos_token"]
    if unknown := [role for role in roles if role not in known]:
        raise ValueError(f"roles={unknown} are unknown; choose from {known}")
    tokens = {role: getattr(tokenizer, role, None) for role in roles}
    missing = [role for role, token in tokens.items() if token is None or token not in vocabulary]
    if missing:
        example = SPECIAL_TOKENS["bert"].get(missing[0], "<s>")
        raise ValueError(
            f"this {name} has no {', '.join(missing)}, which masking and packing need; make the tokenizer "
            "with word_tokenizer, train_wordpiece or train_byte_bpe, or add what is missing before making "
            f"the model: tokenizer.add_special_tokens({{{missing[0]!r}: {example!r}}})")
    by_id: dict[int, str] = {}
    for role, token in tokens.items():
        other = by_id.setdefault(vocabulary[token], role)
        if other != role:
            raise ValueError(f"{other} and {role} of this {name} are the same token {token!r}; give each "
                             f"its own, e.g. tokenizer.add_special_tokens({{{role!r}: '[NEW]'}})")
    if _has_no_words(tokenizer):
        raise ValueError(f"the vocabulary of this {name} holds special tokens only, so each word is unknown; "
                         "in transformers 5 pass vocab=, as vocab_file= is accepted and ignored")


def load_tokenizer(name_or_path: str | Path) -> PreTrainedTokenizerBase:
    """Open a tokenizer from a folder (`save_pretrained`), from the Hugging Face cache, or from the Hub.

    Nothing in the course needs the Hub; without a network the error comes within seconds. Code that a tokenizer brings
    along (`auto_map`) is never run: ValueError.
    """
    name, folder = str(name_or_path), Path(os.path.expanduser(name_or_path))
    own = "or make the course's own with word_tokenizer, train_wordpiece or train_byte_bpe"
    if name and folder.is_dir():
        settings = [_json(folder / file).get("auto_map") for file in ("tokenizer_config.json", "config.json")]
        if any("AutoTokenizer" in (names or ()) for names in settings):
            raise ValueError(f"the tokenizer in {name!r} brings code of its own (auto_map), which would run with your "
                             f"rights, so it is not opened; use one that transformers has a class for, {own}")
        try:
            return _open(folder, local_files_only=True)
        except Exception as error:  # a damaged file makes tokenizers raise a bare Exception
            raise ValueError(f"the folder {name!r} holds no readable tokenizer ({_first_line(error)}); "
                             f"give one that tokenizer.save_pretrained(folder) wrote, {own}") from None
    if isinstance(name_or_path, Path) or not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name):
        raise FileNotFoundError(f"there is no folder {name!r} (looked from {str(Path.cwd())!r}); "
                                f"check the spelling, {own}")
    with contextlib.suppress(OSError, ValueError):
        return _open(name, local_files_only=True)  # downloaded before: no network needed
    reason = _hub_unreachable()
    if reason is None:
        try:
            return _open(name)
        except (OSError, ValueError) as error:
            reason = _first_line(error)
    raise OSError(f"the tokenizer {name!r} is neither a folder here nor in the Hugging Face cache, and the "
                  f"Hub does not give it: {reason}. Check the name and connect to the network once (it is "
                  f"kept afterwards), {own}")


def _open(place: str | Path, **options) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, **options)
    if _has_no_words(tokenizer):  # transformers 5 makes an empty one where a model has no tokenizer files
        raise ValueError("there is a model, but no tokenizer files beside it")
    return tokenizer


def _json(file: Path) -> dict:
    """Return what a settings file says; nothing where it says nothing that can be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _has_no_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    return set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens)


def _hub_unreachable() -> str | None:
    """Say in a few seconds why the Hub cannot be reached, or None; its own client retries for 45 seconds."""
    if hub.is_offline_mode():
        return "HF_HUB_OFFLINE is set"
    if urllib.request.getproxies():
        return None  # the way to the network is the client's business
    address = urlsplit(hub.ENDPOINT)
    try:
        socket.create_connection((address.hostname, address.port or 443), timeout=5).close()
    except OSError as error:
        return f"no connection to {address.hostname} ({error.strerror or error})"
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].strip(" :.")


def _texts(texts: Iterable[str]) -> list[str]:
    documents = getattr(texts, "documents", None)
    if documents is not None:
        return [sentence for document in documents for sentence in document]
    if isinstance(texts, str):
        raise TypeError(f"texts={texts!r:.60} is one string; give a list of texts, or a Corpus")
    texts = list(texts)
    if not any(text.strip() for text in texts):
        raise ValueError(f"texts holds {len(texts)} text(s) and no word; give text to train the tokenizer on")
    return texts


def _bert(vocab: dict[str, int], lowercase: bool) -> BertTokenizer:
    # vocab=, never vocab_file=: the latter is accepted and maps every word to [UNK]
    return BertTokenizer(vocab=vocab, do_lower_case=lowercase, model_max_length=LONGEST,
                         clean_up_tokenization_spaces=False, **SPECIAL_TOKENS["bert"])
