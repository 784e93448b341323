"""The probes give the right verdict on any checkpoint: real tokenizers, English, random weights, no network."""

import ast
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    BertTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Tokenizer,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
)

from course_lib import runtime
from course_lib.apply import probes
from course_lib.apply.probes import GAP, choose, cross_attention, examine, fill_in, follows, open_checkpoint, pooler
from course_lib.text import tokenization

ROOT = Path(__file__).parent.parent
TEXTS = [
    "The capital of France is Paris, and the capital of Italy is Rome.",
    "Paris is the capital of France. Rome is the capital of Italy.",
    "She was hungry, so she ate. He was tired, so he slept.",
] * 4
SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, initializer_range=0.3)
ENGLISH = f"The capital of {GAP} is Paris."


def kept(folder, model, tokenizer):
    """Write what a published checkpoint is: a model's files and its tokenizer's."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def byte_bpe(made_by):
    """Give a byte-level BPE as the class that a published GPT-2 or RoBERTa has."""
    trained = json.loads(tokenization.train_byte_bpe(TEXTS, vocab_size=400).backend_tokenizer.to_str())["model"]
    vocab, merges = trained["vocab"], [tuple(pair) for pair in trained["merges"]]
    if made_by is GPT2Tokenizer:
        vocab = vocab | {"<|endoftext|>": len(vocab)}
        return GPT2Tokenizer(vocab=vocab, merges=merges)
    return made_by(vocab=vocab, merges=merges)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Folders as those of bert-base-uncased, roberta-base and gpt2: their classes and tokenizers, small and random."""
    place = tmp_path_factory.mktemp("published")
    runtime.seed_all(0)
    pieces = tokenization.train_wordpiece(TEXTS, vocab_size=200)
    assert type(pieces) is BertTokenizer
    bert = BertForPreTraining(BertConfig(vocab_size=len(pieces), **SMALL))
    with torch.no_grad():
        bert.bert.pooler.dense.bias += 0.1  # as if trained
    bytes_ = tokenization.train_byte_bpe(TEXTS, vocab_size=400)
    roberta = RobertaForMaskedLM(RobertaConfig(
        vocab_size=len(bytes_), type_vocab_size=1, max_position_embeddings=66, pad_token_id=bytes_.pad_token_id,
        bos_token_id=bytes_.cls_token_id, eos_token_id=bytes_.sep_token_id, **SMALL))  # fmt: skip
    gpt_pieces = byte_bpe(GPT2Tokenizer)
    end = gpt_pieces.eos_token_id
    gpt = GPT2LMHeadModel(GPT2Config(vocab_size=len(gpt_pieces), n_embd=32, n_layer=2, n_head=2, bos_token_id=end,
                                     eos_token_id=end, initializer_range=0.3))  # fmt: skip
    return {
        "bert-base-uncased": kept(place / "bert-base-uncased", bert, pieces),
        "roberta-base": kept(place / "roberta-base", roberta, bytes_),
        "gpt2": kept(place / "gpt2", gpt, gpt_pieces),
    }


@pytest.fixture(scope="module")
def opened(published):
    return {name: open_checkpoint(folder) for name, folder in published.items()}


# --- verdicts
def test_the_table_of_verdicts(opened):
    rows = {name: examine(checkpoint, "Paris is the capital of France.") for name, checkpoint in opened.items()}
    assert [(name, *list(row.values())[1:]) for name, row in rows.items()] == [
        ("bert-base-uncased", "BertForPreTraining", True, 0, True, "trained"),
        ("roberta-base", "RobertaForMaskedLM", True, 0, False, "absent"),
        ("gpt2", "GPT2LMHeadModel", False, 0, False, "absent"),
    ]


def test_a_decoder_that_forgot_its_flag_is_caught(published, tmp_path):
    """The leak test judges what the model does, not what its class is called."""
    from transformers import BertLMHeadModel

    pieces = AutoTokenizer.from_pretrained(published["bert-base-uncased"])
    for flag in (False, True):
        model = BertLMHeadModel(BertConfig(vocab_size=len(pieces), is_decoder=flag, **SMALL)).eval()
        file = published["bert-base-uncased"] / "model.safetensors"
        found = examine(probes.Checkpoint("x", model, pieces, file), "Paris is the capital.")
        assert found["sees the future"] is not flag


def test_a_causal_model_fills_a_gap_from_the_left_alone(opened):
    gpt, bert = opened["gpt2"], opened["bert-base-uncased"]
    one, other = (f"The capital of {GAP} is {city}." for city in ("Paris", "Rome"))
    assert fill_in(gpt, one) == fill_in(gpt, other) and fill_in(bert, one) != fill_in(bert, other)


@pytest.mark.parametrize("name", ["bert-base-uncased", "roberta-base", "gpt2"])
def test_a_gap_is_filled_with_the_model_s_own_probabilities(opened, name):
    found = fill_in(opened[name], ENGLISH)
    assert sum(found.values()) == pytest.approx(1, abs=1e-4)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    model, tokenizer = opened[name].model, opened[name].tokenizer
    if name == "gpt2":
        ids, at = torch.tensor([[tokenizer.eos_token_id, *tokenizer("The capital of")["input_ids"]]]), -1
    else:
        ids = tokenizer(ENGLISH.replace(GAP, tokenizer.mask_token), return_tensors="pt")["input_ids"]
        at = ids[0].tolist().index(tokenizer.mask_token_id)
    out = model(ids)
    p = (out.prediction_logits if name.startswith("bert") else out.logits)[0, at].softmax(-1)
    for token in (7, 50, len(tokenizer) - 9):
        alike = [i for i in range(len(p)) if tokenizer.decode([i]).strip() == tokenizer.decode([token]).strip()]
        assert found[tokenizer.decode([token]).strip()] == pytest.approx(p[alike].sum().item(), abs=1e-5)


def test_words_count_in_capitals_or_not(opened):
    roberta, bert = opened["roberta-base"], opened["bert-base-uncased"]
    assert probes.probability(roberta, ENGLISH, "France") == sum(
        p for word, p in fill_in(roberta, ENGLISH).items() if word.lower() == "france"
    )
    assert probes.probability(bert, ENGLISH, "FRANCE") == fill_in(bert, ENGLISH).get("france", 0) > 0
    assert probes.probability(bert, ENGLISH, "no such word") == 0


def test_a_gap_at_the_very_beginning(opened):
    for checkpoint in opened.values():
        assert sum(fill_in(checkpoint, f"{GAP} is the capital.").values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", ["no gap", f"{GAP} and {GAP}"])
def test_exactly_one_gap_is_asked_for(opened, text):
    with pytest.raises(ValueError, match="mark exactly one word by ____"):
        fill_in(opened["gpt2"], text)


def test_label_zero_is_next(opened):
    bert = opened["bert-base-uncased"]
    pair = bert.tokenizer("She was hungry.", "So she ate.", return_tensors="pt")
    assert pair["token_type_ids"].sum() > 0
    expected = bert.model(**pair).seq_relationship_logits.softmax(-1)[0, 0].item()
    assert follows(bert, "She was hungry.", "So she ate.") == pytest.approx(expected, abs=1e-6)
    assert follows(opened["roberta-base"], "a", "b") is None and follows(opened["gpt2"], "a", "b") is None


def test_heads_and_poolers_are_judged_by_the_file_not_by_the_class(published, tmp_path):
    """BertForPreTraining makes up the heads that a masked-language-model file lacks, and no probe believes it."""
    pieces = AutoTokenizer.from_pretrained(published["bert-base-uncased"])
    config = BertConfig(vocab_size=len(pieces), **SMALL)
    words_only = open_checkpoint(kept(tmp_path / "words", BertForMaskedLM(config), pieces))
    assert type(words_only.model) is BertForPreTraining and words_only.model.bert.pooler is not None
    assert pooler(words_only) == "absent" and follows(words_only, "a", "b") is None
    fresh = open_checkpoint(kept(tmp_path / "fresh", BertForPreTraining(config), pieces))
    assert pooler(fresh) == "never trained" and follows(fresh, "a", "b") is not None


@pytest.mark.parametrize("words,expected", [(True, "trained"), (False, "never trained")])
def test_a_pooler_is_trained_by_the_pair_loss_alone(published, tmp_path, words, expected):
    pieces = AutoTokenizer.from_pretrained(published["bert-base-uncased"])
    model = BertForPreTraining(BertConfig(vocab_size=len(pieces), **SMALL))
    batch = pieces("she was hungry", "so she ate", return_tensors="pt")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    for _ in range(2):
        out = model(**batch)
        (out.seq_relationship_logits if words else out.prediction_logits).square().mean().backward()
        optimizer.step()
    assert pooler(open_checkpoint(kept(tmp_path / "x", model, pieces))) == expected


def test_cross_attention_is_found_in_every_spelling():
    with torch.device("meta"):
        sizes = dict(d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        t5 = T5ForConditionalGeneration(T5Config(vocab_size=20, **sizes))
        gpt = GPT2LMHeadModel(GPT2Config(n_layer=2, add_cross_attention=True))
        bert = BertForMaskedLM(BertConfig(num_hidden_layers=2))
    assert len(cross_attention(gpt.state_dict())) == 16 and cross_attention(bert.state_dict()) == []
    assert {name.split(".")[0] for name in cross_attention(t5.state_dict())} == {"decoder"}
    assert cross_attention(["model.decoder.layers.0.encoder_attn.k_proj.weight"])


def test_the_file_is_listed_as_it_is(opened):
    bert = opened["bert-base-uncased"]
    assert bert.tensors["bert.embeddings.word_embeddings.weight"] == (len(bert.tokenizer), 32)


# --- which checkpoint
def test_published_ones_are_opened_only_if_asked_for(opened, published, capsys):
    own = {str(published["gpt2"]): opened["bert-base-uncased"]}
    assert choose(own) == {"bert-base-uncased": opened["bert-base-uncased"]}
    assert "not asked for. In its place: bert-base-uncased." in capsys.readouterr().out
    chosen = choose(own, published=True)
    assert type(chosen["gpt2"].model) is GPT2LMHeadModel and "gpt2: opened." in capsys.readouterr().out


def test_what_cannot_be_had_is_one_line_and_the_stand_in(opened, capsys):
    chosen = choose({"no-such-model-here": opened["gpt2"]}, published=True)
    out = capsys.readouterr().out
    assert chosen == {"gpt2": opened["gpt2"]} and out.count("\n") == 1
    assert out.startswith("no-such-model-here: the model 'no-such-model-here' cannot be opened")


@pytest.mark.parametrize("files", [{}, {"tokenizer.json": "{damaged"}, {"tokenizer.json": "{}"}])
def test_a_folder_without_a_tokenizer_says_so(published, tmp_path, files):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((published["gpt2"] / name).read_bytes())
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(OSError, match="the model .* cannot be opened: .") as caught:
        open_checkpoint(tmp_path)
    assert caught.value.__suppress_context__ and "\n" not in str(caught.value), "one line, not ten"


def test_the_code_of_a_folder_is_not_run(published, tmp_path, monkeypatch):
    AutoTokenizer.from_pretrained(published["gpt2"]).save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    evil = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}
    file.write_text(json.dumps(json.loads(file.read_text()) | evil))
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # whoever is asked says yes
    with pytest.raises(OSError, match="cannot be opened: .*contains custom code"):
        open_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("download", [False, True])
def test_the_hub_is_asked_only_if_told_to(monkeypatch, download):
    asked = []

    def from_pretrained(name, **options):
        asked.append(options["local_files_only"])
        raise OSError("We couldn't connect\nand ten more lines")

    monkeypatch.setattr(probes.AutoTokenizer, "from_pretrained", from_pretrained)
    with pytest.raises(OSError, match="'org/name' cannot be opened: We couldn't connect$"):
        open_checkpoint("org/name", download=download)
    assert asked == [not download]


def test_a_folder_without_a_model_says_so(published, tmp_path):
    AutoTokenizer.from_pretrained(published["gpt2"]).save_pretrained(tmp_path)
    with pytest.raises(OSError, match="the model .* cannot be opened"):
        open_checkpoint(tmp_path)
    (tmp_path / "config.json").write_bytes((published["gpt2"] / "config.json").read_bytes())
    with pytest.raises(OSError):
        open_checkpoint(tmp_path)


def test_models_without_a_head_for_words_are_refused_and_newer_ones_are_read(published, tmp_path):
    from transformers import ModernBertConfig, ModernBertForMaskedLM, ViTConfig

    pieces = AutoTokenizer.from_pretrained(published["bert-base-uncased"])
    sizes = SMALL | {"num_hidden_layers": 3, "pad_token_id": pieces.pad_token_id}
    del sizes["initializer_range"]
    modern = ModernBertForMaskedLM(ModernBertConfig(
        vocab_size=len(pieces), cls_token_id=pieces.cls_token_id, sep_token_id=pieces.sep_token_id,
        bos_token_id=pieces.cls_token_id, eos_token_id=pieces.sep_token_id, **sizes))  # fmt: skip
    row = examine(open_checkpoint(kept(tmp_path / "modern", modern, pieces)), "Paris is the capital of France.")
    assert (row["class"], row["sees the future"], row["pair head"]) == ("ModernBertForMaskedLM", True, False)
    ViTConfig().save_pretrained(tmp_path / "vit")
    pieces.save_pretrained(tmp_path / "vit")
    with pytest.raises(OSError, match="vit' cannot be opened: a vit has no head for words"):
        open_checkpoint(tmp_path / "vit")


@pytest.mark.slow
def test_names_of_the_hub_are_found_in_its_cache_without_a_network(published, tmp_path):
    """A cache as the Hub's client leaves it: the names work offline, as for a reader who has the models."""
    for name, folder in published.items():
        repository = tmp_path / "hub" / f"models--{name}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0" * 40)
        (repository / "snapshots").mkdir()
        (repository / "snapshots" / ("0" * 40)).symlink_to(folder, target_is_directory=True)
    code = """
        from course_lib.apply import probes
        for name in ("bert-base-uncased", "roberta-base", "gpt2"):
            found = probes.choose({name: None}, published=True)[name]
            print(probes.examine(found, "Paris is the capital of France."))
            probes.fill_in(found, "The capital of ____ is Paris.")
    """
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, env=environment, text=True,
                          capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line for line in done.stdout.splitlines() if line.endswith("opened.")] == [
        f"{name}: opened." for name in published
    ]
    assert "'sees the future': False" in done.stdout and done.stdout.count("'sees the future': True") == 2


# --- nothing random answers, and nothing of the place is run
def test_a_file_without_a_head_for_words_gives_no_answer(published, tmp_path):
    """transformers puts random numbers where the file has none, and says so only in a log."""
    for name, kind in (("bert-base-uncased", BertModel), ("roberta-base", RobertaModel)):
        model, tokenizer = kind.from_pretrained(published[name]), AutoTokenizer.from_pretrained(published[name])
        bare = open_checkpoint(kept(tmp_path / name, model, tokenizer))
        with pytest.raises(ValueError, match=r"has no trained head for words .it lacks '.*random numbers would answer"):
            fill_in(bare, ENGLISH)
        with pytest.raises(ValueError, match="no trained head"):
            probes.probability(bare, ENGLISH, "France")
        assert follows(bare, "a", "b") is None  # its other questions are answered
        assert examine(bare, "Paris is the capital of France.")["sees the future"]


def test_a_head_for_words_alone_is_enough(published, tmp_path, opened):
    pieces = AutoTokenizer.from_pretrained(published["bert-base-uncased"])
    masked = BertForMaskedLM.from_pretrained(published["bert-base-uncased"])
    one = open_checkpoint(kept(tmp_path / "masked", masked, pieces))
    assert fill_in(one, ENGLISH) == pytest.approx(fill_in(opened["bert-base-uncased"], ENGLISH), abs=1e-5)


def test_weights_are_read_from_safetensors_only(published, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(published["bert-base-uncased"], folder)
    model = BertForPreTraining.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(OSError, match="cannot be opened"):
        open_checkpoint(folder)


def test_code_of_a_folder_is_never_run(published, tmp_path):
    folder = tmp_path / "with code"
    shutil.copytree(published["bert-base-uncased"], folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForPreTraining": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", encoding="utf-8")
    with pytest.raises((OSError, ValueError)):
        open_checkpoint(folder)
    assert not (tmp_path / "ran").exists()


def test_the_library_opens_no_pickle_and_runs_no_foreign_code():
    """Every from_pretrained of the library says so itself: the defaults of transformers do neither."""
    for file in sorted((ROOT / "course_lib").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "from_pretrained":
                given, where = {keyword.arg for keyword in node.keywords}, f"{file.name}:{node.lineno}"
                assert None in given or "trust_remote_code" in given, f"{where}: trust_remote_code=False"
                weights = not ast.unparse(node.func).startswith(("AutoConfig", "AutoTokenizer"))
                assert not weights or "use_safetensors" in given, f"{where}: use_safetensors=True"
            assert not (isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load"), file.name
