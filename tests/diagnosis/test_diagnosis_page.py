"""docs/diagnosis.md says what is said today, and that is right often enough."""

from __future__ import annotations

import pytest

from tests.corpus.test_corpus import TWINS
from tests.diagnosis.write_page import PAGE, page, rows, said_of

SILENT_RIGHT = [twin for twin in TWINS if twin.id != "val-maxfp16"]  # 70000 entries, seconds


@pytest.fixture(scope="module")
def found():
    return rows()


def test_the_page_is_what_the_script_writes(found):
    assert PAGE.read_text("utf-8") == page(found)


def test_at_least_four_in_five_get_their_cause(found):
    assert sum(row.outcome == "right cause" for row in found) >= 0.8 * len(found)


def test_at_most_one_in_fifty_gets_a_wrong_one(found):
    wrong = [row.twin.id for row in found if row.outcome == "wrong cause"]
    assert len(wrong) <= 0.02 * len(found), wrong


@pytest.mark.parametrize("twin", SILENT_RIGHT, ids=[twin.id for twin in SILENT_RIGHT])
def test_the_right_twin_gets_no_cause(twin):
    _, said = said_of(twin, twin.right())
    assert said == ""
