"""Writes docs/diagnosis.md: what is said of every bug of the corpus.

Run ``python -m tests.diagnosis.write_page`` from the root of the repository.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import gradcheck
from gradcheck.diagnosis import DIAGNOSES
from gradcheck.result import Verdict
from tests.corpus.test_corpus import SHIPPED, TWINS
from tests.corpus.twin import bind, inputs_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "diagnosis.md"

HEAD = """# Likely causes

Written by `python -m tests.diagnosis.write_page`; do not edit by hand.

A check that fails looks for the cause: small, independent hypotheses read the claimed and the
estimated entries, the inputs, the output and the cotangent. None of them calls the function, none
changes the verdict. Each says how well it fits, and what its evidence is; where none fits well,
nothing is said: a wrong cause costs its reader more than none.

The fit is between 0 and 1: how much of what was measured a hypothesis explains, less what so few
entries would let any hypothesis explain. In a property test larger failing points that were met on
the way are heard too, as the smallest one is the worst witness: at `x = 0` and `n = 1` a missing
factor, a wrong sign and a lost sum look alike.

## The causes that have a name

| name | what it means |
|---|---|
"""

MEASURED = """
## How often it is right

Every bug of the corpus is a function with a right and a wrong backward. The wrong one is checked at
one point where it is wrong; "expected" are the names that are true of it, the best first. The right
one is checked at the same point: it must not get a diagnosis.

| | bugs | right cause | no cause | wrong cause |
|---|---|---|---|---|
"""

TABLE = """
| bug | what is wrong | expected | said |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """What was said of one bug."""

    twin: object
    verdict: Verdict
    said: str

    @property
    def outcome(self):
        if not self.said:
            return "no cause"
        return "right cause" if self.said in self.twin.diagnosis else "wrong cause"


def said_of(twin, pair):
    """Verdict and first diagnosis of one half of a twin at its bug point."""
    point = twin.bug_point()
    forward, backward = bind(pair, point)
    result = gradcheck.check_vjp(forward, backward, inputs_of(point))
    return result.verdict, result.diagnoses[0].name if result.diagnoses else ""


def rows():
    """What is said of the wrong half of every twin."""
    return [Row(twin, *said_of(twin, twin.wrong())) for twin in TWINS]


def page(found):
    """The text of the page."""
    causes = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in DIAGNOSES.items())
    shipped = [row for row in found if row.twin in SHIPPED]
    others = [row for row in found if row.twin not in SHIPPED]
    counts = _count("bugs that shipped", shipped) + _count("bugs of our own making", others)
    lines = "".join(_line(row) for row in found)
    return HEAD + causes + MEASURED + counts + _count("all", found) + TABLE + lines


def _count(what, found):
    kinds = ("right cause", "no cause", "wrong cause")
    numbers = [sum(row.outcome == kind for row in found) for kind in kinds]
    shares = [f"{number} ({100 * number / len(found):.0f} %)" for number in numbers]
    return f"| {what} | {len(found)} | {' | '.join(shares)} |\n"


def _line(row):
    expected = ", ".join(f"`{name}`" for name in row.twin.diagnosis)
    said = f"`{row.said}`" if row.said else "–"
    mark = {"right cause": "", "no cause": "", "wrong cause": " ✗"}[row.outcome]
    if row.verdict is not Verdict.WRONG:
        said = f"– ({row.verdict.name} at this point)"
    bug = row.twin.bug.replace("|", "\\|")
    return f"| {row.twin.id} | {bug} | {expected} | {said}{mark} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(rows()), "utf-8")
    sys.stdout.write(f"{PAGE}\n")
