"""Golden runs: what is trained and measured today, in numbers. They fail when it changes, and nothing else does.

A record says by which ``revision`` of its measurement it was made. Whoever changes what is trained or measured, on
purpose or not, finds these tests red; a comment, another name or a faster way to the same numbers leaves them green.
To renew them: python tests/test_golden.py (all, or those named, as in 'python tests/test_golden.py oracle').
"""

import contextlib
import functools
import hashlib
import json
import os
import random
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from course_lib import runtime
from course_lib.apply import fine_tuning, generation, in_context_data, probes
from course_lib.apply import translation as pairs_of_sentences
from course_lib.experiments import (
    EXPERIMENTS,
    lesson_05,
    lesson_06,
    lesson_08,
    lesson_11,
    material,
    materials,
    topics,
    world,
)
from course_lib.experiments.town_pairs import TownPairs
from course_lib.model import bodies
from course_lib.text import corpora, packing, tokenization
from course_lib.text.packing import balanced_pairs, blocks, doc_sentences, full_sentences, segment_pairs
from course_lib.text.sentences import split
from course_lib.town import tasks
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle
from course_lib.town.sister_language import SisterLanguage
from course_lib.town.sister_language import sentences as town_sentences
from course_lib.train import loop
from course_lib.train.batch import Batch
from course_lib.train.masking import Masking, StaticMasking
from course_lib.train.objectives import BothMasks, CausalLM, MaskedLM, PreTraining
from course_lib.train.whole_words import WholeWordMasking
from tools import evidence

KEPT = Path(__file__).with_name("golden.json")
SMALL = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4)
STEPS, NOTED = 50, (1, 5, 15, 30, 50)
LOSS, EXACT = 1e-3, 1e-7  # relative tolerances: of 50 float32 steps over processors, of sums in double precision
SHARE = 5e-3  # absolute, for what an experiment measures: a best guess that is nearly a tie may fall the other way
TEXT = (
    "Mr. Brown reads the docs, e.g. the long ones. Does he? 3.14 is no end! 他读书。她也读。\n\n"
    "A title without a stop\n\n"
    "This sentence has more than fifty characters, because it goes on and on about nothing in particular. "
    + "It " + "never quite " * 90 + "ends. " + "Readers read. The reader rereads reading matter. " * 8
)  # fmt: skip

TOWN = TinyTown.load()
TOKENIZER = tokenization.word_tokenizer(TOWN.vocabulary)


def digest(value):
    """Eight digits of a hash of tensors, arrays, text or lists of it."""
    if isinstance(value, torch.Tensor):
        value = [str(value.dtype), *value.shape, *value.flatten().tolist()]
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]


def stories(n=300, seed=0):
    return tokenization.encode_documents(TOKENIZER, corpora.tiny_town(n, seed))


def rows(n=300):
    return blocks(TOKENIZER, stories(n), 32)


def pieces():
    """A tokenizer whose words have several pieces."""
    return tokenization.train_wordpiece([TEXT], vocab_size=120)


# --- 50 steps of each objective
def run(objective, build=bodies.tiny_bert, data=None, steps=STEPS, **settings):
    runtime.seed_all(0)
    data = rows() if data is None else data
    model = build(TOKENIZER, **(settings or SMALL))
    history = loop.train(model, data, objective, steps, batch_size=16, learning_rate=2e-3)
    return {f"loss at step {step}": float(f"{history.loss[step - 1]:.5g}") for step in NOTED if step <= steps}


def masked():
    return MaskedLM(Masking.of(TOKENIZER))


def static():
    return run(MaskedLM(StaticMasking(Masking.of(TOKENIZER), copies=2)))


def causal():
    return run(CausalLM.of(TOKENIZER), bodies.causal_bert)


def gpt():
    return run(CausalLM.of(TOKENIZER, 0.5), bodies.tiny_gpt, n_embd=64, n_layer=1, n_head=4)


def both_masks():
    return run(BothMasks(masked(), CausalLM.of(TOKENIZER)))


def pre_training():
    pairs = balanced_pairs(TOKENIZER, stories(60), 32, random.Random(0))
    return run(PreTraining(TOKENIZER.pad_token_id, masked()), bodies.pair_bert, pairs)


def any_rate():
    return run(generation.AnyRate.of(TOKENIZER))


def loss_everywhere():
    return run(lesson_05.LossEverywhere(Masking.of(TOKENIZER)))


def translation():
    language = SisterLanguage()
    tokenizer = pairs_of_sentences.bilingual_tokenizer(language)
    data = pairs_of_sentences.pair_rows(tokenizer, language, town_sentences(200))
    found = {}
    for reader, build in (("encoder-decoder", pairs_of_sentences.tiny_encoder_decoder), ("prefix", bodies.tiny_bert)):
        goal = pairs_of_sentences.Translation.of(tokenizer, reader=reader)
        losses = run(goal, lambda _, build=build, **small: build(tokenizer, **small), data)
        found |= {f"{reader}, {name}": value for name, value in losses.items()}
    return found


def fine_tuned():
    runtime.seed_all(0)
    body, found = bodies.tiny_bert(TOKENIZER, **SMALL), {}
    for task in (tasks.classify(TOKENIZER, TOWN.stories(80, 3)), tasks.tag(TOKENIZER, TOWN.stories(80, 3))):
        for frozen in (False, True):
            score = fine_tuning.score(fine_tuning.fine_tune(body, task[:32], steps=25, frozen=frozen), task[:32])
            found[f"loss of {task.name}, frozen={frozen}"] = float(f"{score.loss:.5g}")
    return found


# --- what a masking does, counted; what a packing makes
def masking():
    tokens, found = rows(200), {}
    for name, recipe in {"BERT": {}, "each for itself": {"exact": False}, "all [MASK]": {"mask": 1.0, "random": 0.0},
                         "40%": {"rate": 0.4, "limit": 9}}.items():  # fmt: skip
        made = Masking.of(TOKENIZER, **recipe)(tokens, torch.Generator().manual_seed(0))
        hidden, kept = made.input_ids == TOKENIZER.mask_token_id, made.selected & (made.input_ids == tokens)
        random_ = made.selected & ~hidden & ~kept
        found[name] = [int(part.sum()) for part in (made.selected, hidden, random_, kept)] + [digest(made.input_ids)]
    tokenizer = pieces()
    text = full_sentences(tokenizer, tokenization.encode_documents(tokenizer, [split(TEXT)]), 24)
    whole = WholeWordMasking.of(tokenizer, rate=0.3)(text, torch.Generator().manual_seed(0))
    copies = StaticMasking(Masking.of(TOKENIZER), 3)(tokens, torch.Generator().manual_seed(0))
    return found | {"whole words": [int(whole.selected.sum()), digest(whole.input_ids)],
                    "static": [int(copies.selected.sum()), digest(copies.input_ids)]}  # fmt: skip


def packed():
    documents, found = stories(40), {"blocks": digest(blocks(TOKENIZER, stories(40), 32))}
    for make in (full_sentences, doc_sentences):
        found[make.__name__] = digest(make(TOKENIZER, documents, 24))
    pairs = {"segment_pairs": segment_pairs(TOKENIZER, documents, 32, random.Random(0))}
    for negative in packing.NEGATIVES:
        pairs[f"balanced, {negative}"] = balanced_pairs(TOKENIZER, documents, 32, random.Random(0), negative)
    pairs["balanced, matched"] = balanced_pairs(TOKENIZER, documents, 32, random.Random(0), matched=True)
    for name, made in pairs.items():
        parts = (made.input_ids, made.token_type_ids, made.labels, made.origins)
        found[name] = [len(made), int(made.labels.sum()), digest([digest(part) for part in parts])]
    return found


# --- what the exact reader says
def oracle():
    reader, found = Oracle(TOWN), {}
    words, gaps = TOWN.stories(1, 5)[0].words[:24], [*range(1, 24, 3)]
    right = [reader.word_id[word] for word in words]
    found["log P of a story"] = reader.log_prob(words)
    found["next word"] = [float(p[right[at]]) for at, p in enumerate(reader.next_word(words))]
    for left_only in (False, True):
        p = reader.fill(words, gaps, left_only)
        found[f"fill, left_only={left_only}"] = [float(p[n][right[at]]) for n, at in enumerate(gaps)]
    seen = [None if at in gaps[::2] else word for at, word in enumerate(words)]
    p = reader.restore(seen, gaps, rate=0.15, random=0.1, keep=0.1)
    found["restore"] = [float(p[n][right[at]]) for n, at in enumerate(gaps)]
    told = TOWN.stories(1, 6)[0].sentences
    pairs = [(told[at:mid], told[mid:end]) for at, mid, end in ((0, 1, 2), (2, 3, 4), (0, 2, 4))]
    found["follows"] = [float(reader.follows(*pair, negative, 6)) for pair in pairs for negative in packing.NEGATIVES]
    return found


# --- the text itself
def texts():
    language, drawn = SisterLanguage(), in_context_data.draw(20, 10, torch.Generator().manual_seed(0))
    told, data = town_sentences(20), material(rows=100, held_out=20)
    made = {"word pieces": pieces(), "bytes": tokenization.train_byte_bpe([TEXT], 300)}
    found = {f"tokenizer of {name}": digest(sorted(kind.get_vocab().items(), key=lambda item: item[1]))
             for name, kind in made.items()}  # fmt: skip
    return found | {
        "Tiny Town": digest([corpora.tiny_town(20, seed=0).documents, digest(rows(20)), sorted(TOWN.vocabulary)]),
        "material": [digest(data.rows), digest(data.held_out), digest(material(rows=100, held_out=20, seed=1).rows)],
        "sentences": [len(split(TEXT)), digest(split(TEXT))],
        "sister language": digest([[*words, *language.translate(words)] for words in told]),
        "episodes": digest(drawn.rows),
    }


# --- what each experiment's runner trains and measures: three steps on a few rows, with a seed that nobody else has
ARMS = {  # of each runner one arm, with what is smaller
    "resolve": ("path-length", "LSTM, forget bias 1, rate 0.01", {"steps": 3, "moments": 1}),
    "read_and_fill": ("two-masks-one-model", "both", {}),
    "corrupted": ("corruption", "80/10/10", {}),
    "tagged": ("frozen-or-fine-tuned", "80/10/10", {}),
    "guess_pieces": ("whole-words", "whole words", {}),
    "judge_pairs": ("nsp-negatives", "swapped", {}),
    "recipe": ("masks-over-epochs", "ten masks", {}),
    "read_format": ("input-formats", "SEGMENT-PAIR + NSP", {}),
    "read_pieces": ("two-tokenizers", "byte-level BPE", {"vocab_size": 300}),
    "few_labels": ("transfer-labels", "fine-tuned", {"labels": [16, 32]}),
    "summaries": ("cls-vector", "frozen, [CLS]", {}),
    "masks": ("transfer-mask", "causal, then lifted", {}),
    "while_reading": ("early-transfer", "bidirectional", {}),
    "by_temperature": ("temperature", "T = 0.3", {"steps": 3, "stories": 4}),
    "by_filling": ("mask-and-fill", "BERT, random order, 2 sweeps", {"steps": 3, "stories": 40}),
    "learn": ("in-context", "ever new mappings", {"steps": 3}),
    "translate": ("who-reads-the-source", "encoder-decoder", {"pairs": 100}),
    "read_english": ("english-masks", "both", {}),
    "vary_recipe": ("english-recipes", "causal first", {}),
    "judge_english": ("english-pairs", "other document", {}),
    "format_english": ("english-formats", "SEGMENT-PAIR + NSP", {}),
    "topics_while_reading": ("english-early-transfer", "causal", {"corpus": "grouped"}),
    "reread": ("by-heart", "causal, 15%", {"rows": 400}),
}  # fmt: skip


REAL = {  # runner -> (experiment, arm); here they ask a small random GPT
    "capital": ("real-capitals", "whole sentence"), "fill_gap": ("real-gaps", "what follows"),
    "label_reviews": ("real-in-context", "2 examples"), "spectrum": ("real-pooler", "fresh"),
    "move_earlier": ("real-later-words", "SmolLM2, bidirectional mask"),
}  # fmt: skip


def real_arm(name):
    experiment = EXPERIMENTS[REAL[name][0]]
    pieces = tokenization.train_byte_bpe([" ".join(word for pair in lesson_11.LABELS for word in pair)] * 9, 500)
    runtime.seed_all(0)
    gpt = bodies.tiny_gpt(pieces, n_embd=64, n_layer=1, n_head=4, n_positions=512, initializer_range=0.05).eval()
    tiny = probes.Checkpoint("tiny", gpt, pieces, None)
    with (mock.patch.object(lesson_11, "opened", lambda *_: tiny),
          mock.patch.object(lesson_11, "_scores", lesson_11._scores.__wrapped__)):  # fmt: skip
        [found] = evidence.train_arm(experiment.run, [1], experiment.settings(REAL[name][1]))
    return evidence.rounded(found)


def grouped():
    """Two hundred stories, each from a subpackage of its own."""
    town = corpora.tiny_town(200, seed=9)
    return replace(town, groups=[f"{topics.TOPICS[n % 4]}/{n}" for n in range(len(town))])


@contextlib.contextmanager
def little():
    """Cap stories, labelled rows, steps and the size of the models: what is measured is the same."""
    tell, label, train, tune = TinyTown.stories, materials.labelled, loop.train, fine_tuning.fine_tune
    asked = TownPairs.held_out
    stories = TOWN.stories(600, seed=1), TOWN.stories(1200, seed=2)
    width = {"tiny_bert": SMALL, "causal_bert": SMALL, "pair_bert": SMALL, "tiny_gpt": {"n_embd": 64, "n_head": 4},
             "modern_bert": {"hidden_size": 64, "intermediate_size": 64}}  # fmt: skip

    def few_steps(model, rows, objective, steps, **settings):
        return train(model, rows, objective, 3, **settings | {"evaluations": 2, "batch_size": 8})

    with contextlib.ExitStack() as stack:
        for thing, name, small in (
            (TinyTown, "stories", lambda town, n, *args, **given: tell(town, min(n, 60), *args, **given)),
            *((module, "labelled", lambda task, rows, seed: label.__wrapped__(task, min(rows, 24), seed))
              for module in (materials, lesson_08)),
            (loop, "train", few_steps),
            (fine_tuning, "fine_tune", lambda body, task, **given: tune(body, task, **given | {"steps": 2})),
            (TownPairs, "held_out", lambda data, kind, pairs=0: asked(data, kind, 200)),
            (lesson_06, "town_pairs", lambda seed: TownPairs(TOWN, TOKENIZER, stories)),
            (corpora, "python_docs", lambda **_: corpora.tiny_town(60, seed=9)),
            (materials, "text", lambda name: grouped() if name == "grouped" else corpora.tiny_town(60, seed=9)),
            (world, "VOCABULARY", 300), (world, "PAIRS", (200, 200)),
            (topics, "LABELLED", 8), (topics, "ASKED", 4), (topics, "STEPS", 20),
            *((bodies, name, functools.partial(getattr(bodies, name), **size)) for name, size in width.items()),
        ):  # fmt: skip
            stack.enter_context(mock.patch.object(thing, name, small))
        yield


def arm(name):
    experiment, arm, smaller = ARMS[name]
    experiment = EXPERIMENTS[experiment]
    with little():
        [found] = evidence.train_arm(experiment.run, [977], experiment.settings(arm) | smaller)
    return evidence.rounded(found)


GOLDEN = {
    "masked": lambda: run(masked()), "static masking": static, "causal": causal, "GPT": gpt, "both masks": both_masks,
    "pre-training": pre_training, "any rate": any_rate, "loss everywhere": loss_everywhere, "translation": translation,
    "fine-tuning": fine_tuned, "masking": masking, "packing": packed, "oracle": oracle, "texts": texts,
    **{f"measured: {name}": functools.partial(arm, name) for name in ARMS},
    **{f"measured: {name}": functools.partial(real_arm, name) for name in REAL},
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_cold_cpu")


def differences(found, kept, tolerance, path="", share=0.0):
    """List the places where numbers differ by more than the tolerances, relative and absolute, or anything else."""
    if isinstance(found, dict) and isinstance(kept, dict) and found.keys() == kept.keys():
        return [line for key in found for line in differences(found[key], kept[key], tolerance, f"{path} {key}", share)]
    if isinstance(found, list) and isinstance(kept, list) and len(found) == len(kept):
        return [line for pair in zip(found, kept, strict=True) for line in differences(*pair, tolerance, path, share)]
    if isinstance(found, float) and isinstance(kept, float) and abs(found - kept) <= tolerance * abs(kept) + share:
        return []
    return [] if found == kept and not isinstance(found, float) else [f"{path.strip()}: was {kept}, is {found}"]


def compared(name):
    kept = json.loads(KEPT.read_text(encoding="utf-8"))[name]
    share = SHARE if name.startswith("measured") else 0.0
    return differences(GOLDEN[name](), kept, EXACT if name == "oracle" else LOSS, share=share)


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_trained_and_measured_is_what_it_was(name):
    changed = compared(name)
    assert not changed, (
        f"What {name!r} trains or measures has changed. If you meant it: raise the revision of the experiments that "
        "this touches (course_lib/experiments), then renew the golden file with: python tests/test_golden.py\n"
        + "\n".join(changed)
    )


# --- a change is noticed: the same comparison under changes that must not pass
def never_mask(m):
    old = Masking.__call__
    m.setattr(Masking, "__call__", lambda self, *args: old(replace(self, mask=0.0, random=self.random), *args))


def optimizer(**changed):
    old = torch.optim.AdamW
    return lambda m: m.setattr(torch.optim, "AdamW", lambda *args, **given: old(*args, **given | changed))


def off_by_one(m):
    """The exact reader answers for the word before."""
    fill, follow = Oracle.fill, Oracle.next_word
    m.setattr(Oracle, "next_word", lambda self, words: np.roll(follow(self, words), 1, axis=0))
    m.setattr(Oracle, "fill", lambda self, words, hidden, *args: fill(self, words, [at - 1 for at in hidden], *args))


def another_mean(m):
    """The loss over all positions of the batch that are asked for, and one more."""
    old, more = Batch.loss, (lambda n: n / (n + 1))
    m.setattr(Batch, "loss", lambda self, *args: old(self, *args) * more(len(self.targets)))


def ever_rarer(m):
    old = tokenization.trainers.WordPieceTrainer
    m.setattr(tokenization.trainers, "WordPieceTrainer", lambda **given: old(**given | {"min_frequency": 50}))


CHANGES = {
    "a masking that never writes [MASK]": (never_mask, ["masked", "masking", "pre-training", "loss everywhere"]),
    "AdamW's betas": (optimizer(betas=(0.0, 0.5)), ["masked", "causal", "fine-tuning"]),
    "weight decay": (optimizer(weight_decay=0.5), ["masked", "GPT"]),
    "a constant learning rate": (
        lambda m: m.setattr(loop, "one_cycle", lambda step, steps, peak: peak), ["causal", "translation"]),
    "an oracle off by one word": (off_by_one, ["oracle"]),
    "shorter sentences": (lambda m: m.setattr("course_lib.text.sentences.LONGEST_SENTENCE", 50), ["texts"]),
    "rarer word pieces": (ever_rarer, ["texts"]),
    "the loss's mean": (another_mean, ["masked"]),
    "held-out text of other seeds": (lambda m: m.setattr(materials, "HELD_OUT_FROM", 5), ["measured: recipe"]),
    "another 1,000 held-out questions": (
        lambda m: m.setattr(materials.HeldOut.__init__, "__defaults__", (1235,)),
        ["measured: guess_pieces", "measured: read_and_fill"]),
    "accuracy and nats of the first half": (
        lambda m: m.setattr(materials, "named", lambda name, score: {
            f"{name} nats": score.nats[::2].mean().item(), f"{name} accuracy": score.right[::2].mean().item()}),
        ["measured: guess_pieces", "measured: tagged", "measured: read_format"]),
    "the copies of static masking": (
        lambda m: m.setattr(StaticMasking, "copy", lambda self, row, n: self.masking(
            row, torch.Generator().manual_seed(n))), ["static masking", "masking"]),
}  # fmt: skip


@pytest.mark.parametrize("change,name", [(change, name) for change, (_, names) in CHANGES.items() for name in names])
def test_a_change_is_noticed(change, name, monkeypatch):
    CHANGES[change][0](monkeypatch)
    assert compared(name), f"{change} changes nothing that {name!r} looks at"


def test_the_tolerance_forgives_another_processor_and_nothing_else():
    kept = {"a": [1.0, 2], "b": "x"}
    assert differences({"a": [1.0005, 2], "b": "x"}, kept, LOSS) == []
    for wrong in ({"a": [1.002, 2], "b": "x"}, {"a": [1.0, 3], "b": "x"}, {"a": [1.0, 2], "b": "y"}, {"a": [1.0, 2]},
                  {"a": [1.0], "b": "x"}, {"a": [float("nan"), 2], "b": "x"}):  # fmt: skip
        assert differences(wrong, kept, LOSS)


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_every_runner_has_a_golden_run(name):
    assert EXPERIMENTS[name].run in {EXPERIMENTS[run].run for run, *_ in [*ARMS.values(), *REAL.values()]}


def renew(names):
    """Write the golden file anew from the code as it is: all of it, or the runs named."""
    os.environ |= {"COURSE_DEVICE": "cpu", "COURSE_PRECISION": "fp32", "COURSE_QUIET": "1"}
    torch.set_num_threads(1)
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    kept |= {name: GOLDEN[name]() for name in names or GOLDEN}
    KEPT.write_text(json.dumps({name: kept[name] for name in GOLDEN}, indent=1) + "\n", encoding="utf-8")
    print(f"{KEPT.name}: {len(names or GOLDEN)} golden runs renewed with torch {torch.__version__}")


if __name__ == "__main__":
    sys.exit(renew(sys.argv[1:]))
