"""Counts merge in any order, stay small, and survive JSON."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from gradcheck.report.evidence import evidence_of
from gradcheck.report.tally import MAX_FINDINGS, MAX_SUBJECTS, count, merge, total
from gradcheck.result import (
    CheckResult,
    Comparison,
    Estimate,
    Evaluations,
    Finding,
    Local,
    Verdict,
)
from tests.report import samples

NUMBERS = st.floats() | st.sampled_from([0.0, 1.0, 1e-7])
COMPARISONS = st.builds(
    Comparison,
    st.sampled_from(["w", "b"]),
    st.none() | st.tuples(st.integers(0, 3)),
    NUMBERS,
    st.builds(Estimate, NUMBERS, NUMBERS, st.just("central")),
    NUMBERS,
    st.sampled_from(Verdict),
)
RESULTS = st.builds(
    CheckResult,
    st.sampled_from(["dense", "tanh"]),
    st.sampled_from(Verdict),
    st.lists(COMPARISONS, max_size=3).map(tuple),
    st.lists(st.builds(Finding, st.sampled_from("abc"), st.just(""))).map(tuple),
    evaluations=st.builds(Evaluations, st.integers(0, 9)),
    kinks=st.integers(0, 5),
)


def tally_of(results) -> dict:
    tally: dict = {}
    for result in results:
        count(tally, result)
    return tally


def as_json(tally: dict) -> str:
    return json.dumps(tally, sort_keys=True, allow_nan=False)


@given(st.lists(RESULTS, max_size=8), st.data())
def test_any_split_in_any_order_gives_the_same_tally(results, data):
    cuts = data.draw(st.lists(st.integers(0, 2), min_size=len(results), max_size=len(results)))
    parts = [
        tally_of(r for r, cut in zip(results, cuts, strict=True) if cut == i) for i in range(3)
    ]
    order = data.draw(st.permutations(parts))
    assert as_json(merge(order)) == as_json(merge([tally_of(results)]))


@given(st.lists(RESULTS, max_size=8))
def test_a_tally_survives_json(results):
    tally = tally_of(results)
    assert json.loads(as_json(tally)) == tally
    assert total(tally)["examples"] == len(results)


@given(RESULTS)
def test_evidence_is_json(result):
    json.dumps(evidence_of(result), allow_nan=False)


def test_the_worst_is_the_wrong_one_then_the_nearest_to_its_limit():
    right = [samples.right_result(error=error) for error in (1e-12, 9e-8, 1e-9)]
    assert math.isclose(total(tally_of(right))["worst"]["difference"], 9e-8, rel_tol=1e-6)
    both = tally_of([*right, samples.wrong_result()])
    assert total(both)["worst"]["verdict"] == "WRONG"


def test_a_tally_stays_small_whatever_strangers_call_things():
    findings = tuple(Finding(f"{i}" * 10_000, "x" * 10_000) for i in range(500))
    tally = tally_of([CheckResult("s" * 1_000_000, Verdict.WRONG, (), findings)])
    (entry,) = tally.values()
    assert len(entry["findings"]) <= MAX_FINDINGS
    assert len(as_json(tally)) < 20_000


def test_a_new_subject_for_every_example_does_not_grow_the_tally():
    tally = tally_of(CheckResult(f"network {i}", Verdict.CORRECT) for i in range(10_000))
    assert len(tally) == MAX_SUBJECTS + 1
    assert total(tally)["examples"] == 10_000


def test_evidence_stays_small_whatever_the_result_holds():
    assert len(json.dumps(evidence_of(samples.hostile_result()))) < 300_000
    wide = samples.wrong_result(shape=(1000, 100))
    assert len(json.dumps(evidence_of(wide))) < 100_000


def test_a_table_that_does_not_fit_keeps_its_wrong_entries():
    table = evidence_of(samples.wrong_result(shape=(100, 50)))["entries"]["b"]
    assert len(table["flat"]) == 900
    assert table["measured"] == 5000
    assert sum(table["wrong"]) == 49


def test_a_right_claim_at_a_kink_or_in_noise_is_not_the_worst():
    for estimate in (
        Estimate(0.0, 1e-9, "central", Local.KINK, -1.0, 1.0, 1e-9),
        Estimate(0.0, 1e3, "central", Local.NOISY),
        Estimate(0.0, 1e-3, "central"),
    ):
        decided_otherwise = Comparison("x", (0,), 0.5, estimate, 1e-7, Verdict.CORRECT)
        result = CheckResult("relu", Verdict.CORRECT, (decided_otherwise,))
        assert total(tally_of([result]))["worst"] is None
