"""The page: small, self-contained, escaped, legible, and true to its rows."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradcheck
from gradcheck.report import drawing, html
from gradcheck.report.evidence import MAX_POINTS
from gradcheck.report.summary import worst_of
from gradcheck.result import Diagnosis, Epoch, TrainingResult, TrainingTrace, Verdict
from tests.report import samples

PAGE_LIMIT = 300_000
VOID = {"meta", "br", "wbr", "rect", "path", "circle"}
REFERENCES = {"src", "href", "action", "data", "srcset", "xlink:href", "formaction"}


class Outline(HTMLParser):
    """Tags, attributes and text of a page; notices tags that are never closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def outline(rows: list[dict]) -> Outline:
    found = Outline(html.page(rows))
    assert found.open == []
    return found


def test_a_page_shows_what_failed_and_what_was_verified():
    text = outline(samples.run_rows()).text
    assert "the cotangent is averaged over the batch where it must be summed" in text
    assert "tests/test_layers.py::test_dense[float64-wide]" in text
    assert "tests/test_layers.py::test_softmax" in text
    assert "gradcheck.assert_vjp(dense, dense_backward" in text
    assert "2failed" in text.replace("\n", "")
    assert "seed 7" in text


def test_the_likeliest_cause_stands_out_from_the_others():
    first, other = samples.wrong_result().diagnoses[0], Diagnosis("sign", "minus is missing", 0.9)
    result = replace(samples.wrong_result(), diagnoses=(first, other))
    page = html.page([samples.HEADER, samples.row("t.py::t", "failed", result)])
    assert page.count('<p class="cause"><span>likely cause</span> claimed = estimate / 2') == 1
    assert '<p class="soft">or else minus is missing</p>' in page


def test_a_page_needs_no_network_and_no_script():
    found = outline(samples.run_rows())
    assert "script" not in found.tags
    assert not {"link", "img", "iframe", "object", "embed", "form", "base"} & set(found.tags)
    assert not REFERENCES & {name for name, _ in found.attributes}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", html.page(samples.run_rows()))


def test_there_is_a_curve_a_heat_map_and_a_loss_curve():
    labels = [
        value for name, value in outline(samples.run_rows()).attributes if name == "aria-label"
    ]
    assert "Step-size curve of b[0]: error of the difference quotient by step" in labels
    assert "Entries of b" in labels
    assert "Loss over 150 epochs" in labels
    assert "How close the tests came to their limits" in labels


def dense(x, w, b):
    return x @ w + b


def dense_backward(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.mean(axis=0)


def test_the_call_of_a_failure_runs_as_it_is_copied_from_the_page():
    """From the card, and from the text of the terminal below it."""
    x = np.linspace(-2, 2, 90).reshape(30, 3)  # longer than a terminal shows
    for inputs in ((x[:2, :1], np.ones((1, 1)), np.ones(1)), (x, x.T @ x, np.ones(3))):
        result = gradcheck.check_vjp(dense, dense_backward, inputs)
        page = html.page([samples.HEADER, samples.row("t.py::t", "failed", result)])
        card, terminal = map(unescape, re.findall("<pre>(.*?)</pre>", page, re.DOTALL))
        copies = [card] if x is inputs[0] else [card, terminal.partition("  reproduce\n")[2]]
        for copied in copies:
            with pytest.raises(gradcheck.GradientMismatch) as caught:
                exec(copied, {**vars(np), **globals()})
            assert caught.value.result.reproduce == result.reproduce


def test_a_call_too_long_for_the_page_is_left_out_and_not_cut():
    long = replace(samples.wrong_result(), reproduce=f"f({', '.join(['1.0'] * 4000)})")
    page = html.page([samples.HEADER, samples.row("t.py::t", "failed", long)])
    assert "Reproduce</h4>" not in page


def test_hostile_names_become_text():
    row = samples.row(f"t.py::{samples.HOSTILE}", "failed", samples.hostile_result())
    found = outline([samples.HEADER, row])
    assert "script" not in found.tags
    assert found.tags.count("style") == 1
    assert '<script>alert("1")</script>\\x00\\x1b[31m\\u202e\\x85&amp;' in found.text
    assert "{{7*7}}" in found.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", html.page([row]))


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec=None)))
def test_any_name_becomes_text(name):
    result = samples.wrong_result(name)
    page = html.page([samples.HEADER, samples.row(name, "failed", result)])
    page.encode("utf-8")
    assert "script" not in Outline(page).tags


def test_a_page_of_hostile_rows_stays_small():
    mega = samples.HOSTILE * 20_000
    rows = [samples.row(f"{i}{mega}", "failed", samples.hostile_result()) for i in range(40)]
    assert len(html.page([samples.HEADER, *rows]).encode()) < PAGE_LIMIT


def test_a_page_of_a_large_suite_stays_small():
    passed = [
        samples.row(f"tests/models/test_networks.py::test_network[{i}-float64]", "passed",
                    samples.right_result(f"subject{i}", error=1e-9, kinks=i))
        for i in range(3000)
    ]  # fmt: skip
    failed = [
        samples.row(f"tests/test_{i}.py::test", "failed", samples.wrong_result(shape=(30, 30)))
        for i in range(60)
    ]
    trained = [
        samples.row(f"tests/test_fit{i}.py::test", "passed", samples.training_result())
        for i in range(60)
    ]
    page = html.page([samples.HEADER, *passed, *failed, *trained])
    assert len(page.encode()) < PAGE_LIMIT
    assert "35 more failed" in page
    assert "2620 more rows" in page


def test_failures_come_first():
    rows = [samples.row("a", "passed", samples.right_result()), samples.row("z", "failed")]
    text = outline([samples.HEADER, *rows]).text
    assert text.index("zfailed") < text.index("apassed")


def test_a_missing_shard_is_told():
    one = {**samples.HEADER, "shard": "1/3"}
    three = {**samples.HEADER, "shard": "3/3"}
    assert "Shards missing from this page: 2/3." in html.page([one, three])
    assert "missing" not in html.page([samples.HEADER])


def test_an_interrupted_run_is_told():
    end = {"kind": "end", "exitstatus": 2, "tests": 0}
    assert "interrupted" in html.page([samples.HEADER, end])


def test_an_empty_run_has_a_page():
    assert "0 tests checked 0 subjects" in outline([samples.HEADER]).text


def test_a_crash_has_a_card():
    row = {**samples.row("t", "crashed"), "failure": "other"}
    assert "Nothing was recorded before it ended." in outline([samples.HEADER, row]).text


# ----------------------------------------------------------------------------------------- drawing


def test_a_curve_without_a_ladder_is_not_drawn():
    result = samples.wrong_result()
    entry = samples.evidence_of(result)["comparisons"][0]
    assert drawing.step_curve(entry).startswith("<svg")
    entry["estimate"]["rungs"] = []
    assert drawing.step_curve(entry) == ""


@pytest.mark.parametrize("claimed", [float("nan"), float("inf"), samples.TRUTH])
def test_a_claim_without_a_distance_has_no_curve(claimed):
    result = samples.CheckResult("f", Verdict.WRONG, (samples.comparison(claimed, Verdict.WRONG),))
    assert drawing.step_curve(samples.evidence_of(result)["comparisons"][0]) == ""


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 1), (8, 8), (9, 9), (50, 40), (2, 3, 4, 5)])
def test_every_wrong_entry_in_view_is_outlined(shape):
    table = samples.evidence_of(samples.wrong_result(shape=shape))["entries"]["b"]
    svg = drawing.heat_maps("b", table)
    outlined = re.findall(r'class="wrong" d="([^"]*)"', svg)
    assert len(outlined) == (2 if any(table["wrong"]) else 0)
    Outline(svg)


def test_a_cropped_heat_map_says_so():
    table = samples.evidence_of(samples.wrong_result(shape=(100, 100)))["entries"]["b"]
    assert "rows 0 to 23 of 100, columns 0 to 31 of 100" in drawing.heat_maps("b", table)


def test_an_empty_table_is_not_drawn():
    table = samples.evidence_of(samples.wrong_result())["entries"]["b"]
    assert drawing.heat_maps("b", {**table, "shape": [0, 3], "flat": []}) == ""


@given(
    st.lists(st.floats() | st.sampled_from(["nan", "inf", 0.0, 1e-300]), max_size=20),
    st.none() | st.floats(),
    st.lists(st.none() | st.floats() | st.just("inf"), max_size=20),
)
def test_any_losses_draw_or_do_not(losses, initial, held_out):
    at = range(1, 1 + len(losses))
    training = {"losses": losses, "at": at, "epochs": 60, "initial_loss": initial}
    svg = drawing.loss_curve({**training, "held_out": held_out})
    Outline(svg)
    assert "nan" not in svg
    assert "inf" not in svg


def training_evidence(losses, held_out=None):
    kept = tuple(Epoch(i, loss, held_out=held_out) for i, loss in enumerate(losses))
    trace = TrainingTrace(tuple(losses), epochs=kept)
    return samples.evidence_of(TrainingResult(Verdict.CORRECT, trace))["training"]


@given(
    st.integers(1, 3000), st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf]), st.data()
)
def test_no_curve_is_too_long_to_show_its_worst_epoch(count, outlier, data):
    place = data.draw(st.integers(0, count - 1))
    losses = [1.0 - 1e-4 * epoch for epoch in range(count)]
    losses[place] = outlier
    drawn = training_evidence(losses)
    assert len(drawn["at"]) == len(drawn["losses"]) <= MAX_POINTS
    assert {1, place + 1, count} <= set(drawn["at"])
    assert drawn["at"] == sorted(set(drawn["at"]))


def test_held_out_losses_are_drawn_beside_and_the_end_of_a_run_that_broke():
    curve = drawing.loss_curve(training_evidence([3.0, 2.0, 1.0], held_out=2.5))
    assert curve.count('<path class="held-out"') == 1
    assert ">held-out</text>" in curve
    assert "broken" not in curve
    broken = drawing.loss_curve(training_evidence([3.0, 2.0, math.nan]))
    assert ">not finite</text>" in broken
    assert "held-out" not in broken


def labels_below(svg: str) -> list[str]:
    """What is written under the horizontal axis."""
    at = drawing.HEIGHT - drawing.BOTTOM + 15
    return re.findall(rf'y="{at:.1f}" class="mid small">([^<]*)<', svg)


@given(st.integers(2, 10**6))
def test_epochs_are_whole_and_round(last):
    training = {"losses": [2.0, 1.0], "at": [1, last], "epochs": last, "initial_loss": None}
    shown = labels_below(drawing.loss_curve(training))
    assert 1 <= len(shown) <= 7
    assert all(label.isdecimal() and len(label.rstrip("0")) <= 2 for label in shown)


@given(st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), min_size=2, max_size=2, unique=True))
def test_no_two_ticks_of_an_axis_look_the_same(ends):
    low, high = sorted(ends)
    ticks = drawing.Axis(low, high, 0.0, 100.0, log=False).ticks()
    slack = 1e-9 * (high - low)
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(set(ticks.values())) == len(ticks)
    if high - low > 1e-9 * max(abs(low), abs(high)):
        assert 2 <= len(ticks) <= 6


@given(st.lists(st.floats(min_value=0) | st.just(float("nan"))))
def test_any_excesses_draw_or_do_not(excesses):
    svg = drawing.excess_histogram(excesses)
    counted = sum(int(n) for n in re.findall(r'class="mid small">(\d+)<', svg) if n)
    finite = [x for x in excesses if x == x]
    assert (svg == "") == (not finite)
    assert counted >= len(finite)


# ---------------------------------------------------------------------------------------- legible

STYLE = Path(html.__file__).with_name("page.html.jinja").read_text(encoding="utf-8")
SMALLEST_CONTRAST = 4.5
"""Of text on its ground, by the Web Content Accessibility Guidelines, level AA."""


def palettes() -> list[dict[str, str]]:
    light = dict(re.findall(r"--(\w+):(#[0-9a-f]+)", STYLE[: STYLE.index("@media")]))
    dark = dict(re.findall(r"--(\w+):(#[0-9a-f]+)", STYLE.split("@media")[1]))
    printed = dict(re.findall(r"--(\w+):(#[0-9a-f]+)", STYLE.split("@media print")[1]))
    return [light, {**light, **dark}, {**light, **printed}]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark", "printed"])
@pytest.mark.parametrize("name", ["ink", "soft", "good", "bad", "doubt", "link"])
def test_every_colour_of_text_is_legible(palette, name):
    for ground in ("paper", "panel"):
        assert contrast(palette[name], palette[ground]) >= SMALLEST_CONTRAST


def test_a_wrong_training_that_a_test_expected_says_so():
    wrong = replace(samples.training_result(), verdict=Verdict.WRONG)
    expected = samples.row("t", "passed", wrong)
    assert "150 epochs · last loss 0.03138 · stopped: plateau · as the test expected" in html.page(
        [samples.HEADER, expected]
    )
    assert "as the test expected" not in html.page(samples.run_rows())


def test_a_wrong_claim_that_a_test_expected_is_not_the_worst():
    expected = samples.row("t", "passed", samples.wrong_result())
    assert worst_of([expected]) == ""
    assert "passed, wrong as expected" in html.page([samples.HEADER, expected])
    near = samples.row("u", "passed", samples.right_result(error=9e-8))
    assert worst_of([expected, near]).startswith("tanh, x: error 9e-08, limit 1e-07 (CORRECT")
    failed = samples.row("v", "failed", samples.wrong_result())
    assert worst_of([expected, near, failed]).startswith("dense, b[0]: error 0.5")
