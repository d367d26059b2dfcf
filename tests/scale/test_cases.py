"""A case is data: it crosses JSON, pickle and processes, and means the same there."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.campaign import run_case
from gradcheck.cases import CaseSpec, resolve, suite_members
from gradcheck.errors import InvalidArgument
from tests.scale import properties_suite, suite

SUITE = "tests.scale.suite"
PROPERTIES = "tests.scale.properties_suite"
SPECS = st.builds(CaseSpec, st.text(), st.integers(0, 2**64), st.integers(1, 1000))


@given(SPECS)
def test_a_case_survives_json_and_pickle(spec):
    assert CaseSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec


@given(SPECS, SPECS)
def test_ids_tell_cases_apart(one, other):
    assert (one.id == other.id) == (one == other)


@pytest.mark.parametrize("data", [{}, {"subject": 3}, {"subject": "m:f", "weather": "fine"}])
def test_what_is_no_case_is_refused(data):
    with pytest.raises(InvalidArgument, match="not a case"):
        CaseSpec.from_json(data)


# ----------------------------------------------------------------------------------------- suites


def test_members_go_by_name():
    assert suite_members(f"{SUITE}:RIGHT") == [f"{SUITE}:RIGHT[tanh]", f"{SUITE}:RIGHT[dense]"]
    assert resolve(f"{SUITE}:RIGHT[dense]") is suite.dense
    assert resolve(f"{SUITE}:MIXED[wrong]") is suite.wrong_exp


def test_a_module_holds_its_one_line_tests():
    assert suite_members(PROPERTIES) == [f"{PROPERTIES}:test_dense", f"{PROPERTIES}:test_leaky"]
    assert resolve(f"{PROPERTIES}:test_dense") is properties_suite.test_dense


def test_a_single_test_is_a_suite_of_one():
    assert suite_members(f"{SUITE}:tanh") == [f"{SUITE}:tanh"]


def test_members_of_one_name_go_by_position(monkeypatch):
    monkeypatch.setattr(suite, "TWINS", [suite.tanh, suite.tanh], raising=False)
    assert suite_members(f"{SUITE}:TWINS") == [f"{SUITE}:TWINS[0]", f"{SUITE}:TWINS[1]"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module:SUITE", "cannot be imported"),
        (f"{SUITE}:nothing", "has no attribute 'nothing'"),
        (f"{SUITE}:EMPTY", "holds nothing to check"),
        ("tests.scale.suite", "holds nothing to check"),
        (f"{SUITE}:RIGHT[sinh]", "expected one of tanh, dense"),
        (f"{SUITE}:tanh[0]", "expected a list or a mapping"),
        ("not a path:x", "is no import path"),
        ("tests/scale/suite.py", r"is a file.*such as tests\.scale\.suite$"),
        ("./suite.py:RIGHT", "is a file.*such as suite$"),
    ],
)
def test_a_suite_that_is_not_there_says_what_is(path, message):
    with pytest.raises(InvalidArgument, match=message):
        resolve(suite_members(path)[0]) if "[" not in path else resolve(path)


# ------------------------------------------------------------------------------------------- cases


@pytest.mark.parametrize(
    ("subject", "verdict", "error"),
    [
        (f"{SUITE}:tanh", "CORRECT", ""),
        (f"{SUITE}:AT_A_POINT[square]", "CORRECT", ""),
        (f"{SUITE}:AT_A_POINT[wrong square]", "WRONG", ""),
        (f"{SUITE}:wrong_exp", "WRONG", "GradientMismatch"),
        (f"{SUITE}:broken", "ERROR", "RuntimeError: the subject itself is broken"),
        (f"{SUITE}:checks_nothing", "ERROR", "checked nothing"),
        (f"{SUITE}:needs_fixture", "ERROR", "needs tmp_path"),
        (f"{SUITE}:EMPTY", "ERROR", "is a list"),
        (f"{SUITE}:gone", "ERROR", "has no attribute"),
        (f"{PROPERTIES}:test_dense", "CORRECT", ""),
        (f"{PROPERTIES}:test_leaky", "WRONG", "GradientMismatch"),
    ],
)
def test_a_case_says_what_came_of_it(subject, verdict, error):
    result = run_case(CaseSpec(subject, seed=1, examples=20))
    assert (result["verdict"], error in result["error"]) == (verdict, True)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_wrong_case_carries_its_smallest_example():
    result = run_case(CaseSpec(f"{PROPERTIES}:test_leaky", seed=1, examples=50))
    (item,) = [item for item in result["evidence"] if item["verdict"] == "WRONG"]
    assert item["shapes"] == {"x": [1]}
    assert item["reproduce"].startswith("gradcheck.assert_vjp(leaky, leaky_backward")


def test_another_seed_is_another_stream():
    tallies = [run_case(CaseSpec(f"{SUITE}:tanh", seed))["tally"] for seed in (1, 1, 2)]
    assert tallies[0] == tallies[1] != tallies[2]


ELSEWHERE = """
import json, sys
sys.path.insert(0, {folder!r})
if {constants}:
    import constants_of_a_project
from gradcheck.campaign import run_case
from gradcheck.cases import CaseSpec
results = [run_case(CaseSpec("free:test_free", seed, 40)) for seed in range(3)]
if not {portable}:
    from gradcheck.recording import RunSettings, recording, running_with
    from gradcheck.report.tally import count
    import free
    tally = {{}}
    with recording(lambda r: count(tally, r)), running_with(RunSettings("", 40, 1, "free")):
        free.test_free()
    results = tally
print(json.dumps(results, sort_keys=True))
"""
FREE = """
import numpy as np
from hypothesis import strategies as st
import gradcheck

def scaled(x, factor, offset):
    return factor * x + offset

def scaled_backward(y_bar, x, factor, offset):
    return factor * y_bar

test_free = gradcheck.vjp_test(
    scaled, scaled_backward, x="n", factor=st.floats(1.0, 10.0), offset=st.integers(0, 2**20)
)
"""


def elsewhere(folder, *, constants: bool, portable: bool) -> str:
    script = ELSEWHERE.format(folder=str(folder), constants=constants, portable=portable)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def project(tmp_path):
    (tmp_path / "free.py").write_text(FREE)
    numbers = [1 + 7919 * i % 2**20 for i in range(400)]
    floats = [1 + i / 43 for i in range(380)]
    (tmp_path / "constants_of_a_project.py").write_text(f"A = {numbers}\nB = {floats}\n")
    return tmp_path


def test_a_case_does_not_depend_on_what_else_is_imported(project):
    """Hypothesis draws from the constants of loaded modules; a campaign must not."""
    loaded = [elsewhere(project, constants=c, portable=True) for c in (False, True)]
    assert loaded[0] == loaded[1]


def test_without_care_it_would(project):
    loaded = [elsewhere(project, constants=c, portable=False) for c in (False, True)]
    assert loaded[0] != loaded[1]
