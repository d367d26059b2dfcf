"""Files of results: what is written can be read, merged in any order, and never lost."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.errors import InvalidArgument
from gradcheck.report import html, json_lines, render
from tests.report import samples

TEXTS = st.text(st.characters(codec=None))


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json_lines.encode(row) + "\n" for row in rows), encoding="ascii")
    return path


def test_rows_come_back_as_they_were(tmp_path):
    rows = samples.run_rows()
    assert json_lines.read(write(tmp_path / "x.jsonl", rows)) == json.loads(json.dumps(rows))


def test_a_page_is_the_same_before_and_after_the_file(tmp_path):
    """Names stand in the order of the function's arguments, not of the alphabet."""
    rows = samples.run_rows()
    page = html.page(rows)
    assert "smallest case found: x (2, 1), w (1, 1), b (1,)" in page
    assert html.page(json_lines.read(write(tmp_path / "x.jsonl", rows))) == page


@given(TEXTS)
def test_any_text_becomes_one_line_of_ascii(text):
    line = json_lines.encode({"kind": "test", "id": text})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["id"] == text


def test_numbers_that_json_lacks_are_never_written():
    with pytest.raises(ValueError, match="JSON"):
        json_lines.encode({"kind": "test", "x": float("nan")})


def test_a_torn_last_line_is_dropped(tmp_path):
    path = write(tmp_path / "x.jsonl", samples.run_rows())
    whole = path.read_bytes()
    last = len(whole.splitlines()[-1])
    for cut in range(1, last, 7):
        path.write_bytes(whole[: -cut - 1])
        assert len(json_lines.read(path)) == len(samples.run_rows()) - 1


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = write(tmp_path / "x.jsonl", samples.run_rows())
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[2][:40] + "\n", *lines[3:]]))
    with pytest.raises(InvalidArgument, match=r"x\.jsonl, line 3 is not JSON"):
        json_lines.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no results"),
        (b"\n\n", "holds no results"),
        (b'{"kind":"test","id":"x"}\n', "does not start with a header"),
        (
            b'{"kind":"run","format":99,"gradcheck":"8.1"}\n',
            r"format 99, written by gradcheck 8\.1",
        ),
        (b'{"kind":"run","format":"new"}\n', "header without a format"),
        (b'{"kind":7}\n', "not a gradcheck result"),
        (b"[]\n", "not a gradcheck result"),
        (b"\xff\xfe\x00", "is not text"),
        (b"[" * 100_000 + b"\n", "is not JSON"),
        (b"PK\x03\x04\n", "is not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path, content, message):
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=message):
        json_lines.read(path)


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(InvalidArgument, match="No such file"):
        json_lines.read(tmp_path / "x.jsonl")


def test_unknown_fields_of_a_later_version_are_kept(tmp_path):
    header = {**samples.HEADER, "added later": [1]}
    (row,) = json_lines.read(write(tmp_path / "x.jsonl", [header]))
    assert row["added later"] == [1]


# ----------------------------------------------------------------------------------------- merging


def shards() -> dict[str, list[dict]]:
    results = [row for row in samples.run_rows() if row["kind"] == "test"]
    parts = {}
    for i in range(3):
        header = {**samples.HEADER, "shard": f"{i + 1}/3", "started": f"2026-01-0{i + 1}"}
        parts[f"{i}.jsonl"] = [header, *results[i::3], {"kind": "end", "exitstatus": 0}]
    return parts


def test_merging_does_not_depend_on_the_order_of_the_files():
    parts = shards()
    merged = [json_lines.merge(dict(order)) for order in itertools.permutations(parts.items())]
    assert all(other == merged[0] for other in merged)
    assert len(merged[0]) == 3 + 7


def test_of_two_runs_of_a_test_the_later_one_counts():
    old = [{**samples.HEADER, "started": "2026-01-01"}, samples.row("t", "failed")]
    new = [{**samples.HEADER, "started": "2026-01-02"}, samples.row("t", "passed")]
    for files in ({"a": old, "b": new}, {"a": new, "b": old}, {"a": old + new}):
        merged = json_lines.merge(files)
        assert [row["outcome"] for row in merged if row["kind"] == "test"] == ["passed"]


def test_merged_files_can_be_merged_again(tmp_path):
    parts = shards()
    whole = json_lines.merge(parts)
    first = json_lines.merge({k: parts[k] for k in ("0.jsonl", "1.jsonl")})
    render.write(tmp_path / "first.jsonl", first)
    again = {"first": json_lines.read(tmp_path / "first.jsonl"), "2.jsonl": parts["2.jsonl"]}
    assert json_lines.merge(again) == whole


def test_a_merged_header_says_how_its_run_ended():
    run, end = samples.HEADER, {"kind": "end", "exitstatus": 1, "tests": 1}
    finished = [run, samples.row("a", "passed"), end]
    killed = [{**run, "shard": "2/2"}, samples.row("b", "passed")]
    merged = json_lines.merge({"f": finished, "k": killed})
    assert {row["shard"]: row["exitstatus"] for row in merged[:2]} == {"1/1": 1, "2/2": None}
    assert json_lines.merge({"merged": merged}) == merged
    assert "A run was interrupted" in html.page(merged)
    assert "A run was interrupted" not in html.page(json_lines.merge({"f": finished}))
    campaign = [{**run, "kind": "campaign"}]
    assert json_lines.merge({"c": campaign}) == campaign


# ----------------------------------------------------------------------------------------- keeping


def test_a_journal_shows_nothing_until_it_is_published(tmp_path):
    target = tmp_path / "x.jsonl"
    journal = json_lines.Journal(target, samples.HEADER)
    journal.append(samples.row("t", "passed"))
    assert not target.exists()
    assert len(json_lines.read(journal.aside)) == 2
    journal.publish()
    assert len(json_lines.read(target)) == 2
    assert list(tmp_path.iterdir()) == [target]


def test_a_journal_goes_after_what_was_there(tmp_path):
    target = tmp_path / "x.jsonl"
    for name in ("a", "b"):
        journal = json_lines.Journal(target, samples.HEADER)
        journal.append(samples.row(name, "passed"))
        journal.publish()
    assert [row.get("id") for row in json_lines.read(target)] == [None, "a", None, "b"]


def test_two_journals_at_once_both_arrive(tmp_path, monkeypatch):
    target = tmp_path / "x.jsonl"
    first = json_lines.Journal(target, samples.HEADER)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    second = json_lines.Journal(target, samples.HEADER)
    first.append(samples.row("a", "passed"))
    second.append(samples.row("b", "passed"))
    first.publish()
    second.publish()
    assert {row.get("id") for row in json_lines.read(target)} == {None, "a", "b"}


def test_a_discarded_journal_leaves_no_trace(tmp_path):
    json_lines.Journal(tmp_path / "x.jsonl", samples.HEADER).discard()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["html", "json"])
def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, suffix):
    target = tmp_path / f"x.{suffix}"
    render.write(target, samples.run_rows())
    before = target.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidArgument, match="No space left on device"):
        render.write(target, [samples.HEADER])
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match=r"\.html, \.json or \.jsonl"):
        render.write(tmp_path / "x.txt", samples.run_rows())


def test_what_was_written_may_be_replaced(tmp_path):
    for suffix in ("html", "json", "jsonl"):
        target = tmp_path / f"x.{suffix}"
        render.write(target, samples.run_rows())
        json_lines.require_ours(target)
