"""README.md keeps its promises: its examples run, and print what it says they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def block(kind, name):
    """The fenced block that follows a marker."""
    pattern = rf"<!-- {kind}: {name} -->\n```\w*\n(.*?)```"
    return re.search(pattern, README, flags=re.DOTALL)[1]


def command(name):
    return re.search(rf"<!-- {name} command -->\n```sh\n(.*?)\n```", README, flags=re.DOTALL)[1]


def run(arguments, folder):
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )


def pytest_on(folder, name):
    (folder / f"test_{name}.py").write_text(block("example", name), "utf-8")
    options = ["-p", "no:cacheprovider", "--gradcheck-seed", "0", "-o", "gradcheck_cases="]
    return run(["-m", "pytest", "-q", *options], folder)


def without_numbers(line):
    """What stays the same when another version of NumPy or Hypothesis draws other numbers."""
    return re.sub(r"[-+]?\d[\d.]*(e-?\d+)?", "#", line.strip())


def test_the_wrong_gradient_earns_the_message_shown(tmp_path):
    finished = pytest_on(tmp_path, "wrong")
    assert finished.returncode == pytest.ExitCode.TESTS_FAILED
    seen = {without_numbers(line.removeprefix("E ")) for line in finished.stdout.splitlines()}
    first, *rest = block("output", "wrong").splitlines()
    assert any(without_numbers(first) in line for line in seen), finished.stdout
    assert {without_numbers(line) for line in rest if line.strip()} <= seen, finished.stdout


@pytest.mark.parametrize("name", ["properties", "many"])
def test_the_right_properties_pass(tmp_path, name):
    finished = pytest_on(tmp_path, name)
    assert finished.returncode == pytest.ExitCode.OK, finished.stdout


@pytest.mark.parametrize("name", ["checks", "training"])
def test_an_example_runs(tmp_path, name):
    finished = run(["-W", "error", "-c", block("example", name)], tmp_path)
    assert finished.returncode == 0, finished.stderr


def test_every_example_is_run_by_some_test():
    assert set(re.findall(r"<!-- example: (\w+) -->", README)) == {
        "wrong",
        "properties",
        "many",
        "checks",
        "training",
    }


@pytest.mark.parametrize("name", ["verify", "test"])
def test_the_two_commands_are_verbs_of_the_script(name):
    assert command(name) == f"python3 run.py {name}"


def test_the_gate_takes_its_test_command_from_here():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "<!-- test command -->" in script
    assert "run.py test" not in script


@pytest.mark.parametrize("link", re.findall(r"\]\((docs/[\w.-]+)\)", README))
def test_a_page_that_is_linked_exists(link):
    assert (ROOT / link).is_file()


def test_the_first_screen_shows_what_it_is_an_error_and_the_two_commands():
    first = README.split("\n## ")[0]
    assert all(text in first for text in ("output: wrong", command("verify"), command("test")))
    assert len(first.splitlines()) <= 75


def test_the_index_lists_every_page():
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "index.md").read_text("utf-8"))
    assert set(listed) == pages
