"""The glass model's page of real English: its pieces against the tokenizer, its numbers against transformers.

Built from a small model with large random weights, and from the shipped one where it is there.
"""

import html
import json
import re

import pytest
import torch

from course_lib import glass
from course_lib.glass import build, reading
from tests import small_twin

ERROR = "If there is no such element, an error is raised."
STRANGE = (
    "don't we'll I've 'tis SHE'LL it's", "three   spaces, a tab\tand\nnew\r\n\r\nlines  ", "  leading", " ", "",
    "naïve café — “quotes” … 10 €", "日本語 и кириллица, e\u0301", "😀 emoji 👩‍👩‍👧", "x=1,000.50;y_2**3  # ½ ² ① 0x1F",
    "no\u00a0break\u2003em\u3000wide\u0085next\ufeffmark\u200bzero", "<mask> <s></s> [MASK] [CLS]",
    "\x00\x7f\u0120\u2423",
)  # fmt: skip
LOGITS = """([text, place, mask]) => {
    const { state, open, parse, reading } = window.glass;
    open(parse(text), [place]);
    state.mask = mask;
    const found = reading();
    const attention = found.layers.map((one) => Array.from(one.attention[1]));
    return [Array.from(found.logits), found.at, Array.from(found.from), attention];
}"""


@pytest.fixture(scope="module", params=["small", "shipped"])
def page(request, tmp_path_factory):
    """The folder of a checkpoint, and the address of its page."""
    folder = tmp_path_factory.mktemp("english")
    if request.param == "shipped" and not reading.ENGLISH.exists():
        pytest.skip("english-both is not shipped yet")
    checkpoint = small_twin.checkpoint(folder) if request.param == "small" else reading.ENGLISH
    (folder / "page.html").write_text(build.page(build.english(checkpoint)), encoding="utf-8")
    return checkpoint, (folder / "page.html").as_uri()


@pytest.fixture
def english(page, visit):
    def opened(hash_="", **options):
        view = visit(f"{page[1]}#{hash_}", **options)
        view.wait_for_selector("#bars .bar", state="attached")
        return view

    return opened


# --- its numbers ------------------------------------------------------------------------------------------------
def test_its_pieces_are_the_tokenizer_s(english, page):
    _, tokenizer = reading.load(page[0])
    names, texts = reading.pieces(tokenizer), [*STRANGE, *small_twin.README.read_text("utf-8").splitlines()]
    found = english().evaluate("(texts) => texts.map((text) => window.glass.parse(text))", texts)
    for text, pieces in zip(texts, found, strict=True):
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert pieces == [names[one] for one in ids], text


@pytest.mark.parametrize("mask", ["bidirectional", "causal"])
def test_its_numbers_are_those_of_transformers(english, page, mask):
    view, (model, tokenizer) = english(), reading.load(page[0])
    texts = [line for line in small_twin.README.read_text("utf-8").splitlines() if len(line) > 40][:12]
    for n, text in enumerate(texts):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"][:30]
        place = n % len(ids)
        logits, at, reached, attention = view.evaluate(LOGITS, [text, place, mask])
        row = torch.tensor([[tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]])
        row[0, place + 1] = tokenizer.mask_token_id
        with torch.no_grad():
            wanted = model(row, attention_mask=reading.MASKS[mask](None, row.shape[1]), output_attentions=True)
        assert at == place + (mask == "bidirectional") and sum(reached) == (row.shape[1] if at > place else place + 1)
        assert (wanted.logits[0, at] - torch.tensor(logits)).abs().max() < 2e-4
        ours = torch.tensor(attention).reshape(len(attention), *row.shape[1:] * 2)
        assert (torch.stack([one[0, 1] for one in wanted.attentions]) - ours).abs().max() < 1e-5


def test_picture_and_page_say_the_same(english, page):
    shown = glass.show(ERROR, 5, "causal", checkpoint=page[0])
    view = english(html.unescape(re.search(r'html#([^"]*)', shown.markup)[1]))
    found = glass.read(ERROR, 5, "causal", checkpoint=page[0])
    assert view.locator("#tokens button").all_inner_texts() == found.tokens
    ours = view.evaluate("Array.from(window.glass.reading().model)")
    assert max(abs(p - q) for p, q in zip(found.model.values(), ours[5:], strict=True)) < 1e-5
    floors = view.evaluate("Array.from(window.glass.reading().best)")
    assert max(abs(p - q) for p, q in zip(found.floor.values(), floors[5:], strict=True)) < 1e-6


# --- what is seen -------------------------------------------------------------------------------------------------
def test_the_switch_moves_the_question_to_the_place_before(english):
    view = english(f"text={ERROR}&hide=4")
    rows = [view.locator("#bars .bar .word").all_inner_texts()]
    assert "sees the whole text" in view.locator("#caption").inner_text()
    assert "English has no grammar" in view.locator("#caption").inner_text()
    assert view.locator("#tokens .asked").get_attribute("data-at") == "5"
    assert view.locator("#tokens .blind").count() == 0
    assert view.locator("[name=mask]:visible").count() <= 2 and not view.locator("#walkstart").is_visible()
    view.keyboard.press("m")
    assert view.locator("#tokens .asked").get_attribute("data-at") == "4"
    assert view.locator("#tokens .hidden.blind").get_attribute("data-at") == "5"
    assert "position 4 sees itself" in view.locator("#caption").inner_text()
    assert "position 5" in view.locator("#asks").inner_text()
    rows.append(view.locator("#bars .bar .word").all_inner_texts())
    assert rows[0] == rows[1] and view.locator("#ghost").is_visible()  # nothing jumps
    view.keyboard.press("m")
    assert view.evaluate("window.glass.state.mask") == "bidirectional"
    view.locator("#tokens button").nth(2).click()  # one gap, wherever it is wanted
    assert view.locator("#tokens .hidden").get_attribute("data-at") == "2" and not view.problems


def test_any_text_is_taken_up_to_the_view_s_end(english):
    view = english("mask=prefix")
    assert view.evaluate("window.glass.state.mask") == "bidirectional"
    view.locator("#own").fill("naïve “words” of mine")
    view.locator("#own").press("Enter")
    assert view.locator("#wrong").inner_text() == ""
    assert "mine" in view.locator("#tokens").inner_text().replace("\n", "")
    view.locator("#own").fill("many words " * 30)
    view.locator("#own").press("Enter")
    assert "From 1 to 30 pieces" in view.locator("#wrong").inner_text()
    view.locator("#story").select_option("1")
    assert view.locator("#tokens .hidden").count() == 1 and view.locator("#story").input_value() == "1"


def test_attention_and_writing_on_are_opened(english):
    view = english(f"stage=attention&mask=causal&text={ERROR}&hide=4")
    shares = [float(row.locator("td").nth(3).inner_text()) for row in view.locator("#attendrows tbody tr").all()[:-1]]
    assert sum(shares) == pytest.approx(1, abs=0.01) and set(shares[5:]) == {0}
    view = english("stage=cache&text=The number&hide=0")
    count = view.locator("#tokens button").count() - 1
    view.locator("#writeon").click()
    causal, both = (row.locator("td").all_inner_texts() for row in view.locator("#writerows tbody tr").all())
    whole = f"{count} of {count} kept"  # under no mask some positions hardly look at the new piece, but never all
    assert set(causal) == {whole} and whole not in both and f"0 of {count} kept" in both and not view.problems


def test_it_asks_for_nothing_and_tells_what_it_is(english, page):
    view = english("mask=causal")
    assert [address.split("#")[0] for address in view.requests] == [page[1]] and not view.problems
    recipe = json.loads((page[0] / "recipe.json").read_text("utf-8"))
    assert f"{recipe['parameters']:,} weights" in view.locator("#foot").inner_text()
    for one in ("momentbox", "sum", "labels", "translate", "allwords"):
        assert not view.locator(f"#{one}").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 900, 1300])
def test_nothing_is_cut_and_no_barrier_for_anybody(english, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    view = english("mask=causal&stage=attention", width=width, scheme=scheme)
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    found = [one for one in Axe().run(view).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not found, [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]
