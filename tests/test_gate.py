"""The way in: run.py sets up once, and .ci/run fails when anything it runs fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import run

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment that looks installed, and a list of what would be installed into it."""
    installed = []
    interpreter = tmp_path / "bin" / "python"
    interpreter.parent.mkdir()
    interpreter.touch()
    monkeypatch.setattr(run, "VENV", tmp_path)
    monkeypatch.setattr(run, "STAMP", tmp_path / "installed.json")
    monkeypatch.setattr(run, "python", lambda: interpreter)
    monkeypatch.setattr(run, "create_environment", lambda: installed.append("environment"))
    monkeypatch.setattr(run, "pip", lambda *arguments: installed.append(arguments[-1]))
    return installed


def test_an_environment_is_set_up_once(environment):
    run.install("test")
    run.install("test")
    assert environment == ["environment", f"{ROOT}[test]"]


def test_the_linters_are_added_to_what_is_there(environment):
    run.install("test")
    run.install("dev")
    run.install("test")
    assert environment == ["environment", f"{ROOT}[test]", f"{ROOT}[dev]"]


def test_a_changed_project_is_installed_again(environment, monkeypatch):
    run.install("test")
    monkeypatch.setattr(run, "project_digest", lambda: "another")
    run.install("test")
    assert environment == ["environment", f"{ROOT}[test]", f"{ROOT}[test]"]


def test_another_python_gets_another_environment(environment):
    run.install("test")
    run.STAMP.write_text(json.dumps({**json.loads(run.STAMP.read_text()), "python": "3.10"}))
    run.install("test")
    assert environment == ["environment", f"{ROOT}[test]"] * 2


def test_an_installation_cut_short_is_begun_again(environment):
    run.install("test")
    run.STAMP.write_text('{"python": "3.')
    run.install("test")
    assert environment == ["environment", f"{ROOT}[test]"] * 2


def test_an_old_python_is_told_what_is_needed(monkeypatch):
    monkeypatch.setattr(run, "OLDEST", (99, 0))
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"gradcheck needs 99.0 or newer"):
        run.use_a_new_enough_python()


@pytest.mark.parametrize("arguments", [[], ["tset"], ["--help"]])
def test_an_unknown_verb_shows_the_verbs(arguments, capsys):
    assert run.main(arguments) == 2
    assert "verify" in capsys.readouterr().err


def test_the_exit_code_of_what_was_run_comes_back(monkeypatch):
    monkeypatch.setattr(run, "python", lambda: sys.executable)
    assert run.in_environment(["-c", "raise SystemExit(3)"]) == 3


def test_workers_have_one_thread_each(monkeypatch):
    monkeypatch.setattr(run, "python", lambda: sys.executable)
    for name in run.ONE_THREAD:
        monkeypatch.delenv(name, raising=False)
    assert run.in_environment(["-c", "import os; assert os.environ['OMP_NUM_THREADS'] == '1'"]) == 0


STAND_IN = """#!/bin/sh
echo "$@" >> calls
case "$2" in
    lint) exit ${LINT:-0} ;;
    test) exit ${TEST:-0} ;;
esac
"""


@pytest.fixture
def gate(tmp_path):
    """The gate in a folder of its own, with a stand-in for the interpreter."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    shutil.copy(ROOT / "README.md", tmp_path / "README.md")
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("python3", "chromium", "redis-server"):
        (commands / name).write_text(STAND_IN)
        (commands / name).chmod(0o755)

    def call(**codes):
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, **codes}
        finished = subprocess.run(
            ["bash", ".ci/run"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        calls = tmp_path / "calls"
        return finished.returncode, calls.read_text().splitlines() if calls.exists() else []

    return call


def test_the_gate_lints_and_runs_the_test_command_of_the_readme(gate):
    assert gate() == (0, ["run.py lint", "run.py test"])


def test_the_gate_fails_where_a_linter_fails_but_runs_the_tests(gate):
    assert gate(LINT="1") == (1, ["run.py lint", "run.py test"])


def test_the_gate_fails_where_a_test_fails(gate):
    assert gate(TEST="5") == (5, ["run.py lint", "run.py test"])


def test_the_gate_fails_without_a_test_command(gate, tmp_path):
    (tmp_path / "README.md").write_text("# gradcheck\n")
    assert gate() == (1, [])
