"""Every claim of the notes is there once, is shown by something that exists, and says no more than was measured."""

import ast
import functools
import html
import json
import re
import string
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from course_lib import experiments
from course_lib.notes.claims import FINDINGS, VERDICTS, Comparison, find, load, search, show_claim

ROOT = Path(__file__).parent.parent
CLAIMS = load()
MEASURED = [claim for claim in CLAIMS if any(isinstance(shown, Comparison) for shown in claim.evidence)]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
FIELDS = ("arm", "control", "difference", "low", "high", "seeds", "margin")  # what a comparison's sentence may fill in
ID = re.compile(r"\b(?:ENC|GPT|ARC|ATT|NSP|ROB)-\d\d\b")  # GPT-2 is a model
each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
each_measured = pytest.mark.parametrize("claim", MEASURED, ids=lambda claim: claim.id)


@each_claim
def test_a_card_leads_to_its_lesson(claim):
    link = f'<a href="{claim.lesson}.ipynb">{claim.lesson}</a>'
    assert claim.lesson in NOTEBOOKS
    assert link in show_claim(claim.id).data and link in search(claim.id).data


def comparisons(claim):
    return [shown for shown in claim.evidence if isinstance(shown, Comparison)]


def references(kind):
    return [(claim, shown) for claim in CLAIMS for shown in claim.evidence if shown.kind == kind]


def verify(claim):
    """Raise ValueError if a claim asserts more than its record's interval, or something else, or has no record."""
    for shown in comparisons(claim):
        try:
            n = shown.numbers()
        except (KeyError, ValueError) as error:
            raise ValueError(f"{claim.id}: {shown.experiment!r} gives no such result: {error}") from None
        if shown.expects not in n["findings"]:
            allowed = " and ".join(map(repr, sorted(n["findings"])))
            raise ValueError(
                f"{claim.id} expects {shown.expects!r} of {shown.arm!r} in {shown.experiment!r}, but the interval "
                f"{n['low']:.3f} to {n['high']:.3f} allows only {allowed}: change `expects` and reword `says`."
            )


@functools.cache
def named_in(notebook):
    """Return the ids that a notebook's own text and code name, its outputs left out."""
    cells = json.loads(NOTEBOOKS[notebook].read_text(encoding="utf-8"))["cells"]
    return set(ID.findall("\n".join("".join(cell["source"]) for cell in cells)))


@functools.cache
def names_of_tests(path):
    """Return the names of the test functions of a file, without running it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_a_mean_is_the_same_number_on_every_python(monkeypatch):
    """sum() of floats rounds in another way since Python 3.12: a tie at the third decimal came out as two numbers."""
    record = experiments.Record("r", "", {"a": dict(enumerate({"m": [x]} for x in (0.1965, 0.195, 0.2045, 0.2015,
                                       0.195))), "b": {n: {"m": [0.5]} for n in range(5)}}, [], [])  # fmt: skip
    monkeypatch.setattr(experiments, "load", lambda name: record)
    assert Comparison("r", "m", "a", "b", "lower", "").numbers()["arm_mean"] == 0.1985


# --- all are there
def test_every_claim_of_the_notes_is_there_once():
    numbers = {"ENC": 14, "GPT": 12, "ARC": 11, "ATT": 12, "NSP": 10, "ROB": 14}
    expected = [f"{part}-{n:02d}" for part, last in numbers.items() for n in range(1, last + 1)]
    assert [claim.id for claim in CLAIMS] == expected and len(expected) == 73


def test_the_verdicts_are_the_audit_s():
    counted = {"imprecise": 33, "correct": 19, "wrong": 14, "convention": 5, "omission": 2}
    assert Counter(claim.verdict for claim in CLAIMS) == counted
    assert [claim.id for claim in CLAIMS if claim.verdict == "omission"] == ["ROB-13", "ROB-14"]


@each_claim
def test_a_claim_is_short_in_both_languages_and_has_sources(claim):
    assert 10 < len(claim.claim) < 150 and claim.claim[-1] == "."
    assert re.search("[\u4e00-\u9fff]", claim.claim_zh) and len(claim.claim_zh) < 60
    assert 15 < len(claim.truth) < 450 and claim.truth[-1] == "."
    assert claim.sources and all(len(source) > 2 for source in claim.sources)
    assert claim.verdict in VERDICTS and claim.section
    assert {claim.lesson, *claim.also} <= set(NOTEBOOKS) and claim.lesson not in claim.also
    assert {shown.kind for shown in claim.evidence} <= {"measured", "by construction", "the paper"}


def test_loading_needs_no_torch():
    code = "import sys; from course_lib.notes import claims; claims.load(); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "False"


# --- what shows them
@each_measured
def test_what_was_measured_is_recorded_and_no_claim_says_more_than_its_interval(claim):
    verify(claim)
    for shown in comparisons(claim):
        experiment = experiments.find(shown.experiment)
        assert {shown.arm, shown.control} <= set(experiment.arms)
        assert shown.arm != shown.control
        assert shown.numbers()["seeds"] >= experiment.seeds


@each_measured
def test_no_number_of_ours_is_typed(claim):
    for shown in comparisons(claim):
        named = {name for _, name, _, _ in string.Formatter().parse(shown.says) if name is not None}
        assert shown.expects in FINDINGS and named <= set(FIELDS)
        assert not re.search(r"\d[.,]\d|\d ?%", re.sub(r"\{.*?\}", "", shown.says)), "render it from the record: {low}"


@pytest.mark.parametrize("claim,shown", references("by construction"), ids=lambda x: getattr(x, "id", ""))
def test_the_tests_that_show_a_claim_exist(claim, shown):
    path, name = shown.text.split("::")
    assert (ROOT / path).is_file(), f"{claim.id}: there is no {path}"
    there = names_of_tests(path)
    assert name in there, f"{claim.id}: {path} has no {name}; it has {', '.join(sorted(there))}"


# --- the lessons
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_names_only_claims_that_exist(notebook):
    assert named_in(notebook) <= {claim.id for claim in CLAIMS}


@pytest.mark.parametrize("notebook", [name for name in NOTEBOOKS if not name.startswith("00")])
def test_a_lesson_covers_its_claims(notebook):
    due = {claim.id for claim in CLAIMS if notebook in (claim.lesson, *claim.also)}
    assert due <= named_in(notebook), (
        f"{notebook} has to take up {', '.join(sorted(due - named_in(notebook)))}: name each by its id in a cell"
        f" (claims.search(lesson={notebook[:2]!r}) lists them)"
    )


def test_every_lesson_but_the_review_has_claims():
    assert {claim.lesson for claim in CLAIMS} == set(NOTEBOOKS) - {"00_start_here", "11_review"}


# --- shown
@each_claim
def test_a_claim_is_shown_with_all_that_belongs_to_it(claim):
    card = show_claim(claim.id)
    for text in (repr(card), card.data):
        assert claim.id in text and claim.verdict.upper() in text and claim.lesson in text
    words = " ".join(repr(card).split())
    assert claim.truth in words and claim.claim in words and all(source in words for source in claim.sources)
    assert "<script" not in card.data and card.data.count("<div") == card.data.count("</div>")


@each_measured
def test_measured_numbers_are_the_record_s(claim):
    """Worked out here once more, from the file itself and with another formula."""
    shown_text = " ".join(repr(show_claim(claim.id)).split())
    for shown in comparisons(claim):
        runs = json.loads((experiments.evidence_dir() / f"{shown.experiment}.json").read_text("utf-8"))["runs"]
        ends = [{seed: run["numbers"][metric][-1] for seed, run in runs[arm].items()} for arm, metric in (
            (shown.arm, shown.metric), (shown.control, shown.control_metric or shown.metric))]  # fmt: skip
        difference = [ends[0][seed] - ends[1][seed] for seed in sorted(ends[0])]
        n, mean = len(difference), sum(difference) / len(difference)
        spread = (sum((d - mean) ** 2 for d in difference) / (n - 1)) ** 0.5
        t = {5: 2.776, 6: 2.571, 8: 2.365, 10: 2.262, 20: 2.093}[n]
        half = t * spread / n**0.5
        assert f"Difference {mean:.3f}, 95% interval" in shown_text and f"{n} seeds" in shown_text
        numbers = shown.numbers()
        assert abs(numbers["low"] - (mean - half)) < 1e-3 and abs(numbers["high"] - (mean + half)) < 1e-3
        assert f"interval {numbers['low']:.3f} to {numbers['high']:.3f}" in shown_text
        for end in ends:
            assert f"{fmean(end.values()):.3f}" in shown_text
        margin = "" if numbers["margin"] is None else f"{numbers['margin']:.3f}"
        assert FINDINGS[shown.expects].format(arm=shown.arm, control=shown.control, margin=margin) in shown_text


def test_a_claim_that_does_not_exist():
    with pytest.raises(ValueError, match=r"No claim 'rob7'\. Did you mean ROB-07"):
        find("rob7")
    with pytest.raises(ValueError, match="No claim 'ENC-15'. Did you mean ENC-1"):
        show_claim("ENC-15")


def test_evidence_by_construction_is_told_in_words():
    told = [str(shown) for claim in CLAIMS for shown in claim.evidence if shown.kind == "by construction"]
    assert ("By construction, and tested at every change: neither BERT nor GPT-2 has cross attention "
            "(tests/test_by_construction.py).") in told  # fmt: skip
    assert all(re.fullmatch(r"By [^_]*: [^_]{10,} \(tests/\w+\.py\)\.", text) for text in told), told


@pytest.mark.parametrize("shown", [e for c in CLAIMS for e in c.evidence if e.kind == "measured"],
                         ids=lambda e: f"{e.experiment}: {e.metric}")  # fmt: skip
def test_what_counts_as_a_share_is_one(shown):
    assert shown.unit in ("share", "nats", "bits")
    if shown.unit == "share":  # by what it measures, not by "accuracy" in its name, which six shares lack
        assert all(-1 <= shown.numbers()[which] <= 1 for which in ("arm_mean", "control_mean"))


def test_a_search_can_be_narrowed():
    assert "73 of 73 claims" in repr(search())
    assert "14 of 73 claims" in repr(search(verdict="wrong"))
    assert ID.findall(repr(search(lesson="03"))) == ["ENC-03", "ENC-06", "ATT-03", "ATT-04", "ATT-07"]
    assert ID.findall(repr(search(verdict="wrong", lesson="03_attention_masks"))) == ["ATT-04"]
    touched = [c.id for c in CLAIMS if "09_generation" in c.also]
    assert touched and set(touched) < set(ID.findall(repr(search(lesson="09"))))
    assert ID.findall(repr(search("rob-0")))[-1] == "ROB-09"
    assert set(ID.findall(repr(search("交叉注意力")))) >= {"ATT-01", "ATT-08", "ATT-12"}
    assert "0 of 73" in repr(search("no such words"))
    with pytest.raises(ValueError, match="verdict='right' is not one of correct,"):
        search(verdict="right")
    with pytest.raises(ValueError, match="lesson='99' is not one of 01_text_to_tokens,"):
        search(lesson="99")


def test_a_search_shows_one_line_each_and_opens_on_the_evidence():
    everything = search()
    assert ID.findall(repr(everything)) == [claim.id for claim in CLAIMS]
    assert everything.data.count("<details") == 73 == everything.data.count("</details>")
    found = search("交叉注意力", verdict="wrong", lesson="10")
    assert set(ID.findall(repr(found))) == {c.id for c in CLAIMS if c.verdict == "wrong" and c.lesson.startswith("10")
                                            and "交叉注意力" in c.claim_zh + c.truth}  # fmt: skip
    for claim in (find("ENC-07"), find("ATT-08")):
        card = search(claim.id).data
        assert html.escape(claim.truth) in card and all(html.escape(source) in card for source in claim.sources)
        assert all(html.escape(str(shown)) in card for shown in claim.evidence) and claim.lesson in card


# --- damage is noticed
@pytest.fixture
def evidence(tmp_path, monkeypatch):
    """A copy of the record behind ENC-07's first comparison; returns (claim, read, write)."""
    claim = find("ENC-07")
    claim = replace(claim, evidence=(comparisons(claim)[0],))
    name = f"{claim.evidence[0].experiment}.json"
    text = (experiments.evidence_dir() / name).read_text(encoding="utf-8")
    monkeypatch.setenv("COURSE_EVIDENCE", str(tmp_path))
    (tmp_path / name).write_text(text, encoding="utf-8")
    verify(claim)
    return claim, json.loads(text), lambda data: (tmp_path / name).write_text(json.dumps(data), encoding="utf-8")


def test_deleted_evidence_fails(evidence, tmp_path):
    claim, _, _ = evidence
    next(tmp_path.iterdir()).unlink()
    with pytest.raises(ValueError, match="ENC-07: .*has not been recorded yet. Run: python -m tools.evidence"):
        verify(claim)


def test_evidence_of_another_definition_or_with_fewer_seeds_fails(evidence):
    claim, data, write = evidence
    write(data | {"definition": "0123456789abcdef"})
    with pytest.raises(ValueError, match="ENC-07: .*made by another definition"):
        verify(claim)
    del data["runs"]["two-sided"]["3"]
    write(data)
    with pytest.raises(ValueError, match="ENC-07: .*lacks seeds"):
        verify(claim)


def test_a_metric_or_an_arm_that_is_not_in_the_record_fails(evidence):
    claim, _, _ = evidence
    [shown] = claim.evidence
    for change in ({"metric": "made up"}, {"arm": "made up"}, {"control_metric": "made up"}):
        with pytest.raises(ValueError, match=f"ENC-07: '{shown.experiment}' gives no such result: .*'made up'"):
            verify(replace(claim, evidence=(replace(shown, **change),)))


def test_arms_that_changed_places_fail_and_are_told_as_they_are(evidence):
    claim, data, write = evidence
    for run in (run["numbers"] for run in data["runs"]["two-sided"].values()):
        run["fill two-sided accuracy"] = [0.0 for _ in run["fill two-sided accuracy"]]
    write(data)
    with pytest.raises(ValueError, match="ENC-07 expects 'higher' of 'two-sided' .* allows only 'lower': change"):
        verify(claim)
    text = str(claim.evidence[0])
    assert "'two-sided' is below 'left-only'." in text and claim.evidence[0].says not in text


def test_an_interval_with_zero_in_it_is_no_difference_whatever_the_file_says(evidence):
    """Noise around the control: nothing may be asserted of it but that the two were not told apart."""
    claim, data, write = evidence
    noise = [0.09, -0.06, 0.03, -0.09, 0.06]
    for seed, run in data["runs"]["two-sided"].items():
        other = data["runs"]["left-only"][seed]["numbers"]["fill left-only accuracy"]
        run["numbers"]["fill two-sided accuracy"] = [value + noise[int(seed) % len(noise)] for value in other]
    write(data)
    [shown] = claim.evidence
    for asserted in ("higher", "lower"):
        bold = replace(shown, expects=asserted)
        with pytest.raises(ValueError, match=f"expects '{asserted}'.*allows only 'not told apart'"):
            verify(replace(claim, evidence=(bold,)))
        assert "were not told apart" in str(bold) and shown.says not in str(bold)
        assert "is above" not in str(bold) and "is below" not in str(bold)
    verify(replace(claim, evidence=(replace(shown, expects="not told apart"),)))


def test_a_difference_may_not_be_told_as_none(evidence):
    claim, _, _ = evidence
    with pytest.raises(ValueError, match="ENC-07 expects 'not told apart' .* allows only 'higher'"):
        verify(replace(claim, evidence=(replace(claim.evidence[0], expects="not told apart"),)))


def test_a_sentence_holds_the_record_s_numbers(evidence):
    [shown] = evidence[0].evidence
    n = shown.numbers()
    said = str(replace(shown, says="{arm} leads {control} by {low} to {high} in {seeds} seeds"))
    assert said.endswith(f"two-sided leads left-only by {n['low']:.3f} to {n['high']:.3f} in 20 seeds")
