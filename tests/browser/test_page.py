"""The glass model in a real browser: its numbers against torch and the oracle, every control, no barrier."""

import copy
import functools
import random
import re
import shutil
import threading
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from course_lib import glass as glass_lib
from course_lib.glass import build, reading
from course_lib.town.language import TinyTown
from course_lib.town.oracle import Oracle

FILE = Path(__file__).resolve().parents[2] / "one-mask-apart.html"
ADDRESS = FILE.as_uri()
TOWN = TinyTown.load()
PLACES = ("#tokens", "#caption", "#bars", "#square", "#story")
ASKED = "[name=mask][value={}]"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_):
        pass


def bar(page, row=0):
    """Return a bar's word, the model's and the best possible share, as text."""
    return page.locator("#bars .bar").nth(row).inner_text().split("\n")


def first(page):
    return " ".join(page.locator("#bars .bar").first.locator("b").all_inner_texts())


@pytest.fixture
def glass(visit):
    def opened(hash_="", **options):
        page = visit(f"{ADDRESS}#{hash_}", **options)
        page.wait_for_selector("#bars .bar", state="attached")
        return page

    return opened


# --- its numbers ------------------------------------------------------------------------------------------------
def sentences(n=50):
    """Draw sentences of 4 to 30 words with up to a fifth of them hidden, and a size for prefix and window."""
    rng, drawn = random.Random(7), []
    for story in TOWN.stories(n, seed=777):
        words = story.words[: rng.randint(4, 30)]
        hidden = sorted(rng.sample(range(len(words)), rng.randint(1, max(1, len(words) // 5))))
        drawn.append((words, hidden, rng.randint(1, len(words) + 2)))
    return drawn


def model_at(moment):
    """Return the model that the page holds at a moment, its weights rounded as there."""
    model, tokenizer = reading.load()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for name, value in reading.rounded(build.moments()[moment][1])[1].items():
            twin.get_parameter(name)[: len(value)] = torch.from_numpy(value)
    return twin, tokenizer


LOGITS = """([words, hidden, mask, size]) => {
    const { state, open, reading } = window.glass;
    open(words, hidden);
    Object.assign(state, { mask, prefix: size, window: size, asked: hidden[0] });
    const found = reading();
    return [Array.from(found.logits), found.best && Array.from(found.best), Array.from(found.from)];
}"""


@pytest.mark.parametrize("mask", reading.MASKS)
def test_its_numbers_are_those_of_torch_and_of_the_oracle(glass, mask):
    page, oracle = glass(), Oracle(TOWN)
    model, tokenizer = model_at(-1)
    apart = {"logits": 0.0, "best": 0.0}
    for words, hidden, size in sentences():
        logits, best, reached = page.evaluate(LOGITS, [words, hidden, mask, size])
        ids = tokenizer.convert_tokens_to_ids(["[MASK]" if at in hidden else word for at, word in enumerate(words)])
        ids = torch.tensor([[tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]])
        with torch.no_grad():
            wanted = model(ids, attention_mask=reading.MASKS[mask](size, ids.shape[1])).logits[0, hidden[0] + 1]
        apart["logits"] = max(apart["logits"], (wanted - torch.tensor(logits)).abs().max().item())
        seen = [None if at in hidden or not reached[at + 1] else word for at, word in enumerate(words)]
        exact = oracle.restore(seen, hidden[:1])[0]
        apart["best"] = max(apart["best"], np.abs(exact - best[-len(exact) :]).max())
        if mask == "causal":  # the oracle's own idea of left only
            observed = [None if at in hidden else word for at, word in enumerate(words)]
            assert np.abs(oracle.restore(observed, hidden[:1], left_only=True)[0] - exact).max() < 1e-9
    assert apart["logits"] < 1e-4 and apart["best"] < 1e-6, apart


def test_every_moment_is_the_checkpoint_s(glass):
    page = glass()
    for moment in range(len(build.moments())):
        model, tokenizer = model_at(moment)
        page.evaluate(f"window.glass.state.moment = {moment}")
        words = TOWN.stories(1, seed=5)[0].words[:12]
        logits, *_ = page.evaluate(LOGITS, [words, [3], "causal", 1])
        ids = tokenizer.convert_tokens_to_ids([*words[:3], "[MASK]", *words[4:]])
        ids = torch.tensor([[tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]])
        with torch.no_grad():
            wanted = model(ids, attention_mask=reading.MASKS["causal"](None, ids.shape[1])).logits[0, 4]
        assert (wanted - torch.tensor(logits)).abs().max() < 1e-4


def test_an_impossible_sentence_has_no_best_answer(glass):
    page = glass("text=umbrella umbrella Ben .&hide=2")
    assert "No story of Tiny Town reads like this" in page.locator("#caption").inner_text()
    assert page.locator("#bars .best").first.get_attribute("style") == "width: 0%;"


# --- the switch and the other controls ----------------------------------------------------------------------------
def test_the_switch_takes_the_answer_away_and_gives_it_back(glass):
    page = glass("theme=light")
    model, best = first(page).split()
    assert best == "100%" and int(model.strip(">%")) > 90
    page.locator("label", has_text="Causal").click()
    model, best = first(page).split()
    assert best == "11%" and int(model.strip("%")) < 20
    assert "No weight has changed, only the mask" in page.locator("#caption").inner_text()
    page.locator("label", has_text="Bidirectional").click()
    assert first(page).split()[1] == "100%"
    assert not page.problems


def test_nothing_moves_when_the_switch_turns(glass):
    page = glass()
    places = []
    for mask in ("Bidirectional", "Causal", "Prefix", "Window"):
        page.locator("label", has_text=mask).click()
        page.wait_for_timeout(50)
        places.append([page.locator(one).bounding_box() for one in PLACES])
    assert places == [places[0]] * 4
    words = [bar(page, row)[0] for row in range(6)]
    page.locator("label", has_text="Causal").click()
    assert [bar(page, row)[0] for row in range(6)] == words


def test_the_other_mask_s_answer_is_shown_only_after_a_first_turn(glass):
    page = glass()
    assert not page.locator("#ghost").is_visible() and page.locator("#tokens .clue").count() == 0
    page.locator("label", has_text="Causal").click()
    assert page.locator("#ghost").is_visible() and page.locator("#tokens .clue").inner_text() == "will"


def test_a_word_is_hidden_asked_for_and_shown_again(glass):
    page = glass()
    page.locator("#tokens button", has_text="school").click()
    assert "position 7" in page.locator("#asks").inner_text() and bar(page)[0] == "school"
    assert page.locator("#tokens .hidden").count() == 2
    assert page.locator("#tokens .asked").get_attribute("aria-label") == "position 7: hidden, asked for"
    page.locator("#tokens button.asked").click()  # shown again; the first hidden word is asked for
    assert page.locator("#tokens .hidden").count() == 1 and bar(page)[0] == "tomorrow"


def test_size_head_layer_training_and_sentence_change_what_is_drawn(glass):
    page = glass()
    page.locator("label", has_text="Prefix").click()
    assert page.locator("#sizeout").inner_text() == "4" and first(page).split()[1] == "100%"
    page.locator("#size").fill("3")  # "Ben" is seen, "will" is not: one of three words
    assert first(page).split()[1] == "33%"
    page.locator("label", has_text="Bidirectional").click()
    arrows = page.locator("#wires path.arrow").count()
    page.locator("#head").select_option("0")
    assert 0 < page.locator("#wires path.arrow").count() < arrows
    square = page.locator("#square").inner_html()
    page.locator("#layer").select_option("0")
    assert page.locator("#square").inner_html() != square
    page.locator("#moment").fill("0")
    assert page.locator("#momentout").inner_text() == "untrained" and int(first(page).split()[0].strip("<%")) < 5
    page.locator("#story").select_option("2")
    assert page.locator("#tokens button").count() == 17


def test_only_the_town_s_words_are_taken(glass):
    page = glass()
    page.locator("#own").fill("tomorrow Zoe will go")
    page.locator("#own").press("Enter")
    assert "“Zoe” is not a word of Tiny Town" in page.locator("#wrong").inner_text()
    page.locator("#own").fill("yesterday Ben went to the farm .")
    page.locator("#own").press("Enter")
    assert page.locator("#wrong").inner_text() == "" and bar(page)[0] == "yesterday"
    page.locator("#own").fill(" ".join(["Ben"] * 31))
    page.locator("#own").press("Enter")
    assert "From 1 to 30 words" in page.locator("#wrong").inner_text()


def test_a_look_is_opened_step_by_step(glass):
    page = glass("stage=attention&mask=causal&text=Ben walked to the school with his dog .&hide=7")
    rows = page.locator("#attendrows tbody tr")
    for n, name in enumerate(("Score", "Scale", "Mask", "Softmax", "Sum")):
        page.locator("#steps button", has_text=name).click()
        assert page.locator("#attendrows thead th").count() == n + 2
    shares = [float(row.locator("td").nth(3).inner_text()) for row in rows.all()[:-1]]
    masked = [row.locator("td").nth(2).inner_text() for row in rows.all()[:-1]]
    assert sum(shares) == pytest.approx(1, abs=0.01) and shares[9:] == [0, 0] and masked[9:] == ["−∞"] * 2


def test_inputs_and_labels_are_bert_s(glass):
    page = glass("stage=masking&text=Ben walked to the school with his dog .&hide=4")
    row = page.locator("#labelrows tbody tr").nth(5)
    assert row.inner_text().split("\t") == ["5", "[MASK]", "hidden by [MASK]", "school"]
    page.locator("#change button", has_text="replace it").click()
    replaced = row.inner_text().split("\t")
    assert replaced[1] not in ("[MASK]", "school") and replaced[2:] == ["replaced by another word", "school"]
    page.locator("#change button", has_text="keep it").click()
    assert row.inner_text().split("\t") == ["5", "school", "kept, but asked for", "school"]
    assert page.locator("#labelrows tbody tr").nth(1).inner_text().split("\t") == ["1", "Ben", "shown", "−100"]


def test_a_mask_is_drawn_anew_as_bert_draws_it(glass):
    page = glass("stage=masking&text=" + " ".join(TOWN.stories(1, seed=5)[0].words[:20]))
    drawn, kinds = set(), Counter()
    for _ in range(60):
        page.locator("#change button", has_text="draw a new mask").click()
        changes = page.evaluate("[...window.glass.state.changes].map(([place, { kind }]) => [place, kind])")
        assert len(changes) == 3  # 15% of 20 words
        drawn.add(tuple(place for place, _ in changes))
        kinds.update(kind for _, kind in changes)
    assert len(drawn) > 30  # dynamic masking: hardly two epochs alike
    assert 0.65 < kinds["hidden"] / 180 < 0.93 and kinds["replaced"] and kinds["kept"]
    asked = [row.split("\t")[3] for row in page.locator("#labelrows tbody tr").all_inner_texts()]
    assert sum(label != "−100" for label in asked) == 3 and not page.problems


def test_the_embeddings_are_laid_open(glass):
    page = glass("stage=tokens")
    assert page.locator("#sumrows canvas").count() == 4 * 10
    assert "largest" in page.locator("#sumrows canvas").first.get_attribute("aria-label")


def test_everything_works_by_keyboard(glass):
    page = glass()
    page.locator(ASKED.format("bidirectional")).focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(ASKED.format("causal")).is_checked() and first(page).split()[1] == "11%"
    page.keyboard.press("m")
    assert page.locator(ASKED.format("prefix")).is_checked()
    page.locator("#tokens button", has_text="Ben").focus()
    page.keyboard.press("Enter")
    assert "position 2" in page.locator("#asks").inner_text()
    assert page.evaluate("document.activeElement.dataset.at") == "2"  # the focus stays
    page.locator("#attend summary").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#attendrows table")
    reached = set()
    page.locator("body").press("Tab")
    for _ in range(60):
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
        page.keyboard.press("Tab")
    assert {"walkstart", "mask", "size", "story", "head", "layer", "moment", "own"} <= reached


# --- two segments, writing, translating -----------------------------------------------------------------------------
def test_a_pair_is_judged_from_cls_as_by_torch_and_by_the_exact_reader(glass):
    page, examples = glass(), build.pair()["examples"]
    assert {one["follows"] for one in examples} == {True, False}
    model, tokenizer = reading.load(reading.PAIR)
    for n, one in enumerate(examples):
        page.locator("#story").select_option(f"pair {n}")
        ids = tokenizer(one["a"], one["b"], return_tensors="pt")
        with torch.no_grad():
            wanted = model(**ids).seq_relationship_logits[0]
        found = page.evaluate("Array.from(window.glass.reading().logits)")
        assert (wanted - torch.tensor(found)).abs().max() < 1e-4
        assert bar(page)[0] == "follows" and first(page).split()[1] == f"{one['exact']:.0%}".replace("100%", ">99%")
        truth = page.locator("#bars .truth .word").inner_text()
        assert truth == ("follows" if one["follows"] else "does not follow")
    assert page.locator("#tokens .second").count() > 3 and not page.problems


def test_under_the_causal_mask_cls_cannot_judge(glass):
    page = glass("pair=0&mask=causal")
    assert first(page).split()[1] == "50%"
    assert "asked at the last token" in page.locator("#caption").inner_text()
    page.locator("label", has_text="Prefix").click()
    page.locator("#size").fill("9")
    assert first(page).split()[1] == "–" and "not worked out" in page.locator("#caption").inner_text()
    page.locator("#story").select_option("0")
    assert bar(page)[0] == "tomorrow"


@pytest.mark.parametrize("there", [True, False])
def test_in_a_notebook_the_page_covers_the_picture_only_once_it_is_there(visit, tmp_path, there):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "lesson.html").write_text(glass_lib.show_pair(0)._repr_html_(), encoding="utf-8")
    if there:
        shutil.copy(FILE, tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = visit(f"http://127.0.0.1:{server.server_port}/notebooks/lesson.html", height=900)
        page.wait_for_load_state("networkidle")
        frame = page.locator("iframe")
        assert page.locator("img").is_visible() and frame.is_visible() == there
        if there:
            assert frame.content_frame.locator("#bars .bar").count() == 2
    finally:
        server.shutdown()


def test_writing_on_keeps_what_the_mask_allows_to_keep(glass):
    page = glass("stage=cache&text=Ben walked to the school with&hide=2")
    page.locator("#writeon").click()
    causal, both = (row.locator("td").all_inner_texts() for row in page.locator("#writerows tbody tr").all())
    assert causal == ["7 of 7 kept"] * 2 and both == ["0 of 7 kept"] * 2
    assert page.locator("#tokens button").count() == 9
    said = page.locator("#writesays").inner_text()
    assert re.match("“(his|her)” was appended", said), said
    for _ in range(24):
        page.locator("#writeon").click()
    assert "ends at 30 words" in page.locator("#writesays").inner_text() and not page.problems


def test_the_encoder_decoder_shows_to_what_it_attends(glass):
    page = glass("stage=translation")
    shown = build.translate()
    for n, one in enumerate(shown):
        page.locator("#source").select_option(str(n))
        assert page.locator("#translaterows thead th").all_inner_texts()[1:] == one["source"]
        rows = page.locator("#translaterows tbody tr")
        assert rows.count() == len(one["said"])
        assert rows.first.locator("td").all_inner_texts() == [f"{weight}%" for weight in one["attention"][0]]
        assert all(abs(sum(line) - 100) <= len(line) for line in one["attention"])
        told = "all of it right" if one["said"] == one["target"] else "not all of it right"
        assert told in page.locator("#translatesays").inner_text()
    assert page.locator("#translaterows line").count() > 5


# --- the walk -------------------------------------------------------------------------------------------------------
def test_the_walk_asks_before_it_answers(glass):
    page = glass("walk=1")
    for n in range(10):
        assert page.locator("#walkask").inner_text().startswith(f"{n + 1} of 10.")
        assert page.locator("#walkanswer").inner_text() == ""
        assert not page.locator("#caption").is_visible() and not page.locator("#bars").is_visible()
        page.locator("#walkoptions button").nth(n % 2).click()
        assert page.locator("#walkanswer").inner_text() and page.locator("#bars").is_visible()
        assert page.locator("#walkoptions button.right").count() == 1
        assert page.locator("#walkscore").inner_text().endswith(f"of {n + 1} guessed")
        if n < 9:
            page.locator("#walknext").click()
    assert page.locator("#walknext").is_disabled() and not page.problems


def test_a_guess_after_the_answer_does_not_count(glass):
    page = glass("walk=1")
    page.locator("#walkoptions button").nth(1).click()
    page.locator("#walknext").click()
    page.locator("#walkback").click()
    page.locator("#walkoptions button").nth(0).click()
    assert page.locator("#walkscore").inner_text() == "0 of 1 guessed"


# --- where it is looked at ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [360, 900, 1280, 1920])
@pytest.mark.parametrize("mask", ["bidirectional", "window"])
def test_nothing_is_cut(glass, width, mask):
    page = glass(f"mask={mask}&stage=attention", width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_projector_shows_all_main_controls_at_once(glass):
    page = glass("mask=causal", width=1280, height=720)
    for one in (".switch", "#story", "#tokens", "#caption", "#bars", "#square", "#head", "#layer", "#moment", "#own"):
        box = page.locator(one).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 720, one


def test_it_asks_for_nothing(glass):
    page = glass("mask=window&stage=masking&walk=2")
    assert [address.split("#")[0] for address in page.requests] == [ADDRESS] and not page.problems


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize(
    "hash_", ["mask=causal&stage=attention", "walk=3", "stage=masking", "stage=tokens", "pair=1&stage=translation"]
)
def test_no_barrier_for_anybody(glass, scheme, width, hash_):
    from axe_playwright_python.sync_playwright import Axe

    page = glass(hash_, width=width, scheme=scheme)
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not found, [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]
