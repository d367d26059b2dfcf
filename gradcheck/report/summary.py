"""Summarise: the rows of a run as the few lines a terminal shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gradcheck.report.evidence import shortened
from gradcheck.report.tally import Entry, Tally, merge, total
from gradcheck.report.terminal import counted, printable

Row = dict[str, Any]

MAX_LINES = 20
"""Failing tests listed: the rest is in the report."""
SLOWEST = 3
MAX_ID = 120
FAILED = ("failed", "error", "crashed", "xpassed", "WRONG", "ERROR")
"""Outcomes of tests and verdicts of cases that a reader must see first."""


def summary_lines(rows: list[Row], seed: int | None = None) -> Iterator[str]:
    """Subjects, examples, probes, kinks, inconclusives, the worst error, the slowest, the failed.

    >>> list(summary_lines([], seed=7))
    ['0 tests checked 0 subjects: 0 examples, 0 probes, 0 kinks certified (seed 7)']
    """
    tally = merge(row["tally"] for row in rows)
    yield headline(rows, tally) + (f" (seed {seed})" if seed is not None else "")
    everything = total(tally)
    if everything["inconclusive"]:
        yield f"inconclusive {counted(everything['inconclusive'], 'example')}"
    worst = worst_of(rows)
    if worst:
        yield f"worst        {worst}"
    if rows:
        yield f"slowest      {', '.join(_slow(row) for row in slowest(rows))}"
    yield from _listed(rows)


def as_tests(rows: Iterable[Row]) -> list[Row]:
    """The tests and cases among ``rows``, cases in the shape of tests."""
    return [
        row if row["kind"] == "test" else _as_test(row)
        for row in rows
        if row["kind"] in ("test", "case")
    ]


def _as_test(case: Row) -> Row:
    result = case["result"]
    return {
        "kind": "case",
        "id": f"{case['spec']['subject']} · seed {case['spec']['seed']}",
        "outcome": result["verdict"],
        "seconds": case["seconds"],
        "tally": result["tally"],
        "evidence": result["evidence"],
        "error": result["error"],
    }


def headline(rows: list[Row], tally: Tally) -> str:
    """The counts of a run in one line."""
    entry = total(tally)
    unit = "case" if any(row["kind"] == "case" for row in rows) else "test"
    return (
        f"{counted(len(rows), unit)} checked {counted(len(tally), 'subject')}: "
        f"{counted(entry['examples'], 'example')}, {counted(entry['probes'], 'probe')}, "
        f"{counted(entry['kinks'], 'kink')} certified"
    )


def worst_of(rows: list[Row]) -> str:
    """The worst error of a run beside its limit, or ``""``.

    A test that passed although a claim was wrong had expected that: it does not count.
    """
    tally = merge(row["tally"] for row in rows if not found_what_it_expected(row))
    worst = total(tally)["worst"]
    if worst is None:
        return ""
    return _worst_line(next(name for name, e in tally.items() if e["worst"] == worst), worst)


def found_what_it_expected(row: Row) -> bool:
    """Whether a test passed, or was expected to fail, with a claim that is wrong."""
    return row["outcome"] in ("passed", "xfailed") and total(row["tally"])["wrong"] > 0


def _worst_line(subject: str, worst: Entry) -> str:
    name = printable(f"{shortened(subject, MAX_ID)}, {worst['path']}")
    return (
        f"{name}: error {_short(worst['difference'])}, limit {_short(worst['limit'])} "
        f"({worst['verdict']}: claimed {_short(worst['claimed'])}, "
        f"estimated {_short(worst['estimate'])})"
    )


def slowest(rows: Iterable[Row]) -> list[Row]:
    """The rows that took longest, longest first."""
    return sorted(rows, key=lambda row: (-row["seconds"], row["id"]))[:SLOWEST]


def _slow(row: Row) -> str:
    return f"{row['seconds']:.2f} s {printable(shortened(row['id'], MAX_ID))}"


def _listed(rows: list[Row]) -> Iterator[str]:
    failed = [row for row in rows if row["outcome"] in FAILED]
    for row in failed[:MAX_LINES]:
        yield f"{row['outcome']:<12} {printable(shortened(row['id'], MAX_ID))}{_cause(row)}"
    if len(failed) > MAX_LINES:
        yield f"and {len(failed) - MAX_LINES} more failed"


def _cause(row: Row) -> str:
    """The best diagnosis, else the first failing fact, of what a test kept."""
    for item in reversed(row["evidence"]):
        facts = [*item["diagnoses"], *item["findings"]]
        sentences = [fact.get("sentence") or fact.get("message", "") for fact in facts]
        if sentences:
            return f": {printable(shortened(sentences[0], 160))}"
    error: str = row.get("error", "").partition("\n")[0]
    return f": {printable(shortened(error, 160))}" if error else ""


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
