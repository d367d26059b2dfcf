"""Suites that record hand-made results, so that the plugin is tested without the checks."""

from __future__ import annotations

from pathlib import Path

from gradcheck.report import json_lines

RIGHT_AND_WRONG = """
from gradcheck.errors import GradientMismatch
from gradcheck.recording import record, run_settings
from gradcheck.result import CheckResult, Comparison, Diagnosis, Estimate, Verdict


def comparison(claimed, verdict):
    return Comparison("b", (0,), claimed, Estimate(1.0, 1e-11, "central"), 1e-7, verdict)


def result(subject, verdict, claimed=1.0 + 1e-9):
    causes = (Diagnosis("factor", "claimed = estimate / 2", 1.0),) if not verdict else ()
    return CheckResult(
        subject, verdict, (comparison(claimed, verdict),), diagnoses=causes, kinks=1
    )


def test_right():
    for _ in range(3):
        record(result("tanh", Verdict.CORRECT))


def test_wrong():
    wrong = result("dense", Verdict.WRONG, 0.5)
    record(wrong)
    raise GradientMismatch("dense is wrong", wrong)


def test_undecided():
    record(result("sqrt", Verdict.INCONCLUSIVE))


def test_of_something_else():
    assert run_settings().key.endswith("test_of_something_else")
"""

MANY = """
import pytest
from gradcheck.recording import record, run_settings
from gradcheck.result import CheckResult, Evaluations, Verdict


@pytest.mark.parametrize("i", range(12))
def test_layer(i):
    # A stand-in for random examples: what is recorded depends on the stream's seed alone.
    forwards = run_settings().stream_seed % 1000
    record(CheckResult(f"layer{i % 3}", Verdict.CORRECT, evaluations=Evaluations(forwards)))
"""

PLAIN = """
import pytest


def test_passes():
    print("printed")


def test_fails():
    assert [1, 2] == [1, 3]


@pytest.mark.parametrize("x", [1, "a"])
def test_parametrised(x, tmp_path):
    assert x


@pytest.mark.skip(reason="not now")
def test_skipped():
    pass


@pytest.mark.xfail(reason="known")
def test_expected():
    raise ValueError
"""

PLAIN_HYPOTHESIS = """
from hypothesis import given, settings
from hypothesis import strategies as st


@given(x=st.integers(), y=st.lists(st.floats()))
@settings(derandomize=True, database=None)
def test_falsified(x, y):
    assert x < 5 or not y
"""


def test_rows(path: Path) -> dict[str, dict]:
    """The rows of tests in a file by id, without what a clock put there."""
    rows = [row for row in json_lines.read(path) if row["kind"] == "test"]
    return {row["id"]: {k: v for k, v in row.items() if k != "seconds"} for row in rows}


test_rows.__test__ = False  # type: ignore[attr-defined]
