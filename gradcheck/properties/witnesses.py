"""What larger failing cases say about the cause: the smallest is the worst witness."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import hypothesis
import numpy as np
from hypothesis import Phase

from gradcheck.diagnosis import Trial, consensus, wrong_for_options
from gradcheck.errors import GradientMismatch, InvalidArgument, InvalidSubject
from gradcheck.properties.kinds import kinds_of
from gradcheck.properties.profiles import hypothesis_settings
from gradcheck.properties.property import Property
from gradcheck.properties.vacuity import why_uninformative
from gradcheck.recording import RunSettings, unheard
from gradcheck.result import CheckResult, Diagnosis, Verdict
from gradcheck.strategies.case import Case

WITNESSES = 4
"""Larger failing cases that are asked for the cause too."""

UNANIMOUS = 3
"""Points, the smallest case among them, that are enough where all name one cause first."""

RICH = 12
"""Different numbers that make a case a good witness."""

MOST_CAUSES = 3
"""Likely causes of one failure that are told."""

WITNESS_ENTRIES = 64
"""Different numbers beyond which a case is no better witness, only a dearer one."""

WITNESS_EXAMPLES = 12
"""Examples drawn for their cause once the test has failed: what fails first may be the smallest."""


class _Enough(BaseException):
    """Ends a run of Hypothesis: every kind of failure has its witnesses."""


class Witnesses:
    """Failing cases of one property by kind, and the options under which points were wrong."""

    def __init__(self, tested: Property) -> None:
        self.tested = tested
        self.cases: dict[type[GradientMismatch], list[Case]] = {}
        self.trials: list[tuple[dict[str, Any], list[type[GradientMismatch]]]] = []

    def keep(self, kind: type[GradientMismatch], case: Case) -> None:
        """Keep a failing case if it is among the richest of its kind."""
        kept = self.cases.setdefault(kind, [])
        if repr(case) in map(repr, kept):
            return
        kept.append(case)
        kept.sort(key=_richness, reverse=True)
        del kept[WITNESSES:]

    def try_options(self, case: Case, result: CheckResult) -> None:
        """Remember for which options a point was wrong, or could have been."""
        wrong = result.verdict is Verdict.WRONG
        if wrong or not why_uninformative(result):
            self.trials.append((case.keywords, kinds_of(result, case) if wrong else []))

    def look_around(self, settings: RunSettings) -> None:
        """Draw some examples more, for their causes only, where too few failed so far."""

        def one(case: Case) -> None:
            if self._are_enough():
                raise _Enough
            with suppress(InvalidSubject, InvalidArgument):
                result = unheard(self.tested.check, case)
                self.try_options(case, result)
                for kind in kinds_of(result, case) if result.verdict is Verdict.WRONG else ():
                    self.keep(kind, case)

        test = hypothesis.seed(settings.stream_seed or 0)(
            hypothesis.given(case=self.tested.strategy)(one)
        )
        chosen = hypothesis.settings(
            hypothesis_settings(self.tested, settings),
            max_examples=WITNESS_EXAMPLES,
            database=None,
            phases=(Phase.generate,),
        )
        if not self._are_enough():
            with suppress(hypothesis.errors.HypothesisException, _Enough):
                chosen(test)()

    def _are_enough(self) -> bool:
        # Which options a bug needs shows in examples that pass, too.
        full = all(len(kept) == WITNESSES for kept in self.cases.values())
        rich = full and all(_richness(one) >= RICH for kept in self.cases.values() for one in kept)
        return rich and not self.tested.option_strategies

    def causes(self, kind: type[GradientMismatch], smallest: CheckResult) -> tuple[Diagnosis, ...]:
        """What explains most of the failing cases met, and not the smallest one only."""
        several = [smallest.diagnoses]
        for case in self.cases.get(kind, ()):
            if _are_unanimous(several):
                break
            result = unheard(self.tested.check, case, diagnose=True)
            if result.verdict is Verdict.WRONG:
                several.append(result.diagnoses)
        trials = [Trial(options, kind in kinds) for options, kinds in self.trials]
        found = [*consensus(several), *wrong_for_options(trials)]
        best = {d.name: d for d in sorted(found, key=lambda diagnosis: diagnosis.fit)}
        return tuple(sorted(best.values(), key=lambda diagnosis: -diagnosis.fit)[:MOST_CAUSES])


def _are_unanimous(several: Sequence[tuple[Diagnosis, ...]]) -> bool:
    """Whether enough points name the same cause first, so that no further one is asked."""
    first = {found[0].name if found else "" for found in several}
    return len(several) >= UNANIMOUS and len(first) == 1 and "" not in first


def _richness(case: Case) -> int:
    """How many different numbers a case holds: ties and zeros make causes look alike."""
    return min(sum(np.unique(a).size for a in case.inputs.values()), WITNESS_ENTRIES)
