"""Every setting that cannot be right is refused before a test has run, with what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.material import RIGHT_AND_WRONG

RAN = "from pathlib import Path\ndef test_runs():\n    Path('ran').touch()\n"


def refused(pytester: pytest.Pytester, *arguments: str) -> str:
    pytester.makepyfile(RAN)
    done = pytester.runpytest_inprocess(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert not Path("ran").exists()
    return done.stderr.str()


def test_a_usable_setting_is_not_refused(pytester):
    pytester.makepyfile(RAN)
    done = pytester.runpytest_inprocess("--gradcheck-shard=1/1", "--gradcheck-report=x.jsonl")
    assert done.ret == pytest.ExitCode.OK
    assert Path("ran").exists()


@pytest.mark.parametrize(
    ("shard", "remedy"),
    [
        ("5/4", "from 1/4 to 4/4"),
        ("0/4", "from 1/4 to 4/4"),
        ("1/0", "expected a part"),
        ("-1/2", "such as 1/4"),
        ("1of4", "such as 1/4"),
        ("1/", "such as 1/4"),
        ("", "such as 1/4"),
    ],
)
def test_an_impossible_shard_is_refused(pytester, shard, remedy):
    assert remedy in refused(pytester, f"--gradcheck-shard={shard}")


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ("--gradcheck-examples=0", "expected 1 or more"),
        ("--gradcheck-examples=-3", "expected 1 or more"),
        ("--gradcheck-examples=many", "invalid int value"),
        ("--gradcheck-seed=-1", "expected 0 or more"),
        ("--gradcheck-profile=thorough", "invalid choice"),
        ("--gradcheck-select=no-such-check", "expected one of"),
        ("--gradcheck-deselect=gradient,no-such-check", "unknown gradcheck check no-such-check"),
        ("--gradcheck-xfails-file=missing.txt", "missing.txt cannot be read"),
    ],
)
def test_an_unusable_value_is_refused(pytester, argument, remedy):
    assert remedy in refused(pytester, argument)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("gradcheck_profile = thorough", "quick, ci, deep"),
        ("gradcheck_examples = many", "gradcheck_examples"),
        ("gradcheck_examples = -1", "expected 1 or more"),
        ("gradcheck_seed = x", "gradcheck_seed"),
        ("gradcheck_select = no-such-check", "expected one of"),
    ],
)
def test_an_unusable_ini_value_is_refused(pytester, line, remedy):
    pytester.makeini(f"[pytest]\n{line}\n")
    assert remedy in refused(pytester)


@pytest.mark.parametrize("number", ["7", "'7'"])
def test_ini_values_are_typed(pytester, number):
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\ngradcheck_examples = {number}\n")
    pytester.makepyfile(
        "from gradcheck.recording import run_settings\n"
        "def test_it(): assert run_settings().max_examples == 7"
    )
    assert pytester.runpytest_inprocess().ret == pytest.ExitCode.OK


def test_an_option_wins_over_the_ini_value(pytester):
    pytester.makeini("[pytest]\ngradcheck_examples = 7\ngradcheck_profile = deep\n")
    pytester.makepyfile(
        "from gradcheck.recording import run_settings\n"
        "def test_it(): assert run_settings()[:3] == ('deep', 3, 11)"
    )
    done = pytester.runpytest_inprocess("--gradcheck-examples=3", "--gradcheck-seed=11")
    assert done.ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("x.txt", ".html, .json, .jsonl"),
        ("missing/x.html", "create it"),
        ("folder.html", "name a file inside it"),
        ("/proc/x.jsonl", "cannot be written"),
        ("test_a.py/x.json", "create it"),
        ("/dev/full", ".html, .json, .jsonl"),
    ],
)
def test_an_unwritable_report_is_refused(pytester, name, remedy):
    Path("folder.html").mkdir()
    assert remedy in refused(pytester, f"--gradcheck-report={name}")


@pytest.mark.parametrize("name", ["notes.html", "data.json"])
def test_a_file_of_somebody_else_is_never_replaced(pytester, name):
    Path(name).write_text("mine")
    assert "was not written by gradcheck" in refused(pytester, f"--gradcheck-report={name}")
    assert Path(name).read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ("not json\n", "line 1 is not JSON"),
        ('{"kind": "test"}\n', "does not start with a header"),
        ('{"kind": "run", "format": 2, "gradcheck": "9.0"}\n', "upgrade gradcheck"),
        ('{"kind": "run"}\n', "header without a format"),
        ("[1, 2]\n", "is not a gradcheck result"),
        ("\x00\x00\n", "is not JSON"),
    ],
)
def test_results_that_cannot_be_continued_are_refused_and_kept(pytester, content, remedy):
    Path("x.jsonl").write_text(content)
    assert remedy in refused(pytester, "--gradcheck-report=x.jsonl")
    assert Path("x.jsonl").read_text() == content


def test_a_page_without_jinja2_is_refused(pytester, monkeypatch):
    found = "gradcheck.plugin_settings.importlib.util.find_spec"
    monkeypatch.setattr(found, lambda name: None)
    assert "gradcheck[html]" in refused(pytester, "--gradcheck-report=x.html")


def test_a_full_disk_is_noticed_before_a_test_runs(pytester):
    """A limit on file size fails writes as a full disk does, for real."""
    pytester.makepyfile(RAN)
    pytester.makeconftest(
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    )
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--gradcheck-report=x.jsonl")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines("*Free some space*")
    assert not Path("ran").exists()
    assert not list(Path().glob("*.jsonl*"))


def test_a_disk_that_fills_up_during_the_run_keeps_the_earlier_results(pytester):
    pytester.makepyfile(test_it=RIGHT_AND_WRONG)
    reports = "--gradcheck-report=x.jsonl", "--gradcheck-report=x.html"
    for _ in range(3):
        pytester.runpytest_inprocess(*reports)
    before = {name: Path(name).read_bytes() for name in ("x.jsonl", "x.html")}
    limit = 5000
    assert all(len(content) > limit for content in before.values())
    pytester.makepyfile(
        test_zfull="import resource, signal\n"
        "def test_fill():\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    )
    done = pytester.runpytest_subprocess("--deselect=test_it.py::test_wrong", *reports)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        ["report lost: *x.jsonl cannot be written*", "report lost: *x.html cannot be written*"]
    )
    assert {name: Path(name).read_bytes() for name in before} == before


@pytest.mark.parametrize(
    ("mark", "remedy"),
    [("chek='x'", "takes check=..., not chek"), ("'x'", "takes check=..., not 'x'")],
)
def test_a_misspelt_marker_argument_is_refused(pytester, mark, remedy):
    pytester.makepyfile(f"import pytest\n@pytest.mark.gradcheck({mark})\ndef test_it(): pass")
    done = pytester.runpytest_inprocess()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert remedy in done.stderr.str()
