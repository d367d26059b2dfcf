"""Which bug a failure is of: two bugs of one function are two exception types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck.errors import GradientMismatch, mismatch_type
from gradcheck.result import CheckResult, Severity, Verdict
from gradcheck.strategies.case import Case

OF_THE_GRADIENT = {"tied-entries", "tied-inputs"}
"""Findings that tell of a wrong gradient, though no comparison at the drawn point does."""


def kinds_of(result: CheckResult, case: Case) -> list[type[GradientMismatch]]:
    """One exception type per wrong input and cause, so that two bugs are shrunk as two."""
    if case.subject is not None:
        return [mismatch_type("drawn subject", "")]  # its inputs mean something else every time
    wrong = [c for c in result.comparisons if c.verdict is Verdict.WRONG]
    causes = [("gradient" if np.isfinite(c.claimed) else "non-finite", c.input) for c in wrong]
    inputs = {name for _, name in causes}
    failures = [f for f in result.findings if f.severity is Severity.FAILURE]
    causes += [("gradient", f.input) for f in failures if f.name in OF_THE_GRADIENT]
    inputs |= {name for _, name in causes}
    further = [(f.name, f.input) for f in failures if f.input and f.input not in inputs]
    general = [(f.name, f.input) for f in failures]
    return [mismatch_type(*cause) for cause in sorted({*causes, *further} or general[:1])]


def kind_of(result: CheckResult, case: Case) -> type[GradientMismatch]:
    """One of these; which of several differs between examples, so that each is shrunk in turn."""
    kinds = kinds_of(result, case)
    return kinds[case.seed % len(kinds)]


class GradientMismatches(GradientMismatch, ExceptionGroup[GradientMismatch]):
    """Several bugs of one function: a GradientMismatch, and a group of them."""

    def __new__(cls, message: str, failures: Sequence[GradientMismatch]) -> GradientMismatches:
        return ExceptionGroup.__new__(cls, message, failures)  # AssertionError has no room for them

    def __init__(self, message: str, failures: Sequence[GradientMismatch]) -> None:
        super().__init__(message, failures[0].result)

    def derive(self, failures: Sequence[GradientMismatch]) -> GradientMismatches:  # type: ignore[override]
        return GradientMismatches(self.message, failures)


def together(name: str, failures: list[GradientMismatch]) -> GradientMismatch:
    """One failure as it is, several as a group."""
    if len(failures) == 1:
        return failures[0]
    return GradientMismatches(f"{name}: {len(failures)} distinct failures", failures)
