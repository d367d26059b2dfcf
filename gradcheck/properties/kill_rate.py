"""How many wrong claims a property test noticed."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.report.terminal import render
from gradcheck.result import CheckResult, Finding, Severity, Verdict


@dataclass(frozen=True)
class KillRate:
    """How many wrong claims a property test noticed.

    Attributes
    ----------
    killed : int
    survivors : tuple of str
        ``"2·g of x"``: mutants that differ from the claim, and passed on every example tried.
    """

    killed: int
    survivors: tuple[str, ...]

    def __str__(self) -> str:
        total = self.killed + len(self.survivors)
        alive = f"; alive: {', '.join(self.survivors)}" if self.survivors else ""
        return f"{self.killed} of {total} mutants of the claim were noticed{alive}"

    def result(self, name: str) -> CheckResult:
        """The kill rate as a record for reports."""
        verdict = Verdict.INCONCLUSIVE if self.survivors else Verdict.CORRECT
        severity = Severity.DOUBT if self.survivors else Severity.NOTE
        finding = Finding("kill-rate", str(self), severity)
        return CheckResult(f"{name} (self-test)", verdict, findings=(finding,), render=render)
