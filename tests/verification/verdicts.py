"""A run of checks of right gradients: none may be WRONG, and most must be decided."""

from __future__ import annotations

from collections import Counter

from hypothesis import event

from gradcheck import CheckResult, Verdict

DECIDED = 0.5
"""Share of examples that must be CORRECT. Wild points may be beyond any estimate (about one in a
hundred was); a run that decides less than this has stopped verifying."""


class Verdicts:
    """The verdicts of one property, example by example."""

    def __init__(self) -> None:
        self.counts: Counter[Verdict] = Counter()

    def add(self, result: CheckResult) -> None:
        """Count one result of a right gradient."""
        event(result.verdict.name)
        self.counts[result.verdict] += 1
        assert result.verdict is not Verdict.WRONG, str(result)

    def require_decisions(self) -> None:
        """That the run said CORRECT often enough to mean something."""
        assert self.counts[Verdict.CORRECT] >= DECIDED * self.counts.total() > 0, self.counts
