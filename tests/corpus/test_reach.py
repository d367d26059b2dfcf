"""One honest line per function finds its bug; ``python -m tests.corpus.reach`` measures more."""

from __future__ import annotations

import pytest

from gradcheck.errors import GradientMismatch
from gradcheck.recording import RunSettings, running_with
from tests.corpus.reach import line, right_items
from tests.corpus.test_corpus import TWINS

OUT_OF_REACH = {
    "val-maxfp16": "65,505 tied entries: no honest line asks for arrays of that size",
    "logsigmoid-cancels": "0 for a slope of 1e-17: seen where no entry has an ordinary slope",
    "expm1-quotient": "wrong below 1e-9 only: drowned where any other entry is of ordinary size",
}
"""Looked for at the point of the bug only, in test_checks.py."""

EXAMPLES = 20
"""Of each right twin: fewer than the profile's, to keep the gate short."""

REACHED = [twin for twin in TWINS if twin.id not in OUT_OF_REACH]
RIGHT = list(right_items())


@pytest.mark.parametrize("twin", REACHED, ids=[twin.id for twin in REACHED])
def test_one_line_finds_the_bug(twin):
    # Under the settings of no run: its seed would draw other examples each time.
    with running_with(RunSettings()), pytest.raises(GradientMismatch):
        line(twin.wrong(), twin.arguments, 0)()


@pytest.mark.parametrize(("pair", "arguments"), [r[1:] for r in RIGHT], ids=[r[0] for r in RIGHT])
def test_one_line_acquits_the_right_code(pair, arguments):
    with running_with(RunSettings(examples=EXAMPLES)):
        line(pair(), arguments, 0)()


def test_at_most_three_bugs_are_out_of_reach():
    assert len(OUT_OF_REACH) <= 3
