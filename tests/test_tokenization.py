"""Tokenization: the same ids in every process, nothing lost, and real transformers tokenizers."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertTokenizer, RobertaConfig, RobertaForMaskedLM

from course_lib.text import tokenization
from course_lib.text.corpora import Corpus, tiny_town
from course_lib.text.tokenization import (
    SPECIAL_TOKENS,
    encode_documents,
    require_special_tokens,
    train_byte_bpe,
    train_wordpiece,
    word_tokenizer,
)
from course_lib.town.language import TinyTown

BERT, ROBERTA = (list(SPECIAL_TOKENS[kind].values()) for kind in ("bert", "roberta"))
TEXTS = [
    "The statement is executed when the program reaches it, and the value is returned to the caller.",
    "A sequence is an object that supports indexing; sequences are sorted, sliced and unpacked.",
    "Returning values early makes a program shorter. Naïve readers, however, re-read returned values twice!",
    "The interpreter interprets the interpreted statements; stating the unstated is understated.",
    "日本語と中文 belong here too, as do déjà vu and Ελληνικά.",
] * 3
PLAIN = {"add_special_tokens": False, "split_special_tokens": True}


@pytest.fixture(scope="module")
def town():
    return word_tokenizer(TinyTown.load().vocabulary)


@pytest.fixture(scope="module")
def wordpiece():
    return train_wordpiece(TEXTS, vocab_size=300)


@pytest.fixture(scope="module")
def byte_bpe():
    return train_byte_bpe(TEXTS, vocab_size=400)


@pytest.fixture(params=["town", "wordpiece", "byte_bpe"])
def tokenizer(request):
    return request.getfixturevalue(request.param)


# --- one word, one token ------------------------------------------------------------------------------


def test_each_tiny_town_word_is_one_token(town):
    words = sorted(TinyTown.load().vocabulary)
    assert town.convert_ids_to_tokens(range(len(town))) == BERT + words
    assert [town.pad_token_id, town.unk_token_id, town.cls_token_id, town.sep_token_id, town.mask_token_id] == [
        0,
        1,
        2,
        3,
        4,
    ]
    for story in TinyTown.load().stories(20, seed=5):
        assert town.tokenize(" ".join(story.words)) == story.words


def test_word_tokenizer_keeps_case_and_knows_no_other_word():
    tokenizer = word_tokenizer(["?", "Anna", "anna", ".", "the", ",", "café"])
    assert tokenizer.convert_ids_to_tokens(range(5, 12)) == [",", ".", "?", "Anna", "anna", "café", "the"]
    assert tokenizer.tokenize("Anna, anna The Annas cafe café?") == [
        "Anna",
        ",",
        "anna",
        "[UNK]",
        "[UNK]",
        "[UNK]",
        "café",
        "?",
    ]
    assert tokenizer.decode(tokenizer("Anna the")["input_ids"]) == "[CLS] Anna the [SEP]"
    assert word_tokenizer(["b", "a", "a"]).get_vocab() == word_tokenizer(iter(["a", "b"])).get_vocab()


@pytest.mark.parametrize("word", ["don't", "two words", "", "[MASK]", "##s", "中文", "\0"])
def test_word_tokenizer_names_a_word_that_would_be_split(word):
    with pytest.raises(ValueError) as caught:
        word_tokenizer(["the", word])
    assert repr(word) in str(caught.value) and "letters and digits" in str(caught.value)


def test_word_tokenizer_names_a_wrong_vocabulary():
    with pytest.raises(TypeError, match="'the cat'.*list of words"):
        word_tokenizer("the cat")


# --- trained ------------------------------------------------------------------------------------------


def test_special_tokens_come_first(wordpiece, byte_bpe):
    assert wordpiece.convert_ids_to_tokens(range(5)) == BERT == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert byte_bpe.convert_ids_to_tokens(range(5)) == ROBERTA == ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    assert (byte_bpe.bos_token, byte_bpe.eos_token) == ("<s>", "</s>")
    for tokenizer in (wordpiece, byte_bpe):
        assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
        require_special_tokens(tokenizer)


def test_pairs_get_the_papers_format(wordpiece, byte_bpe):
    pair = wordpiece("the value", "the program")
    tokens = wordpiece.convert_ids_to_tokens(pair["input_ids"])
    first = tokens.index("[SEP]") + 1
    assert tokens[0] == "[CLS]" and tokens[-1] == "[SEP]" and tokens.count("[SEP]") == 2
    assert pair["token_type_ids"] == [0] * first + [1] * (len(tokens) - first)
    pair = byte_bpe("the value", "the program")
    tokens = byte_bpe.convert_ids_to_tokens(pair["input_ids"])
    assert "token_type_ids" not in pair  # RoBERTa has no segments; it separates with </s></s>
    assert tokens[0] == "<s>" and tokens[-1] == "</s>" and tokens.count("</s>") == 3


def longest_match_first(word, vocabulary):
    """Cut a word by hand as WordPiece does: always the longest piece that the vocabulary has."""
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                pieces.append(piece)
                start = end
                break
        else:
            return ["[UNK]"]
    return pieces


def test_wordpiece_is_longest_match_first(wordpiece):
    vocabulary, words = (wordpiece.get_vocab(), sorted({w for t in TEXTS for w in t.lower().split() if w.isalpha()}))
    words += [a[:4] + b[-5:] for a in words[:20] for b in words[:20]] + ["unseenword", "zzz", "ω", "statementing"]
    words = [word for word in words if word.isascii()]
    assert len(words) > 300
    for word in words:
        assert wordpiece.tokenize(word) == longest_match_first(word, vocabulary), word
    assert any(len(wordpiece.tokenize(word)) > 1 for word in words)
    assert wordpiece.tokenize("statements")[0] != "s", "pieces longer than a character were learned"


def test_wordpiece_lowercase_is_a_choice(wordpiece):
    assert wordpiece.tokenize("NAÏVE Value") == wordpiece.tokenize("naive value")
    cased = train_wordpiece(TEXTS, vocab_size=300, lowercase=False)
    assert "T" in cased.get_vocab() and "T" not in wordpiece.get_vocab()
    assert cased.tokenize("The") != cased.tokenize("the")


def test_wordpiece_isolates_chinese_characters():
    tokenizer = train_wordpiece(["今天天气很好", "今天不好"], vocab_size=40)
    assert tokenizer.tokenize("天气好") == ["天", "气", "好"]
    assert not any(token.startswith("##") for token in tokenizer.get_vocab())


def test_rare_characters_give_way_and_become_unknown():
    texts = ["abc abc abc abd"] * 200 + ["ξ"]
    tokenizer = train_wordpiece(texts, vocab_size=12)
    assert set(tokenizer.get_vocab()) == {*BERT, "a", "b", "c", "d", "##b", "##c", "##d"}
    assert tokenizer.tokenize("ξ abd") == ["[UNK]", "a", "##b", "##d"]
    with pytest.raises(ValueError, match="vocab_size=11 is too small for the characters"):
        train_wordpiece(texts, vocab_size=11)


@pytest.mark.parametrize("vocab_size", [120, 150, 200, 300, 2000])
def test_the_vocabulary_is_never_larger_than_asked(vocab_size):
    assert len(train_wordpiece(TEXTS, vocab_size)) <= vocab_size
    assert len(train_byte_bpe(TEXTS, max(261, vocab_size))) <= max(261, vocab_size)


@settings(deadline=None, max_examples=300)
@given(text=st.text())
def test_byte_bpe_decodes_to_the_text_and_has_no_unknown(byte_bpe, text):
    ids = byte_bpe(text, **PLAIN)["input_ids"]
    assert byte_bpe.decode(ids) == text
    assert byte_bpe.unk_token_id not in ids


@pytest.mark.parametrize(
    "text", ["a , b . c n't", "  two  spaces ", "<mask> and </s>", "👩‍👩‍👧 ñ नमस्ते", "\r\n\t\x00", "ﬁ"]
)
def test_byte_bpe_decodes_the_awkward(byte_bpe, text):
    assert byte_bpe.decode(byte_bpe(text, **PLAIN)["input_ids"]) == text
    assert byte_bpe.decode(encode_documents(byte_bpe, [[text]])[0][0]) == text


def test_byte_bpe_has_every_byte():
    tokenizer = train_byte_bpe(["aaa"], vocab_size=261)
    assert len(tokenizer) == 261
    assert tokenizer.decode(tokenizer("日本", **PLAIN)["input_ids"]) == "日本"


def test_mask_token_takes_the_space_before_it(byte_bpe):
    ids = byte_bpe("the <mask> value", add_special_tokens=False)["input_ids"]
    expected = [
        *byte_bpe("the", **PLAIN)["input_ids"],
        byte_bpe.mask_token_id,
        *byte_bpe(" value", **PLAIN)["input_ids"],
    ]
    assert ids == expected  # as in RoBERTa: the mask stands for ' word', space included


@pytest.mark.slow
def test_ids_are_the_same_in_every_process():
    code = """
import hashlib, json, sys
from course_lib.text import tokenization as t
texts = json.load(sys.stdin)
made = [t.train_wordpiece(texts, 300), t.train_wordpiece(texts, 300, lowercase=False)]
made.append(t.train_byte_bpe(texts, 400))
print(hashlib.sha256(json.dumps([sorted(m.get_vocab().items()) for m in made]).encode()
                     + made[2].backend_tokenizer.model.__getstate__()).hexdigest())
"""
    made = [train_wordpiece(TEXTS, 300), train_wordpiece(TEXTS, 300, lowercase=False), train_byte_bpe(TEXTS, 400)]
    here = hashlib.sha256(
        json.dumps([sorted(m.get_vocab().items()) for m in made]).encode()
        + made[2].backend_tokenizer.model.__getstate__()
    ).hexdigest()
    for seed, workers in (("0", "1"), ("1", "2"), ("12345", "4")):
        answer = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(TEXTS),
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(tokenization.__file__).parent.parent,
            env={**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": workers},
        )
        assert answer.stdout.strip() == here, answer.stderr


def test_training_in_one_process_repeats(wordpiece):
    # the trainer's hash maps are seeded anew each time, so this fails within a few tries without the remedy
    for _ in range(5):
        assert train_wordpiece(TEXTS, vocab_size=300).get_vocab() == wordpiece.get_vocab()


def test_a_corpus_is_as_good_as_its_texts(wordpiece):
    assert train_wordpiece(Corpus("toy", [TEXTS], "test"), vocab_size=300).get_vocab() == wordpiece.get_vocab()


@pytest.mark.parametrize("train", [train_wordpiece, train_byte_bpe])
def test_training_names_bad_input(train):
    with pytest.raises(ValueError, match="vocab_size=20 is too small.*vocab_size="):
        train(TEXTS, vocab_size=20)
    with pytest.raises(TypeError, match="'one string'.*list of texts"):
        train("one string")


# --- documents ----------------------------------------------------------------------------------------


def test_encode_documents_equals_one_sentence_at_a_time(tokenizer):
    documents = [TEXTS[:3], ["he saw an echo on the stool .", "Anna Unknown"], ["", TEXTS[0]], []]
    expected = [[tokenizer(s, **PLAIN)["input_ids"] for s in document] for document in documents]
    assert encode_documents(tokenizer, documents) == expected
    tokenizer(TEXTS, padding=True, truncation=True, max_length=8)  # leaves its settings in the tokenizer
    assert encode_documents(tokenizer, documents) == expected
    assert encode_documents(tokenizer, [["two words"]]) == encode_documents(tokenizer, Corpus("x", [["two words"]], ""))
    assert encode_documents(tokenizer, [[], []]) == [[], []]


def test_text_cannot_smuggle_in_special_tokens(tokenizer):
    text = f"a {tokenizer.mask_token} and {tokenizer.sep_token}"
    ids = encode_documents(tokenizer, [[text]])[0][0]
    assert not {tokenizer.mask_token_id, tokenizer.sep_token_id} & set(ids)
    assert tokenizer.mask_token_id in tokenizer(text)["input_ids"], "and asking for them still works afterwards"


def test_encoded_twins_are_separate_lists(town):
    first, second = encode_documents(town, [["he ran .", "he ran ."]])[0]
    first.append(99)
    assert second != first


def test_encode_documents_wants_documents(town):
    for wrong in ("text", ["a sentence"]):
        with pytest.raises(TypeError, match="list of documents"):
            encode_documents(town, wrong)


def test_encode_documents_is_fast(town):
    corpus = tiny_town(4000)
    start = time.process_time()  # not the clock on the wall: the machine may be busy with other things
    encoded = encode_documents(town, corpus)
    assert time.process_time() - start < 5  # about 0.15 s; a loop over sentences takes 24 000 calls
    assert town.unk_token_id not in {i for document in encoded for sentence in document for i in sentence}


# --- words that the tokenizer does not know ---------------------------------------------------------------


@pytest.mark.parametrize("texts", [
    ["今天天气很好我们去公园吧" * 20], ["한국어 문장은 띄어쓰기가 있다"], ["Việt Nam đất nước tôi"],
    ["Ελληνικά και ρωσικά ёлка"], ["This is déjà vu, naïve as it is"], ["Anna saw a page"],
])  # fmt: skip
def test_other_scripts_are_taken_without_a_word(texts, monkeypatch, recwarn):
    monkeypatch.setenv("COURSE_QUIET", "0")
    encode_documents(train_wordpiece(texts, vocab_size=300), [texts])
    assert not recwarn.list


def test_a_flood_of_unknown_words_is_told(town, byte_bpe, monkeypatch, recwarn):
    monkeypatch.setenv("COURSE_QUIET", "0")
    thai = "สวัสดีชาวโลกยินดีต้อนรับ" * 10  # without spaces: one word of more than 100 letters
    for tokenizer, text in ((town, "Anna Unknown the words"), (train_wordpiece([thai], vocab_size=300), thai)):
        with pytest.warns(RuntimeWarning, match=r"Tokenizer does not know \d words .*\[UNK\].*train_byte_bpe"):
            encode_documents(tokenizer, [[text]])
    recwarn.clear()
    encode_documents(town, [*tiny_town(5).documents, ["Xi has the key ."]])
    encode_documents(byte_bpe, [[thai]])
    assert not recwarn.list, "one unknown name in a text is everyday"


# --- real transformers tokenizers ---------------------------------------------------------------------


def test_saved_and_opened_it_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    text = f"Anna said, the naïve value is {tokenizer.mask_token} returned. 日本"
    for again in (
        AutoTokenizer.from_pretrained(tmp_path),
        type(tokenizer).from_pretrained(tmp_path),
    ):
        assert type(again) is type(tokenizer) and again.is_fast
        assert again.get_vocab() == tokenizer.get_vocab()
        assert dict(again(text, "a pair")) == dict(tokenizer(text, "a pair"))
        assert again.decode(again(text)["input_ids"]) == tokenizer.decode(tokenizer(text)["input_ids"])
        assert again.special_tokens_map == tokenizer.special_tokens_map
        assert encode_documents(again, [TEXTS]) == encode_documents(tokenizer, [TEXTS])
        again.save_pretrained(tmp_path / "twice")
    assert (tmp_path / "twice" / "tokenizer.json").read_text() == (tmp_path / "tokenizer.json").read_text()


def test_works_in_a_fill_mask_pipeline(tokenizer, tmp_path):
    torch.manual_seed(0)
    size = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 66,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model = (
        BertForMaskedLM(BertConfig(**size))
        if isinstance(tokenizer, BertTokenizer)
        else RobertaForMaskedLM(RobertaConfig(**size, type_vocab_size=1))
    )
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    fill = transformers.pipeline("fill-mask", model=str(tmp_path), tokenizer=str(tmp_path))
    answers = fill(f"the {tokenizer.mask_token} is here .", top_k=3)
    assert len(answers) == 3
    assert all(
        tokenizer.convert_tokens_to_ids(tokenizer.convert_ids_to_tokens(a["token"])) == a["token"] for a in answers
    )


def test_require_special_tokens(tokenizer):
    assert require_special_tokens(tokenizer) is None
    bare = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]")), unk_token="[UNK]"
    )
    with pytest.raises(ValueError, match="no pad_token, cls_token, sep_token, mask_token.*add_special_tokens"):
        require_special_tokens(bare)
    bare.add_special_tokens({"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"})
    with pytest.raises(ValueError, match=r"no mask_token,.*\{'mask_token': '\[MASK\]'\}"):
        require_special_tokens(bare)
