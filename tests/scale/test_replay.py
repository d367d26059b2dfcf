"""A failure is saved once, small, and runs again until it is fixed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy.fft  # noqa: F401  (pytester unloads what a test loads, and NumPy loads only once)
import pytest

import gradcheck.replay  # noqa: F401
from gradcheck import cli
from gradcheck.cases import MAX_REPRODUCE, CaseSpec, SavedCase, load_saved, save_failed_tests
from gradcheck.errors import InvalidArgument
from tests.report import samples

SUITE = """
import numpy as np
import gradcheck

def square(x):
    return x**2

def square_backward(y_bar, x):
    return y_bar * {factor} * x

test_square = gradcheck.vjp_test(square, square_backward, x="n")
"""
FAILING, RIGHT, BROKEN = SUITE.format(factor=3), SUITE.format(factor=2), "import no_such_module"
OTHER_ERROR = "def test_square(): raise OSError('the disk is on fire')"


def replayed(*arguments: str) -> int:
    return cli.main(["replay", *arguments])


@pytest.fixture
def failed(pytester) -> str:
    """The id of a failure saved by a run."""
    pytester.makepyfile(test_it=FAILING)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.stdout.fnmatch_lines("saved: gradcheck replay *")
    (case,) = load_saved(Path(".gradcheck"))
    return case.id


def test_a_failure_that_is_still_there_has_failed(failed, capsys):
    assert replayed(failed) == 1
    assert f"FAILED {failed}  test_it.py::test_square" in capsys.readouterr().out


def test_a_failure_that_is_gone_is_fixed_and_may_be_forgotten(pytester, failed, capsys):
    pytester.makepyfile(test_it=RIGHT)
    assert replayed() == 0
    assert f"FIXED  {failed}" in capsys.readouterr().out
    assert len(load_saved(Path(".gradcheck"))) == 1
    assert replayed("--forget-fixed") == 0
    assert load_saved(Path(".gradcheck")) == []
    assert replayed() == 0
    assert "no failing case is saved" in capsys.readouterr().out


@pytest.mark.parametrize("source", [BROKEN, OTHER_ERROR, "def test_renamed(): pass"])
def test_a_test_that_cannot_be_run_is_an_error(pytester, failed, source, capsys):
    pytester.makepyfile(test_it=source)
    assert replayed("--forget-fixed") == 2
    assert f"ERROR  {failed}" in capsys.readouterr().out
    assert len(load_saved(Path(".gradcheck"))) == 1


def test_a_replay_saves_nothing_and_reports_nothing(failed):
    before = {path: path.read_bytes() for path in Path(".gradcheck").iterdir()}
    replayed(failed)
    assert {path: path.read_bytes() for path in Path(".gradcheck").iterdir()} == before
    assert not list(Path().glob("*.jsonl"))


def test_a_failure_is_saved_once(pytester, failed):
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n2")
    assert [case.id for case in load_saved(Path(".gradcheck"))] == [failed]


def test_the_saved_case_says_what_happened(failed):
    data = json.loads(Path(".gradcheck", f"{failed}.json").read_text())
    assert data["failure"]["subject"] == "square"
    assert data["failure"]["reproduce"].startswith("gradcheck.assert_vjp(square, square_backward")
    assert isinstance(data["asked"]["seed"], int)
    assert data["versions"]["hypothesis"]
    assert Path(".gradcheck", ".gitignore").read_text() == "*\n"


def test_a_project_may_save_elsewhere_or_nowhere(pytester):
    pytester.makepyfile(test_it=FAILING)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-o", "gradcheck_cases=")
    assert not Path(".gradcheck").exists()
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-o", "gradcheck_cases=found/here")
    assert len(load_saved(Path("found/here"))) == 1


def test_a_case_saved_elsewhere_is_replayed_as_the_summary_says(pytester, monkeypatch, capsys):
    pytester.makepyfile(**{"tests/test_it": FAILING})
    pytester.makeini("[pytest]\ngradcheck_cases = found/here\n")
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    (said,) = [line for line in done.stdout.lines if line.startswith("saved: gradcheck ")]
    assert cli.main(said.split()[2:]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_a_case_is_found_from_a_folder_below(pytester, failed, monkeypatch, capsys):
    monkeypatch.chdir(pytester.mkdir("below"))
    assert replayed(failed) == 1
    assert f"FAILED {failed}" in capsys.readouterr().out


def test_many_failures_take_one_line_of_the_summary(pytester):
    more = "".join(f"test_{i} = test_square\n" for i in range(6))
    pytester.makepyfile(test_it=FAILING + more)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--gradcheck-profile=quick")
    done.stdout.fnmatch_lines("saved: 7 failing cases; run again: gradcheck replay")
    assert len(load_saved(Path(".gradcheck"))) == 7


def test_a_folder_that_cannot_be_written_fails_nothing_else(pytester):
    pytester.makepyfile(test_it=RIGHT, test_wrong=FAILING)
    Path(".gradcheck").write_text("a file, not a folder")
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines("cases not saved: *")


def test_a_saved_case_is_small(tmp_path):
    row = samples.row("t" * 300, "failed", samples.hostile_result())
    saved, problem = save_failed_tests(tmp_path, tmp_path, [row], {"seed": 1})
    assert problem == ""
    assert (tmp_path / f"{saved[0]}.json").stat().st_size < 100 + 8 * MAX_REPRODUCE


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"generator": "gradcheck-case-9"}', "\x00", '{"generator": 1}']
)
def test_a_file_that_is_no_saved_case_says_so(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InvalidArgument, match="remove it"):
        load_saved(tmp_path)


def test_an_unknown_id_names_those_there_are(failed, capsys):
    assert replayed("0000") == 2
    assert f"no saved case 0000 in .gradcheck: expected {failed}" in capsys.readouterr().err


# ------------------------------------------------------------------------------------ of campaigns


def test_the_wrong_cases_of_a_campaign_come_back(pytester, monkeypatch, capsys):
    monkeypatch.syspath_prepend(Path.cwd())
    pytester.makepyfile(suite_of_mine=FAILING)
    arguments = ["campaign", "suite_of_mine", "-n1", "--workers=1", "--examples=5"]
    assert cli.main(arguments) == 1
    assert "saved: gradcheck replay" in capsys.readouterr().out
    (case,) = load_saved(Path(".gradcheck"))
    assert case.spec is not None
    assert replayed() == 1
    assert f"FAILED {case.id}  suite_of_mine:test_square" in capsys.readouterr().out
    Path("suite_of_mine.py").write_text(RIGHT)
    done = pytester.run(sys.executable, "-m", "gradcheck.cli", "replay")
    assert done.ret == 0
    done.stdout.fnmatch_lines(f"FIXED  {case.id}*")


def test_saved_cases_of_a_spec_and_a_test_differ():
    ids = {SavedCase(test="m:f").id, SavedCase(spec=CaseSpec("m:f")).id}
    assert len(ids) == 2
