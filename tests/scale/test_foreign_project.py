"""The built wheel, in an environment of its own, in a project that knows nothing of this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from gradcheck.report import json_lines

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "foreign_project"
SEED = "--gradcheck-seed=11"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """What would be uploaded, built from a copy of what is committed or soon will be."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def stranger(wheel, tmp_path_factory) -> Path:
    """The interpreter of a fresh environment with the wheel, from the package index."""
    folder = tmp_path_factory.mktemp("stranger") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    done = subprocess.run(
        [*pip, f"gradcheck[html] @ {wheel.as_uri()}", "pytest-xdist"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"the package index cannot be reached: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="session")
def runs(stranger, tmp_path_factory) -> dict[str, subprocess.CompletedProcess[str]]:
    """The project's own test command, on one process, on two, and as two shards."""
    folder = tmp_path_factory.mktemp("project")
    ways = {
        "one": ["-n0"],
        "two": ["-n2"],
        "shard1": ["-n0", "--gradcheck-shard=1/2"],
        "shard2": ["-n2", "--gradcheck-shard=2/2"],
    }
    return {name: test_run(stranger, folder / name, name, flags) for name, flags in ways.items()}


def test_run(python: Path, folder: Path, name: str, flags: list[str]):
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    reports = [f"--gradcheck-report={name}.{kind}" for kind in ("html", "jsonl")]
    command = [python, "-m", "pytest", SEED, *flags, *reports, f"--junitxml={name}.xml"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHON"))}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    done.folder = folder  # type: ignore[attr-defined]
    return done


test_run.__test__ = False  # type: ignore[attr-defined]


def results_of(*runs) -> dict[str, dict]:
    files = {
        str(path): json_lines.read(path) for run in runs for path in run.folder.glob("*.jsonl")
    }
    rows = [row for row in json_lines.merge(files) if row["kind"] == "test"]
    return {row["id"]: {k: v for k, v in row.items() if k != "seconds"} for row in rows}


def test_the_wheel_holds_the_package_and_its_page_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "gradcheck/report/page.html.jinja" in names
    assert "gradcheck/py.typed" in names
    assert {name.split("/")[0] for name in names} == {"gradcheck", f"{wheel.name[:15]}.dist-info"}


@pytest.mark.parametrize("way", ["one", "two"])
def test_the_wrong_gradient_is_found_and_explained(runs, way):
    done = runs[way]
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 5 passed" in done.stdout
    assert "backward of `dense` is wrong for `b`  (x (2, 1), w (1, 1), b (1,))" in done.stdout
    assert "averaged where it must be summed" in done.stdout
    assert "6 tests checked 6 subjects" in done.stdout
    assert "saved: gradcheck replay" in done.stdout
    assert "(seed 11)" in done.stdout


def test_the_report_of_the_stranger_is_right(runs):
    page = (runs["two"].folder / "two.html").read_text().replace("<wbr>", "")
    assert "tests/test_gradients.py::test_dense" in page
    assert "averaged where it must be summed" in page
    assert page.count('class="passed">passed</td>') == 5
    assert len(page.encode()) < 300_000


def test_processes_and_shards_do_not_change_the_results(runs):
    expected = results_of(runs["one"])
    assert len(expected) == 6
    assert results_of(runs["two"]) == expected
    assert results_of(runs["shard1"], runs["shard2"]) == expected
    assert not set(results_of(runs["shard1"])) & set(results_of(runs["shard2"]))


def test_the_command_line_merges_and_replays(runs, stranger):
    command = [stranger, "-m", "gradcheck.cli"]
    shards = [runs[name].folder / f"{name}.jsonl" for name in ("shard1", "shard2")]
    page = runs["one"].folder / "all.html"
    subprocess.run([*command, "report", *shards, "-o", page], check=True, capture_output=True)
    assert "6 tests checked 6 subjects" in page.read_text()
    replayed = subprocess.run(
        [*command, "replay"], cwd=runs["one"].folder, capture_output=True, text=True, check=False
    )
    assert replayed.returncode == 1, replayed.stdout + replayed.stderr
    assert replayed.stdout.startswith("FAILED")


def test_junit_holds_the_counts(runs):
    text = (runs["two"].folder / "two.xml").read_text()
    assert text.count('<property name="gradcheck"') == 6
    assert json.dumps({"examples": 50})[1:-1].replace('"', "&quot;").replace(" ", "") in text
