"""docs/training.md keeps its promises: its examples run, and every name is one that is given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradcheck.training import verdict
from gradcheck.training.promises import Promises

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text("utf-8")
NO_NAME = {"held-out", "trust-ncg", "accumulated-twice", "constant-factor", "sign-flipped"}
"""Hyphenated words of the source that name neither a finding nor a cause of a training."""


def block(kind, name):
    return re.search(rf"<!-- {kind}: {name} -->\n```\w*\n(.*?)```", PAGE, flags=re.DOTALL)[1]


def without_numbers(text):
    """What stays the same where another NumPy rounds differently."""
    return re.sub(r"\d[\d.]*", "#", text)


def table(heading):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([\w-]+)", " ".join(rows)))


def test_the_loop_trains_and_its_windows_show_the_wrong_gradient(capsys):
    scope = {}
    exec(block("example", "step"), scope)
    exec(block("example", "windows"), scope)
    shown = without_numbers(capsys.readouterr().out)
    assert shown.startswith(without_numbers(block("output", "windows")))


def test_the_property_passes():
    scope = {"__name__": "page"}
    exec(block("example", "property"), scope)
    scope["test_ridge"]()


def test_every_name_that_is_given_is_on_the_page_and_no_other():
    rooms = Path(verdict.__file__).parent.glob("*.py")
    words = {w for room in rooms for w in re.findall(r'"([a-z]+(?:-[a-z]+)+)"', room.read_text())}
    listed = table("Findings") | table("Likely causes")
    assert listed - {"plateau"} == words - NO_NAME


@pytest.mark.parametrize("promise", sorted(table("Promises")))
def test_a_promise_on_the_page_can_be_made(promise):
    assert promise in Promises.__dataclass_fields__
