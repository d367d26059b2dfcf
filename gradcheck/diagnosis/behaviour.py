"""What exact relations found already names a cause."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.result import Case, Diagnosis, Finding, Severity

CAUSES: dict[str, tuple[str, float, str]] = {
    "non-deterministic-forward": (
        "non-deterministic",
        0.99,
        "the forward is random: fix its seed, or pass the random numbers in",
    ),
    "accumulates": (
        "accumulated-twice",
        0.985,
        "the gradient is added to a buffer that is not cleared between calls",
    ),
    "non-deterministic-backward": (
        "non-deterministic",
        0.98,
        "the same call gives different gradients: unset memory, or state kept between calls",
    ),
    "mutates": (
        "mutates-input",
        0.975,
        "the forward or the backward writes into its arguments",
    ),
    "stale-cache": (
        "stale-cache",
        0.97,
        "the backward uses what an earlier call left behind",
    ),
    "buffer-overwritten": (
        "shares-memory",
        0.96,
        "the returned gradient is a buffer that the next call writes into",
    ),
    "shares-memory": (
        "shares-memory",
        0.96,
        "the returned gradient is a view of an argument",
    ),
    "layout": (
        "layout-dependent",
        0.965,
        "memory is read as if it were contiguous",
    ),
    "same-array": (
        "assigned-not-added",
        0.75,
        "an array that is given twice gets the gradient of one of its places",
    ),
    "cotangent-dtype": (
        "low-precision",
        0.9,
        "the gradient is computed in the dtype of the cotangent, not of the input",
    ),
    "dtype": (
        "low-precision",
        0.7,
        "the gradient has another dtype than its input",
    ),
    "narrowed": (
        "low-precision",
        0.9,
        "the gradient goes through float32",
    ),
    "tied": (
        "wrong-at-ties",
        0.8,
        "a tie is credited twice, or not at all",
    ),
    "zero-cotangent": (
        "ignores-cotangent",
        0.62,
        "a term of the gradient is not multiplied by the upstream gradient",
    ),
    "linear": (
        "ignores-cotangent",
        0.55,
        "the gradient is not linear in the upstream gradient",
    ),
    "not-claimed": (
        "missing-gradient",
        0.6,
        "the backward returns no gradient for an input",
    ),
}
"""Names of findings, and the cause each one names, with how surely."""


def named_by_findings(case: Case) -> Iterator[Diagnosis]:
    """One diagnosis per failed relation that is itself a cause."""
    for finding in case.findings:
        cause = cause_of(finding)
        if cause is not None:
            name, fit, sentence = cause
            yield Diagnosis(name, sentence, fit, finding.input, f"relation {finding.name} failed")


def cause_of(finding: Finding) -> tuple[str, float, str] | None:
    """The cause a finding names: an exact name, or the longest known start of it.

    >>> cause_of(Finding("stale-cache", ""))[0]
    'stale-cache'
    >>> cause_of(Finding("a-note", "", Severity.NOTE)) is None
    True
    """
    if finding.severity is not Severity.FAILURE:
        return None
    known = [name for name in CAUSES if finding.name.startswith(name)]
    return CAUSES[max(known, key=len)] if known else None
