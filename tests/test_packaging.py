"""What is put into the wheel and the source archive: the package, all of it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

pytest.importorskip("build", reason="the build front end is not installed")
pytest.importorskip("hatchling", reason="the build back end is not installed")

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def build(kind, folder):
    # Without isolation: the back end is the installed one, and nothing is downloaded.
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", folder]
    finished = subprocess.run([*command, ROOT], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (archive,) = Path(folder).iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        yield archive


def files_of_the_package():
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "gradcheck").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"gradcheck", f"gradcheck-{PROJECT['version']}.dist-info"}


def test_the_wheel_holds_every_file_of_the_package(wheel):
    packed = {name for name in wheel.namelist() if name.startswith("gradcheck/")}
    assert packed == files_of_the_package()


def test_the_wheel_is_typed(wheel):
    assert "gradcheck/py.typed" in wheel.namelist()


def test_the_wheel_registers_plugin_and_command(wheel):
    entry_points = wheel.read(f"gradcheck-{PROJECT['version']}.dist-info/entry_points.txt").decode()
    assert "[pytest11]\ngradcheck = gradcheck.pytest_plugin" in entry_points
    assert "[console_scripts]\ngradcheck = gradcheck.cli:main" in entry_points


def test_every_entry_point_leads_somewhere():
    groups = [*PROJECT["entry-points"].values(), PROJECT["scripts"]]
    targets = [target for group in groups for target in group.values()]
    for target in targets:
        module = target.partition(":")[0].replace(".", "/")
        assert (ROOT / f"{module}.py").exists() or (ROOT / module / "__init__.py").exists(), target


def test_the_wheel_needs_only_the_core(wheel):
    metadata = wheel.read(f"gradcheck-{PROJECT['version']}.dist-info/METADATA").decode()
    required = HeaderParser().parsestr(metadata).get_all("Requires-Dist")
    core = {line.split(">")[0] for line in required if "extra ==" not in line}
    assert core == {"numpy", "scipy", "hypothesis", "pytest"}


def test_the_readme_is_the_description(wheel):
    metadata = wheel.read(f"gradcheck-{PROJECT['version']}.dist-info/METADATA").decode()
    message = HeaderParser().parsestr(metadata)
    assert message["Description-Content-Type"] == "text/markdown"
    assert message.get_payload().strip() == (ROOT / "README.md").read_text("utf-8").strip()


@pytest.mark.parametrize(
    "needed",
    [
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "conftest.py",
        "run.py",
        "gradcheck/__init__.py",
        "models/__init__.py",
        "losses/__init__.py",
        "tests/test_architecture.py",
        "docs/architecture.md",
    ],
)
def test_the_source_archive_can_be_tested(sdist, needed):
    assert f"gradcheck-{PROJECT['version']}/{needed}" in sdist.getnames()


def test_the_source_archive_holds_no_leftovers(sdist):
    leftovers = {"__pycache__", ".hypothesis", ".pytest_cache", ".git", ".venv-run", ".gradcheck"}
    parts = {part for name in sdist.getnames() for part in name.split("/")}
    assert parts.isdisjoint(leftovers)
