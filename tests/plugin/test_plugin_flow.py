"""Results reach terminal, JUnit, files and hooks, however pytest is run."""

from __future__ import annotations

import inspect
import json
import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from gradcheck import hookspecs
from gradcheck.report import json_lines, render
from tests.plugin.material import (
    MANY,
    PLAIN,
    PLAIN_HYPOTHESIS,
    RIGHT_AND_WRONG,
    test_rows,
)

DIST = [["-n0"], ["-n2"], ["-n2", "--dist=worksteal"], ["-n2", "--dist=loadgroup"]]


def junit_properties(path: str) -> dict[str, dict]:
    cases = ElementTree.parse(path).iter("testcase")
    found = {case.get("name"): case.findall("properties/property") for case in cases}
    return {
        name: json.loads(p.get("value"))
        for name, properties in found.items()
        for p in properties
        if p.get("name") == "gradcheck"
    }


# ---------------------------------------------------------------------------------------- summary


def test_the_summary_tells_counts_worst_slowest_and_what_failed(pytester):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    done = pytester.runpytest_inprocess("--gradcheck-seed=5")
    done.stdout.fnmatch_lines(
        [
            "gradcheck: seed=5",
            "*= gradcheck =*",
            "3 tests checked 3 subjects: 5 examples, 5 probes, 5 kinks certified (seed 5)",
            "inconclusive 1 example",
            "worst        dense, b[[]0]: error 0.5, limit 1e-07 (WRONG: claimed 0.5, estimated 1)",
            "slowest      * s test_it.py::test_*",
            "failed       test_it.py::test_wrong: claimed = estimate / 2",
            "saved: gradcheck replay *",
        ]
    )
    done.assert_outcomes(passed=3, failed=1)


REAL = """
import numpy as np
import gradcheck

def dense(x, w, b):
    return x @ w + b

def dense_backward(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.mean(axis=0)

test_dense = gradcheck.vjp_test(dense, dense_backward, x="n d", w="d k", b="k")
"""


@pytest.mark.parametrize("flags", [["--tb=short"], ["--tb=long", "-n1"]], ids=" ".join)
def test_a_failure_fits_a_terminal_and_its_call_runs_as_copied(pytester, monkeypatch, flags):
    """Copied as a block, beside the mark that pytest puts before every line of an error."""
    monkeypatch.setenv("COLUMNS", "80")
    pytester.makepyfile(test_it=REAL)
    done = pytester.runpytest_subprocess(*flags, "-p", "no:cacheprovider")
    error = [line for line in done.stdout.lines if line.startswith("E ")]
    assert all(len(line) <= 80 for line in error[1:])
    call = [line[len("E   ") :] for line in error[error.index("E     reproduce") + 1 :]]
    again = "\n".join(["from numpy import *", "from test_it import *", *call])
    copied = pytester.run(sys.executable, "-c", again)
    copied.stderr.fnmatch_lines("*GradientMismatch*: backward of `dense` is wrong for `b`*")


def test_a_run_without_gradient_tests_says_nothing(pytester):
    pytester.makepyfile(PLAIN)
    done = pytester.runpytest_inprocess()
    assert "gradcheck" not in done.stdout.str().replace("gradcheck-0.1.0", "")
    assert not Path(".gradcheck").exists()


def test_quiet_runs_without_a_terminal_still_write_reports(pytester):
    pytester.makepyfile(RIGHT_AND_WRONG)
    done = pytester.runpytest_inprocess("-p", "no:terminal", "--gradcheck-report=x.jsonl")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert len(test_rows(Path("x.jsonl"))) == 3


def test_control_characters_do_not_reach_the_terminal(pytester):
    pytester.makepyfile(
        "from gradcheck.recording import record\n"
        "from gradcheck.result import *\n"
        "def test_it():\n"
        "    worst = Comparison('b', (0,), 1., Estimate(1., 0., 'c'), 1e-7, Verdict.CORRECT)\n"
        "    record(CheckResult('evil\\x1b[31m\\x07', Verdict.CORRECT, (worst,)))\n"
    )
    done = pytester.runpytest_inprocess("--color=no")
    assert "\x1b" not in done.stdout.str()
    done.stdout.fnmatch_lines("worst*evil\\x1b*")


# ------------------------------------------------------------------------------------------ roads


@pytest.mark.parametrize("dist", DIST, ids=" ".join)
def test_results_are_the_same_on_any_number_of_workers(pytester, dist):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG, test_many=MANY)
    run = pytester.runpytest_subprocess(
        *dist, "--gradcheck-seed=1", "--gradcheck-report=x.jsonl", "--junitxml=x.xml"
    )
    run.assert_outcomes(passed=15, failed=1)
    rows = test_rows(Path("x.jsonl"))
    assert len(rows) == 15
    wrong = rows["test_it.py::test_wrong"]
    assert wrong["outcome"] == "failed"
    assert wrong["failure"] == "gradient"
    assert wrong["evidence"][0]["diagnoses"][0]["sentence"] == "claimed = estimate / 2"
    pytester.runpytest_inprocess("--gradcheck-seed=1", "--gradcheck-report=y.jsonl")
    assert rows == test_rows(Path("y.jsonl"))
    properties = junit_properties("x.xml")
    assert properties["test_right"]["tanh"]["examples"] == 3
    assert properties["test_wrong"]["dense"]["wrong"] == 1
    assert "test_of_something_else" not in properties


def test_without_a_seed_all_workers_share_one(pytester):
    pytester.makepyfile(
        "import pytest\n"
        "from gradcheck.recording import run_settings\n"
        "@pytest.mark.parametrize('i', range(4))\n"
        "def test_it(i, record_property): record_property('seed', run_settings().seed)\n"
    )
    pytester.runpytest_subprocess("-n2", "--junitxml=x.xml")
    seeds = [p.get("value") for p in ElementTree.parse("x.xml").iter("property")]
    assert len(seeds) == 4
    assert len(set(seeds)) == 1


def test_in_ci_the_examples_are_the_same_every_time(pytester, monkeypatch):
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(
        "from gradcheck.recording import run_settings\n"
        "def test_it(): assert run_settings().seed == 0"
    )
    assert pytester.runpytest_inprocess().ret == pytest.ExitCode.OK


def test_the_seed_of_hypothesis_is_the_seed(pytester):
    pytester.makepyfile(
        "from gradcheck.recording import run_settings\n"
        "def test_it(): assert run_settings().seed == 77"
    )
    assert pytester.runpytest_inprocess("--hypothesis-seed=77").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("count", [1, 2, 3, 5, 20])
def test_shards_are_disjoint_complete_and_the_same_when_merged(pytester, count):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG, test_many=MANY)
    pytester.runpytest_inprocess("--gradcheck-seed=1", "--gradcheck-report=all.jsonl")
    sizes = []
    for i in range(1, count + 1):
        done = pytester.runpytest_inprocess(
            "--gradcheck-seed=1", f"--gradcheck-shard={i}/{count}", f"--gradcheck-report={i}.jsonl"
        )
        assert done.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        sizes.append(sum(done.parseoutcomes().get(k, 0) for k in ("passed", "failed")))
    assert sum(sizes) == 16
    assert max(sizes) - min(sizes) <= 1
    files = {f"{i}.jsonl": json_lines.read(f"{i}.jsonl") for i in range(1, count + 1)}
    render.write(Path("merged.jsonl"), json_lines.merge(files))
    assert test_rows(Path("merged.jsonl")) == test_rows(Path("all.jsonl"))


COUNTED = """
import pytest

class Counted(pytest.Item):
    looks = 0

    def runtest(self):
        pass

    def __hash__(self):
        Counted.looks += 1
        return super().__hash__()

class Folder(pytest.File):
    def collect(self):
        return [Counted.from_parent(self, name=f"test_{i}") for i in range(300)]

def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".counted":
        return Folder.from_parent(parent, path=file_path)

def pytest_unconfigure():
    print("looked", Counted.looks // 300, "times at every test")
"""


def test_a_large_suite_is_split_without_comparing_every_test_to_every_other(pytester):
    pytester.makeconftest(COUNTED)
    Path("x.counted").touch()
    done = pytester.runpytest_subprocess("--gradcheck-shard=1/2", "-s")
    done.assert_outcomes(passed=150, deselected=150)
    (said,) = [line for line in done.stdout.lines if line.startswith("looked")]
    assert int(said.split()[1]) < 30


def test_a_shard_does_not_depend_on_the_other_selections(pytester):
    """With --lf every machine runs its own failures again, and never another's."""
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    failing = [
        i
        for i in (1, 2)
        if "1 failed" in pytester.runpytest_inprocess(f"--gradcheck-shard={i}/2").stdout.str()
    ]
    again = pytester.runpytest_inprocess("--lf", f"--gradcheck-shard={failing[0]}/2")
    again.assert_outcomes(failed=1)


def test_a_killed_worker_loses_only_its_own_test(pytester):
    pytester.makepyfile(
        test_many=MANY,
        test_kill="import os, signal\n"
        "from gradcheck.recording import record\n"
        "from gradcheck.result import CheckResult, Verdict\n"
        "def test_kill():\n"
        "    record(CheckResult('lost', Verdict.CORRECT))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    done = pytester.runpytest_subprocess("-n2", "--gradcheck-report=x.jsonl")
    done.assert_outcomes(passed=12, failed=1)
    outcomes = {name: row["outcome"] for name, row in test_rows(Path("x.jsonl")).items()}
    assert outcomes.pop("test_kill.py::test_kill") == "crashed"
    assert list(outcomes.values()) == ["passed"] * 12
    done.stdout.fnmatch_lines("crashed * test_kill.py::test_kill")


def test_a_killed_run_leaves_what_it_found_beside_the_target(pytester):
    pytester.makepyfile(
        test_a=MANY,
        test_b="import os, signal\ndef test_kill(): os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    Path("x.jsonl").write_text(json_lines.encode(json_lines.run_header()) + "\n")
    before = Path("x.jsonl").read_bytes()
    pytester.runpytest_subprocess("--gradcheck-report=x.jsonl")
    (aside,) = Path().glob(".x.jsonl.*.partial")
    assert len(test_rows(aside)) == 12
    assert Path("x.jsonl").read_bytes() == before


def test_a_second_run_is_added_to_the_first(pytester):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    for _ in range(2):
        pytester.runpytest_inprocess("--gradcheck-report=x.jsonl")
    kinds = [row["kind"] for row in json_lines.read("x.jsonl")]
    assert kinds == ["run", "test", "test", "test", "end"] * 2


def test_a_report_asked_for_twice_is_written_once(pytester):
    """In the project's options and on the command line, say."""
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    Path("link.jsonl").symlink_to("x.jsonl")
    names = ("x.jsonl", "./x.jsonl", "../" + Path.cwd().name + "/x.jsonl", "link.jsonl", "x.html")
    done = pytester.runpytest_inprocess(*(f"--gradcheck-report={name}" for name in names))
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert [row["kind"] for row in json_lines.read("x.jsonl")].count("test") == 3
    assert Path("link.jsonl").is_symlink()


def test_the_paths_of_a_project_are_its_own_wherever_pytest_is_called(pytester, monkeypatch):
    pytester.makepyfile(**{"below/test_it": RIGHT_AND_WRONG})
    pytester.makeini("[pytest]\ngradcheck_report = x.jsonl\ngradcheck_xfails_file = known.txt\n")
    Path("known.txt").write_text("below/test_it.py::test_wrong # known\n")
    monkeypatch.chdir("below")
    pytester.runpytest_inprocess().assert_outcomes(passed=3, xfailed=1)
    assert len(test_rows(Path("../x.jsonl"))) == 3
    Path("none.txt").touch()
    asked = "--gradcheck-report=y.jsonl", "--gradcheck-xfails-file=none.txt"
    pytester.runpytest_inprocess(*asked).assert_outcomes(passed=3, failed=1)
    assert len(test_rows(Path("y.jsonl"))) == 3


@pytest.mark.parametrize("name", ["x.jsonl", "x.html", "x.json"])
def test_an_empty_file_may_be_written_to(pytester, name):
    """As ``mktemp`` makes it."""
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    Path(name).touch()
    done = pytester.runpytest_inprocess(f"--gradcheck-report={name}")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "claimed = estimate / 2" in Path(name).read_text()


def test_subtests_are_counted_once(pytester):
    pytester.makepyfile(
        "from gradcheck.recording import record\n"
        "from gradcheck.result import CheckResult, Verdict\n"
        "def test_it(subtests):\n"
        "    for i in range(3):\n"
        "        with subtests.test(i=i):\n"
        "            record(CheckResult('dense', Verdict.CORRECT))\n"
    )
    pytester.runpytest_inprocess("--gradcheck-report=x.jsonl", "--junitxml=x.xml")
    (row,) = test_rows(Path("x.jsonl")).values()
    assert row["tally"]["dense"]["examples"] == 3


def test_a_wrong_claim_that_a_test_expected_is_counted_and_not_kept(pytester):
    pytester.makepyfile(
        "from gradcheck.recording import record\n"
        "from gradcheck.result import CheckResult, Verdict\n"
        "def test_it(): record(CheckResult('dense', Verdict.WRONG))\n"
    )
    pytester.runpytest_inprocess("--gradcheck-report=x.jsonl")
    (row,) = test_rows(Path("x.jsonl")).values()
    assert row["tally"]["dense"]["wrong"] == 1
    assert row["evidence"] == []


def test_a_failing_teardown_is_an_error_of_its_test(pytester):
    pytester.makepyfile(
        "import pytest\n"
        "from gradcheck.recording import record\n"
        "from gradcheck.result import CheckResult, Verdict\n"
        "@pytest.fixture\n"
        "def fragile():\n"
        "    yield\n"
        "    raise OSError\n"
        "def test_it(fragile): record(CheckResult('dense', Verdict.CORRECT))\n"
    )
    pytester.runpytest_inprocess("--gradcheck-report=x.jsonl")
    assert [row["outcome"] for row in test_rows(Path("x.jsonl")).values()] == ["error"]


# ------------------------------------------------------------------------------ pytest's own flags


def test_collecting_only_writes_nothing(pytester):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    done = pytester.runpytest_inprocess(
        "--collect-only", "-q", "--gradcheck-report=x.jsonl", "--gradcheck-report=x.html"
    )
    done.stdout.fnmatch_lines("test_it.py::test_right")
    assert not list(Path().glob("*x.*"))


@pytest.mark.parametrize(
    "flags",
    [
        ["--strict-markers", "--strict-config"],
        ["--strict"],
        ["--import-mode=importlib"],
        ["--import-mode=append"],
        ["-p", "no:cacheprovider"],
        ["-p", "no:hypothesispytest"],
        ["-p", "no:xdist"],
        ["-p", "no:junitxml"],
        ["-W", "error"],
        ["-s"],
        ["-vv"],
        ["-qq"],
    ],
    ids=" ".join,
)
def test_it_works_with(pytester, flags):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    done = pytester.runpytest_inprocess(*flags, "--gradcheck-report=x.jsonl")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert len(test_rows(Path("x.jsonl"))) == 3


def test_stopping_at_the_first_failure_reports_what_ran(pytester):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    pytester.runpytest_inprocess("-x", "--gradcheck-report=x.jsonl").assert_outcomes(
        passed=1, failed=1
    )
    assert list(test_rows(Path("x.jsonl"))) == ["test_it.py::test_right", "test_it.py::test_wrong"]


def test_the_last_failed_tests_are_found_again(pytester):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    pytester.runpytest_inprocess()
    again = pytester.runpytest_inprocess("--lf", "--gradcheck-report=x.jsonl")
    again.assert_outcomes(failed=1)
    assert list(test_rows(Path("x.jsonl"))) == ["test_it.py::test_wrong"]


MARKED = """
from gradcheck.recording import PROPERTY_MARK, record
from gradcheck.result import CheckResult, Verdict

def test_property(): record(CheckResult("dense", Verdict.CORRECT))
setattr(test_property, PROPERTY_MARK, "")

def test_other(): pass
"""


def test_a_suite_runs_where_the_plugin_is_off(pytester):
    pytester.makepyfile(MARKED)
    done = pytester.runpytest_subprocess("-p", "no:gradcheck", "--strict-markers", "-W", "error")
    done.assert_outcomes(passed=2)
    assert "checked" not in done.stdout.str()


def test_one_line_tests_are_marked(pytester):
    pytester.makepyfile(MARKED)
    pytester.runpytest_inprocess("-m", "gradcheck").assert_outcomes(passed=1, deselected=1)


# -------------------------------------------------------------------------------- choosing, xfails


CHECKS = """
import pytest
from gradcheck.recording import PROPERTY_MARK, run_settings

class Check:
    def __init__(self, name): setattr(self, PROPERTY_MARK, name)

@pytest.mark.parametrize("check", [Check("gradient"), Check("zero-cotangent")], ids=str)
def test_layers(check): pass

@pytest.mark.gradcheck(check="energy")
def test_energy(): pass

def test_other(): pass
"""


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        (["--gradcheck-select=gradient"], 2),
        (["--gradcheck-select=zero-*,gradient"], 3),
        (["--gradcheck-deselect=gradient", "--gradcheck-deselect=energy"], 2),
        (["--gradcheck-select=energy"], 2),
    ],
)
def test_checks_are_chosen_by_id(pytester, flags, left):
    pytester.makeconftest("def pytest_gradcheck_check_ids(config): return ['energy']")
    pytester.makepyfile(CHECKS.replace("ids=str", ""))
    pytester.runpytest_inprocess(*flags).assert_outcomes(passed=left, deselected=4 - left)


def test_the_items_of_a_parametrised_suite_are_chosen_by_check(pytester):
    pytester.makepyfile(
        "import numpy as np\n"
        "import gradcheck\n"
        "test_sine = gradcheck.vjp_test(np.sin, lambda y_bar, x: y_bar * np.cos(x), x='n')\n"
        "@gradcheck.parametrize_with_checks([test_sine], checks=['gradient', 'zero-cotangent'])\n"
        "def test_all(subject, check): check(subject)\n"
    )
    flags = ["--gradcheck-profile=quick", "-k", "test_all"]
    for chosen in ("gradient", "zero-cotangent"):
        done = pytester.runpytest_inprocess(*flags, f"--gradcheck-select={chosen}", "-v")
        done.assert_outcomes(passed=1, deselected=2)
        done.stdout.fnmatch_lines(f"*sin::{chosen}] PASSED*")


def test_expected_failures_of_a_file_are_strict(pytester):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    Path("xfails.txt").write_text("test_it.py::test_wrong # known since May\n# nothing else\n\n")
    done = pytester.runpytest_inprocess("--gradcheck-xfails-file=xfails.txt", "-rx")
    done.assert_outcomes(passed=3, xfailed=1)
    done.stdout.fnmatch_lines("*known since May*")
    Path("xfails.txt").write_text("test_it.py::test_*ng # this one\ntest_it.py::test_right\n")
    done = pytester.runpytest_inprocess("--gradcheck-xfails-file=xfails.txt")
    done.assert_outcomes(passed=2, failed=1, xfailed=1)


@pytest.mark.parametrize("dist", [["-n0"], ["-n2"]], ids=" ".join)
def test_an_expected_failure_that_is_gone_is_an_error(pytester, dist):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    Path("xfails.txt").write_text("test_it.py::test_renamed\ntest_other_file.py::test_x\n")
    done = pytester.runpytest_subprocess(*dist, "--gradcheck-xfails-file=xfails.txt")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    said = done.stderr.str() + done.stdout.str()
    assert "ERROR: the file of expected failures names tests that do not exist" in said
    assert "test_it.py::test_renamed" in said
    assert "test_x" not in said
    assert "passed" not in done.stdout.str()


# ------------------------------------------------------------------------------------------- hooks


def examples_of_hooks() -> dict[str, str]:
    hooks = inspect.getmembers(hookspecs, inspect.isfunction)
    return {
        name: textwrap.dedent(hook.__doc__.partition("::\n")[2])
        for name, hook in hooks
        if name.startswith("pytest_")
    }


def test_every_hook_has_an_example():
    assert len(examples_of_hooks()) == 4
    assert all("def pytest_gradcheck_" in example for example in examples_of_hooks().values())


def test_the_documented_examples_of_the_hooks_work(pytester):
    pytester.makeconftest("\n".join(examples_of_hooks().values()))
    pytester.makepyfile(test_it=RIGHT_AND_WRONG, test_experimental=MANY)
    done = pytester.runpytest_inprocess(
        "--gradcheck-deselect=energy-is-conserved", "--junitxml=x.xml"
    )
    done.stdout.fnmatch_lines(["3 tests checked 3 subjects*", "3 tests checked a gradient"])
    assert 'name="undecided" value="sqrt"' in Path("x.xml").read_text()


# -------------------------------------------------------------------------------- leaving no trace


def outputs(pytester: pytest.Pytester, *flags: str) -> list[str]:
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", *flags)
    varying = ("plugins:", "rootdir:", "=", "[gw")
    return sorted(line for line in done.stdout.lines if not line.startswith(varying))


@pytest.mark.parametrize("flags", [["-v", "-rA"], ["-n2"]], ids=" ".join)
def test_the_output_of_other_suites_is_unchanged(pytester, flags):
    pytester.makepyfile(test_plain=PLAIN, test_falsified=PLAIN_HYPOTHESIS)
    without = outputs(pytester, "-p", "no:gradcheck", *flags)
    assert outputs(pytester, *flags) == without
    assert "E       Failing test case: test_falsified(" in without
    assert not Path(".gradcheck").exists()


def test_parameters_that_refuse_to_be_looked_at_are_left_alone(pytester):
    pytester.makepyfile(
        "import pytest\n"
        "class Proxy:\n"
        "    def __getattr__(self, name): raise RuntimeError('outside of its context')\n"
        "    def __eq__(self, other): raise RuntimeError('not comparable')\n"
        "@pytest.mark.parametrize('x', [Proxy()], ids=['proxy'])\n"
        "def test_it(x): pass\n"
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_nothing_heavy_is_imported_where_no_gradient_is_checked(pytester):
    pytester.makepyfile(PLAIN)
    pytester.makeconftest(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    heavy = {'numpy', 'scipy', 'hypothesis', 'jinja2', 'distributed'}\n"
        "    ours = {m for m in sys.modules if m.startswith('gradcheck')}\n"
        "    print('LOADED', sorted(heavy & set(sys.modules)), sorted(ours))\n"
    )
    done = pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-s")
    done.stdout.fnmatch_lines(
        "LOADED [[][]] [[]'gradcheck', 'gradcheck.hookspecs', 'gradcheck.pytest_plugin', "
        "'gradcheck.recording'[]]"
    )


def test_a_report_that_warns_does_not_end_a_run_in_which_warnings_are_errors(pytester):
    pytester.makepyfile("""
        import dataclasses
        import warnings

        import numpy as np

        import gradcheck
        from gradcheck.recording import record

        def render(result):
            warnings.warn("odd")
            return "odd"

        def test_it():
            wrong = gradcheck.check_vjp(np.sin, lambda u, x: (u,), (np.ones(2),))
            record(dataclasses.replace(wrong, render=render))
            assert wrong.verdict.name == "CORRECT"
    """)
    done = pytester.runpytest_subprocess("-W", "error")
    done.assert_outcomes(failed=1)
    assert "INTERNALERROR" not in done.stdout.str()
