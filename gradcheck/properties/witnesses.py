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
from gradcheck.glance import Look
from gradcheck.properties.kinds import kinds_of
from gradcheck.properties.profiles import Enough, hypothesis_settings
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


class _Witness:
    """A case that failed or may fail, explained when it is first asked."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.richness = _richness(case)
        self._answer: dict[type[GradientMismatch], tuple[Diagnosis, ...]] | None = None

    def explained(self, tested: Property) -> dict[type[GradientMismatch], tuple[Diagnosis, ...]]:
        """Causes by kind of failure; empty for a case that does not fail."""
        if self._answer is None:
            self._answer = {}
            with suppress(InvalidSubject, InvalidArgument):
                result = unheard(tested.check, self.case, diagnose=True, look=Look.HASTY)
                if result.verdict is Verdict.WRONG:
                    self._answer = dict.fromkeys(kinds_of(result, self.case), result.diagnoses)
        return self._answer


class Witnesses:
    """Rich cases of one property, most of them failing, and under which options points failed."""

    def __init__(self, tested: Property) -> None:
        self.tested = tested
        self.kept: dict[str, _Witness] = {}
        self.trials: list[tuple[dict[str, Any], list[type[GradientMismatch]]]] = []

    def keep(self, case: Case) -> None:
        """Keep a case, to ask it for the cause of a failure."""
        self.kept.setdefault(repr(case), _Witness(case))

    def try_options(self, case: Case, result: CheckResult) -> None:
        """Remember for which options a point was wrong, or could have been."""
        wrong = result.verdict is Verdict.WRONG
        if wrong or not why_uninformative(result):
            self.trials.append((case.keywords, kinds_of(result, case) if wrong else []))

    def look_around(self, settings: RunSettings) -> None:
        """Draw some examples more, for their causes only, where too few failed so far."""

        def one(case: Case) -> None:
            if self._are_enough():
                raise Enough
            self.keep(case)
            if self.tested.option_strategies:
                with suppress(InvalidSubject, InvalidArgument):
                    self.try_options(case, unheard(self.tested.check, case))

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
            with suppress(hypothesis.errors.HypothesisException, Enough):
                chosen(test)()

    def _are_enough(self) -> bool:
        # Which options a bug needs shows in examples that pass, too.
        rich = sum(witness.richness >= RICH for witness in self.kept.values())
        return rich >= WITNESSES + 2 and not self.tested.option_strategies

    def causes(self, kind: type[GradientMismatch], smallest: CheckResult) -> tuple[Diagnosis, ...]:
        """What explains most of the failing cases met, and not the smallest one only."""
        several = [smallest.diagnoses]
        for witness in sorted(self.kept.values(), key=lambda witness: -witness.richness):
            if len(several) > WITNESSES or _are_unanimous(several):
                break
            explained = witness.explained(self.tested)
            if kind in explained:
                several.append(explained[kind])
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
