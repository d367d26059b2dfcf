"""The command line merges, shows, and refuses with a remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck
from gradcheck import cli
from gradcheck.report import json_lines, render
from tests.report import samples


@pytest.fixture
def two_shards(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    results = [row for row in samples.run_rows() if row["kind"] == "test"]
    for i in (1, 2):
        header = {**samples.HEADER, "shard": f"{i}/2"}
        render.write(Path(f"{i}.jsonl"), [header, *results[i - 1 :: 2]])
    return ["1.jsonl", "2.jsonl"]


def test_files_are_merged_into_one_page(two_shards, capsys):
    assert cli.main(["report", *two_shards, "-o", "all.html", "-o", "all.jsonl"]) == 0
    assert "report written to all.html" in capsys.readouterr().out
    page = Path("all.html").read_text()
    assert "7 tests checked 7 subjects" in page
    assert "Shards missing" not in page
    assert len(json_lines.read("all.jsonl")) == 2 + 7


def test_the_order_of_the_files_does_not_matter(two_shards):
    cli.main(["report", *two_shards, "-o", "a.html"])
    cli.main(["report", *reversed(two_shards), "-o", "b.html"])
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_without_an_output_a_summary_is_printed(two_shards, capsys):
    assert cli.main(["report", *two_shards]) == 0
    out = capsys.readouterr().out
    assert out.startswith("7 tests checked 7 subjects: 7 examples")
    assert "failed       tests/test_layers.py::test_big: claimed = estimate / 2" in out


@pytest.mark.parametrize("output", [[], ["-o", "all.html"]])
@pytest.mark.parametrize("damaged", ["worst", "evidence", "seconds"])
def test_damaged_results_are_no_crash(two_shards, output, damaged, capsys):
    header, row, *_ = json_lines.read("1.jsonl")
    (entry,) = row["tally"].values()
    row["id"] = "another test"
    changed = {
        "worst": {**row, "tally": {"dense": {**entry, "worst": {"path": "b"}}}},
        "evidence": {**row, "evidence": [{"verdict": "WRONG"}]},
        "seconds": {**row, "seconds": "long"},
    }
    lines = [json_lines.encode(line) + "\n" for line in (header, changed[damaged])]
    Path("damaged.jsonl").write_text("".join(lines))
    assert cli.main(["report", *two_shards, "damaged.jsonl", *output]) == 2
    said = capsys.readouterr().err
    assert "a result cannot be shown" in said or "damaged.jsonl holds a test without" in said
    assert not Path("all.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl"], "missing.jsonl cannot be read"),
        (["1.jsonl", "-o", "all.txt"], ".html, .json or .jsonl"),
        (["1.jsonl", "-o", "missing/all.html"], "create it"),
        (["1.jsonl", "-o", "notes.html"], "was not written by gradcheck"),
        (["notes.html"], "is not"),
        (["newer.jsonl"], "upgrade gradcheck"),
    ],
)
def test_what_cannot_be_done_is_told(two_shards, arguments, message, capsys):
    Path("notes.html").write_text("my notes\n")
    Path("newer.jsonl").write_text('{"kind":"run","format":2}\n')
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert cli.main(["report", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_without_a_command_the_overview_is_shown(capsys):
    assert cli.main([]) == 2
    said = capsys.readouterr().err
    for name in ("report", "replay", "campaign"):
        assert f"  gradcheck {name} " in said
    assert "tests are run by pytest" in said


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"gradcheck {gradcheck.__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["report"], ["campaign"]])
def test_an_incomplete_command_shows_its_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "usage: gradcheck" in said
    assert "choose from 'report', 'replay', 'campaign'" in said or "are required" in said


def test_help_imports_nothing_heavy():
    code = (
        "import sys, gradcheck.cli\n"
        "try: gradcheck.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'hypothesis', 'pytest', 'jinja2', 'distributed'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
