"""Count: what a stream of results amounts to, small enough to travel and merged in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gradcheck.result import CheckResult, Comparison, Local, TrainingResult, Verdict

Entry = dict[str, Any]
Tally = dict[str, Entry]
"""Subject name to its counts; see `empty_entry`."""

SUMS = (
    "examples",
    "correct",
    "wrong",
    "inconclusive",
    "probes",
    "kinks",
    "forwards",
    "backwards",
    "epochs",
)
MAX_NAME = 200
"""Characters kept of a name: names are chosen by strangers and a tally must stay small."""
MAX_SUBJECTS = 100
"""Subjects that one test counts by name: a test may draw a new one for every example."""
OTHERS = "(other subjects)"
MAX_FINDINGS = 50
"""Distinct finding names kept per subject, for the same reason."""


def empty_entry() -> Entry:
    """Counts of a subject that was never checked: the neutral element of `merge_entries`."""
    return {**dict.fromkeys(SUMS, 0), "findings": {}, "worst": None}


def count(tally: Tally, result: CheckResult | TrainingResult) -> None:
    """Add one result to a tally, in place.

    >>> tally = {}
    >>> count(tally, CheckResult("dense", Verdict.CORRECT))
    >>> count(tally, CheckResult("dense", Verdict.WRONG))
    >>> tally["dense"]["examples"], tally["dense"]["wrong"]
    (2, 1)
    """
    name = subject_name(result)
    if name not in tally and len(tally) >= MAX_SUBJECTS:
        name = OTHERS
    tally[name] = merge_entries(tally.get(name, empty_entry()), _entry_of(result))


def merge(tallies: Iterable[Tally]) -> Tally:
    """One tally of many; the order does not matter.

    >>> one, two = {}, {}
    >>> count(one, CheckResult("dense", Verdict.CORRECT))
    >>> count(two, CheckResult("tanh", Verdict.CORRECT))
    >>> merge([one, two]) == merge([two, one])
    True
    """
    merged: Tally = {}
    for tally in tallies:
        for name, entry in tally.items():
            merged[name] = merge_entries(merged.get(name, empty_entry()), entry)
    return dict(sorted(merged.items()))


def total(tally: Tally) -> Entry:
    """All subjects of a tally as one entry."""
    entry = empty_entry()
    for other in tally.values():
        entry = merge_entries(entry, other)
    return entry


def merge_entries(left: Entry, right: Entry) -> Entry:
    """Counts added, findings added, the worse of the two worst comparisons."""
    merged: Entry = {name: left[name] + right[name] for name in SUMS}
    merged["findings"] = _added(left["findings"], right["findings"])
    merged["worst"] = max((left["worst"], right["worst"]), key=_badness)
    return merged


def subject_name(result: CheckResult | TrainingResult) -> str:
    """The name a result is counted under."""
    if isinstance(result, TrainingResult):
        return str(result.trace.metadata.get("name", "training"))[:MAX_NAME]
    return result.subject[:MAX_NAME]


def finite_or_name(value: float) -> float | str:
    """A float, or the name of what JSON has no number for.

    >>> finite_or_name(0.5), finite_or_name(float("inf"))
    (0.5, 'inf')
    """
    value = float(value)
    return value if math.isfinite(value) else repr(value)


def _entry_of(result: CheckResult | TrainingResult) -> Entry:
    entry = empty_entry()
    entry["examples"] = 1
    entry[result.verdict.name.lower()] = 1
    for finding in result.findings:
        entry["findings"] = _added(entry["findings"], {finding.name[:MAX_NAME]: 1})
    if isinstance(result, TrainingResult):
        return {**entry, "epochs": len(result.trace.losses)}
    return {**entry, **_probed(result)}


def _probed(result: CheckResult) -> Entry:
    telling = (_worst(item) for item in result.comparisons if _is_telling(item))
    worst = max(telling, key=_badness, default=None)
    return {
        "probes": len(result.comparisons),
        "kinks": int(result.kinks),
        "forwards": int(result.evaluations.forwards),
        "backwards": int(result.evaluations.backwards),
        "worst": worst,
    }


def _worst(comparison: Comparison) -> Entry:
    return {
        "path": comparison.path[:MAX_NAME],
        "verdict": comparison.verdict.name,
        "claimed": finite_or_name(comparison.claimed),
        "estimate": finite_or_name(comparison.estimate.value),
        "difference": finite_or_name(comparison.difference),
        "limit": finite_or_name(comparison.limit),
        "excess": finite_or_name(_excess(comparison)),
    }


def _is_telling(comparison: Comparison) -> bool:
    """Whether the difference stands beside the limit that decided.

    At a kink, and where differences drown in noise, a right claim may lie far from the estimate:
    other evidence decided.
    """
    if comparison.verdict is not Verdict.CORRECT:
        return True
    estimate = comparison.estimate
    return estimate.local is Local.SMOOTH and estimate.error <= comparison.limit


def _excess(comparison: Comparison) -> float:
    """How many limits the difference is long; nan where that has no meaning."""
    if comparison.limit > 0:
        return comparison.difference / comparison.limit
    return 0.0 if comparison.difference == 0 else math.inf


def _badness(worst: Entry | None) -> tuple[Any, ...]:
    """Total order of worst comparisons: no tie is left to the order of arrival."""
    if worst is None:
        return (0,)
    excess = float(worst["excess"])
    rank = -1.0 if math.isnan(excess) else excess
    values = tuple(str(worst[name]) for name in ("path", "claimed", "estimate", "limit"))
    return (1, _SEVERITY[worst["verdict"]], rank, *values)


_SEVERITY = {Verdict.CORRECT.name: 1, Verdict.INCONCLUSIVE.name: 0, Verdict.WRONG.name: 2}


def _added(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    names = sorted({*left, *right})[:MAX_FINDINGS]
    return {name: left.get(name, 0) + right.get(name, 0) for name in names}
