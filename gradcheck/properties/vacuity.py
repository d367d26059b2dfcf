"""Whether the examples could have failed: a test that cannot is no test."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gradcheck.errors import VacuousTest
from gradcheck.result import CheckResult, Severity, Verdict
from gradcheck.strategies.case import Case

INFORMATIVE_SHARE = 0.05
"""A test where fewer examples than this could have failed has tested nothing worth the name."""

KEPT_CASES = 8
"""Examples that passed and are kept for a self-test: most mutants die on the first."""


@dataclass
class Tally:
    """What became of the examples."""

    examples: int = 0
    informative: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    kept: list[Case] = field(default_factory=list)

    def count(self, case: Case, result: CheckResult) -> None:
        """Count an example that did not fail."""
        self.examples += 1
        reason = why_uninformative(result)
        if reason:
            self.reasons[reason] += 1
            return
        self.informative += 1
        if len(self.kept) < KEPT_CASES:
            self.kept.append(case)

    def refuse(self, reason: str) -> None:
        """Count an example that the forward did not take."""
        self.examples += 1
        self.reasons[reason] += 1

    def require_information(self, name: str) -> None:
        """Raise `VacuousTest` if (nearly) no example could have failed."""
        __tracebackhide__ = True
        if self.informative > INFORMATIVE_SHARE * self.examples:
            return
        listed = "".join(f"\n  {n} × {why}" for why, n in self.reasons.most_common(5))
        raise VacuousTest(
            f"{name}: only {self.informative} of {self.examples} examples could have "
            f"failed. Expected nearly all. Do: change the shapes or domains.{listed}"
        )


def why_uninformative(result: CheckResult) -> str:
    """Why a result that is not WRONG could not have been; empty if it could."""
    if any(finding.name == "vacuous" for finding in result.findings):
        return "every claim and every estimate was zero"
    if result.verdict is Verdict.CORRECT:
        return ""
    doubts = [f.message for f in result.findings if f.severity is Severity.DOUBT]
    undecided = [c.reason for c in result.comparisons if c.verdict is Verdict.INCONCLUSIVE]
    return next((text for text in (*doubts, *undecided) if text), "nothing could be decided")
